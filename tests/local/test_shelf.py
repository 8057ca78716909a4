"""Every verb in every state: what the table has leads where it says, what it lacks is refused and changes nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import product
from typing import TypeVar

import pytest
from msgspec import Struct
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from tests.model.notebook import Notebook, Paper
from wonderq import errors
from wonderq.local.broker import LocalBroker
from wonderq.local.clock import StoreClock
from wonderq.local.queue import LIFECYCLE, TOTALS
from wonderq.model import Claim, Delivery, Draft, MessageView, QueueSettings

T = TypeVar("T")

LEASE, DELAY, FAR = 50.0, 10.0, 1000.0
BODY = b"12345"


class Snapshot(Struct, frozen=True):
    """All that a verb may change.

    @ivar states: of the queue's messages, by how many.
    @ivar message: C{None} when it is gone.
    """

    states: dict[str, int]
    bytes: int
    totals: dict[str, int]
    message: MessageView | None


class Life:
    """One message, brought into a state; alice has held it once, and knows her receipt."""

    def __init__(self) -> None:
        self.clock = Clock()
        clock = StoreClock(self.clock.seconds, self.clock.seconds, "boot")
        journal = Notebook(Paper(), clock, self.clock)
        journal.open()
        self.broker = LocalBroker(journal, self.clock, clock)
        self.result(self.broker.start())
        self.held: list[Delivery] = []

    def result(self, answer: Deferred[T]) -> T:
        outcome: list[T] = []
        answer.addCallback(outcome.append)
        self.clock.advance(0)
        return outcome[0]

    def bring_to(self, state: str) -> None:
        self.publish()
        self.held = self.result(self.broker.receive(["default"], "alice", lease=LEASE))
        if state == "delayed":
            self.release(FAR)
        elif state == "ready":
            self.release()
        elif state == "dead":
            self.bury()
        elif state == "gone":
            self.delete()

    def spent(self) -> bool:
        """Let every message have been received often enough."""
        self.result(self.broker.put_queue("default", QueueSettings(max_receives=1)))
        return True

    # -- the verbs, and whether they were granted --

    def publish(self, delay: float = 0.0) -> bool:
        return bool(self.result(self.broker.publish([Draft(BODY, delay=delay)])))

    def receive(self) -> bool:
        return bool(self.result(self.broker.receive(["default"], "bob")))

    def delete(self) -> bool:
        return self.granted(self.broker.delete("alice", self.claims()))

    def extend(self) -> bool:
        return self.granted(self.broker.extend("alice", self.claims(), 2 * LEASE))

    def release(self, delay: float = 0.0) -> bool:
        return self.granted(self.broker.release("alice", self.claims(), delay))

    def bury(self) -> bool:
        return self.granted(self.broker.bury("alice", self.claims()))

    def give_back(self) -> bool:
        before = self.look()
        self.result(self.broker.give_back("alice", self.held))
        return self.look() != before

    def due(self) -> bool:
        return self.passes(FAR if self.state() == "delayed" else DELAY)

    def expire(self) -> bool:
        return self.passes(LEASE)

    def passes(self, seconds: float) -> bool:
        before = self.look().states
        self.clock.advance(seconds)
        return self.look().states != before

    def granted(self, answer: Deferred[list[bool]]) -> bool:
        [granted] = self.result(answer)
        return granted

    def claims(self) -> list[Claim]:
        [delivery] = self.held
        return [Claim(delivery.id, delivery.receipt)]

    # -- what has changed --

    def look(self) -> Snapshot:
        stats = self.result(self.broker.stats())
        [queue] = stats.queues
        states = {state: getattr(queue.counts, state) for state in ("ready", "delayed", "leased", "dead")}
        return Snapshot(
            {state: count for state, count in states.items() if count},
            queue.bytes,
            {total: by_queue["default"] for total, by_queue in stats.totals.items()},
            self.message(),
        )

    def message(self) -> MessageView | None:
        views: list[MessageView] = []
        answer = self.broker.show_message(1)
        answer.addCallbacks(views.append, lambda failure: failure.trap(errors.NoSuchMessage))
        return views[0] if views else None

    def state(self) -> str:
        message = self.message()
        return "gone" if message is None else message.state


Try = Callable[[Life], bool]

VERBS: dict[str, dict[str, Try]] = {
    "publish": {"ready": Life.publish, "delayed": lambda life: life.publish(DELAY)},
    "receive": {"leased": Life.receive},
    "delete": {"gone": Life.delete},
    "extend": {"leased": Life.extend},
    "release": {
        "ready": Life.release,
        "delayed": lambda life: life.release(DELAY),
        "dead": lambda life: life.spent() and life.release(),
    },
    "bury": {"dead": Life.bury},
    "give_back": {"ready": Life.give_back},
    "due": {"ready": Life.due},
    "expire": {"ready": Life.expire, "dead": lambda life: life.spent() and life.expire()},
}
"""Verb → the state it is to lead to → how to do that."""


def allowed() -> Iterator[tuple[str, str, str]]:
    for state, verbs in LIFECYCLE.items():
        for verb, after in verbs.items():
            yield from product([state], [verb], after)


def lacking() -> Iterator[tuple[str, str, str]]:
    for state, verb in product([*LIFECYCLE, "gone"], VERBS):
        # Nobody can name a message that is still to be published, and a publish always makes a new one.
        if verb not in LIFECYCLE.get(state, {}) and verb != "publish" and state != "new":
            yield from product([state], [verb], VERBS[verb])


def test_every_verb_of_the_table_is_tried() -> None:
    assert {verb for verbs in LIFECYCLE.values() for verb in verbs} == set(VERBS)


@pytest.mark.parametrize(("state", "verb", "after"), list(allowed()))
def test_a_verb_that_the_table_has_leads_where_it_says(state: str, verb: str, after: str) -> None:
    life = Life()
    if state != "new":
        life.bring_to(state)
        assert life.state() == state
    before = life.look()
    assert VERBS[verb][after](life) is True
    then = life.look()
    assert life.state() == after
    assert then.states == ({} if after == "gone" else {after: 1})
    assert then.bytes == (0 if after == "gone" else len(BODY))
    expected = dict(before.totals)
    for event in (verb, "die" if after == "dead" else None):
        if event in TOTALS:
            expected[TOTALS[event]] += 1
    assert then.totals == expected


@pytest.mark.parametrize(("state", "verb"), sorted({(state, verb) for state, verb, _ in allowed()}))
def test_the_table_says_all_that_a_verb_leads_to(state: str, verb: str) -> None:
    assert set(LIFECYCLE[state][verb]) == set(VERBS[verb])


@pytest.mark.parametrize(("state", "verb", "way"), list(lacking()))
def test_a_verb_that_the_table_lacks_is_refused_and_changes_nothing(state: str, verb: str, way: str) -> None:
    life = Life()
    life.bring_to(state)
    if way == "dead":
        life.spent()
    before = life.look()
    assert VERBS[verb][way](life) is False
    then = life.look()
    assert (then.states, then.bytes, then.totals) == (before.states, before.bytes, before.totals)
    if before.message is None:
        assert then.message is None
    else:
        assert then.message is not None
        assert (then.message.message, then.message.attempts) == (before.message.message, before.message.attempts)


@pytest.mark.parametrize("verb", ["delete", "extend", "release", "bury"])
@pytest.mark.parametrize(("consumer", "receipt"), [("bob", 0), ("alice", 1), ("alice", -1)])
def test_a_claim_in_another_name_or_of_another_lease_is_refused_and_changes_nothing(
    verb: str, consumer: str, receipt: int
) -> None:
    life = Life()
    life.bring_to("leased")
    before = life.look()
    [delivery] = life.held
    claims = [Claim(delivery.id, delivery.receipt + receipt)]
    broker = life.broker
    answer = {
        "delete": lambda: broker.delete(consumer, claims),
        "extend": lambda: broker.extend(consumer, claims, 2 * LEASE),
        "release": lambda: broker.release(consumer, claims),
        "bury": lambda: broker.bury(consumer, claims),
    }[verb]()
    assert life.granted(answer) is False
    assert life.look() == before


@pytest.mark.parametrize("verb", ["delete", "extend", "release", "bury"])
def test_a_claim_on_the_stroke_of_the_deadline_is_too_late(verb: str) -> None:
    life = Life()
    life.bring_to("leased")
    # The reactor is busy: the timer has not run yet.
    life.clock.rightNow += LEASE
    way = "dead" if verb == "bury" else next(iter(VERBS[verb]))
    assert VERBS[verb][way](life) is False
    assert life.state() == "ready"


def test_claims_are_tried_in_order_so_the_second_of_two_is_refused() -> None:
    life = Life()
    life.bring_to("leased")
    assert life.result(life.broker.delete("alice", life.claims() * 2)) == [True, False]
    assert life.look().totals["messages_deleted"] == 1


def test_a_message_extended_twice_in_one_call_ends_once() -> None:
    life = Life()
    life.bring_to("leased")
    assert life.result(life.broker.extend("alice", life.claims() * 2, 2 * LEASE)) == [True, True]
    assert life.passes(2 * LEASE - 1) is False
    assert life.passes(1) is True
    assert [call for call in life.clock.getDelayedCalls() if call.active()] == []
