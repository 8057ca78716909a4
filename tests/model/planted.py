"""Brokers with one bug each, that the state machine has to find: what it cannot find, it does not test.

Each is a world on paper with something of it replaced.  The docstring says what the bug breaks.
"""

from __future__ import annotations

from collections.abc import Sequence
from heapq import heappop
from typing import TypeVar

from msgspec.structs import replace
from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IReactorTime

from tests.model.notebook import Notebook
from tests.model.worlds import OnPaper
from wonderq.local.broker import LocalBroker
from wonderq.local.clock import StoreClock
from wonderq.local.delays import Delays
from wonderq.local.journal import Fate, IJournal, StoredLease
from wonderq.local.queue import Entry, PriorityOrder, Queue
from wonderq.local.shelf import Shelf
from wonderq.local.waiters import Waiter, Waiters
from wonderq.model import PRIORITIES, Claim, Draft, Message, Published, QueueSettings

T = TypeVar("T")


class Planted(OnPaper):
    """A world with a bug.

    @cvar shelf, waiters, journal: the parts to replace.
    """

    shelf: type[Shelf] = Shelf
    waiters: type[Waiters] = Waiters
    journal_class: type[Notebook] = Notebook
    broker_class: type[LocalBroker] = LocalBroker

    def make_broker(self, journal: IJournal, reactor: IReactorTime, clock: StoreClock) -> LocalBroker:
        broker = self.broker_class(journal, reactor, clock)
        broker._shelf = self.shelf(journal, reactor, clock, broker._serve)
        broker._waiters = self.waiters(reactor)
        return broker

    def make_journal(self, clock: StoreClock) -> IJournal:
        return self.journal_class(self.paper, clock, self.clock, self.window)


# -- whose lease it is --


class AnyReceipt(Planted):
    """A delete, extend, release or bury with an old receipt is taken for good."""

    class shelf(Shelf):
        def held(self, consumer: str, claim: Claim, now: float) -> Entry | None:
            return super().held(consumer, Claim(claim.id), now)


class AnyConsumer(Planted):
    """A consumer settles what another one holds."""

    class shelf(Shelf):
        def held(self, consumer: str, claim: Claim, now: float) -> Entry | None:
            entry = self.leases.get(claim.id)
            return entry and super().held(entry.consumer, claim, now)


class DeletedQueueStillHeld(Planted):
    """A lease outlives the queue of its message."""

    class shelf(Shelf):
        def held(self, consumer: str, claim: Claim, now: float) -> Entry | None:
            entry = self.leases.get(claim.id)
            return entry if entry and entry.queue.deleted else super().held(consumer, claim, now)

        def _drop(self, entry: Entry) -> None:
            if not entry.queue.deleted:
                super()._drop(entry)

    class journal_class(Notebook):
        def delete(self, message: int) -> None:
            if message in self._messages:
                super().delete(message)

        def extend(self, message: int, deadline: float) -> None:
            if message in self._messages:
                super().extend(message, deadline)

        def end_lease(self, message: int, fate: Fate) -> None:
            if message in self._messages:
                super().end_lease(message, fate)


class ReceiptsReused(Planted):
    """A restart begins again with the receipts it had written, not with those it had reserved."""

    class journal_class(Notebook):
        def open(self) -> None:
            super().open()
            self._receipt = max((lease.receipt for lease in self._leases.values()), default=0) + 1


class IdsReused(Planted):
    """A restart gives the id of a deleted message to a new one."""

    class journal_class(Notebook):
        def open(self) -> None:
            super().open()
            self._id = max(self._messages, default=0) + 1


# -- when it ends --


class TimersOnly(Planted):
    """A lease that ended while the reactor was busy lasts until its timer runs."""

    class shelf(Shelf):
        def catch_up(self, now: float) -> None:
            pass


class OldTimer(Planted):
    """The timer of a lease that was extended still ends it."""

    class shelf(Shelf):
        def extend(self, entry: Entry, seconds: float, now: float) -> None:
            entry.queue.extend(entry, now + seconds)
            self.journal.extend(entry.id, entry.deadline)

        def _lease_due(self, message: int) -> None:
            self._expire(self.leases[message], self.clock.now())


class ExtendAdds(Planted):
    """An extend adds to what is left of the lease."""

    class shelf(Shelf):
        def extend(self, entry: Entry, seconds: float, now: float) -> None:
            super().extend(entry, entry.deadline - now + seconds, now)


