"""What only real sockets show: what the kernel takes and what it does not, the two halves of a connection, resets."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Callable
from typing import Any, cast

from twisted.internet import reactor as the_reactor
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.endpoints import TCP4ClientEndpoint, TCP4ServerEndpoint, connectProtocol
from twisted.internet.interfaces import IHalfCloseableProtocol, IListeningPort
from twisted.internet.protocol import Protocol, connectionDone
from twisted.internet.task import deferLater
from twisted.python.failure import Failure
from twisted.trial.unittest import TestCase
from zope.interface import implementer

from wonderq.http.api import Api
from wonderq.http.factory import ChannelFactory
from wonderq.local.broker import LocalBroker
from wonderq.local.clock import StoreClock
from wonderq.local.journal import MemoryJournal
from wonderq.metrics import Metrics

reactor = cast(Any, the_reactor)


class Peer(Protocol):
    """A client that keeps what it reads.

    @ivar ended: fires when the server has ended its side, with everything that was read.
    """

    transport: Any

    def __init__(self) -> None:
        self.data = b""
        self.ended: Deferred[bytes] = Deferred()
        self._wanted: tuple[Callable[[bytes], bool], Deferred[bytes]] | None = None

    def dataReceived(self, data: bytes) -> None:
        self.data += data
        self._look()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self.ended.callback(self.data)

    def until(self, enough: Callable[[bytes], bool]) -> Deferred[bytes]:
        """Return everything that was read, once it is enough."""
        wanted: Deferred[bytes] = Deferred()
        self._wanted = enough, wanted
        self._look()
        return wanted

    def _look(self) -> None:
        if self._wanted is not None and self._wanted[0](self.data):
            (_, wanted), self._wanted = self._wanted, None
            wanted.callback(self.data)


@implementer(IHalfCloseableProtocol)
class HalfPeer(Peer):
    """One that keeps its own side open when the server ends its side.

    @ivar half: fires then.
    """

    def __init__(self) -> None:
        super().__init__()
        self.half: Deferred[None] = Deferred()

    def readConnectionLost(self) -> None:
        self.half.callback(None)

    def writeConnectionLost(self) -> None:
        """It never ends its side alone."""


def post(target: str, body: bytes = b"") -> bytes:
    return b"POST %b HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n%b" % (target.encode(), len(body), body)


def whole(data: bytes) -> bool:
    """Tell whether these bytes begin with a whole answer."""
    head, end, body = data.partition(b"\r\n\r\n")
    return bool(end) and len(body) >= int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0])


def payload(data: bytes) -> Any:
    return json.loads(data.partition(b"\r\n\r\n")[2])


class SocketTests(TestCase):
    timeout = 20

    async def listen(self, **limits: int) -> None:
        self.broker = LocalBroker(MemoryJournal(), reactor, StoreClock(reactor.seconds, time.monotonic, "boot"))
        await self.broker.start()
        api = Api(self.broker, reactor=reactor, wall=time.monotonic, checks={}, metrics=Metrics())
        self.factory = ChannelFactory(api, reactor, **limits)
        self.peers: list[Peer] = []
        self.port: IListeningPort = await TCP4ServerEndpoint(reactor, 0, interface="127.0.0.1").listen(self.factory)
        self.factory.accepts_from(self.port)

    async def connect(self, peer: Peer | None = None) -> Peer:
        endpoint = TCP4ClientEndpoint(reactor, "127.0.0.1", cast(Any, self.port.getHost()).port)
        peer = cast(Peer, await connectProtocol(endpoint, peer or Peer()))
        self.peers.append(peer)
        return peer

    async def ask(self, data: bytes) -> bytes:
        """Return the answer to a request on a connection of its own."""
        peer = await self.connect()
        peer.transport.write(data)
        answer = await peer.until(whole)
        peer.transport.loseConnection()
        return answer

    async def close(self) -> None:
        for peer in self.peers:
            if not peer.ended.called:
                peer.transport.abortConnection()
                await peer.ended
        await maybeDeferred(self.port.stopListening)
        closed = self.factory.close()
        await self.broker.stop()
        await closed

    async def eventually(self, holds: Callable[[], bool]) -> None:
        while not holds():
            await deferLater(reactor, 0.01)

    async def test_an_answer_larger_than_the_socket_takes_arrives_whole(self) -> None:
        await self.listen()
        for _ in range(4):
            await self.ask(post("/v1/publish", b"x" * 1_000_000))
        peer = await self.connect()
        peer.transport.pauseProducing()
        peer.transport.write(post("/v1/consumer?cid=1") + post("/v1/publish", b"y"))
        await self.eventually(lambda: self.factory.buffers.used > 100_000)
        peer.transport.resumeProducing()
        data = await peer.until(lambda data: data.endswith(b'{"messageId":5}'))
        received = data.partition(b"\r\n\r\n")[2]
        self.assertEqual(
            [len(one["body"]) for one in json.loads(received.partition(b"HTTP/1.1 201")[0])], [1_333_336] * 4
        )
        await self.eventually(lambda: self.factory.buffers.used == 0)
        await self.close()

    async def test_leases_of_an_answer_that_the_socket_did_not_take_are_given_back(self) -> None:
        await self.listen()
        for _ in range(4):
            await self.ask(post("/v1/publish", b"x" * 1_000_000))
        peer = await self.connect()
        peer.transport.pauseProducing()
        peer.transport.write(post("/v1/consumer?cid=1"))
        await self.eventually(lambda: self.factory.buffers.used > 100_000)
        peer.transport.abortConnection()
        await self.eventually(lambda: self.factory.connections == 0)
        received = payload(await self.ask(post("/v1/consumer?cid=2")))
        self.assertEqual([one["receives"] for one in received], [1] * 4)
        self.assertEqual(self.factory.buffers.used, 0)
        await self.close()

    async def test_a_client_that_ends_its_side_is_answered_and_then_left(self) -> None:
        await self.listen()
        peer = await self.connect()
        peer.transport.write(post("/v1/publish", b"x") + post("/v1/consumer?cid=1&queue=default") + b"GET /liv")
        peer.transport.loseWriteConnection()
        data = await peer.ended
        self.assertEqual(data.count(b"HTTP/1.1 20"), 2)
        self.assertTrue(data.endswith(b"}]"))
        await self.close()

    async def test_one_that_waits_is_answered_with_nothing(self) -> None:
        await self.listen()
        peer = await self.connect()
        peer.transport.write(post("/v1/consumer?cid=1&wait=60"))
        stats = await self.broker.stats()
        while not stats.queues[0].waiting:
            await deferLater(reactor, 0.01)
            stats = await self.broker.stats()
        peer.transport.loseWriteConnection()
        self.assertTrue((await peer.ended).endswith(b"\r\n\r\n[]"))
        await self.close()

    async def test_what_has_arrived_when_the_server_closes_is_answered(self) -> None:
        await self.listen()
        peers = [await self.connect() for _ in range(3)]
        for peer in peers:
            cast(socket.socket, peer.transport.getHandle()).sendall(post("/v1/publish", b"x"))
        closed = self.factory.close()
        for peer in peers:
            self.assertTrue((await peer.ended).startswith(b"HTTP/1.1 201 "))
        await closed
        await self.close()

    async def test_a_refusal_is_read_although_the_client_still_sends(self) -> None:
        await self.listen()
        peer = await self.connect()
        peer.transport.write(b"GET /" + b"a" * 5_000_000)
        data = await peer.ended
        self.assertTrue(data.startswith(b"HTTP/1.1 414 "), data[:100])
        self.assertEqual(payload(data)["code"], "uri-too-long")
        await self.close()

    async def test_a_client_is_shown_at_once_that_nothing_follows_a_refusal_and_may_still_send(self) -> None:
        await self.listen()
        peer = HalfPeer()
        await self.connect(peer)
        peer.transport.write(b"NON SENSE\r\n\r\n")
        await peer.half
        self.assertEqual((self.factory.connections, payload(peer.data)["status"]), (1, 501))
        peer.transport.write(b"more of it" * 1000)
        peer.transport.loseConnection()
        await self.eventually(lambda: self.factory.connections == 0)
        await self.close()

    async def test_there_are_never_more_connections_than_there_may_be(self) -> None:
        await self.listen(max_connections=2)
        peers = [await self.connect() for _ in range(5)]
        for peer in peers:
            peer.transport.write(post("/v1/publish", b"x"))
        for served in peers[:2]:
            await served.until(whole)
        for number in range(3):
            await deferLater(reactor, 0.05)
            self.assertEqual([whole(peer.data) for peer in peers], [True] * (2 + number) + [False] * (3 - number))
            self.assertEqual(self.factory.connections, 2)
            peers[number].transport.loseConnection()
            await peers[2 + number].until(whole)
        await self.close()
