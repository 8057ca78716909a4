"""The client over real sockets: that Twisted's reactor, its agent and treq are put together rightly."""

from __future__ import annotations

from pathlib import Path
from tempfile import mkdtemp
from typing import Any

from twisted.internet import reactor as installed
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.endpoints import UNIXClientEndpoint
from twisted.internet.interfaces import IStreamClientEndpoint
from twisted.internet.task import deferLater
from twisted.trial.unittest import TestCase
from twisted.web.client import URI
from twisted.web.iweb import IAgentEndpointFactory
from zope.interface import implementer

from tests.network import HTTPHarness
from wonderq.client import Client
from wonderq.errors import StoreUnavailable
from wonderq.model import Claim, Draft

reactor: Any = installed


@implementer(IAgentEndpointFactory)
class OneSocket:
    """Leads every connection to one Unix socket."""

    def __init__(self, path: str) -> None:
        self._path = path

    def endpointForURI(self, uri: URI) -> IStreamClientEndpoint:
        return UNIXClientEndpoint(reactor, self._path)


class TestSockets(TestCase):
    timeout = 30

    def setUp(self) -> None:
        self.harness = HTTPHarness()
        self.addCleanup(self.harness.close)

    def listen(self) -> str:
        """Listen on a free port, and return its URL."""
        port = reactor.listenTCP(0, self.harness.site, interface="127.0.0.1")
        self.addCleanup(port.stopListening)
        return f"http://127.0.0.1:{port.getHost().port}"

    def client(self, *arguments: Any, **options: Any) -> Client:
        client = Client(reactor, *arguments, **options)
        self.addCleanup(client.close)
        return client

    async def use(self, client: Client) -> None:
        """Let a message live its life."""
        body = b'{"numbers": [1, 2.0]} \n'
        [published] = await client.publish([Draft(body, "application/json")])
        [got] = await client.receive(["default"], "alice")
        self.assertEqual((got.id, got.body), (published.id, body))
        self.assertEqual(await client.delete("alice", [Claim(got.id, got.receipt)]), [True])
        self.assertEqual(await client.receive(["default"], "alice"), [])

    def test_over_tcp(self) -> Deferred[None]:
        return Deferred.fromCoroutine(self.use(self.client(self.listen())))

    def test_over_a_unix_socket(self) -> Deferred[None]:
        path = Path(mkdtemp()) / "socket"
        self.addCleanup(path.parent.rmdir)
        self.addCleanup(reactor.listenUNIX(str(path), self.harness.site).stopListening)
        return Deferred.fromCoroutine(self.use(self.client("http://localhost", endpoints=OneSocket(str(path)))))

    async def test_a_receive_that_is_cancelled_is_no_longer_waiting_on_the_server(self) -> None:
        client = self.client(self.listen())
        waiting = client.receive(["default"], "alice", wait=60.0)
        while (await client.show_queue("default")).waiting == 0:
            await deferLater(reactor, 0)
        waiting.cancel()
        await self.assertFailure(waiting, CancelledError)
        while (await client.show_queue("default")).waiting == 1:
            await deferLater(reactor, 0)

    async def test_nobody_listens(self) -> None:
        port = reactor.listenTCP(0, self.harness.site, interface="127.0.0.1")
        client = self.client(f"http://127.0.0.1:{port.getHost().port}")
        await port.stopListening()
        error = await self.assertFailure(client.publish([Draft(b"")]), StoreUnavailable)
        self.assertIn("cannot be reached", str(error))
