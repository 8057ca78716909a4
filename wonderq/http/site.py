"""How is the API served by twisted.web: a site with limits, which says nothing that nobody asked it to say."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionDone
from twisted.internet.interfaces import IHalfCloseableProtocol, IReactorTime
from twisted.internet.protocol import connectionDone
from twisted.logger import ILogObserver, LogEvent, Logger
from twisted.protocols import policies
from twisted.python.failure import Failure
from twisted.web import http, server
from twisted.web.resource import IResource
from zope.interface import implementer, provider

from wonderq.errors import BadRequest, UriTooLong
from wonderq.http.limits import IDLE, MAX_FIELDS, MAX_HEADERS, Request, last_answer
from wonderq.http.paths import MAX_TARGET
from wonderq.http.problems import problem

MAX_LENGTH_FIELD = 100
"""Bytes of a Content-Length field, blanks included.  Longer ones count more than there is."""


@provider(ILogObserver)
def _unheard(event: LogEvent) -> None:
    """Take what nobody needs to read."""


@implementer(IHalfCloseableProtocol)
class Channel(http.HTTPChannel):
    """One connection.

    When the client ends its side, what it has asked for completely is answered; a receive that waits is answered with
    nothing.

    @ivar ended: nothing more will be answered than what has been asked for completely.
    """

    MAX_LENGTH = MAX_TARGET + 1024
    totalHeadersSize = MAX_TARGET + MAX_HEADERS
    maxHeaders = MAX_FIELDS

    site: Site
    ended = False

    # twisted.web would say of every idle connection that it is closed.
    _log = Logger(observer=_unheard)
    _receiving = False
    _closing = False
    _full = False

    def __init__(self) -> None:
        http.HTTPChannel.__init__(self)
        self._unsent: list[Callable[[], object]] = []

    def connectionMade(self) -> None:
        """See L{http.HTTPChannel}."""
        self.site.channels.add(self)
        http.HTTPChannel.connectionMade(self)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """See L{http.HTTPChannel}."""
        # A connection that we closed ourselves was closed when everything was sent.
        if not (self._closing and reason.check(ConnectionDone)):
            for undo in self._unsent:
                undo()
        http.HTTPChannel.connectionLost(self, reason)
        self.site.channels.discard(self)
        self.site.channel_lost()

    def pauseProducing(self) -> None:
        """See L{http.HTTPChannel}: the client does not read as fast as we write."""
        self._full = True
        http.HTTPChannel.pauseProducing(self)

    def resumeProducing(self) -> None:
        """See L{http.HTTPChannel}: everything is sent."""
        self._full = False
        self._unsent.clear()
        http.HTTPChannel.resumeProducing(self)

    def readConnectionLost(self) -> None:
        """The client has ended its side."""
        for request in self.requests:
            if request.on_end is not None:
                request.on_end()
        self.end()

    def end(self) -> None:
        """Close the connection as soon as what has been asked for completely is answered."""
        self.ended = True
        self._close_when_answered()

    def writeConnectionLost(self) -> None:
        """Never happens: this side is not closed alone."""

    def dataReceived(self, data: bytes) -> None:
        """See L{http.HTTPChannel}."""
        self._receiving = True
        http.HTTPChannel.dataReceived(self, data)
        self._receiving = False
        self._close_when_answered()

    def requestDone(self, request: Request) -> None:
        """See L{http.HTTPChannel}: an answer is written, though maybe not sent."""
        if self._full and request.undo is not None:
            self._unsent.append(request.undo)
        http.HTTPChannel.requestDone(self, request)
        self._close_when_answered()

    def loseConnection(self) -> None:
        """See L{http.HTTPChannel}; it may be called again."""
        if not self._closing:
            self._closing = True
            # Nobody may keep an answer waiting by not reading it.
            policies.TimeoutMixin.setTimeout(self, self.site.timeOut)
            http.HTTPChannel.loseConnection(self)

    def headerReceived(self, line: bytes) -> bool:
        """See L{http.HTTPChannel}, which would stumble over a number that int() refuses to read."""
        if len(line) > MAX_LENGTH_FIELD and line[:15].lower() == b"content-length:":
            self._respondToBadRequestAndDisconnect()
            return False
        return bool(http.HTTPChannel.headerReceived(self, line))

    def lineLengthExceeded(self, line: bytes) -> None:
        """Refuse a line without end, which twisted.web would hang up on without a word."""
        error = BadRequest("A header is too long.") if self.requests else UriTooLong()
        self._hang_up(last_answer(problem(error)))

    def _respondToBadRequestAndDisconnect(self) -> None:
        """Refuse what cannot be parsed; twisted.web's own answer has no body."""
        self._hang_up(last_answer(problem(BadRequest())))

    def _hang_up(self, answer: bytes) -> None:
        http.HTTPChannel.write(self, answer)
        self.loseConnection()

    def _close_when_answered(self) -> None:
        # While data is being received, the next request may be in it.
        if self.ended and not self._receiving and not any(request.complete for request in self.requests):
            self.loseConnection()


class Site(server.Site):
    """Serves a resource, normally that of L{wonderq.http.api.Api}.

    It keeps no access log, makes no sessions, parses no forms and shows no tracebacks.

    @ivar channels: its open connections.
    """

    # A channel of its own kind: the one that Site chooses can only choose between HTTP/1.1 and 2.
    protocol: Any = Channel
    displayTracebacks = False
    noisy = False

    def __init__(self, resource: IResource, reactor: IReactorTime, idle: float = IDLE) -> None:
        server.Site.__init__(self, resource, Request, parsePOSTFormSubmission=False, timeout=idle, reactor=reactor)
        self.channels: set[Channel] = set()
        self._closed: Deferred[None] | None = None

    def close(self) -> Deferred[None]:
        """Close every connection when it has been answered; the Deferred fires when none is left."""
        closed: Deferred[None] = Deferred()
        self._closed = closed
        for channel in list(self.channels):
            channel.end()
        self.channel_lost()
        return closed

    def channel_lost(self) -> None:
        """Look whether the last connection is closed, if that is waited for."""
        if self._closed is not None and not self.channels:
            closed, self._closed = self._closed, None
            closed.callback(None)

    def startFactory(self) -> None:
        """Start no clock for an access log."""

    def stopFactory(self) -> None:
        """Nothing was started."""

    def log(self, request: http.Request) -> None:
        """Keep no access log."""

    def acceptableProtocols(self) -> list[bytes]:
        """Speak HTTP/1.1 only."""
        return [b"http/1.1"]
