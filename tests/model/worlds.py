"""A broker to compare with the model, on each kind of journal, and what a crash leaves of it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from tempfile import mkdtemp
from typing import TypeVar

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import Clock, deferLater

from tests.model.notebook import Notebook, Paper
from wonderq.local.broker import LocalBroker
from wonderq.local.clock import StoreClock
from wonderq.local.journal import IJournal, MemoryJournal, Sync
from wonderq.local.sqlite import SqliteJournal

T = TypeVar("T")

WALL = 1_700_000_000.0
"""Wall time, seconds since 1970, at second 0 of the reactor."""

UPTIME = 1000.0
"""Monotonic time at second 0 of the reactor: the machine runs longer than the server."""


class World:
    """One server at a time, and the clocks it lives by.

    @ivar survives: whether there is anything left after a restart.
    @ivar exact: whether everything due at one moment is found at once, so that the model can tell who gets what.
    @ivar clock: the reactor's; each server has its own, so that a dead one's timers are dead too.
    """

    survives = True
    exact = True

    def __init__(self) -> None:
        self._boot = 0
        self._uptime = UPTIME
        self.clock = Clock()
        self.start()

    def make_journal(self, clock: StoreClock) -> IJournal:
        raise NotImplementedError

    def make_broker(self, journal: IJournal, reactor: IReactorTime, clock: StoreClock) -> LocalBroker:
        """Make the broker to test."""
        return LocalBroker(journal, reactor, clock)

    def start(self) -> None:
        """Start a server on what the last one left."""
        reactor, uptime = self.clock, self._uptime
        clock = StoreClock(lambda: uptime + reactor.seconds(), self.wall, f"boot {self._boot}")
        self.journal = self.make_journal(clock)
        self.journal.open()
        self.broker = self.make_broker(self.journal, reactor, clock)
        self.broker.start()
        self.settle()
        assert self.broker.trouble() is None

    def wall(self) -> float:
        """Return the wall time, seconds since 1970."""
        return WALL + self.clock.seconds()

    def settle(self) -> None:
        """Let everything happen that is due, and no time pass."""
        self.clock.advance(0)

    def stall(self, seconds: float) -> None:
        """Let time pass with a busy reactor: no timer runs."""
        self.clock.rightNow += seconds

    def stop(self) -> None:
        """Stop the server as it should be stopped."""
        self.broker.stop()
        self.settle()

    def crash(self) -> None:
        """Let the server be gone from one moment to the next."""
        raise NotImplementedError

    def come_back(self, away: float, reboot: bool) -> None:
        """Start again, C{away} seconds after the stop or the crash."""
        now = self.clock.seconds() + away
        self.clock = Clock()
        self.clock.rightNow = now
        if reboot:
            self._boot += 1
            # The machine's clock starts over.
            self._uptime = -now
        self.start()

    def close(self) -> None:
        """Let go of everything."""
        self.stop()


class InMemory(World):
    """Nothing survives."""

    survives = False

    def make_journal(self, clock: StoreClock) -> IJournal:
        return MemoryJournal()


class OnPaper(World):
    """A L{Notebook}.

    @ivar window: how many delayed messages the broker knows at a time.
    """

    window = 1000

    def __init__(self) -> None:
        self.paper = Paper()
        super().__init__()

    def make_journal(self, clock: StoreClock) -> IJournal:
        return Notebook(self.paper, clock, self.clock, self.window)

    def crash(self) -> None:
        # The next notebook reads the paper; what the old one still has in mind is lost with its clock.
        pass


class OnNarrowPaper(OnPaper):
    """A L{Notebook} that the broker asks for two delayed messages at a time."""

    window = 2
    exact = False


class InSqlite(World):
    """Real files; a crash leaves what another process would find in them at that moment."""

    sync = Sync()

    def __init__(self) -> None:
        self._root = Path(mkdtemp(prefix="wonderq-"))
        self._life = 0
        self._directory().mkdir()
        super().__init__()

    def make_journal(self, clock: StoreClock) -> IJournal:
        reactor = self.clock

        def in_thread(work: Callable[[], T]) -> Deferred[T]:
            # In some later turn, as with a real thread.
            return deferLater(reactor, 0, work)

        return SqliteJournal(str(self._directory() / "queue.db"), clock, reactor, in_thread, self.sync, min_free=0)

    def crash(self) -> None:
        dying = self._directory()
        self._life += 1
        self._directory().mkdir()
        for name in os.listdir(dying):
            if name in ("queue.db", "queue.db-wal"):
                shutil.copy(dying / name, self._directory() / name)
        # Of the original, only its descriptors matter now.
        self.stop()
        shutil.rmtree(dying)

    def close(self) -> None:
        super().close()
        shutil.rmtree(self._root)

    def _directory(self) -> Path:
        return self._root / str(self._life)
