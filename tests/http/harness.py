"""A whole server without a socket: the real site and API over a real broker in memory, on a clock that tests move."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, TypeVar
from urllib.parse import urlencode

from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionLost
from twisted.internet.protocol import connectionDone
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase
from twisted.web.resource import IResource
from twisted.web.server import Site as PlainSite

from wonderq.errors import StoreUnavailable
from wonderq.http.api import Api
from wonderq.http.site import Site
from wonderq.local.broker import LocalBroker
from wonderq.local.clock import StoreClock
from wonderq.local.journal import IJournal, MemoryJournal
from wonderq.metrics import Metrics

T = TypeVar("T")

START = 1_780_000_000.25
"""Wall time at which every test begins: 2026-05-28T20:26:40.250Z."""


class Reply(NamedTuple):
    """One answer as it came over the wire."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body, read as JSON."""
        return json.loads(self.body)


class Connection:
    """A client's connection: bytes in, answers out."""

    def __init__(self, site: Any, transport: StringTransport | None = None) -> None:
        self.transport = transport or StringTransport()
        self._protocol: Any = site.buildProtocol(None)
        self._protocol.makeConnection(self.transport)
        self._open = True

    def send(self, data: bytes) -> None:
        """Let bytes arrive."""
        self._protocol.dataReceived(data)

    def request(
        self, method: str, target: str, body: bytes = b"", headers: Mapping[str, str | list[str]] | None = None
    ) -> None:
        """Send one request; C{Host} and C{Content-Length} are added when they are not given."""
        fields: dict[str, str | list[str]] = {"Host": "localhost"}
        if body:
            fields["Content-Length"] = str(len(body))
        lines = [f"{method} {target} HTTP/1.1"]
        for name, values in (fields | dict(headers or {})).items():
            lines += [f"{name}: {value}" for value in ([values] if isinstance(values, str) else values)]
        self.send("\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body)

    def replies(self, head: bool = False) -> list[Reply]:
        """Take the answers that have come since the last time.

        @param head: they are answers to HEAD, so without bodies.
        """
        data, replies = self.transport.value(), []
        self.transport.clear()
        while data:
            start, _, data = data.partition(b"\r\n\r\n")
            line, *fields = start.decode("latin-1").split("\r\n")
            headers = {name.lower(): value for name, _, value in (field.partition(": ") for field in fields)}
            length = 0 if head else int(headers.get("content-length", 0))
            replies.append(Reply(int(line.split()[1]), headers, data[:length]))
            data = data[length:]
        return replies

    @property
    def closed(self) -> bool:
        """Whether the server has closed the connection."""
        return bool(self.transport.disconnecting)

    def end(self) -> None:
        """End the client's side, as C{shutdown(SHUT_WR)} does."""
        self._protocol.readConnectionLost()

    def hang_up(self, clean: bool = True) -> None:
        """Close the connection from the client's side."""
        if self._open:
            self._open = False
            self._protocol.connectionLost(connectionDone if clean else Failure(ConnectionLost()))


class HeldJournal(MemoryJournal):
    """A journal whose commits can be held back, as a slow disk does.

    @ivar holding: whether they are.
    """

    def __init__(self) -> None:
        super().__init__()
        self.holding = False
        self._held: list[tuple[Deferred[Any], Any]] = []

    def commit(self, value: T, durable: bool) -> Deferred[T]:
        """See L{IJournal.commit}."""
        if not self.holding:
            return super().commit(value, durable)
        answer: Deferred[T] = Deferred()
        self._held.append((answer, value))
        return answer

    def release(self) -> None:
        """Let the commits go that were held back."""
        self.holding = False
        held, self._held = self._held, []
        for answer, value in held:
            answer.callback(value)

    def fail(self) -> None:
        """Fail the commits that were held back."""
        held, self._held = self._held, []
        for answer, _ in held:
            answer.errback(StoreUnavailable())


class Server:
    """The server under test.

    @param site: makes the site; the default is what the test's C{make_front} makes, if it has one, or L{Site}.
    """

    def __init__(
        self,
        test: SynchronousTestCase,
        *,
        journal: IJournal | None = None,
        site: Callable[[IResource, Clock], PlainSite] | None = None,
        checks: Mapping[str, Callable[[], str | None]] | None = None,
        about: Callable[[], Mapping[str, object]] = dict,
        start: bool = True,
    ) -> None:
        self.clock = Clock()
        store_clock = StoreClock(self.clock.seconds, self.wall, "boot")
        self.broker = LocalBroker(journal or MemoryJournal(), self.clock, store_clock)
        self.metrics = Metrics()
        self.api = Api(
            self.broker,
            reactor=self.clock,
            wall=self.wall,
            checks={"store": self.broker.trouble, "drain": lambda: None} if checks is None else checks,
            metrics=self.metrics,
            about=about,
        )
        make_front = getattr(test, "make_front", None)
        self.site: Any
        if site is None and make_front is not None:
            self.site = make_front(self.api, self.clock)
        else:
            self.site = (site or Site)(self.api.resource(), self.clock)
        self._test = test
        self._connections: list[Connection] = []
        if start:
            self.start()
        test.addCleanup(self.stop)

    def wall(self) -> float:
        """Return the wall time."""
        return START + self.clock.seconds()

    def start(self) -> None:
        """Recover."""
        started = self.broker.start()
        self.clock.advance(0)
        self._test.successResultOf(started)

    def stop(self) -> None:
        """Close everything, and see that nothing is left that would run later."""
        for connection in self._connections:
            connection.hang_up()
        self._test.successResultOf(self.broker.stop())
        self._test.assertEqual(self.clock.getDelayedCalls(), [])

    def connect(self, transport: StringTransport | None = None) -> Connection:
        """Open a connection."""
        connection = Connection(self.site, transport)
        self._connections.append(connection)
        return connection

    def request(
        self,
        method: str,
        target: str,
        body: bytes = b"",
        headers: Mapping[str, str | list[str]] | None = None,
        **query: object,
    ) -> Reply:
        """Send one request over a connection of its own, and return its answer.

        @param query: parameters, to be encoded and put behind the target.
        """
        if query:
            target += "?" + urlencode(query)
        connection = self.connect()
        connection.request(method, target, body, headers)
        replies = connection.replies(head=method == "HEAD")
        self._test.assertEqual(len(replies), 1, f"{method} {target[:200]} was not answered once")
        connection.hang_up()
        return replies[0]

    # -- the calls that tests need most --

    def publish(self, body: bytes = b"hello", content_type: str = "text/plain", **query: object) -> int:
        """Publish a message, and return its id."""
        reply = self.request("POST", "/v1/publish", body, {"Content-Type": content_type}, **query)
        self._test.assertEqual(reply.status, 201, reply.body)
        return int(reply.json["messageId"])

    def receive(self, cid: object = 1, **query: object) -> list[dict[str, Any]]:
        """Receive messages."""
        reply = self.request("POST", "/v1/consumer", b"", None, cid=cid, **query)
        self._test.assertEqual(reply.status, 200, reply.body)
        messages: list[dict[str, Any]] = reply.json
        return messages

    def delete(self, **query: object) -> Any:
        """Delete messages, and return what came of it."""
        reply = self.request("DELETE", "/v1/consumer", b"", None, **query)
        self._test.assertEqual(reply.status, 200, reply.body)
        return reply.json

    def patch(self, **query: object) -> Any:
        """Extend, release or bury messages, and return what came of it."""
        reply = self.request("PATCH", "/v1/consumer", b"", None, **query)
        self._test.assertEqual(reply.status, 200, reply.body)
        return reply.json


class ServerTestCase(SynchronousTestCase):
    """A test with a server of its own.

    @ivar server: it.
    """

    def setUp(self) -> None:
        self.server = Server(self)

    def assertProblem(self, reply: Reply, status: int, code: str, **members: object) -> None:
        """Assert that an answer is a problem (RFC 9457), complete and of the right kind.

        @param members: more that it must say: C{parameter}, C{pointer}, C{detail}.
        """
        said = reply.body[:500]
        self.assertEqual((reply.status, reply.headers.get("content-type")), (status, "application/problem+json"), said)
        problem = reply.json
        self.assertEqual((problem["code"], problem["status"]), (code, status), said)
        self.assertEqual(problem["type"], f"urn:wonderq:problem:{code}", said)
        self.assertTrue(problem["title"] and problem["detail"], said)
        for name in {"parameter", "pointer"} | members.keys():
            self.assertEqual(problem.get(name), members.get(name), said)

    def assertRefused(self, status: int, code: str, method: str, target: str, body: bytes = b"", **more: Any) -> None:
        """Assert that a request is answered with a problem; C{headers} among C{more} goes with the request."""
        headers = more.pop("headers", None)
        reply = self.server.request(method, target, body, headers)
        try:
            self.assertProblem(reply, status, code, **more)
        except self.failureException as error:
            error.add_note(f"answered to {method} {target[:200]}")
            raise
