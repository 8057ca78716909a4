"""What the clients of a server saw of it: the history that the promises are checked against (L{tests.checker}).

A history is written by the clients alone.  Each entry says what was asked, between which two readings of the
monotonic clock (seconds) the answer came, and what it was.  Where no answer came, what was asked may or may not have
happened, and both are right.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from math import inf
from pathlib import Path
from typing import Literal, NamedTuple, TypeVar

import msgspec
from msgspec import Struct

Outcome = Literal["ok", "refused", "unknown"]
"""Answered; surely not done; nobody knows."""

Verb = Literal["delete", "extend", "release", "bury"]

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

    def save(self, path: Path) -> None:
        """Write the events, one JSON value a line."""
        path.write_bytes(b"".join(msgspec.json.encode(event) + b"\n" for event in self.events))

    @classmethod
    def load(cls, path: Path) -> History:
        """Read what L{save} wrote."""
        return cls(msgspec.json.decode(line, type=Event) for line in path.read_bytes().splitlines())
