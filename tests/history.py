"""Did the server keep its promises: what its clients saw of it, and what is checked in that.

A history is written by the clients alone.  Each entry says what was asked, between which two readings of the
monotonic clock (seconds) the answer came, and what it was.  Where no answer came, what was asked may or may not have
happened, and both are right.  The checks use times only where no order follows from ids and receipts, and then the
bounds that favour the server.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cached_property
from itertools import pairwise
from math import inf
from pathlib import Path
from typing import Literal, NamedTuple, TypeVar

import msgspec
from msgspec import Struct

Outcome = Literal["ok", "refused", "unknown"]
"""Answered; surely not done; nobody knows."""

Verb = Literal["delete", "extend", "release", "bury"]

ROUNDING = 0.01
"""Seconds by which a grant reckoned from a C{leaseUntil} in milliseconds may be off."""

T = TypeVar("T")


class Publish(Struct, frozen=True, tag=True):
    """One publish of one message, or of a batch.

    @ivar ids: as answered, one for each body.
    """

    start: float
    end: float
    outcome: Outcome
    bodies: tuple[bytes, ...]
    ids: tuple[int, ...] = ()
    delay: float = 0.0


class Delivery(Struct, frozen=True):
    """One message in the answer to a receive.

    @ivar granted: monotonic time at which its lease began, by the server's own stamp.
    @ivar deadline: monotonic time at which it ends.
    """

    id: int
    receipt: int
    body: bytes
    receives: int
    granted: float
    deadline: float


class Receive(Struct, frozen=True, tag=True):
    """One receive."""

    start: float
    end: float
    outcome: Outcome
    consumer: str
    deliveries: tuple[Delivery, ...] = ()


class Settle(Struct, frozen=True, tag=True):
    """What a consumer did with one message it had been given.

    @ivar seconds: the length of an extend's lease, or the delay of a release.
    @ivar held: the answer, if there was one.
    """

    start: float
    end: float
    outcome: Outcome
    verb: Verb
    id: int
    receipt: int
    seconds: float = 0.0
    held: bool = False


class Look(Struct, frozen=True, tag=True):
    """How one message was found at the end, by its id.

    @ivar state: C{None}: gone.
    """

    id: int
    state: str | None


Event = Publish | Receive | Settle | Look


class Violation(NamedTuple):
    """One promise that was not kept.

    @ivar rule: one of the names in L{RULES}.
    """

    rule: str
    detail: str


class Hold(NamedTuple):
    """A lease, and what its holder did about it, in order."""

    delivery: Delivery
    settles: Sequence[Settle]

    def span(self, until: Settle | None = None) -> tuple[float, float]:
        """Return the earliest and the latest monotonic time at which the lease may have ended.

        @param until: leave out what was done from this on.
        """
        earliest = latest = self.delivery.deadline
        for settle in self.settles:
            if settle is until:
                break
            known = settle.outcome == "ok"
            if settle.outcome == "refused" or (known and not settle.held):
                continue
            if settle.verb != "extend":
                earliest = min(earliest, settle.start)
                latest = min(latest, settle.end) if known else latest
            elif known:
                earliest, latest = settle.start + settle.seconds, settle.end + settle.seconds
            else:
                earliest, latest = (
                    min(earliest, settle.start + settle.seconds),
                    max(latest, settle.end + settle.seconds),
                )
        return earliest, latest


class History:
    """What happened, in the orders that the checks need."""

    def __init__(self, events: Iterable[Event]) -> None:
        self.events = sorted(events, key=lambda event: inf if isinstance(event, Look) else event.start)

    def of(self, kind: type[T]) -> list[T]:
        """Return the events of one kind, by their start."""
        return [event for event in self.events if isinstance(event, kind)]

    @cached_property
    def holds(self) -> dict[int, list[Hold]]:
        """The leases that somebody knows of, by message, in the order of their receipts."""
        settles: dict[int, list[Settle]] = defaultdict(list)
        for settle in self.of(Settle):
            settles[settle.receipt].append(settle)
        holds: dict[int, list[Hold]] = defaultdict(list)
        for receive in self.of(Receive):
            for delivery in receive.deliveries:
                holds[delivery.id].append(Hold(delivery, settles[delivery.receipt]))
        for leases in holds.values():
            leases.sort(key=lambda hold: hold.delivery.receipt)
        return dict(holds)

    @cached_property
    def acknowledged(self) -> dict[int, Publish]:
        """The publishes that were answered, by message."""
        return {id: publish for publish in self.of(Publish) for id in publish.ids}

    @property
    def unanswered(self) -> int:
        """How many calls got no answer."""
        return sum(not isinstance(event, Look) and event.outcome == "unknown" for event in self.events)

    def settled(self, verb: Verb) -> Iterator[Settle]:
        """Yield what surely happened under one verb."""
        return (settle for settle in self.of(Settle) if settle.verb == verb and settle.held)

    def check(self) -> list[Violation]:
        """Return every broken promise that shows."""
        return [Violation(rule, detail) for rule, broken in RULES.items() for detail in broken(self)]

    def save(self, path: Path) -> None:
        """Write the events, one JSON value a line."""
        path.write_bytes(b"".join(msgspec.json.encode(event) + b"\n" for event in self.events))

    @classmethod
    def load(cls, path: Path) -> History:
        """Read what L{save} wrote."""
        return cls(msgspec.json.decode(line, type=Event) for line in path.read_bytes().splitlines())


# -- the rules: each yields a sentence for each time it was broken --


def lost(history: History) -> Iterator[str]:
    """A publish that was answered is there until somebody deletes it."""
    found = {look.id for look in history.of(Look) if look.state is not None}
    deleted = {
        settle.id
        for settle in history.of(Settle)
        if settle.verb == "delete" and (settle.held or settle.outcome == "unknown")
    }
    for id in history.acknowledged.keys() - found - deleted:
        yield f"message {id} is gone, and nobody deleted it"


def resurrected(history: History) -> Iterator[str]:
    """What was deleted or buried is not delivered again; what was deleted is gone, what was buried is dead."""
    states = {look.id: look.state for look in history.of(Look)}
    verbs: tuple[tuple[Verb, str | None], ...] = (("delete", None), ("bury", "dead"))
    for verb, state in verbs:
        for settle in history.settled(verb):
            for hold in history.holds.get(settle.id, ()):
                if hold.delivery.receipt > settle.receipt:
                    yield f"message {settle.id} came back as {hold.delivery.receipt} after {verb} of {settle.receipt}"
            if states.get(settle.id, state) != state:
                yield f"message {settle.id} is {states[settle.id]} after a {verb}"


def two_holders(history: History) -> Iterator[str]:
    """A lease begins when the one before it is over."""
    for id, holds in history.holds.items():
        for before, after in pairwise(holds):
            missing = before.span()[0] - after.delivery.granted
            if missing > ROUNDING:
                receipts = f"{before.delivery.receipt} and {after.delivery.receipt}"
                yield f"message {id} had two holders, {receipts}, for {missing:.3f} s"


def lease_lost(history: History) -> Iterator[str]:
    """Who holds a lease can settle it, whatever happened to the server meanwhile."""
    for id, holds in history.holds.items():
        for hold in holds:
            for settle in hold.settles:
                if settle.outcome == "ok" and not settle.held and settle.end < hold.span(settle)[0] - ROUNDING:
                    yield f"message {id}, {settle.receipt}: {settle.verb} was refused while the lease ran"


def late(history: History) -> Iterator[str]:
    """Whose lease is over cannot settle it."""
    for id, holds in history.holds.items():
        for hold in holds:
            for settle in hold.settles:
                over = hold.span(settle)[1]
                # A delete may be repeated with its receipt.
                repeated = any(other.verb == settle.verb == "delete" for other in hold.settles if other is not settle)
                if settle.held and settle.start > over + ROUNDING and not repeated:
                    yield f"message {id}, {settle.receipt}: {settle.verb} succeeded {settle.start - over:.3f} s late"


def early(history: History) -> Iterator[str]:
    """A delay, of a publish or of a release, does not end early."""
    for id, holds in history.holds.items():
        publish = history.acknowledged.get(id)
        if publish is not None and publish.start + publish.delay - holds[0].delivery.granted > ROUNDING:
            yield f"message {id} came before its delay was over"
        for before, after in pairwise(holds):
            for settle in before.settles:
                over = settle.start + settle.seconds
                if settle.verb == "release" and settle.held and over - after.delivery.granted > ROUNDING:
                    yield f"message {id} came back before the delay of its release was over"


def bodies(history: History) -> Iterator[str]:
    """A message is delivered as it was published, byte for byte, and under one id."""
    published = {body: publish for publish in history.of(Publish) for body in publish.bodies}
    own = {id: body for publish in history.of(Publish) for id, body in zip(publish.ids, publish.bodies, strict=False)}
    seen: dict[bytes, int] = {body: id for id, body in own.items()}
    for id, holds in history.holds.items():
        for hold in holds:
            body = hold.delivery.body
            if body not in published or published[body].outcome == "refused":
                yield f"message {id} was never published: {body[:40]!r}"
            elif own.setdefault(id, body) != body:
                yield f"message {id} has another body than before"
            elif seen.setdefault(body, id) != id:
                yield f"messages {seen[body]} and {id} are one publish"


def batches(history: History) -> Iterator[str]:
    """Of a batch that was not answered all is there, or nothing."""
    seen = {hold.delivery.body for holds in history.holds.values() for hold in holds}
    for publish in history.of(Publish):
        if publish.outcome == "unknown" and 0 < len(seen.intersection(publish.bodies)) < len(publish.bodies):
            yield f"a part of the batch that begins with {publish.bodies[0][:40]!r} is there"


def ids_grow(history: History) -> Iterator[str]:
    """Ids grow from each publish to the next, inside a batch too."""
    yield from _grow("id", ((publish.start, publish.end, publish.ids) for publish in history.of(Publish)))


def receipts_grow(history: History) -> Iterator[str]:
    """Receipts grow from each receive to the next, and inside an answer."""
    yield from _grow(
        "receipt",
        (
            (receive.start, receive.end, tuple(delivery.receipt for delivery in receive.deliveries))
            for receive in history.of(Receive)
        ),
    )


def receives_grow(history: History) -> Iterator[str]:
    """The count of a message's leases grows with each."""
    for id, holds in history.holds.items():
        for before, after in pairwise(holds):
            if after.delivery.receives <= before.delivery.receives:
                yield f"message {id}: receives did not grow with receipt {after.delivery.receipt}"


def _grow(what: str, answers: Iterable[tuple[float, float, tuple[int, ...]]]) -> Iterator[str]:
    """Compare numbers that were drawn in answers with (start, end), by start."""
    moments: list[tuple[float, int, tuple[int, ...]]] = []
    for start, end, numbers in answers:
        if numbers:
            # What ended at the moment at which another one began was before it.
            moments += [(end, 0, numbers), (start, 1, numbers)]
            if any(after <= before for before, after in pairwise(numbers)):
                yield f"{what}s do not grow within {numbers[:10]}"
    used: set[int] = set()
    highest = 0
    for _, begins, numbers in sorted(moments):
        if begins:
            if numbers[0] <= highest:
                yield f"{what} {numbers[0]} was drawn after {highest}"
            if not used.isdisjoint(numbers):
                yield f"{what} drawn twice: {sorted(used.intersection(numbers))[:10]}"
            used.update(numbers)
        else:
            highest = max(highest, numbers[-1])


RULES: dict[str, Callable[[History], Iterator[str]]] = {
    rule.__name__: rule
    for rule in (
        lost,
        resurrected,
        two_holders,
        lease_lost,
        late,
        early,
        bodies,
        batches,
        ids_grow,
        receipts_grow,
        receives_grow,
    )
}
