"""Whether a message still fits on the disk, so that everything else does as well."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

MARGIN: Final = 1024 * 1024
"""Bytes of room, besides what was refused, that end a shortage: without them a store that consumers empty as fast as
producers fill it would tell of an end with each message."""


class Room:
    """The bytes that may be published.

    What is published takes room twice: in the log, and then in the database; what is in the log already will take it
    once more.  C{min_free} bytes are left for the log and for everything that is no publish.
    """

    def __init__(
        self,
        min_free: int,
        free: Callable[[], int],
        pending: Callable[[], int],
        reusable: Callable[[], int],
        on_change: Callable[[bool], object] = lambda roomy: None,
    ) -> None:
        """Ask for everything in bytes.

        @param free: what the disk has.
        @param pending: what is in the log and not yet in the database.
        @param reusable: what is free within the database, which does not shrink when messages leave.
        @param on_change: called with C{False} when a message is refused, and with C{True} once the largest that was
            refused since would fit, with L{MARGIN} to spare.  It is room at first.
        """
        self._min_free = min_free
        self._free = free
        self._pending = pending
        self._reusable = reusable
        self._on_change = on_change
        self._left: int | None = None
        self._refused: int | None = None

    def written(self) -> None:
        """What was noted is written: the disk has less now."""
        self._left = None
        if self._refused is not None:
            # Whether the shortage is over shall not depend on somebody who publishes.
            self.has(0, 0)
            self._left = None

    def has(self, size: int, noted: int) -> bool:
        """Tell whether C{size} bytes fit, besides those that are noted in this turn.

        The disk is asked when nothing is noted yet, and once more for all that is noted in the turn.
        """
        if not noted or self._left is None:
            self._left = self._free() - self._pending()
        needed = 2 * (noted + size)
        if not self._fits(self._left, needed):
            if self._refused is None:
                self._on_change(False)
            self._refused = max(needed, self._refused or 0)
            return False
        if self._refused is not None and self._fits(self._left, needed + self._refused + MARGIN):
            self._refused = None
            self._on_change(True)
        return True

    def _fits(self, left: int, needed: int) -> bool:
        if left - needed >= self._min_free:
            return True
        # What was full and has been emptied has room inside, but the log needs some all the same.
        return left >= self._min_free // 2 and self._reusable() > needed
