"""How the write-ahead log stays short while the reactor never waits for the disk."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, cast

import apsw
from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from wonderq.local.schema import VERSION

LONG: Final = 4000
"""Pages (of 4 KiB) of log that begin a checkpoint.  SQLite's own default is 1000; more means fewer syncs, and that a
page which changes often is copied less often.  The log has to fit into the disk that C{--min-free} keeps free."""

TOO_LONG: Final = 4
"""How many times that many pages make everybody wait: then more is written than the disk takes."""

_PASSES: Final = 5


class Checkpointer:
    """Copies the log into the database in a thread and lets it begin anew, while the reactor goes on writing.

    SQLite alone would sync on the thread that commits: at each checkpoint, and in the first commit after the log was
    begun anew.  And a log that is written to all the time never gets the chance to begin anew.  So, in a thread:

      1. most of the log is copied, while the reactor writes; again, if much was written meanwhile;
      2. the reactor holds its transactions for a moment, the rest is copied, and a small transaction, made in the
         thread too, begins the log anew.  It holds them earlier if the log gets far too long.

    Until then a read transaction, the anchor, keeps the reactor's own transactions from beginning the log anew.
    """

    def __init__(
        self,
        connect: Callable[[], apsw.Connection],
        in_thread: Callable[[Callable[[], int]], Deferred[int]],
        hold: Callable[[], object],
        go_on: Callable[[], object],
        failed: Callable[[BaseException], object],
        long: int = LONG,
    ) -> None:
        """Make two connections of its own.

        @param hold: lets nobody write until C{go_on} is called.
        @param failed: called with a fault of the disk.
        @param long: pages of log that begin a checkpoint; with a tenth of them left to be copied nobody may write.
        """
        self._copier = connect()
        self._anchor = connect()
        self._in_thread = in_thread
        self._hold = hold
        self._go_on = go_on
        self._failed = failed
        self._long = long
        self._log = 0
        self._copied = 0
        self._limit = long
        self._copier_log = 0
        self._running = False
        self._stopped: Deferred[None] | None = None
        self._copier.set_wal_hook(self._count)

    def written(self, pages: int) -> None:
        """A transaction was written, and the log has this many pages now."""
        self._log = pages
        if pages >= self._limit and not self._running and self._stopped is None:
            self._running = True
            Deferred.fromCoroutine(self._run()).addErrback(self._fault).addCallback(self._ended)
        elif pages >= self._limit * TOO_LONG and self._running:
            self._hold()

    def pending(self) -> int:
        """Return about how many pages of the log are not in the database yet."""
        return max(0, self._log - self._copied)

    def stop(self) -> Deferred[None]:
        """Begin no more checkpoints; the Deferred fires when none runs."""
        self._stopped = stopped = Deferred[None]()
        if not self._running:
            stopped.callback(None)
        return stopped

    def close(self) -> None:
        """Close both connections."""
        self._anchor.close()
        self._copier.close()

    async def _run(self) -> None:
        for _ in range(_PASSES):
            self._copied = await self._in_thread(self._copy)
            if self.pending() <= self._long // 10:
                break
        self._hold()
        self._log = await self._in_thread(self._finish)
        self._copied = 0
        # If it is long still, somebody else reads an old state of the database: do not try again at once.
        self._limit = max(self._long, self._log + self._long)

    def _copy(self) -> int:
        """Copy what can be copied now; return the pages of the log that are in the database."""
        self._release()
        self._anchor.execute("BEGIN").execute("SELECT only FROM meta").fetchall()
        return self._checkpoint()

    def _finish(self) -> int:
        """Copy the rest and begin the log anew; return how long it is now."""
        self._release()
        self._checkpoint()
        try:
            # Writing what is there already changes nothing, but the page is written.
            self._copier.pragma("user_version", VERSION)
        except apsw.BusyError:
            return self._log
        return self._copier_log

    def _checkpoint(self) -> int:
        try:
            return self._copier.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_PASSIVE)[1]
        except apsw.BusyError:
            # Somebody's tool makes a checkpoint; that is as good.
            return 0

    def _release(self) -> None:
        if self._anchor.in_transaction:
            self._anchor.execute("COMMIT")

    def _count(self, connection: apsw.Connection, database: str, pages: int) -> int:
        self._copier_log = pages
        return apsw.SQLITE_OK

    def _ended(self, _: object) -> None:
        self._running = False
        self._go_on()
        if self._stopped is not None:
            self._stopped.callback(None)

    def _fault(self, failure: Failure) -> None:
        self._failed(cast(BaseException, failure.value))