class QueueLeaseOnly(Planted):
    """The lease that a receive names is not heard."""

    class broker_class(LocalBroker):
        def _grant(self, waiter: Waiter, now: float) -> bool:
            waiter.lease = None
            return super()._grant(waiter, now)


class LateLeasesOneTickLate(Planted):
    """A receive finds late leases only a while after they ended."""

    class shelf(Shelf):
        def catch_up(self, now: float) -> None:
            super().catch_up(now - 0.5)


# -- what becomes of a message --


class Reordered(PriorityOrder):
    """Takes the place of an order, with what is in it."""

    def __init__(self, order: PriorityOrder) -> None:
        self._heaps = order._heaps


class LosesItsPlace(Planted):
    """A message that comes back stands behind the others."""

    class shelf(Shelf):
        def put_queue(self, name: str, settings: QueueSettings) -> Queue:
            queue = super().put_queue(name, settings)
            queue.order = ByArrival(queue.order)
            return queue


class ByArrival(Reordered):
    """First come, first served, in each priority."""

    def push(self, message: int, priority: int) -> None:
        self._heaps[PRIORITIES - 1 - priority].append(message)

    def pop(self, priority: int) -> int:
        return self._heaps[PRIORITIES - 1 - priority].pop(0)

    def oldest(self) -> int:
        return min(min(heap) for heap in self._heaps if heap)


class NoPriority(Planted):
    """Priority is stored and has no effect."""

    class shelf(Shelf):
        def put_queue(self, name: str, settings: QueueSettings) -> Queue:
            queue = super().put_queue(name, settings)
            queue.order = ById(queue.order)
            return queue


class ById(Reordered):
    """The lowest id first, whatever its priority."""

    def first(self) -> int:
        return self.oldest()

    def pop(self, priority: int) -> int:
        return heappop(min((heap for heap in self._heaps if heap), key=lambda heap: heap[0]))


class DeadTooLate(Planted):
    """A message whose lease expired is received once more than its queue allows."""

    class shelf(Shelf):
        def _expire(self, entry: Entry, now: float) -> bool:
            settings = entry.queue.settings
            if settings.max_receives:
                entry.queue.settings = replace(settings, max_receives=settings.max_receives + 1)
            ready = super()._expire(entry, now)
            entry.queue.settings = settings
            return ready


class DeadTooEarly(Planted):
    """A release counts twice against the most receives."""

    class shelf(Shelf):
        def release(self, entry: Entry, delay: float, reason: str | None, now: float) -> None:
            entry.receives += 1
            state = entry.queue.release(entry, delayed=delay > 0)
            entry.receives -= 1
            self._end(entry, "released", reason, reason or "released", state, now, now + delay)


class GivenBackCounts(Planted):
    """A lease that never reached its consumer counts as a receive."""

    class shelf(Shelf):
        def give_back(self, entry: Entry) -> None:
            super().release(entry, 0.0, None, self.clock.now())


class DelayEndsEarly(Planted):
    """Delays end half a second before their time."""

    class shelf(Shelf):
        def _due(self, now: float) -> list[Queue]:
            return super()._due(now + 0.5)


class ReleasedAtOnce(Planted):
    """The delay of a release is not heard."""

    class shelf(Shelf):
        def release(self, entry: Entry, delay: float, reason: str | None, now: float) -> None:
            super().release(entry, 0.0, reason, now)


class FarDelaysForgotten(Planted):
    """Delayed messages beyond those kept in memory are never asked for."""

    window = 2
    exact = False

    class shelf(Shelf):
        def load_delays(self, due: float, message: int) -> None:
            self.delays.load([])


class HorizonOffByOne(Planted):
    """The first delayed message beyond those kept in memory is lost."""

    window = 2
    exact = False

    class shelf(Shelf):
        def load_delays(self, due: float, message: int) -> None:
            rows = self.journal.delayed_after(due, message)
            if self.delays.horizon != Delays(1).horizon:
                rows = rows[1:]
            self.delays.load([(row.due, row.id, row.priority, self.queues[row.queue]) for row in rows])
            self._due_timer.aim(self.delays.next_due(), self.clock.now())


