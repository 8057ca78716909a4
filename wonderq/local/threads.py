"""Where is waited for the disk: one thread for the syncs, and one for long jobs besides."""

from __future__ import annotations

from collections.abc import Callable
from queue import SimpleQueue
from threading import Thread
from typing import Any, TypeVar

from twisted.internet.defer import Deferred
from twisted.internet.threads import deferToThreadPool
from twisted.python.failure import Failure
from twisted.python.threadpool import ThreadPool

T = TypeVar("T")


class SyncThread:
    """One thread that does one thing after the other.

    There is a sync for every few requests, and a pool spends more on handing it over than the sync itself takes of
    the processor.
    """

    def __init__(self, call_from_thread: Callable[..., object], name: str) -> None:
        """Start nothing yet.

        @param call_from_thread: what the reactor calls C{callFromThread}.
        @param name: of the thread.
        """
        self._call_from_thread = call_from_thread
        self._name = name
        self._jobs: SimpleQueue[tuple[Callable[[], Any], Deferred[Any]] | None] = SimpleQueue()
        self._thread: Thread | None = None

    def __call__(self, work: Callable[[], T]) -> Deferred[T]:
        """Do some work when all that was asked for before is done; return its result."""
        result: Deferred[T] = Deferred()
        self._jobs.put((work, result))
        return result

    def start(self) -> None:
        """Begin; what was asked for before is done first."""
        self._thread = Thread(target=self._run, name=self._name)
        self._thread.start()

    def stop(self) -> None:
        """End when all that was asked for is done; returns then."""
        if self._thread is not None:
            self._jobs.put(None)
            self._thread.join()
            self._thread = None

    def _run(self) -> None:
        while (job := self._jobs.get()) is not None:
            work, result = job
            try:
                outcome = work()
            except BaseException:  # noqa: BLE001 - whatever it is, whoever waits for the work has to know
                outcome = Failure()
            self._call_from_thread(result.callback, outcome)


class StoreThreads:
    """The threads of a store.

    @ivar sync: runs a function in the thread for syncs and returns its result.
    """

    def __init__(self, reactor: Any) -> None:
        """Start none yet: twistd may fork before.

        @param reactor: has to provide C{IReactorFromThreads}.
        """
        self._reactor = reactor
        self._pool = ThreadPool(0, 1, "wonderq store")
        self.sync = SyncThread(reactor.callFromThread, "wonderq sync")

    def long(self, work: Callable[[], T]) -> Deferred[T]:
        """Run a function that may take long, and would keep syncs waiting; return its result."""
        return deferToThreadPool(self._reactor, self._pool, work)

    def start(self) -> None:
        """Start the threads."""
        self._pool.start()
        self.sync.start()

    def stop(self) -> None:
        """Stop the threads when they have done what they were asked for; returns then."""
        self.sync.stop()
        self._pool.stop()
