"""A SqliteJournal on a real file, with clocks and threads that the test moves."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import apsw
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.task import Clock
from twisted.python.failure import Failure

from wonderq.local.clock import StoreClock
from wonderq.local.journal import StoredLease, Survivor, Sync
from wonderq.local.sqlite import MIN_FREE, SqliteJournal
from wonderq.model import Message, QueueSettings

ALWAYS = Sync()


class Threads:
    """Runs functions as threads would: at once, or, while C{held}, when the test releases them."""

    def __init__(self) -> None:
        self.held = False
        self.waiting: list[tuple[Callable[[], Any], Deferred[Any]]] = []

    def __call__(self, function: Callable[[], Any]) -> Deferred[Any]:
        if not self.held:
            return maybeDeferred(function)
        result: Deferred[Any] = Deferred()
        self.waiting.append((function, result))
        return result

    def release(self, meanwhile: Callable[[], object] = lambda: None) -> None:
        """Run the function that has waited longest, and let its result get to the reactor, after C{meanwhile}."""
        function, result = self.waiting.pop(0)
        outcome = maybeDeferred(function)
        meanwhile()
        outcome.chainDeferred(result)

    def release_all(self) -> None:
        """Run all that waits, and at once what comes after."""
        self.held = False
        while self.waiting:
            self.release()

    def fail(self, fault: BaseException) -> None:
        """Let the function that has waited longest fail without being run."""
        _, result = self.waiting.pop(0)
        result.errback(Failure(fault))


class Reactor(Clock):
    """A clock that turns as a reactor does: what is asked for in one turn is done in the next."""

    def turn(self) -> None:
        """Do what is due now."""
        for call in [call for call in self.calls if call.getTime() <= self.seconds()]:
            if call.active():
                self.calls.remove(call)
                call.called = 1
                call.func(*call.args, **call.kw)

    def gather(self) -> None:
        """Let turns pass without anything new, so that what came during a sync waits no longer for more."""
        self.turn()
        self.turn()


class Answer:
    """What has become of a Deferred."""

    def __init__(self, deferred: Deferred[Any]) -> None:
        self.outcome: list[Any] = []
        deferred.addBoth(self.outcome.append)

    def __bool__(self) -> bool:
        return bool(self.outcome)

    def failed(self, kind: type[BaseException]) -> bool:
        """Tell whether it failed with that."""
        return bool(self.outcome) and isinstance(self.outcome[0], Failure) and bool(self.outcome[0].check(kind))


class Store:
    """A journal, open unless it was refused.

    @ivar faults: what C{on_failure} was called with.
    @ivar room: what C{on_room} was called with.
    @ivar syncs: the size of the log at the begin of each sync, that of the opening first.
    """

    def __init__(
        self,
        path: Path,
        clock: Reactor | None = None,
        *,
        sync: Sync = ALWAYS,
        boot: str = "boot",
        wall: Callable[[], float] | None = None,
        min_free: int = MIN_FREE,
    ) -> None:
        self.path = path
        self.clock = clock or Reactor()
        self.threads = Threads()
        self.faults: list[BaseException] = []
        self.room: list[bool] = []
        self.syncs: list[int] = []
        self.time = StoreClock(self.clock.seconds, wall or self.clock.seconds, boot)
        self.journal = SqliteJournal(
            str(path), self.time, self.clock, self._in_thread, sync, min_free, on_room=self.room.append
        )
        self.journal.on_failure = self.faults.append
        self.journal.open()
        self.syncs.append(os.path.getsize(self.log))

    def _in_thread(self, function: Callable[[], Any]) -> Deferred[Any]:
        if getattr(function, "__name__", "") == "sync":
            self.syncs.append(os.path.getsize(self.log))
        return self.threads(function)

    @property
    def log(self) -> Path:
        """Where the write-ahead log is."""
        return Path(f"{self.path.resolve()}-wal")

    # -- turns and answers --

    def turn(self) -> None:
        """Let the reactor turn."""
        self.clock.turn()

    def gather(self) -> None:
        """Let turns pass without anything new, so that what came during a sync waits no longer for more."""
        self.clock.gather()

    def commit(self, value: object = None, *, durable: bool = True) -> Answer:
        """Ask for an answer."""
        return Answer(self.journal.commit(value, durable))

    def written(self) -> None:
        """End the turn; everything noted is on disk then."""
        answer = self.commit()
        self.turn()
        assert answer

    # -- notes --

    def queue(self, name: str = "jobs") -> None:
        """Make a queue."""
        self.journal.put_queue(name, QueueSettings())

    def publish(
        self, body: bytes = b"body", queue: str = "jobs", *, due: float | None = None, priority: int = 0
    ) -> int:
        """Publish a message; with C{due} it is delayed."""
        message = self.journal.next_id()
        since = self.time.now() if due is None else due
        self.journal.publish(Message(message, queue, body, "text/plain", priority, 17.5, since), due is not None)
        return message

    def lease(self, message: int, consumer: str = "alice", seconds: float = 30.0) -> StoredLease:
        """Lease a message."""
        now = self.time.now()
        lease = StoredLease(self.journal.next_receipt(), consumer, now, now + seconds)
        self.journal.lease(message, lease)
        return lease

    # -- restarts --

    def stop(self) -> None:
        """Close the store in good order."""
        answer = Answer(self.journal.close())
        self.turn()
        self.gather()
        assert answer.outcome == [None]

    def killed(self, log: int | None = None) -> Path:
        """Return a copy of what a kill would leave now; after a power failure only C{log} bytes of the log."""
        copy = self.path.parent / f"{self.path.parent.name}-{len(list(self.path.parent.iterdir()))}" / self.path.name
        copy.parent.mkdir()
        for suffix in ("", "-wal"):
            shutil.copyfile(f"{self.path}{suffix}", f"{copy}{suffix}")
        if log is not None:
            os.truncate(f"{copy}-wal", log)
        return copy

    def survivors(self, now: float | None = None) -> list[Survivor]:
        """Recover everything."""
        slices: list[Sequence[Survivor]] = list(self.journal.recover(self.time.now() if now is None else now))
        return [survivor for each in slices for survivor in each]

    def rows(self, table: str) -> list[tuple[Any, ...]]:
        """Return what another program sees in a table."""
        connection = apsw.Connection(str(self.path), flags=apsw.SQLITE_OPEN_READONLY)
        try:
            return connection.execute(f"SELECT * FROM {table} ORDER BY 1").fetchall()
        finally:
            connection.close()
