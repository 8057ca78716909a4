"""Which number is next: numbers that are never drawn twice, whatever the disk forgets."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

FIRST_BLOCK: Final = 1000
LARGEST_BLOCK: Final = 1 << 20
LASTS: Final = 20.0
"""Seconds for which a block should last: a limit is then raised, and perhaps synced for that alone, every 10 s."""


class Sequence:
    """Growing integers, reserved on disk in blocks ahead of their use.

    After any stop the numbers go on from the C{limit} that the disk has, so a number may be given out once the disk
    surely has a limit above it.  A higher limit is asked for when half of a block is left, so that normally nobody
    waits for it.  Blocks follow the rate of use, so that the numbers of a quiet server jump little after a crash; they
    at most double, so that a short burst does not count for more than it is.

    @ivar limit: what the next transaction has to write: greater than every number drawn so far.
    """

    def __init__(self, first: int, now: Callable[[], float], raised: Callable[[], object]) -> None:
        """Start with C{first}.

        @param now: tells the time in seconds.
        @param raised: called when C{limit} has been raised, so that somebody writes it.
        """
        self._next = first
        self._now = now
        self._raised = raised
        self._block = FIRST_BLOCK
        self._reserved_at, self._reserved_from = now(), first
        self.limit = first + FIRST_BLOCK
        self._early = first + FIRST_BLOCK // 2
        self._synced = first

    def draw(self) -> int:
        """Return the next number."""
        number = self._next
        self._next = number + 1
        if number >= self._early:
            self._reserve()
        return number

    def exposed(self) -> bool:
        """Tell whether a number was drawn that a power failure now could make be drawn again."""
        return self._next > self._synced

    def behind(self) -> bool:
        """Tell whether the disk does not surely have C{limit} yet."""
        return self._synced != self.limit

    def synced(self, limit: int) -> None:
        """The disk surely has this limit."""
        self._synced = limit

    def stop(self) -> None:
        """Give back what is reserved: nobody draws any more."""
        self.limit = self._next

    def _reserve(self) -> None:
        now = self._now()
        rate = (self._next - self._reserved_from) / max(now - self._reserved_at, 1e-3)
        self._block = max(FIRST_BLOCK, min(int(rate * LASTS), 2 * self._block, LARGEST_BLOCK))
        self._reserved_at, self._reserved_from = now, self._next
        self.limit = self._next + self._block
        self._early = self._next + self._block // 2
        self._raised()
