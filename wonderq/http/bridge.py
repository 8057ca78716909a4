"""The long way of everything else: a request as twisted.web knows it, for the Klein app, on a connection of ours.

A C{twisted.web} C{Request} needs a channel to write to, and thinks it is a whole connection.  What it needs is little;
C{twisted.web._http2.H2Stream} shows how little.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from twisted.internet._producer_helpers import _PullToPush
from twisted.internet.interfaces import IAddress, IConsumer, ISSLTransport, ITransport
from twisted.python.failure import Failure
from twisted.web.http_headers import Headers
from twisted.web.iweb import IRequest
from zope.interface import implementer

from wonderq.http.incoming import Incoming
from wonderq.http.limits import Request
from wonderq.http.output import Output
from wonderq.http.site import Site


@implementer(IConsumer)
class Bridge:
    """The channel of one twisted.web request.

    @ivar ended: the client will send no more (see L{Request.client_ended}).
    """

    # Nobody keeps an access log.
    factory = None

    def __init__(
        self, site: Site, transport: ITransport, output: Output, done: Callable[[], object], ended: bool
    ) -> None:
        self.site = site
        self.transport = transport
        self.ended = ended
        self._output = output
        self._done = done
        self._request: Any = None
        self._producer: Any = None
        self._paused = False
        # The head waits for the first piece of the body, so that both leave together.
        self._head = b""

    # -- what our connection calls --

    def serve(self, incoming: Incoming) -> None:
        """Let the site answer a request."""
        make: Any = Request
        request = self._request = make(self)
        for name, value in incoming.every_field():
            request.requestHeaders.addRawHeader(name, value)
        if incoming.last and incoming.version == b"HTTP/1.1":
            request.responseHeaders.setRawHeaders(b"connection", [b"close"])
        request.gotLength(len(incoming.body))
        request.handleContentChunk(incoming.body)
        request.parseCookies()
        request.requestReceived(incoming.method, incoming.target, incoming.version)

    def end(self) -> None:
        """The client will send no more, and still reads."""
        self.ended = True
        if self._request is not None and self._request.on_end is not None:
            self._request.on_end()

    def lost(self, reason: Failure) -> None:
        """Nobody reads any more."""
        if self._producer is not None:
            self._producer.stopProducing()
            self._producer = None
        if self._request is not None:
            request, self._request = self._request, None
            request.connectionLost(reason)

    def pause(self) -> None:
        """Ask for less: the client does not read as fast."""
        self._paused = True
        if self._producer is not None:
            self._producer.pauseProducing()

    def resume(self) -> None:
        """Ask for more."""
        self._paused = False
        if self._producer is not None:
            self._producer.resumeProducing()

    # -- what the request calls --

    def writeHeaders(self, version: bytes, code: bytes, reason: bytes, headers: Headers) -> None:
        """Begin the answer."""
        fields = [b"%b: %b\r\n" % (name, value) for name, values in headers.getAllRawHeaders() for value in values]
        self._head = b"%b %b %b\r\n%b\r\n" % (version, code, reason, b"".join(fields))

    def write(self, data: bytes) -> None:
        """Write a piece of the body."""
        if self._head:
            data, self._head = self._head + data, b""
        if data:
            self._output.write(data, None if self._request is None else self._request.undo)

    def writeSequence(self, data: Iterable[bytes]) -> None:
        """Write some pieces of the body."""
        self.write(b"".join(data))

    def requestDone(self, request: IRequest) -> None:
        """The answer is complete."""
        self.write(b"")
        self._request = None
        self._done()

    def loseConnection(self) -> None:
        """Close the connection, as far as a request may ask for it: it is lost to this request."""
        self.transport.loseConnection()

    def registerProducer(self, producer: Any, streaming: bool) -> None:
        """Let a producer write the body; see L{IConsumer}."""
        if not streaming:
            producer = _PullToPush(producer, self)
            producer.startStreaming()
        self._producer = producer
        if self._paused:
            producer.pauseProducing()

    def unregisterProducer(self) -> None:
        """The producer has written everything."""
        if isinstance(self._producer, _PullToPush):
            self._producer.stopStreaming()
        self._producer = None

    def getPeer(self) -> IAddress:
        """See L{ITransport.getPeer}."""
        return self.transport.getPeer()

    def getHost(self) -> IAddress:
        """See L{ITransport.getHost}."""
        return self.transport.getHost()

    def isSecure(self) -> bool:
        """Tell whether the connection is encrypted."""
        return ISSLTransport.providedBy(self.transport)
