"""Who waits for a message: first come, first served, and a hang-up undoes the wait."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.python.failure import Failure

from wonderq.errors import NoSuchQueue
from wonderq.model import Delivery


class Waiter:
    """One receive, from its call to its answer.

    @ivar queues: the queues it takes from, in its order.
    @ivar lease: seconds, or C{None} for the setting of each queue.
    @ivar deliveries: what was granted to it.
    @ivar timeout: runs while it waits.
    """

    __slots__ = ("queues", "consumer", "limit", "lease", "deliveries", "timeout", "_cancelled", "_answer")

    def __init__(
        self,
        queues: Sequence[str],
        consumer: str,
        limit: int,
        lease: float | None,
        cancelled: Callable[[Waiter], None],
    ) -> None:
        self.queues = queues
        self.consumer = consumer
        self.limit = limit
        self.lease = lease
        self.deliveries: list[Delivery] = []
        self.timeout: IDelayedCall | None = None
        self._cancelled = cancelled
        # Made when it is asked for: most receives are granted at once, and need none of their own.
        self._answer: Deferred[list[Delivery]] | None = None

    @property
    def answer(self) -> Deferred[list[Delivery]]:
        """What the caller holds; cancelling it calls C{cancelled} with this waiter."""
        if self._answer is None:
            self._answer = Deferred(lambda _: self._cancelled(self))
        return self._answer

    def reply_when(self, written: Deferred[list[Delivery]]) -> None:
        """Answer with what C{written} fires with."""
        if written.called and self._answer is None:
            # Nobody had to wait, so there is nothing that a hang-up could undo.
            self._answer = written
        else:
            written.addBoth(self.reply)

    def reply(self, result: list[Delivery] | Failure) -> None:
        """Answer, unless whoever asked has hung up."""
        if not self.answer.called:
            self.answer.callback(result)


class Waiters:
    """All the receives that wait, by queue, in the order they came."""

    def __init__(self, reactor: IReactorTime) -> None:
        self._reactor = reactor
        # An OrderedDict as a queue from whose middle a waiter can leave in O(1).
        self._by_queue: dict[str, OrderedDict[Waiter, None]] = {}

    def count(self, queue: str) -> int:
        """Return how many wait for messages of C{queue}."""
        return len(self._by_queue.get(queue, ()))

    def add(self, waiter: Waiter, seconds: float) -> None:
        """Let a receive wait; after C{seconds} it is answered with nothing."""
        for queue in waiter.queues:
            self._by_queue.setdefault(queue, OrderedDict())[waiter] = None
        waiter.timeout = self._reactor.callLater(seconds, self._give_up, waiter)

    def first(self, queue: str) -> Waiter | None:
        """Return the receive that has waited longest for messages of C{queue}."""
        waiting = self._by_queue.get(queue)
        return next(iter(waiting)) if waiting else None

    def remove(self, waiter: Waiter) -> None:
        """Let a receive wait no longer, if it does; its answer is the caller's business."""
        if waiter.timeout is not None:
            if waiter.timeout.active():
                waiter.timeout.cancel()
            waiter.timeout = None
            for queue in waiter.queues:
                self._leave(queue, waiter)

    def queue_deleted(self, queue: str) -> None:
        """Let nobody wait for C{queue}; who waits for no other is told.

        The answers fail with L{NoSuchQueue}.
        """
        told = []
        for waiter in list(self._by_queue.get(queue, ())):
            if len(waiter.queues) == 1:
                told.append(waiter)
            else:
                self._leave(queue, waiter)
                waiter.queues = [name for name in waiter.queues if name != queue]
        self._end(told, NoSuchQueue("The queue was deleted."))

    def dismiss(self) -> None:
        """Answer everybody with nothing: the server stops."""
        self._end(self._all())

    def fail(self, error: Exception) -> None:
        """Fail the answers of everybody."""
        self._end(self._all(), error)

    def _all(self) -> list[Waiter]:
        return list(dict.fromkeys(waiter for waiting in self._by_queue.values() for waiter in waiting))

    def _give_up(self, waiter: Waiter) -> None:
        self._end([waiter])

    def _end(self, waiters: Sequence[Waiter], error: Exception | None = None) -> None:
        # Nobody waits any more before anybody is told: whoever reads an answer may call anything at once.
        for waiter in waiters:
            self.remove(waiter)
        for waiter in waiters:
            waiter.reply([] if error is None else Failure(error))

    def _leave(self, queue: str, waiter: Waiter) -> None:
        waiting = self._by_queue[queue]
        del waiting[waiter]
        if not waiting:
            del self._by_queue[queue]
