"""A broker whose store outlives it: the same harness, and the ways in which a server can end."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal, TypeVar

from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.task import Clock

from tests.harness import LocalHarness
from wonderq.local.broker import LocalBroker
from wonderq.local.clock import StoreClock
from wonderq.local.journal import IJournal
from wonderq.local.sqlite import SqliteJournal

T = TypeVar("T")
Ending = Literal["stopped", "killed", "rebooted"]


class DurableHarness(LocalHarness):
    """A server on a SQLite file, which can end and be started again.

    @ivar ending: how it ends: C{"stopped"} as it should be; C{"killed"}, as by C{kill -9}, with nothing but the files
        left; C{"rebooted"}: killed with the machine, whose monotonic clock begins anew.
    """

    def __init__(self, ending: Ending) -> None:
        self.ending = ending
        self._directory = TemporaryDirectory()
        self._life = 0
        self._dead: list[tuple[Clock, LocalBroker]] = []
        super().__init__(self._journal)

    def close(self) -> None:
        """Stop the server and remove its files."""
        super().close()
        for clock, broker in self._dead:
            # What was left of it when it was killed: files and locks that only a real end of a process frees.
            broker.stop()
            clock.advance(0)
        self._directory.cleanup()

    def restart(self, away: float = 0.0) -> None:
        """End the server, and start another on the same store C{away} seconds later."""
        if self.ending == "stopped":
            super().close()
        else:
            self._take_files()
            self._leave()
        self.clock.advance(away)
        if self.ending == "rebooted":
            self._boot += 1
            self._booted = self.clock.seconds()
        self._start()

    def end_at(self, answer: Deferred[T]) -> T:
        """Restart the server, which ended in the moment of an answer; return what that holds."""

        def given(value: T) -> T:
            self._take_files()
            return value

        if self.ending != "stopped":
            answer.addCallback(given)
        result = self.result(answer)
        self.restart()
        return result

    def _take_files(self) -> None:
        """Keep what is in the files now for the next life, and nothing that comes later."""
        following = self._store(self._life + 1)
        if not following.parent.exists():
            following.parent.mkdir()
            for suffix in ("", "-wal"):
                shutil.copyfile(f"{self._store(self._life)}{suffix}", f"{following}{suffix}")

    def _leave(self) -> None:
        """Leave the process as it is, its reactor standing still for ever."""
        self._dead.append((self.clock, self.local))
        now = self.clock.seconds()
        self.clock = Clock()
        self.clock.rightNow = now
        self._life += 1

    def _store(self, life: int) -> Path:
        return Path(self._directory.name) / f"life-{life}" / "store.db"

    def _journal(self, clock: StoreClock) -> IJournal:
        return SqliteJournal(str(self._store(self._life)), clock, self.clock, in_thread=at_once)


def at_once(work: Callable[[], T]) -> Deferred[T]:
    """Do at once what a thread would do."""
    return maybeDeferred(work)
