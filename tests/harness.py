"""A broker on clocks that the test moves: what the tests of every backend stand on."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.python.failure import Failure

from wonderq.broker import IBroker
from wonderq.local.broker import LocalBroker
from wonderq.local.clock import StoreClock
from wonderq.local.journal import IJournal

T = TypeVar("T")

WALL = 1_700_000_000.0
"""The wall time, seconds since 1970, at which every test begins."""


class Harness:
    """A broker under test, its reactor's clock and its wall clock.

    @ivar clock: the reactor of everything.
    @ivar broker: what is tested.
    """

    broker: IBroker

    def __init__(self) -> None:
        self.clock = Clock()
        self._wall_offset = WALL

    def wall(self) -> float:
        """Return the wall time, seconds since 1970."""
        return self._wall_offset + self.clock.seconds()

    def jump_wall(self, seconds: float) -> None:
        """Set the wall clock, and nothing else, forward or back."""
        self._wall_offset += seconds

    def advance(self, seconds: float) -> None:
        """Let time pass, and everything happen that is due at the end of it."""
        self.clock.advance(seconds)
        self.settle()

    def stall(self, seconds: float) -> None:
        """Let time pass while the reactor is busy: no timer runs before the next thing that the test does."""
        self.clock.rightNow += seconds

    def settle(self) -> None:
        """Let commits and answers happen, and no time pass."""
        self.clock.advance(0)

    def result(self, deferred: Deferred[T]) -> T:
        """Return what an answer holds, or raise what it failed with; it must come without the passing of time."""
        outcome: list[T | Failure] = []
        deferred.addBoth(outcome.append)
        self.settle()
        if not outcome:
            raise AssertionError("no answer has come")
        if isinstance(outcome[0], Failure):
            outcome[0].raiseException()
        return outcome[0]

    def close(self) -> None:
        """Stop what was started."""
        raise NotImplementedError


class LocalHarness(Harness):
    """A L{LocalBroker} and its journal.

    @ivar local: the broker, as what it is.
    """

    def __init__(self, make_journal: Callable[[StoreClock], IJournal]) -> None:
        super().__init__()
        self._make_journal = make_journal
        self._boot = 0
        self._booted = 0.0
        self._start()

    def close(self) -> None:
        """Stop the broker, which closes its journal."""
        self.result(self.local.stop())

    def _start(self) -> None:
        clock = StoreClock(self._monotonic, self.wall, f"boot {self._boot}")
        journal = self._make_journal(clock)
        journal.open()
        self.broker = self.local = LocalBroker(journal, self.clock, clock)
        self.result(self.local.start())

    def _monotonic(self) -> float:
        return self.clock.seconds() - self._booted
