"""LocalBroker: the queues of one process.

Every verb takes the same way, in this order:

    rules → journal → timers → waiters → answer

The rules (L{wonderq.local.queue}) decide and count, the journal notes what they decided, the timers follow the leases
(these three are kept in step by L{wonderq.local.shelf}), whoever waits for a message gets it, and the answer leaves
when the journal has written, or synced, the transaction that holds it all.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import Cooperator, SchedulerStopped
from twisted.python.failure import Failure
from zope.interface import implementer

from wonderq import errors
from wonderq.broker import IStore, Stats
from wonderq.local.clock import StoreClock
from wonderq.local.journal import IJournal
from wonderq.local.lifetime import Lifetime, verb
from wonderq.local.queue import TOTALS, Entry, Queue
from wonderq.local.recovery import recover
from wonderq.local.shelf import Shelf
from wonderq.local.views import message_view, queue_view
from wonderq.local.waiters import Waiter, Waiters
from wonderq.model import (
    DEFAULT_QUEUE,
    MAX_RECEIVE_BYTES,
    Claim,
    Delivery,
    Draft,
    Message,
    MessageView,
    Published,
    QueueSettings,
    QueueView,
    json_pointer,
)


@implementer(IStore)
class LocalBroker(Lifetime):
    """Queues in this process, kept by a journal.

    @ivar on_failure: called once with the exception when the store has failed for good; every verb is refused then.
    """

    def __init__(self, journal: IJournal, reactor: IReactorTime, clock: StoreClock) -> None:
        """Own the queues of a journal; once it is open, L{start} takes up what it holds."""
        self.on_failure: Callable[[BaseException], object] = lambda error: None
        self._journal = journal
        self._clock = clock
        # One slice of a long job a turn of the reactor.
        self._cooperator = Cooperator(
            terminationPredicateFactory=lambda: lambda: True, scheduler=lambda step: reactor.callLater(0, step)
        )
        self._waiters = Waiters(reactor)
        self._shelf = Shelf(journal, reactor, clock, self._serve)
        journal.on_failure = self._failed

    # -- from start to stop --

    def open(self) -> None:
        """See L{wonderq.broker.IStore.open}."""
        self._journal.open()

    def start(self) -> Deferred[None]:
        """Recover; the Deferred fires when the broker is ready, or stopped, and fails if the store cannot be read."""

        def ready(_: object) -> None:
            if self.phase == "recovering":
                self.phase = "ready"

        def stopped(failure: Failure) -> None:
            failure.trap(SchedulerStopped)

        return self._cooperator.coiterate(recover(self._shelf)).addCallbacks(ready, stopped)

    def stop(self) -> Deferred[None]:
        """Stop: receives that wait are answered with nothing, and every later verb is refused.

        The Deferred fires when everything noted is on disk and the store is closed.
        """
        if self.phase != "failed":
            self.phase = "stopped"
        self._cooperator.stop()
        self._shelf.stop()
        self._waiters.dismiss()
        return self._journal.close()

    # -- the verbs --

    @property
    def durability(self) -> str:
        """See L{wonderq.broker.IBroker}."""
        return str(self._journal.durability)

    @verb
    def publish(self, drafts: Sequence[Draft]) -> Deferred[list[Published]]:
        """See L{wonderq.broker.IBroker.publish}."""
        now, wall = self._now(), self._clock.wall()
        queues, size = [], 0
        for index, draft in enumerate(drafts):
            queues.append(self._fitting(draft, index))
            size += len(draft.body)
        if not self._journal.has_room(size):
            raise errors.DiskFull(retry_after=60)
        published = []
        for draft, queue in zip(drafts, queues, strict=True):
            delay = queue.settings.delay if draft.delay is None else draft.delay
            message = Message(
                self._journal.next_id(), draft.queue, draft.body, draft.content_type, draft.priority, wall, now + delay
            )
            self._shelf.publish(queue, message, now)
            published.append(Published(message.id))
        for queue in dict.fromkeys(queues):
            self._serve(queue)
        return self._journal.commit(published, durable=True)

    @verb
    def receive(
        self, queues: Sequence[str], consumer: str, limit: int = 10, wait: float = 0.0, lease: float | None = None
    ) -> Deferred[list[Delivery]]:
        """See L{wonderq.broker.IBroker.receive}."""
        now = self._now()
        for name in queues:
            self._shelf.find(name)
        waiter = Waiter(queues, consumer, limit, lease, self._cancelled)
        if not self._grant(waiter, now):
            if wait <= 0:
                return succeed([])
            self._waiters.add(waiter, wait)
        return waiter.answer

    def give_back(self, consumer: str, deliveries: Sequence[Delivery]) -> Deferred[None]:
        """See L{wonderq.broker.IBroker.give_back}; it is done when this returns."""
        if self.phase == "ready":
            self._now()
            touched: dict[Queue, None] = {}
            for delivery in deliveries:
                entry = self._shelf.leases.get(delivery.id)
                if entry is not None and entry.receipt == delivery.receipt and not entry.queue.deleted:
                    self._shelf.give_back(entry)
                    touched[entry.queue] = None
            for queue in touched:
                self._serve(queue)
        return succeed(None)

    @verb
    def delete(self, consumer: str, claims: Sequence[Claim]) -> Deferred[list[bool]]:
        """See L{wonderq.broker.IBroker.delete}."""
        return self._settle(consumer, claims, lambda entry, now: self._shelf.delete(entry))

    @verb
    def extend(self, consumer: str, claims: Sequence[Claim], lease: float) -> Deferred[list[bool]]:
        """See L{wonderq.broker.IBroker.extend}."""
        return self._settle(consumer, claims, lambda entry, now: self._shelf.extend(entry, lease, now))

    @verb
    def release(
        self, consumer: str, claims: Sequence[Claim], delay: float = 0.0, reason: str | None = None
    ) -> Deferred[list[bool]]:
        """See L{wonderq.broker.IBroker.release}."""
        return self._settle(consumer, claims, lambda entry, now: self._shelf.release(entry, delay, reason, now))

    @verb
    def bury(self, consumer: str, claims: Sequence[Claim], reason: str | None = None) -> Deferred[list[bool]]:
        """See L{wonderq.broker.IBroker.bury}."""
        return self._settle(consumer, claims, lambda entry, now: self._shelf.bury(entry, reason, now))

    @verb
    def show_message(self, message: int) -> Deferred[MessageView]:
        """See L{wonderq.broker.IBroker.show_message}."""
        self._now()
        return succeed(message_view(self._shelf, message))

    @verb
    def put_queue(
        self, name: str, settings: QueueSettings, create_only: bool = False
    ) -> Deferred[tuple[QueueView, bool]]:
        """See L{wonderq.broker.IBroker.put_queue}."""
        self._now()
        created = name not in self._shelf.queues
        if create_only and not created:
            raise errors.QueueExists
        queue = self._shelf.put_queue(name, settings)
        return self._journal.commit((queue_view(self._shelf, self._waiters, queue), created), durable=True)

    @verb
    def show_queue(self, name: str) -> Deferred[QueueView]:
        """See L{wonderq.broker.IBroker.show_queue}."""
        self._now()
        queue = self._shelf.find(name)
        return succeed(queue_view(self._shelf, self._waiters, queue))

    @verb
    def delete_queue(self, name: str) -> Deferred[None]:
        """See L{wonderq.broker.IBroker.delete_queue}."""
        self._now()
        self._shelf.find(name)
        if name == DEFAULT_QUEUE:
            raise errors.DefaultQueue
        self._shelf.delete_queue(name)
        self._waiters.queue_deleted(name)
        return self._journal.commit(None, durable=True)

    @verb
    def stats(self) -> Deferred[Stats]:
        """See L{wonderq.broker.IBroker.stats}."""
        self._now()
        queues = self._shelf.queues.values()
        return succeed(
            Stats(
                tuple(queue_view(self._shelf, self._waiters, queue) for queue in queues),
                {name: {queue.name: queue.totals[name] for queue in queues} for name in TOTALS.values()},
                sum(queue.counts["leased"] for queue in queues),
            )
        )

    # -- what the verbs have in common --

    def _now(self) -> float:
        """Return the store time, when all that was to happen by then has happened."""
        now = self._clock.now()
        self._shelf.catch_up(now)
        return now

    def _fitting(self, draft: Draft, index: int) -> Queue:
        """Return the queue of a draft that may go there; C{index}: of the draft, in case it may not."""
        queue = self._shelf.queues.get(draft.queue)
        if queue is None:
            raise errors.NoSuchQueue(f"There is no queue {draft.queue}.", pointer=json_pointer(index))
        if len(draft.body) > queue.settings.max_message_bytes:
            raise errors.MessageTooLarge(
                f"The message has {len(draft.body)} bytes; maxMessageBytes of {queue.name} is"
                f" {queue.settings.max_message_bytes}.",
                pointer=json_pointer(index),
            )
        return queue

    def _settle(
        self, consumer: str, claims: Sequence[Claim], settle: Callable[[Entry, float], object]
    ) -> Deferred[list[bool]]:
        """Try claims in order; answer which were good."""
        now = self._now()
        results = []
        touched: dict[Queue, None] = {}
        for claim in claims:
            entry = self._shelf.held(consumer, claim, now)
            if entry is not None:
                settle(entry, now)
                touched[entry.queue] = None
            results.append(entry is not None)
        for queue in touched:
            self._serve(queue)
        return self._journal.commit(results, durable=True)

    def _serve(self, queue: Queue) -> None:
        """Hand the ready messages of a queue to those who wait, who has waited longest first."""
        while queue.counts["ready"] and not queue.deleted and (waiter := self._waiters.first(queue.name)) is not None:
            self._waiters.remove(waiter)
            try:
                self._grant(waiter, self._clock.now())
            except errors.StoreUnavailable:
                # The journal has failed, and told us; nobody but this one still has to be told.
                waiter.reply(Failure())

    def _grant(self, waiter: Waiter, now: float) -> bool:
        """Lease to a receive what there is for it, and let its answer leave when that is written."""
        size = 0
        ahead = self._clock.wall() - now
        for name in waiter.queues:
            queue = self._shelf.queues[name]
            seconds = queue.settings.lease if waiter.lease is None else waiter.lease
            while queue.counts["ready"] and len(waiter.deliveries) < waiter.limit:
                message = self._shelf.first(queue)
                size += len(message.body)
                if size > MAX_RECEIVE_BYTES and waiter.deliveries:
                    break
                entry = self._shelf.receive(queue, message, waiter.consumer, seconds, now)
                waiter.deliveries.append(self._delivery(message, entry, ahead))
        if waiter.deliveries:
            waiter.reply_when(self._journal.commit(waiter.deliveries, durable=False))
        return bool(waiter.deliveries)

    def _delivery(self, message: Message, entry: Entry, ahead: float) -> Delivery:
        return Delivery(
            message.id,
            entry.receipt,
            message.queue,
            message.body,
            message.content_type,
            entry.receives,
            message.published,
            entry.deadline + ahead,
            message.priority,
            message.last_failure,
        )

    def _cancelled(self, waiter: Waiter) -> None:
        self._waiters.remove(waiter)
        self.give_back(waiter.consumer, waiter.deliveries)

    def _failed(self, error: BaseException) -> None:
        self.phase = "failed"
        self._shelf.stop()
        self._waiters.fail(errors.StoreUnavailable(retry_after=1))
        self.on_failure(error)
