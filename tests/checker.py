"""Did a server keep its promises: the rules that a history of what its clients saw must obey.

Each rule yields a sentence for each time it was broken.  Times are compared only where no order follows from ids and
receipts, and then with the bounds that favour the server.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import pairwise
from typing import NamedTuple

from tests.history import History, Look, Publish, Receive, Settle, Verb

ROUNDING = 0.01
"""Seconds by which a grant reckoned from a C{leaseUntil} in milliseconds may be off."""


class Violation(NamedTuple):
    """One promise that was not kept.

    @ivar rule: one of the names in L{RULES}.
    """

    rule: str
    detail: str


def check(history: History) -> list[Violation]:
    """Return every broken promise that shows."""
    return [Violation(rule, detail) for rule, broken in RULES.items() for detail in broken(history)]


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
