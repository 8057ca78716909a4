"""The file of a store, open: who may have it, what its first page of facts says, and how it is made safe."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from time import perf_counter
from typing import NamedTuple, cast

import apsw

from wonderq.broker import StoreRefused, StoreUnwell
from wonderq.local.changes import Changes
from wonderq.local.clock import Mark
from wonderq.local.lockfile import LockFile, make_directory, sync_directory
from wonderq.local.schema import FAULTS, PAGE_SIZE, connect, prepare, rows

_HELPER_CACHE_KIB = 256

# macOS has no fdatasync; there this is for development only.
_sync = getattr(os, "fdatasync", os.fsync)


class Meta(NamedTuple):
    """What is renewed in each transaction.

    @ivar next_message: greater than any id given out.
    @ivar next_receipt: likewise.
    """

    mark: Mark
    next_message: int
    next_receipt: int


class StoreFile:
    """A store that this process has taken possession of.

    @ivar connection: to read on the reactor's thread; all transactions but the checkpointer's go through it.
    @ivar log: pages in the write-ahead log.
    """

    def __init__(self, path: str) -> None:
        """Open the store, make it if there is none, and let it be in order.

        The names of the lock and of the log come from that of the file, so it has to be the same name for everybody:
        symbolic links are followed, and a file with a second hard link is refused.

        What the last run left in its log goes to the database now: had a sync failed then, the log on the disk may
        have holes that only a power failure would show, and all that is written after them would be lost.

        @raise StoreRefused: it is in use, newer than this program, or not a store, or it has two names.
        @raise apsw.Error, OSError: it is out of reach; see L{refusing}.
        """
        self.path = os.path.realpath(path)
        self.log = 0
        self._directory = os.path.dirname(self.path)
        make_directory(self._directory)
        self._lock = LockFile(self.path + ".lock", path)
        try:
            if os.path.isfile(self.path) and os.stat(self.path).st_nlink > 1:
                raise StoreRefused(
                    f"{path} has a second name (a hard link), which would not lead to its log; remove one"
                )
            self.connection = connect(self.path)
            try:
                prepare(self.connection, path)
                self.connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)
            except BaseException:
                self.connection.close()
                raise
        except BaseException:
            self._lock.release()
            raise
        # One for all that is written: to make some for each transaction takes a tenth of its time.
        self._cursor = self.connection.cursor()
        self.connection.set_wal_hook(self._count)
        self._log_file: int | None = None

    def begin(self, meta: Meta) -> None:
        """Write the first transaction of this run and make it safe."""
        self.write(Changes(), meta)
        # The log is one file for as long as a connection is open.  Closing a descriptor of it does no harm, while
        # closing one of the database would drop the locks that SQLite has on it.
        self._log_file = os.open(self.path + "-wal", os.O_RDWR | os.O_CLOEXEC)
        self.sync()
        sync_directory(self._directory)

    def meta(self) -> Meta | None:
        """Return what the last transaction wrote; C{None}: there was none."""
        found = rows(self.connection, "SELECT boot, store, monotonic, wall, next_message, next_receipt FROM meta")
        return Meta(Mark(*found[0][:4]), *found[0][4:]) if found else None

    def queues(self) -> list[tuple[int, str | None, str]]:
        """Return number, name and settings (JSON) of every queue; one without name is deleted."""
        return rows(self.connection, "SELECT number, name, settings FROM queues")

    def last_queue_number(self) -> int:
        """Return the highest number that a queue ever had."""
        found = rows(self.connection, "SELECT seq FROM sqlite_sequence WHERE name = 'queues'")
        return int(found[0][0]) if found else 0

    def write(self, changes: Changes, meta: Meta) -> None:
        """Write one transaction.

        @raise apsw.Error: it is not written.
        """
        execute = self._cursor.execute
        execute("BEGIN IMMEDIATE")
        changes.write(self._cursor)
        mark = meta.mark
        execute(
            "INSERT OR REPLACE INTO meta VALUES (1, ?, ?, ?, ?, ?, ?)",
            (mark.boot, mark.store, mark.monotonic, mark.wall, meta.next_message, meta.next_receipt),
        )
        execute("COMMIT")

    def sync(self) -> float:
        """Make all transactions written before safe; return the seconds that took.  For a thread.

        @raise OSError: nobody knows which of them are; or the log was removed, and they are gone with it.
        """
        log = cast(int, self._log_file)
        start = perf_counter()
        _sync(log)
        if not os.fstat(log).st_nlink:
            raise FileNotFoundError(errno.ENOENT, "the log was removed while it was in use", self.path + "-wal")
        return perf_counter() - start

    def another(self) -> apsw.Connection:
        """Return one more connection, for a thread."""
        return connect(self.path, _HELPER_CACHE_KIB)

    def free(self) -> int:
        """Return the bytes that are free on the disk."""
        disk = os.statvfs(self._directory)
        return disk.f_bavail * disk.f_frsize

    def reusable(self) -> int:
        """Return the bytes that are free within the file: it does not get smaller when messages leave."""
        return int(self.connection.pragma("freelist_count")) * PAGE_SIZE

    def close(self, tidy: bool) -> None:
        """Close the file and let others have it.

        @param tidy: let SQLite move the log into the database; not to be tried when the disk had a fault.
        """
        if self._log_file is not None:
            os.close(self._log_file)
        if tidy:
            self.connection.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 0)
        self.connection.close()
        self._lock.release()

    def _count(self, connection: apsw.Connection, database: str, pages: int) -> int:
        self.log = pages
        return apsw.SQLITE_OK


@contextmanager
def refusing(path: str) -> Iterator[None]:
    """Turn what SQLite and the system raise while a store is opened into a line for the operator."""
    try:
        yield
    except apsw.NotADBError:
        raise StoreRefused(f"{path} is not an SQLite database") from None
    except apsw.CorruptError as error:
        raise StoreRefused(f"{path} is damaged: {error}") from error
    except apsw.BusyError:
        raise StoreRefused(f"{path} is locked by another program") from None
    except FAULTS as error:
        reason = "its disk is full; free the size of its log and 1 MB, nothing is lost" if _is_full(error) else error
        refused = StoreUnwell if _is_full(error) or _is_broken(error) else StoreRefused
        raise refused(f"{path} cannot be opened: {reason}") from error


def _is_full(error: BaseException) -> bool:
    """Tell whether there was no room on the disk; the first that needs some is the index of the log."""
    if isinstance(error, OSError):
        return error.errno in (errno.ENOSPC, errno.EDQUOT)
    return isinstance(error, apsw.FullError) or getattr(error, "extendedresult", 0) == apsw.SQLITE_IOERR_SHMSIZE


def _is_broken(error: BaseException) -> bool:
    """Tell whether the disk had a fault."""
    if isinstance(error, OSError):
        return error.errno == errno.EIO
    return isinstance(error, apsw.IOError)
