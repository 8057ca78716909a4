"""A network in memory, and the HTTP client and server that meet in it: real bytes, no sockets, the test's clock."""

from __future__ import annotations

from typing import Any

from twisted.internet.address import IPv4Address
from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.error import ConnectionRefusedError
from twisted.internet.interfaces import IProtocol, IProtocolFactory, IStreamClientEndpoint
from twisted.test.iosim import FakeTransport, IOPump, connect
from twisted.web.client import URI
from twisted.web.iweb import IAgentEndpointFactory
from zope.interface import implementer

from tests.harness import LocalHarness
from wonderq.client import Client
from wonderq.http.api import Api
from wonderq.http.factory import ChannelFactory
from wonderq.local.journal import MemoryJournal
from wonderq.metrics import Metrics

SERVER = IPv4Address("TCP", "127.0.0.1", 8080)
SOMEBODY = IPv4Address("TCP", "127.0.0.1", 49152)


@implementer(IAgentEndpointFactory, IStreamClientEndpoint)
class Network:
    """Leads every connection to one server.

    @ivar server: who listens; while nobody does, connections are refused.
    @ivar pumps: the connections, open ones and closed ones, in the order they were made.
    """

    def __init__(self) -> None:
        self.server: IProtocolFactory | None = None
        self.pumps: list[IOPump] = []

    def endpointForURI(self, uri: URI) -> IStreamClientEndpoint:
        return self

    def connect(self, protocolFactory: IProtocolFactory) -> Deferred[IProtocol]:
        if self.server is None:
            return fail(ConnectionRefusedError())
        server, client = self.server.buildProtocol(SOMEBODY), protocolFactory.buildProtocol(SERVER)
        assert server is not None
        assert client is not None
        server_end = FakeTransport(server, isServer=True, hostAddress=SERVER, peerAddress=SOMEBODY)
        client_end = FakeTransport(client, isServer=False, hostAddress=SOMEBODY, peerAddress=SERVER)
        self.pumps.append(connect(server, server_end, client, client_end, greet=False))
        return succeed(client)

    def flush(self) -> bool:
        """Carry what was sent until nothing more comes of it; tell whether there was anything."""
        moved = [pump.flush(advanceClock=False) for pump in list(self.pumps)]
        return any(moved)

    @property
    def open(self) -> int:
        """How many connections are open."""
        return sum(not (pump.clientIO.disconnected and pump.serverIO.disconnected) for pump in self.pumps)


class HTTPHarness(LocalHarness):
    """A client, and a server in front of a local broker that keeps everything in memory.

    @ivar client: the broker, as what it is.
    @ivar site: the server.
    @ivar network: what is between them.
    """

    def __init__(self) -> None:
        self.network = Network()
        super().__init__(lambda clock: MemoryJournal())
        api = Api(
            self.local,
            reactor=self.clock,
            wall=self.wall,
            checks={"store": self.local.trouble},
            metrics=Metrics(),
        )
        self.network.server = self.site = self.make_front(api)
        self.broker = self.client = Client(self.clock, "http://queue.test", endpoints=self.network)

    def make_front(self, api: Api) -> Any:
        """Make what listens: the daemon's own connections."""
        return ChannelFactory(api, self.clock)

    def settle(self) -> None:
        """Let what was sent arrive, before anything that is due happens: as a reactor reads before its timers run."""
        self.network.flush()
        super().settle()
        while self.network.flush():
            super().settle()

    def close(self) -> None:
        """Close the client, then stop the server."""
        self.result(self.client.close())
        super().close()
