"""How does what comes in get from the sockets to their connections: in one sweep, past the reactor's care for each.

A reactor looks up, wraps in a logging context and checks each read event by itself: 6 µs, as long as the whole parsing
of a small request.  So the sockets of a server are watched by an epoll of their own, and that epoll by the reactor, as
if it were one socket.
"""

from __future__ import annotations

import select
from math import inf
from typing import Any, Final

from twisted.internet.error import ConnectionDone
from twisted.internet.interfaces import IReactorFDSet, IReadDescriptor
from twisted.internet.main import CONNECTION_LOST
from twisted.internet.tcp import Server
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

SWEEP: Final = 256
SWEEP_SECONDS: Final = 0.01
"""Sockets to read, and seconds to do so, before the reactor's other work has its turn: a batch may take long."""


@implementer(IReadDescriptor)
class Reading:
    """The sockets of one server that are read, together one descriptor of the reactor's.

    It is opened for the first connection, and can be opened again after L{close}.
    """

    _log = Logger()

    def __init__(self, reactor: Any) -> None:
        self._reactor = reactor
        self._possible = hasattr(select, "epoll") and IReactorFDSet.providedBy(reactor)
        self._instead = _Instead(reactor, self)
        self._epoll: Any = None
        # The transports that are read now, by the numbers of their sockets.
        self._read: dict[int, Any] = {}
        # The sockets of the last sweep that have not had their turn, with their events.
        self._left: list[tuple[int, int]] = []

    def take(self, transport: object) -> None:
        """Read a connection in this way from now on, if that goes: it is plain TCP, or a Unix socket."""
        if not self._possible or not isinstance(transport, Server):
            return
        if self._epoll is None:
            try:
                self._epoll = select.epoll()
            except OSError:
                # There are no file descriptors left.  The reactor reads this connection as it reads all others.
                return
            self._reactor.addReader(self)
        taken: Any = transport
        taken.stopReading()
        taken.reactor = self._instead
        taken.startReading()

    def finish(self) -> None:
        """Read everything that has arrived, once, however many connections that are."""
        if self._read:
            self._left = self._sweep(self._epoll.poll(0, len(self._read)), inf)

    def close(self) -> None:
        """Let go of what was opened.  Every connection that was taken must have been lost."""
        if self._epoll is not None:
            self._reactor.removeReader(self)
            self._epoll.close()
            self._epoll = None
            self._left = []

    # -- what the transports call --

    def add(self, transport: Any) -> None:
        """Read a transport."""
        number = transport.fileno()
        if number not in self._read:
            self._epoll.register(number, select.EPOLLIN)
            self._read[number] = transport

    def remove(self, transport: Any) -> None:
        """Read it no more.  One that is lost calls this before its socket is closed."""
        if self._read.pop(transport.fileno(), None) is not None:
            self._epoll.unregister(transport.fileno())

    # -- what the reactor calls --

    def fileno(self) -> int:
        """See L{IReadDescriptor}."""
        return -1 if self._epoll is None else int(self._epoll.fileno())

    def logPrefix(self) -> str:
        """See L{IReadDescriptor}."""
        return "Reading"

    def doRead(self) -> None:
        """Read what can be read, for a while."""
        # Epoll begins with the same ones again, so those that were left come first.
        events = self._left or self._epoll.poll(0, SWEEP)
        self._left = self._sweep(events, self._reactor.seconds() + SWEEP_SECONDS)

    def _sweep(self, events: list[tuple[int, int]], until: float) -> list[tuple[int, int]]:
        """Read these sockets, and return those that are left when the time has come."""
        read, seconds = self._read, self._reactor.seconds
        for place, (number, _) in enumerate(events, 1):
            transport = read.get(number)
            if transport is None:
                # One before it has closed it, or let it pause.
                continue
            try:
                # Errors and ends show when it is read, too.
                why = transport.doRead()
            except BaseException as error:  # noqa: BLE001 - the top, as in the reactor: it costs this connection alone
                self._log.failure("What came in on a connection could not be dealt with, so it is closed.")
                why = error
            if why is not None:
                self._end(transport, why)
            if seconds() >= until:
                return events[place:]
        return []

    def connectionLost(self, reason: Failure) -> None:
        """The reactor stops, and would have ended each connection."""
        for transport in list(self._read.values()):
            self._end(transport, CONNECTION_LOST)

    def _end(self, transport: Any, why: BaseException) -> None:
        """End a connection, or only its way in."""
        self.remove(transport)
        try:
            if isinstance(why, ConnectionDone):
                transport.readConnectionLost(Failure(why))
            else:
                self._reactor.removeWriter(transport)
                transport.connectionLost(Failure(why))
        except BaseException:  # noqa: BLE001 - the top, as above
            self._log.failure("The end of a connection could not be dealt with.")


class _Instead:
    """What transports take for their reactor: the reactor itself, but for what they read."""

    def __init__(self, reactor: Any, reading: Reading) -> None:
        self._reactor = reactor
        self.addReader = reading.add
        self.removeReader = reading.remove

    def __getattr__(self, name: str) -> Any:
        return getattr(self._reactor, name)
