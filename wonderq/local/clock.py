"""What time is it for the rules: store time, which no wall clock moves and no restart resets."""

from __future__ import annotations

from collections.abc import Callable

from msgspec import Struct


class Mark(Struct, frozen=True):
    """One moment on three clocks, kept in the store so that its time goes on after a restart.

    @ivar boot: the boot of the machine on which C{monotonic} was read; another boot has another monotonic clock.
    @ivar store: store time, seconds.
    @ivar monotonic: seconds.
    @ivar wall: seconds since 1970.
    """

    boot: str
    store: float
    monotonic: float
    wall: float


class StoreClock:
    """Store time: seconds on the monotonic clock, continued from the last L{Mark} of the store.

    Every deadline on disk is a store time.  The store's mark is renewed in each transaction, so at a restart only the
    time since the last transaction has to be found: on the same boot the monotonic clock tells it exactly; after a
    reboot the wall clock tells it, and never below zero, so that no lease or delay gets longer than it was.
    """

    def __init__(self, monotonic: Callable[[], float], wall: Callable[[], float], boot: str) -> None:
        self._monotonic = monotonic
        self.wall = wall
        self._boot = boot
        self._offset = 0.0

    def now(self) -> float:
        """Return the store time in seconds."""
        return self._monotonic() + self._offset

    def wall_at(self, store: float) -> float:
        """Return the wall time, seconds since 1970, that a store time has as the wall clock stands now."""
        return self.wall() + store - self.now()

    def mark(self) -> Mark:
        """Read all the clocks."""
        monotonic = self._monotonic()
        return Mark(self._boot, monotonic + self._offset, monotonic, self.wall())

    def resume(self, mark: Mark) -> None:
        """Go on from a mark."""
        monotonic = self._monotonic()
        same_boot = mark.boot == self._boot
        elapsed = monotonic - mark.monotonic if same_boot else self.wall() - mark.wall
        self._offset = mark.store + max(0.0, elapsed) - monotonic
