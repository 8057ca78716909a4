"""All connections of a server: how many there may be, what they share, and how they end."""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.abstract import FileDescriptor
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IAddress, IListeningPort, IProtocolNegotiationFactory, IReactorTime
from twisted.internet.protocol import Factory
from zope.interface import implementer

from wonderq.http.api import Api
from wonderq.http.channel import Channel
from wonderq.http.deadlines import Deadlines
from wonderq.http.heads import Heads
from wonderq.http.known import Known
from wonderq.http.lane import Lane
from wonderq.http.output import Buffers
from wonderq.http.reading import Reading
from wonderq.http.site import Site


@implementer(IProtocolNegotiationFactory)
class ChannelFactory(Factory):
    """Makes a L{Channel} for each connection.

    @param max_connections: open at a time.
    @param max_buffered: bytes of bodies that come in and answers that wait to go out, in all connections together.
    @ivar api: what they serve.
    @ivar site: what serves the requests that go the long way.
    @ivar buffers: what they keep in memory together.
    @ivar call_later: of the reactor.
    """

    noisy = False

    def __init__(
        self,
        api: Api,
        reactor: IReactorTime,
        max_connections: int = 10_000,
        max_buffered: int = 256 * 1024 * 1024,
    ) -> None:
        self.api = api
        self.site = Site(api.resource(), reactor)
        self.lane = Lane(api)
        self.heads = Heads(api.wall)
        self.known = Known()
        self.buffers = Buffers(max_buffered)
        self.seconds: Callable[[], float] = reactor.seconds
        self.call_later = reactor.callLater
        self._max_connections = max_connections
        self._deadlines = Deadlines(reactor)
        self._reading = Reading(reactor)
        self._channels: set[Channel] = set()
        # Those that were accepted before accepting could pause, in their order.
        self._parked: dict[Channel, None] = {}
        self._ports: list[FileDescriptor] = []
        self._closed: Deferred[None] | None = None

    def buildProtocol(self, addr: IAddress | None) -> Channel:
        """See L{Factory.buildProtocol}."""
        return Channel(self)

    def acceptableProtocols(self) -> list[bytes]:
        """Speak HTTP/1.1 only, also where TLS lets a client choose."""
        return [b"http/1.1"]

    def accepts_from(self, port: IListeningPort) -> None:
        """Let a port pause while there are as many connections as there may be."""
        if isinstance(port, FileDescriptor):
            self._ports.append(port)

    @property
    def connections(self) -> int:
        """How many are open, without those that wait for room."""
        return len(self._channels)

    def close(self) -> Deferred[None]:
        """Close every connection when it has been answered; the Deferred fires when none is left.

        What has arrived by now is answered, too.
        """
        self._reading.finish()
        closed: Deferred[None] = Deferred()
        self._closed = closed
        for channel in [*self._channels, *self._parked]:
            channel.end()
        self._close_when_empty()
        return closed

    # -- what channels call --

    def made(self, channel: Channel) -> None:
        """A connection has been made."""
        self._reading.take(channel.transport)
        if len(self._channels) < self._max_connections:
            self._channels.add(channel)
            self._deadlines.add(channel)
        else:
            # A port accepts some at a time and cannot be stopped in between.
            self._parked[channel] = None
            channel.park()
        if len(self._channels) >= self._max_connections:
            for port in self._ports:
                port.pauseProducing()

    def lost(self, channel: Channel) -> None:
        """A connection has been lost."""
        self._parked.pop(channel, None)
        self._channels.discard(channel)
        self._deadlines.discard(channel)
        while self._parked and len(self._channels) < self._max_connections:
            parked = next(iter(self._parked))
            del self._parked[parked]
            self._channels.add(parked)
            self._deadlines.add(parked)
            parked.unpark()
        if len(self._channels) == self._max_connections - 1:
            for port in self._ports:
                port.resumeProducing()
        if not self._channels and not self._parked:
            self._reading.close()
        self._close_when_empty()

    def _close_when_empty(self) -> None:
        if self._closed is not None and not self._channels and not self._parked:
            closed, self._closed = self._closed, None
            closed.callback(None)
