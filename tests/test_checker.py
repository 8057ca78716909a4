"""The checker of histories finds what is planted, and nothing in a history that is right."""

from pathlib import Path

import pytest

from tests.checker import check
from tests.history import Delivery, Event, History, Look, Outcome, Publish, Receive, Settle, Verb

LEASE = 2.0


def publish(at: float, *ids: int, outcome: Outcome = "ok", bodies: tuple[bytes, ...] = (), delay: float = 0.0) -> Event:
    return Publish(at, at + 0.1, outcome, bodies or tuple(b"body %d" % id for id in ids), ids, delay)


def receive(
    at: float, id: int, receipt: int, receives: int = 1, body: bytes | None = None, granted: float | None = None
) -> Event:
    granted = at + 0.05 if granted is None else granted
    body = b"body %d" % id if body is None else body
    return Receive(at, at + 0.1, "ok", "c", (Delivery(id, receipt, body, receives, granted, granted + LEASE),))


def settle(
    at: float, verb: Verb, id: int, receipt: int, *, held: bool = True, outcome: Outcome = "ok", seconds: float = 0.0
) -> Event:
    return Settle(at, at + 0.1, outcome, verb, id, receipt, seconds, held and outcome == "ok")


GOOD: dict[str, list[Event]] = {
    "a message is delivered and deleted": [publish(0, 1), receive(1, 1, 1), settle(2, "delete", 1, 1), Look(1, None)],
    "a lease is renewed, and its message given back": [
        publish(0, 1, 2),
        receive(1, 1, 1),
        settle(2, "extend", 1, 1, seconds=3),
        settle(4, "release", 1, 1, seconds=1),
        receive(5.2, 1, 2, receives=2),
        Look(1, "leased"),
        Look(2, "ready"),
    ],
    "a lease runs out, and its holder is told": [
        publish(0, 1),
        receive(1, 1, 1),
        receive(3.1, 1, 2, receives=2),
        settle(3.5, "delete", 1, 1, held=False),
        settle(4, "bury", 1, 2),
        Look(1, "dead"),
    ],
    "an unanswered delete happened": [
        publish(0, 1),
        receive(1, 1, 1),
        settle(2, "delete", 1, 1, outcome="unknown"),
        settle(2.5, "delete", 1, 1, held=False),
        Look(1, None),
    ],
    "an unanswered delete did not happen": [
        publish(0, 1),
        receive(1, 1, 1),
        settle(2, "delete", 1, 1, outcome="unknown"),
        receive(3.1, 1, 3, receives=3),
        Look(1, "leased"),
    ],
    "an unanswered delete is repeated": [
        publish(0, 1),
        receive(1, 1, 1),
        settle(2, "delete", 1, 1, outcome="unknown"),
        settle(9, "delete", 1, 1),
        Look(1, None),
    ],
    "an unanswered publish happened": [publish(0, outcome="unknown", bodies=(b"body 1",)), receive(1, 1, 1)],
    "an unanswered batch did not happen": [publish(0, outcome="unknown", bodies=(b"a", b"b"))],
    "an unanswered extend may shorten a lease": [
        publish(0, 1),
        receive(1, 1, 1),
        settle(1.2, "extend", 1, 1, outcome="unknown", seconds=0.5),
        receive(1.8, 1, 2, receives=2),
        Look(1, "leased"),
    ],
    "publishes at one time": [publish(0.05, 1), publish(0, 2), Look(1, "ready"), Look(2, "ready")],
}

