"""The rules: what may happen to a message.  Pure: no Twisted, no I/O, and time is an argument (store time, seconds).

A verb that the table below does not have for a message's state is refused before anything changed; the answer to a
consumer is then C{False}.  Ready and dead messages have no object here: a ready one is an integer in its queue's
order, a dead one only counts.
"""

from __future__ import annotations

from heapq import heappop, heappush
from typing import Final

from wonderq.model import MAX_ATTEMPTS, PRIORITIES, Attempt, Claim, QueueSettings

LIFECYCLE: Final[dict[str, dict[str, tuple[str, ...]]]] = {
    "new": {"publish": ("ready", "delayed")},
    "delayed": {"due": ("ready",)},
    "ready": {"receive": ("leased",)},
    "leased": {
        "delete": ("gone",),
        "extend": ("leased",),
        "release": ("ready", "delayed", "dead"),
        "expire": ("ready", "dead"),
        "bury": ("dead",),
        "give_back": ("ready",),
    },
    "dead": {},
}
"""State → verb → the states it may lead to.  Deleting a queue ends every state of its messages."""

TOTALS: Final[dict[str, str]] = {
    "publish": "messages_published",
    "receive": "messages_received",
    "delete": "messages_deleted",
    "release": "messages_released",
    "bury": "messages_buried",
    "expire": "lease_expiries",
    "die": "dead_lettered",
}
"""Verb → the total that counts it for each queue; the metrics carry these names.  "die": become dead in any way."""

_MOVES: Final[dict[tuple[str, str, str], tuple[str, ...]]] = {
    (verb, before, after): tuple(
        TOTALS[event] for event in ((verb, "die") if after == "dead" else (verb,)) if event in TOTALS
    )
    for before, verbs in LIFECYCLE.items()
    for verb, states in verbs.items()
    for after in states
}
"""What LIFECYCLE allows, as (verb, state before, state after) → the totals that count it."""

RELEASED: Final = "released"
EXPIRED: Final = "lease expired"
"""The last failure of a message that was given back, or buried, without a reason; of one whose lease ran out."""


class PriorityOrder:
    """Which ready message is next: a higher priority first, then the lower id; O(log n) each.

    A message is one integer in the heap of its priority.  Ids grow, so a publish appends and moves nothing, and a
    message that comes back finds its old place.
    """

    __slots__ = ("_heaps",)

    def __init__(self) -> None:
        # The highest priority first.
        self._heaps: list[list[int]] = [[] for _ in range(PRIORITIES)]

    def push(self, message: int, priority: int) -> None:
        """Add a ready message."""
        heappush(self._heaps[PRIORITIES - 1 - priority], message)

    def first(self) -> int:
        """Return the next message; there must be one."""
        for heap in self._heaps:
            if heap:
                return heap[0]
        raise LookupError("no message is ready")

    def pop(self, priority: int) -> int:
        """Take out the next message, of which the priority is known."""
        return heappop(self._heaps[PRIORITIES - 1 - priority])

    def oldest(self) -> int:
        """Return the ready message with the lowest id; there must be one."""
        return min(heap[0] for heap in self._heaps if heap)


class Entry:
    """A leased message.

    @ivar receives: leases it has had, with this one.
    @ivar granted: store time at which this lease began.
    @ivar deadline: store time at which it ends.
    @ivar attempts: the leases before this one.
    """

    __slots__ = (
        "id",
        "queue",
        "priority",
        "size",
        "receives",
        "attempts",
        "receipt",
        "consumer",
        "granted",
        "deadline",
    )

    def __init__(
        self,
        message: int,
        queue: Queue,
        priority: int,
        size: int,
        receives: int,
        attempts: tuple[Attempt, ...],
        receipt: int,
        consumer: str,
        granted: float,
        deadline: float,
    ) -> None:
        self.id = message
        self.queue = queue
        self.priority = priority
        self.size = size
        self.receives = receives
        self.attempts = attempts
        self.receipt = receipt
        self.consumer = consumer
        self.granted = granted
        self.deadline = deadline

    def held_by(self, consumer: str, claim: Claim, now: float) -> bool:
        """Tell whether a claim is good: the right consumer, the right receipt if it names one, and in time."""
        return (
            self.consumer == consumer
            and now < self.deadline
            and (claim.receipt is None or claim.receipt == self.receipt)
            and not self.queue.deleted
        )


