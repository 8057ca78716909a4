"""How late was a server's reactor?  Its own histogram, read from its metrics."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

__all__ = ["Lag"]

_BUCKET = re.compile(r'^wonderq_reactor_lag_seconds_bucket\{le="([^"]+)"\} ([0-9.e+]+)$', re.MULTILINE)


@dataclass(frozen=True)
class Lag:
    """A histogram.

    @ivar buckets: how many observations lie at or below each bound, in seconds; ordered by bound, the last infinite.
    """

    buckets: tuple[tuple[float, int], ...]

    @classmethod
    def read(cls, page: str) -> Lag:
        """Find the histogram on a page of metrics."""
        return cls(tuple((float(bound), int(float(count))) for bound, count in _BUCKET.findall(page)))

    @classmethod
    def total(cls, lags: Iterable[Lag]) -> Lag:
        """Add histograms with the same bounds."""
        columns = zip(*(lag.buckets for lag in lags), strict=True)
        return cls(tuple((column[0][0], sum(count for _, count in column)) for column in columns))

    def since(self, before: Lag) -> Lag:
        """Return what was observed after an earlier look."""
        pairs = zip(self.buckets, before.buckets, strict=True)
        return Lag(tuple((bound, now - then) for (bound, now), (_, then) in pairs))

    @property
    def count(self) -> int:
        """How many observations there are."""
        return self.buckets[-1][1] if self.buckets else 0

    @property
    def worst(self) -> float:
        """A bound, in seconds, that nothing observed exceeds; 0 when nothing was."""
        return next((bound for bound, count in self.buckets if count == self.count), 0.0) if self.count else 0.0