class BytesDrift(Planted):
    """A deleted message still weighs."""

    class shelf(Shelf):
        def delete(self, entry: Entry) -> None:
            size, entry.size = entry.size, 0
            super().delete(entry)
            entry.size = size


class HalfABatch(Planted):
    """A batch with a bad message is published up to it."""

    class broker_class(LocalBroker):
        def publish(self, drafts: Sequence[Draft]) -> Deferred[list[Published]]:
            for good, draft in enumerate(drafts):
                if good and draft.queue not in self._shelf.queues:
                    super().publish(drafts[:good]).addErrback(lambda failure: None)
            return super().publish(drafts)


class MoreThanTheLimit(Planted):
    """A receive from several queues takes as many as it asked for of each."""

    class broker_class(LocalBroker):
        def _grant(self, waiter: Waiter, now: float) -> bool:
            limit, waiter.limit = waiter.limit, waiter.limit * len(waiter.queues)
            try:
                return super()._grant(waiter, now)
            finally:
                waiter.limit = limit


# -- who waits --


class LostWakeUp(Planted):
    """Nobody who waits hears of a lease that ended."""

    class shelf(Shelf):
        def _expire(self, entry: Entry, now: float) -> bool:
            super()._expire(entry, now)
            return False


class LastComeFirstServed(Planted):
    """Who has waited longest is served last."""

    class waiters(Waiters):
        def first(self, queue: str) -> Waiter | None:
            waiting = self._by_queue.get(queue)
            return next(reversed(waiting)) if waiting else None


class WokenForNothing(Planted):
    """A message wakes everybody who waits for it; who comes too late is answered with nothing."""

    class broker_class(LocalBroker):
        def _serve(self, queue: Queue) -> None:
            super()._serve(queue)
            while queue.totals["messages_received"] and (waiter := self._waiters.first(queue.name)) is not None:
                self._waiters.remove(waiter)
                waiter.reply([])


class HungUpStillServed(Planted):
    """A receive that was hung up on takes a message with it."""

    class broker_class(LocalBroker):
        def _cancelled(self, waiter: Waiter) -> None:
            pass


# -- what a crash leaves --


class Resurrected(Planted):
    """A deleted message is back after a crash."""

    class journal_class(Notebook):
        def open(self) -> None:
            super().open()
            self._deleted: dict[int, Message] = {}

        def delete(self, message: int) -> None:
            self._deleted[message] = self._messages[message]
            super().delete(message)

        def delete_queue(self, name: str) -> None:
            super().delete_queue(name)
            self._deleted.clear()

        def _write(self) -> None:
            super()._write()
            self.paper.messages.update(self._deleted)


class LeaseForgotten(Planted):
    """A lease does not survive a crash."""

    class journal_class(Notebook):
        def lease(self, message: int, lease: StoredLease) -> None:
            super().lease(message, lease)
            del self._leases[message]
            self._leases = Absent(self._leases)


class Absent(dict[int, StoredLease]):
    """Leases that may be missing."""

    def __delitem__(self, message: int) -> None:
        self.pop(message, None)

    def __missing__(self, message: int) -> StoredLease:
        return StoredLease(0, "", 0.0, 0.0)


class ExtendForgotten(Planted):
    """A lease that was extended has its old end after a crash."""

    class journal_class(Notebook):
        def extend(self, message: int, deadline: float) -> None:
            self._note()


class ReceivesForgotten(Planted):
    """How often a message was received is not written."""

    class journal_class(Notebook):
        def end_lease(self, message: int, fate: Fate) -> None:
            super().end_lease(message, fate)
            self._messages[message] = replace(self._messages[message], receives=0)


class SettingsForgotten(Planted):
    """New settings of a queue that exists are not written."""

    class journal_class(Notebook):
        def put_queue(self, name: str, settings: QueueSettings) -> None:
            super().put_queue(name, self._settings.get(name, settings))


class AnsweredTooEarly(Planted):
    """Answers do not wait for the write."""

    class journal_class(Notebook):
        def commit(self, value: T, durable: bool) -> Deferred[T]:
            return succeed(value)


class DelaysStartOver(Planted):
    """After a restart every delayed message is ready."""

    class journal_class(Notebook):
        def open(self) -> None:
            super().open()
            self._delays.clear()


def all_planted() -> list[type[Planted]]:
    """Return every bug there is."""
    return Planted.__subclasses__()