BROKEN: dict[str, tuple[str, list[Event]]] = {
    "an answered publish is gone": ("lost", [publish(0, 1), Look(1, None)]),
    "a delivered message is gone without a delete": ("lost", [publish(0, 1), receive(1, 1, 1), Look(1, None)]),
    "a message is gone though its delete said false": (
        "lost",
        [publish(0, 1), receive(1, 1, 1), settle(9, "delete", 1, 1, held=False), Look(1, None)],
    ),
    "one of a batch is gone": ("lost", [publish(0, 1, 2), Look(1, "ready"), Look(2, None)]),
    "a deleted message is delivered": (
        "resurrected",
        [publish(0, 1), receive(1, 1, 1), settle(2, "delete", 1, 1), receive(5, 1, 2, receives=2), Look(1, None)],
    ),
    "a deleted message is there at the end": (
        "resurrected",
        [publish(0, 1), receive(1, 1, 1), settle(2, "delete", 1, 1), Look(1, "ready")],
    ),
    "a buried message is ready at the end": (
        "resurrected",
        [publish(0, 1), receive(1, 1, 1), settle(2, "bury", 1, 1), Look(1, "ready")],
    ),
    "a second consumer gets a leased message": (
        "two_holders",
        [publish(0, 1), receive(1, 1, 1), receive(2, 1, 2, receives=2), Look(1, "leased")],
    ),
    "a second consumer gets a message in the time its lease was extended by": (
        "two_holders",
        [
            publish(0, 1),
            receive(1, 1, 1),
            settle(2.5, "extend", 1, 1, seconds=2),
            receive(4, 1, 2, receives=2),
            Look(1, "leased"),
        ],
    ),
    "a message is given to another before an unanswered release was sent": (
        "two_holders",
        [
            publish(0, 1),
            receive(1, 1, 1),
            receive(1.5, 1, 2, receives=2),
            settle(2, "release", 1, 1, outcome="unknown"),
            Look(1, "leased"),
        ],
    ),
    "a holder is told that it is none": (
        "lease_lost",
        [publish(0, 1), receive(1, 1, 1), settle(2, "delete", 1, 1, held=False), Look(1, "leased")],
    ),
    "a delete comes after the lease and says true": (
        "late",
        [publish(0, 1), receive(1, 1, 1), settle(3.5, "delete", 1, 1), Look(1, None)],
    ),
    "a release says true twice": (
        "late",
        [publish(0, 1), receive(1, 1, 1), *(settle(at, "release", 1, 1) for at in (2, 2.5)), Look(1, "ready")],
    ),
    "a delayed message comes at once": ("early", [publish(0, 1, delay=5), receive(1, 1, 1), Look(1, "leased")]),
    "a message released with a delay comes back at once": (
        "early",
        [
            publish(0, 1),
            receive(1, 1, 1),
            settle(2, "release", 1, 1, seconds=5),
            receive(3, 1, 2, receives=2),
            Look(1, "leased"),
        ],
    ),
    "a message has another body": ("bodies", [publish(0, 1), receive(1, 1, 1, body=b"Body 1"), Look(1, "leased")]),
    "a message has the body of another": (
        "bodies",
        [publish(0, 1, 2), receive(1, 1, 1, body=b"body 2"), Look(1, "leased"), Look(2, "ready")],
    ),
    "a refused message is delivered": (
        "bodies",
        [publish(0, outcome="refused", bodies=(b"body 1",)), receive(1, 1, 1)],
    ),
    "an unanswered publish happened twice": (
        "bodies",
        [
            publish(0, outcome="unknown", bodies=(b"x",)),
            receive(1, 1, 1, body=b"x"),
            receive(2, 2, 2, body=b"x"),
        ],
    ),
    "half of an unanswered batch is there": (
        "batches",
        [publish(0, outcome="unknown", bodies=(b"body 1", b"b")), receive(1, 1, 1)],
    ),
    "an id is used again": ("ids_grow", [publish(0, 1), publish(0.05, 1, bodies=(b"other",)), Look(1, "ready")]),
    "an id is smaller than one before": (
        "ids_grow",
        [publish(0, 2), publish(1, 1), Look(1, "ready"), Look(2, "ready")],
    ),
    "a batch is out of order": ("ids_grow", [publish(0, 2, 1), Look(1, "ready"), Look(2, "ready")]),
    "a receipt is used again": (
        "receipts_grow",
        [publish(0, 1, 2), receive(1, 1, 1), receive(2, 2, 1), Look(1, "leased"), Look(2, "leased")],
    ),
    "a receipt is smaller than one before": (
        "receipts_grow",
        [publish(0, 1, 2), receive(1, 1, 2), receive(2, 2, 1), Look(1, "leased"), Look(2, "leased")],
    ),
    "a lease is not counted": (
        "receives_grow",
        [publish(0, 1), receive(1, 1, 1), receive(3.1, 1, 2), Look(1, "leased")],
    ),
}


@pytest.mark.parametrize("name", GOOD)
def test_nothing_is_found_where_all_is_right(name: str) -> None:
    assert check(History(GOOD[name])) == []


@pytest.mark.parametrize("name", BROKEN)
def test_what_is_planted_is_found(name: str) -> None:
    rule, events = BROKEN[name]
    assert rule in {violation.rule for violation in check(History(events))}


def test_a_history_is_the_same_after_it_was_saved(tmp_path: Path) -> None:
    history = History([event for events in GOOD.values() for event in events])
    history.save(tmp_path / "history.jsonl")
    assert History.load(tmp_path / "history.jsonl").events == history.events
