"""When does a lease end: one C{reactor.callLater} for each."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from math import ceil, floor, inf

from twisted.internet.interfaces import IDelayedCall, IReactorTime

_TICKS = 10
"""Late leases are looked for in steps of 1/10 s."""

ROUNDING = 1e-6
"""Seconds by which a timer may seem early: it was set as a difference of two floats and fires on their sum."""


class LeaseTimers:
    """One delayed call for each live lease.

    A timer is a hint: it tells that a deadline should have come, and the rules compare.  When the reactor was blocked,
    requests are read before the timers run; C{late} finds the leases that ended meanwhile, in time that depends on
    their number only.

    @ivar look_at: store time before which C{late} has nothing new to find.
    """

    def __init__(self, reactor: IReactorTime, due: Callable[[int], object]) -> None:
        self._reactor = reactor
        self._due = due
        self._calls: dict[int, tuple[IDelayedCall, int]] = {}
        # Leases by the tick at which they have surely ended.
        self._ticks: dict[int, set[int]] = {}
        self._swept: int | None = None
        self.look_at = -inf

    def __len__(self) -> int:
        return len(self._calls)

    def arm(self, message: int, deadline: float, now: float) -> None:
        """Start the timer of a new lease; both times are store times in seconds."""
        tick = ceil(deadline * _TICKS)
        delay = deadline - now
        self._calls[message] = (self._reactor.callLater(delay if delay > 0 else 0, self._fire, message), tick)
        members = self._ticks.get(tick)
        if members is None:
            members = self._ticks[tick] = set()
        members.add(message)

    def disarm(self, message: int) -> None:
        """Stop the timer of a lease, if it still runs."""
        armed = self._calls.pop(message, None)
        if armed is not None:
            call, tick = armed
            call.cancel()
            self._forget(message, tick)

    def late(self, now: float) -> Iterator[int]:
        """Stop the timers of the leases that ended by C{now}, up to 1/10 s ago, and yield their messages in order."""
        current = floor(now * _TICKS)
        if self._swept is None or self._swept < current:
            for tick in self._past(current):
                for message in sorted(self._ticks.get(tick, ())):
                    self.disarm(message)
                    yield message
            self._swept = current
            self.look_at = (current + 1) / _TICKS

    def clear(self) -> None:
        """Stop every timer."""
        for message in list(self._calls):
            self.disarm(message)

    def _past(self, current: int) -> list[int] | range:
        """Return the ticks up to C{current} that may have members: by counting on, or by looking, whichever is less."""
        if self._swept is None or current - self._swept > len(self._ticks):
            return sorted(tick for tick in self._ticks if tick <= current)
        return range(self._swept + 1, current + 1)

    def _fire(self, message: int) -> None:
        _, tick = self._calls.pop(message)
        self._forget(message, tick)
        self._due(message)

    def _forget(self, message: int, tick: int) -> None:
        members = self._ticks[tick]
        members.discard(message)
        if not members:
            del self._ticks[tick]


class DueTimer:
    """One delayed call for the earliest of many due times.

    @ivar at: that time (store time, seconds); infinity while no call runs.
    """

    def __init__(self, reactor: IReactorTime, due: Callable[[], object]) -> None:
        self._reactor = reactor
        self._due = due
        self._call: IDelayedCall | None = None
        self.at = inf

    def aim(self, at: float | None, now: float) -> None:
        """Fire at C{at} (store time, seconds) and not before; C{None}: not at all."""
        if at == self.at:
            return
        if self._call is not None:
            self._call.cancel()
            self._call = None
        self.at = inf if at is None else at
        if at is not None:
            self._call = self._reactor.callLater(max(0.0, at - now), self._fire)

    def _fire(self) -> None:
        self._call = None
        self.at = inf
        self._due()