class Queue:
    """One queue: its settings, the order of its ready messages, and the counts of all of them.

    @ivar bytes: of the bodies of all its messages.
    @ivar totals: events since the start, by metric name.
    @ivar deleted: set once; leases and delays that still refer to it then mean nothing.
    """

    __slots__ = ("name", "settings", "order", "counts", "bytes", "totals", "deleted")

    def __init__(self, name: str, settings: QueueSettings) -> None:
        self.name = name
        self.settings = settings
        self.order = PriorityOrder()
        self.counts = {"ready": 0, "delayed": 0, "leased": 0, "dead": 0}
        self.bytes = 0
        self.totals: dict[str, int] = dict.fromkeys(TOTALS.values(), 0)
        self.deleted = False

    def publish(self, message: int, priority: int, size: int, delayed: bool) -> None:
        """Take a new message in."""
        self._move("publish", "new", "delayed" if delayed else "ready", message, priority)
        self.bytes += size

    def due(self, message: int, priority: int) -> None:
        """The delay of a message has ended."""
        self._move("due", "delayed", "ready", message, priority)

    def receive(self, message: int, priority: int) -> None:
        """The first message in order is leased now."""
        self._move("receive", "ready", "leased", message, priority)

    def extend(self, entry: Entry, deadline: float) -> None:
        """Let a lease end at another time."""
        self._end(entry, "extend", "leased")
        entry.deadline = deadline

    def delete(self, entry: Entry) -> None:
        """The message is settled and gone."""
        self._end(entry, "delete", "gone")
        self.bytes -= entry.size

    def give_back(self, entry: Entry) -> None:
        """The lease never reached its consumer: it is as if it had not been."""
        self._end(entry, "give_back", "ready")

    def release(self, entry: Entry, delayed: bool) -> str:
        """The consumer gives the message back; return the state it has now."""
        return self._end(entry, "release", "dead" if self._spent(entry) else "delayed" if delayed else "ready")

    def expire(self, entry: Entry) -> str:
        """The lease was not settled in time; return the state the message has now."""
        return self._end(entry, "expire", "dead" if self._spent(entry) else "ready")

    def bury(self, entry: Entry) -> str:
        """The consumer declares the message dead."""
        return self._end(entry, "bury", "dead")

    def restore(self, message: int, priority: int, size: int, state: str) -> None:
        """Take up a message, in whatever state it was, after a restart."""
        self.bytes += size
        self.counts[state] += 1
        if state == "ready":
            self.order.push(message, priority)

    def _spent(self, entry: Entry) -> bool:
        return 0 < self.settings.max_receives <= entry.receives

    def _end(self, entry: Entry, verb: str, state: str) -> str:
        self._move(verb, "leased", state, entry.id, entry.priority)
        return state

    def _move(self, verb: str, before: str, after: str, message: int, priority: int) -> None:
        """Change a state.  All changes go through here: the table is asked before anything follows."""
        totals = _MOVES.get((verb, before, after))
        if totals is None:
            raise AssertionError(f"{verb} does not lead from {before} to {after}")
        if before == "ready":
            self.order.pop(priority)
        if before != "new":
            self.counts[before] -= 1
        if after != "gone":
            self.counts[after] += 1
        if after == "ready":
            self.order.push(message, priority)
        for total in totals:
            self.totals[total] += 1


def attempts_after(entry: Entry, attempt: Attempt) -> tuple[Attempt, ...]:
    """Return the attempts of a message whose lease has just ended, the last L{MAX_ATTEMPTS} of them."""
    return (*entry.attempts, attempt)[-MAX_ATTEMPTS:]
