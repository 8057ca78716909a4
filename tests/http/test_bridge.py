"""The long way: what a twisted.web request finds in the channel that stands in for its connection."""

from __future__ import annotations

from typing import Any

from twisted.internet.interfaces import IPushProducer
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET
from zope.interface import implementer

from tests.http.harness import Server, ServerTestCase
from wonderq.http.api import Api
from wonderq.http.factory import ChannelFactory


class Recorder(Resource):
    """Answers when the test does."""

    isLeaf = True
    request: Any = None
    failure: Failure | None = None

    def render(self, request: Any) -> int:
        self.request = request
        request.notifyFinish().addErrback(self.failed)
        return NOT_DONE_YET

    def failed(self, failure: Failure) -> None:
        self.failure = failure


@implementer(IPushProducer)
class Pushing:
    """Writes down what it is told."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def pauseProducing(self) -> None:
        self.told.append("pause")

    def resumeProducing(self) -> None:
        self.told.append("resume")

    def stopProducing(self) -> None:
        self.told.append("stop")


class WritingOnce(StringTransport):
    """Counts what is written."""

    def __init__(self) -> None:
        StringTransport.__init__(self)
        self.pieces: list[bytes] = []

    def write(self, data: bytes) -> None:
        self.pieces.append(data)
        StringTransport.write(self, data)


class BridgeTests(ServerTestCase):
    def make_front(self, api: Api, clock: Clock) -> ChannelFactory:
        factory = ChannelFactory(api, clock)
        self.recorder = Recorder()
        factory.site.resource = self.recorder
        return factory

    def setUp(self) -> None:
        self.server = Server(self)
        self.transport = WritingOnce()
        self.connection = self.server.connect(self.transport)

    @property
    def request(self) -> Any:
        return self.recorder.request

    def test_a_request_is_what_came_in(self) -> None:
        self.connection.request("PUT", "/a/b?c=d&c=e", b"body", {"X": ["1", "2"], "Cookie": "k=v"})
        self.assertEqual((self.request.method, self.request.path), (b"PUT", b"/a/b"))
        self.assertEqual(self.request.args, {b"c": [b"d", b"e"]})
        self.assertEqual(self.request.content.read(), b"body")
        self.assertEqual(self.request.requestHeaders.getRawHeaders(b"X"), [b"1", b"2"])
        self.assertEqual(self.request.getCookie(b"k"), b"v")
        self.assertEqual((self.request.clientproto, self.request.isSecure()), (b"HTTP/1.1", False))
        self.assertEqual(self.request.getClientAddress(), self.transport.getPeer())
        self.assertEqual(self.request.getHost(), self.transport.getHost())
        self.request.finish()

    def test_head_and_first_piece_leave_together(self) -> None:
        self.connection.request("GET", "/")
        self.request.setHeader(b"content-length", b"4")
        self.request.write(b"abcd")
        self.request.finish()
        self.assertEqual(len(self.transport.pieces), 1)
        self.assertEqual([reply.body for reply in self.connection.replies()], [b"abcd"])

    def test_an_answer_of_unknown_length_is_chunked(self) -> None:
        self.connection.request("GET", "/")
        self.request.write(b"ab")
        self.assertTrue(self.transport.value().endswith(b"2\r\nab\r\n"))
        self.request.write(b"c")
        self.request.finish()
        self.assertTrue(self.transport.value().endswith(b"\r\n\r\n2\r\nab\r\n1\r\nc\r\n0\r\n\r\n"))
        self.assertIn(b"Transfer-Encoding: chunked\r\n", self.transport.value())

    def test_an_answer_without_a_body_is_written_too(self) -> None:
        self.connection.request("GET", "/")
        self.request.setResponseCode(204)
        self.request.finish()
        self.assertEqual([reply.status for reply in self.connection.replies()], [204])

    def test_the_next_request_waits_for_the_end_of_this_one(self) -> None:
        self.connection.request("GET", "/first")
        self.connection.request("GET", "/second")
        first = self.request
        self.assertEqual(first.path, b"/first")
        first.write(b"x")
        self.assertIs(self.request, first)
        first.finish()
        self.assertEqual(self.request.path, b"/second")
        self.request.finish()

    def test_a_request_is_told_when_its_client_is_gone(self) -> None:
        self.connection.request("GET", "/")
        producer = Pushing()
        self.request.registerProducer(producer, True)
        self.connection.hang_up()
        self.assertIsNotNone(self.recorder.failure)
        self.assertEqual(producer.told, ["stop"])

    def test_a_request_may_close_the_connection(self) -> None:
        self.connection.request("GET", "/")
        self.request.loseConnection()
        self.assertTrue(self.connection.closed)

    def test_a_producer_writes_as_fast_as_the_client_reads(self) -> None:
        self.connection.request("GET", "/")
        producer = Pushing()
        self.request.registerProducer(producer, True)
        channel: Any = self.transport.producer
        channel.pauseProducing()
        channel.resumeProducing()
        self.assertEqual(producer.told, ["pause", "resume"])
        self.request.unregisterProducer()
        channel.pauseProducing()
        self.assertEqual(producer.told, ["pause", "resume"])
        channel.resumeProducing()
        self.request.finish()

    def test_one_that_comes_when_the_client_does_not_read_waits(self) -> None:
        self.connection.request("GET", "/")
        channel: Any = self.transport.producer
        channel.pauseProducing()
        producer = Pushing()
        self.request.registerProducer(producer, True)
        self.assertEqual(producer.told, ["pause"])
        self.request.unregisterProducer()
        channel.resumeProducing()
        self.request.finish()

    def test_an_answer_that_was_not_sent_is_undone(self) -> None:
        self.connection.request("GET", "/")
        undone: list[bool] = []
        self.request.undo = lambda: undone.append(True)
        channel: Any = self.transport.producer
        channel.pauseProducing()
        self.request.setHeader(b"content-length", b"1")
        self.request.write(b"x")
        self.request.finish()
        self.assertEqual(undone, [])
        self.connection.hang_up(clean=False)
        self.assertEqual(undone, [True])
