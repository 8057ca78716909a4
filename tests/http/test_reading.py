"""How sockets are read in one sweep: what happens on one of them is its own, and is what the reactor would do."""

from __future__ import annotations

import resource
import socket
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from tempfile import TemporaryDirectory
from typing import Any, cast

from twisted.internet import reactor as the_reactor
from twisted.internet.defer import maybeDeferred
from twisted.internet.endpoints import TCP4ServerEndpoint, UNIXServerEndpoint
from twisted.internet.error import ConnectionAborted, ConnectionDone, ConnectionLost
from twisted.internet.interfaces import IHalfCloseableProtocol, IListeningPort, IReactorFDSet, IReadDescriptor
from twisted.internet.main import CONNECTION_LOST
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.internet.task import Clock, deferLater
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase, TestCase
from zope.interface import directlyProvides, implementer
from zope.interface.verify import verifyObject

from wonderq.http.reading import SWEEP, SWEEP_SECONDS, Reading

reactor = cast(Any, the_reactor)


class Served(Protocol):
    """The server's end of a connection.

    @ivar data: what was read.
    @ivar lost: the kind of its end, once it has ended.
    @ivar on_data: called with what was read.
    @ivar on_lost: called when it has ended.
    """

    transport: Any

    def __init__(self, reading: Reading) -> None:
        self._reading = reading
        self.data = b""
        self.lost: type[BaseException] | None = None
        self.on_data: Callable[[bytes], object] = len
        self.on_lost: Callable[[], object] = bool

    def connectionMade(self) -> None:
        self._reading.take(self.transport)

    def dataReceived(self, data: bytes) -> None:
        self.data += data
        self.on_data(data)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        assert reason.value is not None
        self.lost = type(reason.value)
        self.on_lost()


@implementer(IHalfCloseableProtocol)
class HalfServed(Served):
    """One that goes on when its client ends its side.

    @ivar ended: it has.
    """

    ended = False

    def readConnectionLost(self) -> None:
        self.ended = True

    def writeConnectionLost(self) -> None:
        """Nothing is to be done."""


class ServedFactory(Factory):
    """Makes the server's ends.

    @ivar served: all of them, in the order in which they came.
    """

    noisy = False
    kind: type[Served] = Served

    def __init__(self, reading: Reading) -> None:
        self._reading = reading
        self.served: list[Served] = []

    def buildProtocol(self, addr: object) -> Served:
        self.served.append(self.kind(self._reading))
        return self.served[-1]


