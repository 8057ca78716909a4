"""How long may a connection take: one look at all of them each second, instead of a timer for each request."""

from __future__ import annotations

from math import inf
from typing import Final, Protocol

from twisted.internet.interfaces import IDelayedCall, IReactorTime

EVERY: Final = 1.0
"""Seconds between two looks; so much later than its deadline may a connection be closed, and never earlier."""

HEAD: Final = 20.0
"""Seconds for a head, from its first byte.  Apache: 20 to 40; nginx: 60."""

REQUEST: Final = 60.0
REQUEST_RATE: Final = 100_000.0
"""Seconds for a whole request, and one more for each so many bytes of its body: a slow phone sends faster."""

NEVER: Final = inf


class Member(Protocol):
    """What has a deadline.

    @ivar deadline: in seconds on the reactor's clock; L{NEVER}: none now.
    """

    deadline: float

    def expired(self, now: float) -> None:
        """The deadline has come; there must be another then, or the member leaves."""


class Deadlines:
    """All the connections, and when each has to be looked at.  While there is none, no timer runs."""

    def __init__(self, reactor: IReactorTime) -> None:
        self._reactor = reactor
        self._members: set[Member] = set()
        self._call: IDelayedCall | None = None

    def add(self, member: Member) -> None:
        """Look at it from now on."""
        self._members.add(member)
        if self._call is None:
            self._call = self._reactor.callLater(EVERY, self._look)

    def discard(self, member: Member) -> None:
        """Look at it no more."""
        self._members.discard(member)
        if not self._members and self._call is not None:
            self._call.cancel()
            self._call = None

    def _look(self) -> None:
        self._call = self._reactor.callLater(EVERY, self._look)
        now = self._reactor.seconds()
        for member in [member for member in self._members if member.deadline <= now]:
            member.expired(now)
