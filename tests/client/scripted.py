"""A client, and a server that says what the test tells it to."""

from __future__ import annotations

from twisted.internet.interfaces import IAddress
from twisted.internet.protocol import Factory, Protocol

from tests.harness import Harness
from tests.network import Network
from wonderq.client import Client


class Connection(Protocol):
    """One connection, seen from the server.

    @ivar received: everything that came.
    @ivar lost: the client has closed it.
    """

    def __init__(self) -> None:
        self.received = b""
        self.lost = False

    def dataReceived(self, data: bytes) -> None:
        self.received += data

    def connectionLost(self, reason: object = None) -> None:
        self.lost = True

    def say(self, data: bytes) -> None:
        assert self.transport is not None
        self.transport.write(data)

    def hang_up(self) -> None:
        assert self.transport is not None
        self.transport.loseConnection()

    @property
    def head(self) -> list[str]:
        """The lines of the last request before its body."""
        return self.received.decode("ascii").rpartition("HTTP/1.1")[0].split("\r\n")


class Listening(Factory):
    """The server's side of every connection, in the order they were made."""

    def __init__(self) -> None:
        self.connections: list[Connection] = []

    def buildProtocol(self, addr: IAddress | None) -> Connection:
        self.connections.append(Connection())
        return self.connections[-1]


class ScriptedHarness(Harness):
    """A client whose server the test plays.

    @ivar server: the connections it made.
    """

    def __init__(self, url: str = "http://queue.test", timeout: float = 30.0, idle_connections: int = 10) -> None:
        super().__init__()
        self.network = Network()
        self.network.server = self.server = Listening()
        self.broker = self.client = Client(
            self.clock, url, timeout=timeout, idle_connections=idle_connections, endpoints=self.network
        )

    @property
    def connection(self) -> Connection:
        """The last connection that was made, with all that was sent to it."""
        self.settle()
        return self.server.connections[-1]

    def settle(self) -> None:
        self.network.flush()
        super().settle()
        self.network.flush()

    def answer(self, body: bytes, status: int = 200, *headers: bytes) -> None:
        """Answer the last request."""
        self.connection.say(whole_answer(body, status, *headers))
        self.settle()

    def close(self) -> None:
        self.result(self.client.close())


def whole_answer(body: bytes, status: int = 200, *headers: bytes) -> bytes:
    """Write an answer with its framing."""
    lines = b"".join(header + b"\r\n" for header in headers)
    return b"HTTP/1.1 %d Said\r\nContent-Length: %d\r\n%b\r\n%b" % (status, len(body), lines, body)
