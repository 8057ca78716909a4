"""Which delayed message is due next.  Pure: time is an argument (store time, seconds)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from heapq import heappop, heappush
from math import inf

from wonderq.local.queue import Queue

Due = tuple[float, int, int, Queue]
"""Due time, message, priority, queue; ids differ, so the comparison never gets to the queue."""

_NO_HORIZON = (inf, 0)


class Delays:
    """The delayed messages that are due soonest; what is due beyond the C{horizon} is known to the store only.

    So a million messages delayed for a month cost memory for at most twice C{window} of them.
    """

    def __init__(self, window: int) -> None:
        self._window = window
        self._heap: list[Due] = []
        self.horizon: tuple[float, int] = _NO_HORIZON

    def add(self, due: float, message: int, priority: int, queue: Queue) -> None:
        """Remember a delayed message if it is due within the horizon."""
        if (due, message) <= self.horizon:
            heappush(self._heap, (due, message, priority, queue))
            if len(self._heap) > 2 * self._window:
                self._shrink()

    def pop(self, now: float) -> Iterator[Due]:
        """Take out what is due at C{now}, in the order of due times."""
        heap = self._heap
        while heap and heap[0][0] <= now:
            yield heappop(heap)

    def next_due(self) -> float | None:
        """Return the earliest due time, if there is one."""
        return self._heap[0][0] if self._heap else None

    def exhausted(self) -> bool:
        """Tell whether the store has to be asked for what comes after the horizon."""
        return not self._heap and self.horizon is not _NO_HORIZON

    def load(self, rows: Iterable[Due]) -> None:
        """Take in what the store has after the horizon: C{window} messages, or fewer if there are no more."""
        # Sorted, so a valid heap.
        self._heap = list(rows)
        last = self._heap[-1] if len(self._heap) >= self._window else None
        self.horizon = (last[0], last[1]) if last else _NO_HORIZON

    def _shrink(self) -> None:
        self._heap = sorted(self._heap)[: self._window]
        self.horizon = self._heap[-1][:2]
