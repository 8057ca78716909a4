"""Where what happened is kept: the interface, and the journal that keeps it in memory only."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import count
from typing import Final, Literal, NamedTuple, TypeVar

from msgspec import Struct
from msgspec.structs import replace
from twisted.internet.defer import Deferred, succeed
from zope.interface import Attribute, Interface, implementer

from wonderq.model import Attempt, Message, QueueSettings

T = TypeVar("T")


class Sync(NamedTuple):
    """When what was written is synced to the disk, so what a power failure may take.

    @ivar mode: C{"always"}: before each answer to a change; C{"strict"}: before receives are answered too;
        C{"interval"}: every C{seconds}; C{"never"}: when the operating system likes.
    """

    mode: Literal["always", "strict", "interval", "never"] = "always"
    seconds: float = 0.0


class StoredLease(Struct, frozen=True, gc=False):
    """A lease as it is on disk; times are store times in seconds."""

    receipt: int
    consumer: str
    granted: float
    deadline: float


BRIEF: Final = 100
"""Characters of a reason that are kept when there is no room for more."""


class Fate(NamedTuple):
    """What became of a message whose lease ended without a delete: replaces the same fields of its L{Message}.

    @ivar since: store time since which it is ready again; in the future when C{delayed}.
    """

    receives: int
    last_failure: str | None
    attempts: tuple[Attempt, ...]
    since: float
    delayed: bool
    dead: bool

    def brief(self) -> Fate:
        """Return the same fate with nothing that takes room: no attempts, and not all of a long reason."""
        failure = self.last_failure
        return self._replace(attempts=(), last_failure=failure and failure[:BRIEF])

    def applied_to(self, message: Message) -> Message:
        """Return the message as it is from now on."""
        return replace(
            message,
            receives=self.receives,
            last_failure=self.last_failure,
            attempts=self.attempts,
            since=self.since,
            dead=self.dead,
        )


class Survivor(NamedTuple):
    """What the rules need to know of a message to take it up again after a restart.

    @ivar size: bytes of its body.
    @ivar due: store time at which its delay ends, if it is still to come.
    @ivar receives: without the lease it may be under.
    """

    id: int
    queue: str
    priority: int
    size: int
    due: float | None
    dead: bool
    lease: StoredLease | None
    receives: int
    attempts: tuple[Attempt, ...]


class Delayed(NamedTuple):
    """A message that will be ready at C{due} (store time, seconds); tuples sort by it."""

    due: float
    id: int
    priority: int
    queue: str


class IJournal(Interface):
    """Keeps what the rules decided.

    The calls that record something only note it; all that was noted between two commits is one transaction, written
    at the end of the reactor's turn.  C{commit} gives the Deferred that an answer waits for.
    """

    durability = Attribute("What an answer that waited for C{commit(…, durable=True)} has reached, for the client.")

    def open() -> None:
        """Take possession of the store.

        @raise wonderq.broker.StoreRefused: it is in use, newer than this program, or not a store.
        @raise wonderq.broker.StoreUnwell: its disk is full or has a fault.
        """

    def recover(now: float) -> Iterator[Sequence[Survivor]]:
        """Read the store in slices of a few milliseconds each, ascending by id.

        @param now: store time; delays that ended by then are over.
        """

    def queues() -> Mapping[str, QueueSettings]:
        """Return the settings of every queue that is stored, before C{recover}."""

    def next_id() -> int:
        """Draw the next message id: greater than any drawn before, over every kind of restart."""

    def next_receipt() -> int:
        """Draw the next receipt, likewise."""

    def has_room(size: int) -> bool:
        """Tell whether C{size} more bytes may be published (C{--min-free}).

        @raise errors.StoreUnavailable: the disk cannot be asked; the journal takes no more, and C{on_failure} is
            called once.
        """

    def put_queue(name: str, settings: QueueSettings) -> None:
        """A queue was made or has new settings."""

    def delete_queue(name: str) -> None:
        """A queue is gone with all its messages; their rows are removed later, bit by bit."""

    def publish(message: Message, delayed: bool) -> None:
        """A message was published; C{delayed}: not ready before C{message.since}."""

    def lease(message: int, lease: StoredLease) -> None:
        """A lease was granted."""

    def extend(message: int, deadline: float) -> None:
        """A lease has a new deadline (store time)."""

    def give_back(message: int) -> None:
        """A lease is undone as if it had never been."""

    def end_lease(message: int, fate: Fate) -> None:
        """A lease ended, and the message is still there."""

    def delete(message: int) -> None:
        """A message is gone."""

    def read(message: int) -> Message | None:
        """Return a message as it is now, noted changes included; C{None}: gone."""

    def since(message: int) -> float:
        """Return the C{since} of a message that is there, without reading its body."""

    window = Attribute("How many delayed messages the rules shall know at a time; the rest they ask for.")

    def delayed_after(due: float, message: int) -> Sequence[Delayed]:
        """Return the next C{window} delayed messages after (due, id) in that order, noted ones included."""

    def commit(value: T, durable: bool) -> Deferred[T]:
        """Return a Deferred that fires with C{value} when all that was noted up to now is written, and, if
        C{durable}, as safe as C{durability} says.

        @raise errors.StoreUnavailable: it could not be; the journal takes no more, and C{on_failure} is called once.
        """

    def close() -> Deferred[None]:
        """Finish what was noted and let go of the store."""

    on_failure = Attribute("Called with the exception when the store fails for good.")


@implementer(IJournal)
class MemoryJournal:
    """Keeps everything in memory: nothing survives the process, and every answer can be given at once."""

    durability = "memory"
    window = sys.maxsize

    def __init__(self) -> None:
        self.on_failure: Callable[[BaseException], object] = lambda error: None
        self.next_id = count(1).__next__
        self.next_receipt = count(1).__next__
        self._messages: dict[int, Message] = {}
        self._queues: dict[str, set[int]] = {}

    def open(self) -> None:
        """See L{IJournal.open}."""

    def queues(self) -> Mapping[str, QueueSettings]:
        """See L{IJournal.queues}."""
        return {}

    def recover(self, now: float) -> Iterator[Sequence[Survivor]]:
        """See L{IJournal.recover}."""
        return iter(())

    def has_room(self, size: int) -> bool:
        """See L{IJournal.has_room}."""
        return True

    def put_queue(self, name: str, settings: QueueSettings) -> None:
        """See L{IJournal.put_queue}."""
        self._queues.setdefault(name, set())

    def delete_queue(self, name: str) -> None:
        """See L{IJournal.delete_queue}."""
        for message in self._queues.pop(name):
            del self._messages[message]

    def publish(self, message: Message, delayed: bool) -> None:
        """See L{IJournal.publish}."""
        self._messages[message.id] = message
        self._queues[message.queue].add(message.id)

    def lease(self, message: int, lease: StoredLease) -> None:
        """See L{IJournal.lease}."""

    def extend(self, message: int, deadline: float) -> None:
        """See L{IJournal.extend}."""

    def give_back(self, message: int) -> None:
        """See L{IJournal.give_back}."""

    def end_lease(self, message: int, fate: Fate) -> None:
        """See L{IJournal.end_lease}."""
        self._messages[message] = fate.applied_to(self._messages[message])

    def delete(self, message: int) -> None:
        """See L{IJournal.delete}."""
        gone = self._messages.pop(message)
        self._queues[gone.queue].discard(message)

    def read(self, message: int) -> Message | None:
        """See L{IJournal.read}."""
        return self._messages.get(message)

    def since(self, message: int) -> float:
        """See L{IJournal.since}."""
        return self._messages[message].since

    def delayed_after(self, due: float, message: int) -> Sequence[Delayed]:
        """See L{IJournal.delayed_after}."""
        return ()

    def commit(self, value: T, durable: bool) -> Deferred[T]:
        """See L{IJournal.commit}."""
        return succeed(value)

    def close(self) -> Deferred[None]:
        """See L{IJournal.close}."""
        return succeed(None)