@contextmanager
def no_more_descriptors() -> Iterator[None]:
    """Let this process open nothing."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


class TickingReactor:
    """The reactor, with a clock that tests move."""

    def __init__(self) -> None:
        self.now = 0.0
        directlyProvides(self, IReactorFDSet)

    def seconds(self) -> float:
        return self.now

    def __getattr__(self, name: str) -> Any:
        return getattr(reactor, name)


class ReadingTests(TestCase):
    timeout = 20

    def setUp(self) -> None:
        self.reactor = TickingReactor()
        self.reading = Reading(self.reactor)
        self.factory = ServedFactory(self.reading)
        self.clients: list[socket.socket] = []

    async def listen(self) -> None:
        self.port: IListeningPort = await TCP4ServerEndpoint(reactor, 0, interface="127.0.0.1").listen(self.factory)

    async def connect(self) -> tuple[socket.socket, Served]:
        """Return both ends of a new connection."""
        client = socket.create_connection(("127.0.0.1", cast(Any, self.port.getHost()).port))
        self.clients.append(client)
        await self.eventually(lambda: len(self.factory.served) == len(self.clients))
        return client, self.factory.served[-1]

    async def eventually(self, holds: Callable[[], bool]) -> None:
        while not holds():
            await deferLater(reactor, 0.001)

    async def close(self) -> None:
        await maybeDeferred(self.port.stopListening)
        for client in self.clients:
            client.close()
        await self.eventually(lambda: all(served.lost for served in self.factory.served))
        self.reading.close()
        self.assertNotIn(self.reading, reactor.getReaders())

    async def test_the_reactor_itself_reads_none_of_the_sockets(self) -> None:
        await self.listen()
        for _ in range(3):
            client, served = await self.connect()
            client.sendall(b"hello")
            await self.eventually(lambda served=served: served.data == b"hello")  # type: ignore[misc]
            self.assertNotIn(served.transport, reactor.getReaders())
        self.assertIn(self.reading, reactor.getReaders())
        await self.close()

    async def test_unix_sockets_are_read_too(self) -> None:
        directory = TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        path = f"{directory.name}/socket"
        self.port = await UNIXServerEndpoint(reactor, path).listen(self.factory)
        client = socket.socket(socket.AF_UNIX)
        self.clients.append(client)
        client.connect(path)
        client.sendall(b"hello")
        await self.eventually(lambda: [served.data for served in self.factory.served] == [b"hello"])
        self.assertNotIn(self.factory.served[0].transport, reactor.getReaders())
        await self.close()

    async def test_the_end_of_a_client_is_the_end_of_its_connection(self) -> None:
        await self.listen()
        client, served = await self.connect()
        client.sendall(b"last words")
        client.close()
        await self.eventually(lambda: served.lost is not None)
        self.assertEqual((served.data, served.lost), (b"last words", ConnectionDone))
        await self.close()

    async def test_who_has_only_ended_its_side_can_still_be_answered(self) -> None:
        self.factory.kind = HalfServed
        await self.listen()
        client, served = await self.connect()
        client.shutdown(socket.SHUT_WR)
        assert isinstance(served, HalfServed)
        await self.eventually(lambda: served.ended)
        self.assertIsNone(served.lost)
        served.transport.write(b"answer")
        served.transport.loseConnection()
        await self.eventually(lambda: served.lost is not None)
        self.assertEqual((client.recv(100), client.recv(100)), (b"answer", b""))
        await self.close()

    async def test_a_reset_is_a_lost_connection(self) -> None:
        self.factory.kind = HalfServed
        await self.listen()
        client, served = await self.connect()
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        client.close()
        await self.eventually(lambda: served.lost is not None)
        self.assertIs(served.lost, ConnectionLost)
        await self.close()

    async def test_one_that_pauses_is_read_when_it_resumes(self) -> None:
        await self.listen()
        client, served = await self.connect()
        other, mark = await self.connect()
        served.transport.pauseProducing()
        served.transport.pauseProducing()
        client.sendall(b"hello")
        other.sendall(b"later")
        await self.eventually(lambda: mark.data == b"later")
        self.assertEqual(served.data, b"")
        served.transport.resumeProducing()
        served.transport.resumeProducing()
        await self.eventually(lambda: served.data == b"hello")
        await self.close()

    async def test_one_that_aborts_while_it_is_read_hears_nothing_more(self) -> None:
        await self.listen()
        client, served = await self.connect()
        served.on_data = lambda data: served.transport.abortConnection()
        client.sendall(b"hello")
        await self.eventually(lambda: served.lost is not None)
        self.assertEqual((served.data, served.lost), (b"hello", ConnectionAborted))
        await self.close()

    async def test_one_that_closes_another_in_the_same_sweep_is_not_disturbed_by_it(self) -> None:
        await self.listen()
        pairs = [await self.connect() for _ in range(4)]
        ends = [served for _, served in pairs]

        def close_the_others(first: Served) -> None:
            for other in ends:
                if other is not first:
                    # At once: there is nothing to write, and its half was closed before.
                    other.transport.connectionLost(Failure(CONNECTION_LOST))

        for served in ends:
            served.on_data = lambda data, served=served: close_the_others(served)  # type: ignore[misc]
        for client, _ in pairs:
            client.sendall(b"hello")
        await self.eventually(lambda: sum(served.lost is not None for served in ends) == 3)
        self.assertEqual(sorted(served.data for served in ends), [b"", b"", b"", b"hello"])
        await self.close()

    async def test_a_bug_is_logged_and_costs_one_connection(self) -> None:
        await self.listen()
        client, served = await self.connect()
        other, unharmed = await self.connect()
        served.on_data = lambda data: 1 // 0
        client.sendall(b"hello")
        other.sendall(b"hello")
        await self.eventually(lambda: served.lost is not None and unharmed.data == b"hello")
        self.assertIs(served.lost, ZeroDivisionError)
        self.assertIsNone(unharmed.lost)
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
        await self.close()

    async def test_so_is_one_that_shows_at_the_end_of_a_connection(self) -> None:
        await self.listen()
        client, served = await self.connect()
        other, unharmed = await self.connect()
        served.on_lost = lambda: 1 // 0
        client.close()
        await self.eventually(lambda: served.lost is not None)
        other.sendall(b"hello")
        await self.eventually(lambda: unharmed.data == b"hello")
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
        await self.close()

    async def test_connections_outlive_their_listener(self) -> None:
        await self.listen()
        client, served = await self.connect()
        await maybeDeferred(self.port.stopListening)
        client.sendall(b"hello")
        await self.eventually(lambda: served.data == b"hello")
        await self.close()

    async def test_when_the_reactor_stops_every_connection_is_lost(self) -> None:
        await self.listen()
        ends = [(await self.connect())[1] for _ in range(2)]
        reactor.removeReader(self.reading)
        self.reading.connectionLost(Failure(CONNECTION_LOST))
        self.assertEqual([served.lost for served in ends], [ConnectionLost] * 2)
        await self.close()

    async def test_others_have_their_turn_between_two_sweeps(self) -> None:
        await self.listen()
        count = SWEEP + 8
        pairs = [await self.connect() for _ in range(count)]
        for client, _ in pairs:
            client.sendall(b"hello")
        self.reading.doRead()
        self.assertEqual(sum(bool(served.data) for _, served in pairs), SWEEP)
        self.reading.doRead()
        self.assertEqual([served.data for _, served in pairs], [b"hello"] * count)
        await self.close()

    async def test_and_when_a_sweep_takes_long_where_those_come_first_that_were_left(self) -> None:
        await self.listen()
        pairs = [await self.connect() for _ in range(5)]
        read = []

        def work(served: Served) -> None:
            read.append(served)
            self.reactor.now += SWEEP_SECONDS * 0.6

        for client, served in pairs:
            served.on_data = lambda data, served=served: work(served)  # type: ignore[misc]
            client.sendall(b"hello")
        self.reading.doRead()
        self.assertEqual(len(read), 2)
        for client, _ in pairs:
            client.sendall(b"more")
        self.reading.doRead()
        self.reading.doRead()
        self.assertEqual((len(read), set(read)), (5, {served for _, served in pairs}))
        await self.eventually(lambda: len(read) == 7)
        await self.close()

    async def test_one_that_was_left_may_be_gone_by_its_turn(self) -> None:
        await self.listen()
        pairs = [await self.connect() for _ in range(3)]

        def work(data: bytes) -> None:
            self.reactor.now += SWEEP_SECONDS

        for client, served in pairs:
            served.on_data = work
            client.sendall(b"hello")
        self.reading.doRead()
        for _, served in pairs:
            if not served.data:
                served.transport.connectionLost(Failure(CONNECTION_LOST))
        self.reading.doRead()
        self.assertEqual(sorted(served.data for _, served in pairs), [b"", b"", b"hello"])
        await self.close()

    async def test_before_it_all_ends_everything_is_read_that_has_arrived(self) -> None:
        await self.listen()
        pairs = [await self.connect() for _ in range(SWEEP + 8)]
        for client, _ in pairs:
            client.sendall(b"hello")
        self.reading.finish()
        self.assertEqual({served.data for _, served in pairs}, {b"hello"})
        await self.close()
        self.reading.finish()

    async def test_without_descriptors_in_a_reactor_everything_is_as_ever(self) -> None:
        self.factory = ServedFactory(Reading(Clock()))
        await self.listen()
        client, served = await self.connect()
        client.sendall(b"hello")
        await self.eventually(lambda: served.data == b"hello")
        self.assertIn(served.transport, reactor.getReaders())
        await self.close()

    async def test_and_so_it_is_when_no_descriptor_is_left_for_it(self) -> None:
        await self.listen()
        client, served = await self.connect()
        with no_more_descriptors():
            other = Reading(reactor)
            other.take(served.transport)
        self.assertEqual(other.fileno(), -1)
        client.sendall(b"hello")
        await self.eventually(lambda: served.data == b"hello")
        await self.close()

    async def test_it_can_begin_anew(self) -> None:
        await self.listen()
        for _ in range(2):
            client, served = await self.connect()
            client.close()
            await self.eventually(lambda served=served: served.lost is not None)  # type: ignore[misc]
            self.reading.close()
            self.reading.close()
            self.assertEqual(self.reading.fileno(), -1)
        await self.close()


class NotTakenTests(SynchronousTestCase):
    def test_what_is_no_plain_socket_is_read_as_ever(self) -> None:
        transport = StringTransport()
        reading = Reading(reactor)
        reading.take(transport)
        self.assertEqual((transport.producerState, reading.fileno()), ("producing", -1))

    def test_it_is_what_a_reactor_can_read(self) -> None:
        self.assertTrue(verifyObject(IReadDescriptor, Reading(reactor)))
        self.assertEqual(Reading(reactor).logPrefix(), "Reading")
