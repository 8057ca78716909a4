"""One process for each store."""

from __future__ import annotations

import fcntl
import os

from wonderq.broker import StoreRefused


class LockFile:
    """A file that one process at a time holds; the kernel lets go of it when the process ends in any way.

    It stays when it is let go: removing it would let two processes hold two files of one name.
    """

    def __init__(self, path: str, store: str) -> None:
        """Take the lock.

        @param path: of the lock file.
        @param store: the name of what is locked, for the refusal.
        @raise StoreRefused: another process has it.
        @raise OSError: it cannot be made.
        """
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            owner = os.pread(self._descriptor, 32, 0).decode("ascii", "replace").strip()
            os.close(self._descriptor)
            raise StoreRefused(f"{store} is in use by process {owner or 'unknown'}") from None
        try:
            os.truncate(self._descriptor, 0)
            os.pwrite(self._descriptor, b"%d\n" % os.getpid(), 0)
        except OSError:
            # The disk may be full.
            os.close(self._descriptor)
            raise

    def release(self) -> None:
        """Let go."""
        os.close(self._descriptor)


def make_directory(path: str) -> None:
    """Make a directory, with all above it, that survives a power failure; only its owner may look into it."""
    if os.path.isdir(path):
        return
    above = os.path.dirname(path)
    make_directory(above)
    os.mkdir(path, 0o700)
    sync_directory(above)


def sync_directory(path: str) -> None:
    """Make what was created or removed in a directory survive a power failure."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
