"""What is too much, and what is no request to this server."""

from __future__ import annotations

from io import BytesIO

from twisted.web.iweb import IRequest
from twisted.web.resource import Resource

from tests.http.harness import Connection, Reply, Server, ServerTestCase
from wonderq.http.limits import LINGER
from wonderq.http.paths import MAX_TARGET
from wonderq.http.site import Site
from wonderq.model import MAX_BODY


class BodyTests(ServerTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.connection = self.server.connect()

    def refused(self) -> Reply:
        (reply,) = self.connection.replies()
        self.assertProblem(reply, 413, "body-too-large")
        self.assertEqual(reply.headers["connection"], "close")
        self.assertEqual(reply.headers["cache-control"], "no-store")
        return reply

    def head(self, *lines: str) -> None:
        self.connection.send("\r\n".join(("POST /v1/publish HTTP/1.1", "Host: a", *lines, "", "")).encode())

    def test_a_body_that_will_be_too_large_is_refused_before_it_comes(self) -> None:
        self.head(f"Content-Length: {MAX_BODY + 1}")
        self.refused()

    def test_nobody_is_told_to_go_on_with_it(self) -> None:
        self.head(f"Content-Length: {MAX_BODY + 1}", "Expect: 100-continue")
        self.refused()

    def test_who_asks_may_go_on_with_a_smaller_one(self) -> None:
        self.head("Content-Length: 5", "Expect: 100-continue")
        self.assertEqual(self.connection.transport.value(), b"HTTP/1.1 100 Continue\r\n\r\n")
        self.connection.transport.clear()
        self.connection.send(b"hello")
        self.assertEqual([reply.status for reply in self.connection.replies()], [201])

    def test_chunks_are_counted_while_they_come(self) -> None:
        self.head("Transfer-Encoding: chunked")
        piece = b"100000\r\n" + b"x" * 0x100000 + b"\r\n"
        for _ in range(16):
            self.connection.send(piece)
        self.assertEqual(self.connection.replies(), [])
        self.connection.send(b"1\r\nx\r\n")
        self.refused()

    def test_the_rest_is_read_and_dropped_so_that_the_answer_arrives(self) -> None:
        self.head(f"Content-Length: {MAX_BODY + 1}")
        self.refused()
        for _ in range(16):
            self.connection.send(b"x" * 0x100000)
        self.assertFalse(self.connection.closed)
        self.connection.send(b"x")
        self.assertTrue(self.connection.closed)
        self.assertEqual((self.connection.replies(), self.server.receive()), ([], []))

    def test_but_not_without_end(self) -> None:
        self.head("Content-Length: 1000000000000000000")
        self.refused()
        for _ in range(33):
            self.assertFalse(self.connection.closed)
            self.connection.send(b"x" * 0x100000)
        self.assertTrue(self.connection.closed)

    def test_nor_for_long(self) -> None:
        self.head(f"Content-Length: {MAX_BODY + 1}")
        self.server.clock.advance(LINGER)
        self.assertTrue(self.connection.closed)

    def test_what_is_pipelined_behind_it_is_not_run(self) -> None:
        self.head("Transfer-Encoding: chunked")
        self.connection.send(b"1000001\r\n" + b"x" * (MAX_BODY + 1) + b"\r\n0\r\n\r\n")
        self.connection.request("POST", "/v1/publish", b"x")
        self.refused()
        self.assertTrue(self.connection.closed)
        self.assertEqual(self.server.receive(), [])

    def test_forms_are_messages_like_others(self) -> None:
        for content_type in (
            "application/x-www-form-urlencoded",
            "multipart/form-data; boundary=x",
            "multipart/form-data",
        ):
            self.server.publish(b"cid=1&a=b", content_type)
            self.assertEqual(self.server.receive()[0]["body"], "Y2lkPTEmYT1i")


class FramingTests(ServerTestCase):
    def sent(self, data: bytes) -> tuple[Connection, Reply]:
        connection = self.server.connect()
        connection.send(data)
        (reply,) = connection.replies()
        return connection, reply

    def test_a_host_is_needed_and_one_is_enough(self) -> None:
        for head in (
            b"",
            b"Host: a\r\nHost: a\r\n",
            b"Host: a b\r\n",
            b"Host: a/b\r\n",
            b"Host:\r\n",
            b"Host: \xe9\r\n",
        ):
            connection, reply = self.sent(b"GET /livez HTTP/1.1\r\n" + head + b"\r\n")
            self.assertProblem(reply, 400, "bad-request")
            self.assertTrue(connection.closed)
        for host in ("a", "a.example:8080", "[::1]:8080", "127.0.0.1", "x" * 64 + ".b", "a..b", "a:99999"):
            self.assertEqual(self.server.request("GET", "/livez", b"", {"Host": host}).status, 200)

    def test_http_1_0_needs_none_and_is_closed(self) -> None:
        connection, reply = self.sent(b"GET /livez HTTP/1.0\r\n\r\n")
        self.assertEqual(reply.status, 200)
        self.assertTrue(connection.closed)

    def test_nothing_but_a_path_is_a_target(self) -> None:
        for line in (b"GET *", b"OPTIONS *", b"GET http://evil/livez", b"GET livez", b"GET ?x"):
            _, reply = self.sent(line + b" HTTP/1.1\r\nHost: a\r\n\r\n")
            self.assertProblem(reply, 400, "bad-request")

    def test_nothing_but_to_continue_can_be_expected(self) -> None:
        _, reply = self.sent(b"GET /livez HTTP/1.1\r\nHost: a\r\nExpect: dinner\r\n\r\n")
        self.assertProblem(reply, 400, "bad-request")

    def test_what_cannot_be_parsed_is_refused_and_the_connection_closed(self) -> None:
        for data in (
            b"nonsense\r\n", b"GET /livez\r\n", b"GET /livez HTTP/2.0\r\n", b"G/T /livez HTTP/1.1\r\n",
            b"GET /livez HTTP/1.1\r\nno colon\r\n\r\n", b"GET /livez HTTP/1.1\r\nFoo : 1\r\n\r\n",
            b"POST /v1/publish HTTP/1.1\r\nContent-Length: +2\r\n\r\nxx",
            b"POST /v1/publish HTTP/1.1\r\ncontent-LENGTH: " + b"9" * 5000 + b"\r\n\r\n",
            b"POST /v1/publish HTTP/1.1\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nxx",
            b"POST /v1/publish HTTP/1.1\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            b"POST /v1/publish HTTP/1.1\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        ):  # fmt: skip
            connection, reply = self.sent(data)
            self.assertProblem(reply, 400, "bad-request")
            self.assertEqual(reply.headers["connection"], "close")
            self.assertTrue(connection.closed)
        self.assertEqual(self.server.receive(), [])

    def test_a_target_has_48_kibibytes(self) -> None:
        fits = "/v1/consumer?cid=1&queue=" + "a" * (MAX_TARGET - 25)
        self.assertRefused(400, "invalid-queue-name", "GET", fits, parameter="queue")
        self.assertRefused(414, "uri-too-long", "GET", fits + "a")
        connection, reply = self.sent(b"GET /" + b"a" * 100_000)
        self.assertProblem(reply, 414, "uri-too-long")
        self.assertTrue(connection.closed)

    def test_headers_have_a_limit(self) -> None:
        self.assertEqual(self.server.request("GET", "/livez", b"", {"X": "a" * 16000}).status, 200)
        connection, reply = self.sent(b"GET /livez HTTP/1.1\r\nX: " + b"a" * 100_000)
        self.assertProblem(reply, 400, "bad-request")
        self.assertTrue(connection.closed)
        self.assertEqual(self.server.request("GET", "/livez", b"", {"X": ["a"] * 99}).status, 200)
        self.assertRefused(400, "bad-request", "GET", "/livez", headers={"X": ["a"] * 101})


class Recorder(Resource):
    """Keeps what twisted.web made of a request, and answers without a content type."""

    isLeaf = True

    def render(self, request: IRequest) -> bytes:
        self.content = request.content
        return b"<b>"


class RequestTests(ServerTestCase):
    def setUp(self) -> None:
        self.recorder = Recorder()
        self.server = Server(self, site=lambda resource, clock: Site(self.recorder, clock))

    def test_a_body_is_kept_in_memory(self) -> None:
        chunked: dict[str, str | list[str]] = {"Transfer-Encoding": "chunked", "Content-Length": []}
        for body, headers in (
            (b"", {}),
            (b"x" * 1_000_000, {}),
            (b"1\r\nx\r\n0\r\n\r\n", chunked),
        ):
            self.server.request("POST", "/", body, headers)
            self.assertIsInstance(self.recorder.content, BytesIO)

    def test_no_answer_is_called_a_page_for_want_of_a_content_type(self) -> None:
        self.assertNotIn("content-type", self.server.request("GET", "/").headers)


class SiteTests(ServerTestCase):
    def setUp(self) -> None:
        super().setUp()
        assert isinstance(self.server.site, Site)
        self.site = self.server.site

    def test_a_connection_is_counted_while_it_is_open(self) -> None:
        first, second = self.server.connect(), self.server.connect()
        self.assertEqual(len(self.site.channels), 2)
        for connection in (first, second):
            connection.hang_up()
        self.assertEqual(len(self.site.channels), 0)

    def test_a_site_closes_when_all_its_connections_are_answered(self) -> None:
        idle, waiting = self.server.connect(), self.server.connect()
        waiting.request("POST", "/v1/consumer?cid=1&wait=60")
        closed = self.site.close()
        self.assertEqual((idle.closed, waiting.closed), (True, False))
        idle.hang_up()
        self.assertNoResult(closed)
        self.server.broker.stop()
        self.assertEqual([reply.body for reply in waiting.replies()], [b"[]"])
        self.assertTrue(waiting.closed)
        waiting.hang_up()
        self.successResultOf(closed)

    def test_a_site_without_connections_is_closed_at_once(self) -> None:
        self.successResultOf(self.site.close())
