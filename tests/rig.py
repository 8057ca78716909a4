"""A server of which everything is real that neither listens, sleeps nor ends the process."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from signal import Signals

from twisted.internet.address import IPv4Address
from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.interfaces import IAddress, IListeningPort, IProtocolFactory, IStreamServerEndpoint
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.python.threadpool import ThreadPool
from zope.interface import implementer

from tests.http.harness import Connection
from wonderq.config import Config
from wonderq.http.api import Api
from wonderq.http.factory import ChannelFactory
from wonderq.local.broker import LocalBroker
from wonderq.local.clock import StoreClock
from wonderq.local.journal import MemoryJournal, Survivor, Sync
from wonderq.metrics import Metrics, ReactorLag
from wonderq.process import Process, Refused
from wonderq.service import Server

LOCAL = IPv4Address("TCP", "127.0.0.1", 8080)


class FakeProcess(Process):
    """A process that writes down what it is told."""

    def __init__(self) -> None:
        self.told: list[object] = []
        self.ignored: set[Signals] = set()
        self.settled = 0

    def started(self) -> None:
        self.told.append("started")

    def refused(self, refusal: Refused) -> None:
        self.told.append(str(refusal))

    def settle(self) -> None:
        self.settled += 1

    def ignore(self, *signals: Signals) -> None:
        self.ignored.update(signals)

    def exit_with(self, status: int) -> None:
        self.told.append(("exit with", status))

    def leave(self, status: int) -> None:
        self.told.append(("leave", status))


@implementer(IListeningPort)
class FakePort:
    """A listener that is only an address."""

    def __init__(self, address: IAddress) -> None:
        self.address = address
        self.listening = True

    def startListening(self) -> None:
        """It was born listening."""

    def stopListening(self) -> Deferred[None] | None:
        self.listening = False
        return None

    def getHost(self) -> IAddress:
        return self.address


@implementer(IStreamServerEndpoint)
class FakeEndpoint:
    """An endpoint that listens, or fails as it is told."""

    def __init__(self, outcome: IAddress | Exception) -> None:
        self._outcome = outcome
        self.port: FakePort | None = None

    def listen(self, protocolFactory: IProtocolFactory) -> Deferred[IListeningPort]:
        if isinstance(self._outcome, Exception):
            return fail(self._outcome)
        self.port = FakePort(self._outcome)
        return succeed(self.port)

    @property
    def listening(self) -> bool:
        return self.port is not None and self.port.listening


class Journal(MemoryJournal):
    """A journal whose opening and closing the test decides."""

    def __init__(self) -> None:
        super().__init__()
        self.refusal: Exception | None = None
        self.closed: Deferred[None] = succeed(None)
        self.opened = False
        self.readable = True

    def recover(self, now: float) -> Iterator[Sequence[Survivor]]:
        if not self.readable:
            raise OSError(5, "Input/output error")
        return super().recover(now)

    def open(self) -> None:
        if self.refusal is not None:
            raise self.refusal
        self.opened = True

    def close(self) -> Deferred[None]:
        return self.closed


class Rig:
    """A server of which everything is real that neither listens, sleeps nor ends the process."""

    def __init__(self, *endpoints: FakeEndpoint, drain: float = 0.0, insecure: bool = False) -> None:
        self.clock = Clock()
        self.process = FakeProcess()
        self.journal = Journal()
        self.stops = 0
        wall = self.clock.seconds
        self.broker = LocalBroker(self.journal, self.clock, StoreClock(self.clock.seconds, wall, "boot"))
        metrics = Metrics()
        self.endpoints = {
            f"fake:{index}": endpoint for index, endpoint in enumerate(endpoints or [FakeEndpoint(LOCAL)])
        }
        self.server = Server(
            Config((), None, Sync(), 0, drain, insecure),
            reactor=self.clock,
            stop_reactor=self._stop_reactor,
            process=self.process,
            threads=ThreadPool(0, 1),
            broker=self.broker,
            lag=ReactorLag(self.clock, metrics.lagged),
        )
        checks = {"store": self.broker.trouble, "drain": self.server.trouble}
        api = Api(self.broker, reactor=self.clock, wall=wall, checks=checks, metrics=metrics)
        self.site = ChannelFactory(api, self.clock)
        self.server.serve(self.site, self.endpoints)

    def _stop_reactor(self) -> None:
        self.stops += 1

    @property
    def listening(self) -> bool:
        return any(endpoint.listening for endpoint in self.endpoints.values())

    def start(self) -> None:
        self.server.privilegedStartService()
        self.server.startService()

    def settle(self) -> None:
        for _ in range(10):
            self.clock.advance(0)

    def ready(self) -> None:
        self.start()
        self.settle()

    def connect(self) -> Connection:
        """Return a new connection."""
        return Connection(self.site, StringTransport())

    def get(self, path: str) -> int:
        """Return the status of an answer on a connection of its own."""
        connection = self.connect()
        connection.request("GET", path)
        (reply,) = connection.replies()
        connection.hang_up()
        return reply.status
