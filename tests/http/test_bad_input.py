"""Whatever comes in: a clear answer, nothing changed, nothing logged, and the next connection is served.

Each row goes to a connection of the daemon's in one piece, byte by byte, and in two pieces cut at every offset; the
answers must be the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from tests.http.harness import Reply, ServerTestCase
from tests.http.over_the_channel import OverTheChannel
from wonderq.model import MAX_BODY


class Row(NamedTuple):
    """One thing to send, and the one answer to it.

    @ivar closes: no more is answered on this connection.
    """

    name: str
    data: bytes
    status: int
    code: str
    closes: bool = True


def request(line: bytes, *fields: bytes, body: bytes = b"", host: bool = True) -> bytes:
    head = (line + b" HTTP/1.1", *((b"Host: a",) if host else ()), *fields, b"", b"")
    return b"\r\n".join(head) + body


def get(target: bytes) -> bytes:
    return request(b"GET " + target)


def field(*fields: bytes) -> bytes:
    return request(b"GET /livez", *fields)


def length(value: bytes) -> bytes:
    return request(b"POST /v1/publish", b"Content-Length: " + value, body=b"xx")


def coded(value: bytes) -> bytes:
    return request(b"POST /v1/publish", b"Transfer-Encoding: " + value, body=b"2\r\nxx\r\n0\r\n\r\n")


def chunks(body: bytes) -> bytes:
    return request(b"POST /v1/publish", b"Transfer-Encoding: chunked", body=body)


def sent(body: bytes, target: bytes = b"/v1/publish/batch", method: bytes = b"POST") -> bytes:
    return request(
        method + b" " + target, b"Content-Type: application/json", b"Content-Length: %d" % len(body), body=body
    )


BAD, INVALID, UNKNOWN = "bad-request", "invalid-parameter", "not-implemented"

REQUEST_LINES = [
    Row("a path without anything", get(b"/nothing"), 404, "not-found", False),
    Row("a method that the path does not have", request(b"PUT /v1/publish"), 405, "method-not-allowed", False),
    Row("a method in lower case", request(b"get /livez"), 501, UNKNOWN),
    Row("a method that nobody knows", request(b"FOO!#$ /livez"), 501, UNKNOWN),
    Row("a method longer than one that is known", request(b"GETX /livez"), 501, UNKNOWN),
    Row("a method that is no token", request(b"G/T /livez"), 400, BAD),
    Row("a method without end", b"A" * 40, 400, BAD),
    Row("a tab behind the method", b"GET\t/livez HTTP/1.1\r\nHost: a\r\n\r\n", 400, BAD),
    Row("TRACE", request(b"TRACE /livez"), 501, UNKNOWN, False),
    Row("PROPFIND", request(b"PROPFIND /livez"), 501, UNKNOWN, False),
    Row("CONNECT", request(b"CONNECT evil:443"), 501, UNKNOWN),
    Row("OPTIONS *", request(b"OPTIONS *"), 400, BAD),
    Row("GET *", get(b"*"), 400, BAD),
    Row("an absolute target", get(b"http://evil/livez"), 400, BAD, False),
    Row("a target without a slash", get(b"livez"), 400, BAD),
    Row("a target of a query only", get(b"?x"), 400, BAD),
    Row("HTTP/2.0", b"GET /livez HTTP/2.0\r\nHost: a\r\n\r\n", 505, "http-version"),
    Row("HTTP/3.0", b"GET /livez HTTP/3.0\r\nHost: a\r\n\r\n", 505, "http-version"),
    Row("the preface of HTTP/2", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505, "http-version"),
    Row("HTTP/0.9", b"GET /livez\r\n\r\n", 400, BAD),
    Row("no HTTP", b"GET /livez http/1.1\r\nHost: a\r\n\r\n", 400, BAD),
    Row("TLS", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(64), 400, BAD),
    Row("nonsense", b"nonsense\r\n", 400, BAD),
    Row("three blank lines", b"\r\n\r\n\r\n" + get(b"/livez"), 400, BAD),
    Row("lines that end in LF", b"GET /livez HTTP/1.1\nHost: a\n\n", 400, BAD),
    Row("a header line that ends in LF", b"GET /livez HTTP/1.1\r\nHost: a\n\r\n", 400, BAD),
    Row("an escaped slash", get(b"/v1/queues/a%2Fmessages"), 400, BAD, False),
    Row("an escaped backslash", get(b"/v1/queues/a%5Cb"), 400, BAD, False),
    Row("a backslash", get(b"/v1/queues/a\\b"), 400, BAD, False),
    Row("escaped dots", get(b"/v1/queues/%2e%2e"), 400, BAD, False),
    Row("dots", get(b"/v1/queues/../queues/a"), 400, BAD, False),
    Row("two slashes first", get(b"//v1/publish"), 400, BAD, False),
    Row("two slashes", get(b"/v1//queues"), 400, BAD, False),
    Row("an empty name", get(b"/v1/queues//messages"), 400, BAD, False),
    Row("a slash behind", get(b"/v1/queues/"), 404, "not-found", False),
    Row("an escaped NUL", get(b"/v1/queues/a%00"), 400, BAD, False),
    Row("escaped line ends", get(b"/v1/queues/a%0d%0aX:1"), 400, BAD, False),
    Row("a broken escape", get(b"/v1/queues/%zz"), 400, BAD, False),
    Row("half an escape", get(b"/v1/queues/%4"), 400, BAD, False),
    Row("an escape that is not UTF-8", get(b"/v1/queues/%ff"), 400, BAD, False),
    Row("an overlong escape", get(b"/v1/queues/%c0%af"), 400, BAD, False),
    Row("an escaped surrogate", get(b"/v1/queues/%ed%a0%80"), 400, BAD, False),
    Row("a byte above ASCII", get(b"/v1/queues/\x80"), 400, BAD),
    Row("UTF-8", get("/v1/queues/é".encode()), 400, BAD),
    Row("DEL", get(b"/v1/queues/a\x7f"), 400, BAD),
    Row("a control character", get(b"/v1/queues/a\x01"), 400, BAD),
    Row("a fragment", get(b"/v1/queues/a#b"), 400, BAD, False),
    Row("an escaped question mark", get(b"/v1/queues/a%3Fb"), 400, "invalid-queue-name", False),
    Row("a semicolon", get(b"/v1/queues/a;b"), 400, "invalid-queue-name", False),
    Row("a plus", get(b"/v1/queues/a+b"), 400, "invalid-queue-name", False),
    Row("an escaped blank", get(b"/v1/queues/a%20b"), 400, "invalid-queue-name", False),
    Row("81 characters", get(b"/v1/queues/" + b"a" * 81), 400, "invalid-queue-name", False),
]

HEADERS = [
    Row("no Host", request(b"GET /livez", host=False), 400, BAD),
    Row("two Hosts", field(b"Host: a"), 400, BAD),
    Row("an empty Host", request(b"GET /livez", b"Host:", host=False), 400, BAD),
    Row("a Host with a blank", request(b"GET /livez", b"Host: a b", host=False), 400, BAD),
    Row("a Host with a slash", request(b"GET /livez", b"Host: a/b", host=False), 400, BAD),
    Row("a Host above ASCII", request(b"GET /livez", b"Host: \xe9", host=False), 400, BAD),
    Row("101 fields", field(*[b"X: a"] * 100), 431, "headers-too-large"),
    Row("no colon", field(b"Foo"), 400, BAD),
    Row("a blank before the colon", field(b"Foo : 1"), 400, BAD),
    Row("no name", field(b": 1"), 400, BAD),
    Row("a name with a blank", field(b"Foo bar: 1"), 400, BAD),
    Row("a folded header", field(b"X: a\r\n b"), 400, BAD),
    Row("a NUL in a value", field(b"X: a\0b"), 400, BAD),
    Row("a CR in a value", field(b"X: a\rb"), 400, BAD),
    *[Row(f"Content-Length {value!r}", length(value), 400, BAD) for value in (
        b"+2", b"-2", b"0x2", b"2.0", b"", b"2, 2", b"2 2", b"9" * 5000, b"18446744073709551616",
    )],
    *[Row(f"Content-Length {value!r}", length(value), 413, "body-too-large") for value in (
        b"%d" % (MAX_BODY + 1), b"1000000000000000000", b"9007199254740993", b"18446744073709551615",
    )],
    Row("two lengths", request(b"POST /v1/publish", *[b"Content-Length: 2"] * 2, body=b"xx"), 400, BAD),
    Row("a length and chunks", request(
        b"POST /v1/publish", b"Content-Length: 2", b"Transfer-Encoding: chunked", body=b"2\r\nxx\r\n0\r\n\r\n",
    ), 400, BAD),
    Row("chunks and a length", request(
        b"POST /v1/publish", b"Transfer-Encoding: chunked", b"Content-Length: 2", body=b"2\r\nxx\r\n0\r\n\r\n",
    ), 400, BAD),
    *[Row(f"Transfer-Encoding {value!r}", coded(value), 400, BAD) for value in (
        b"gzip, chunked", b"xchunked", b"\x0bchunked", b"chunked, gzip", b"gzip", b"identity", b"",
        b"chunked\r\nTransfer-Encoding: chunked",
    )],
    Row("chunks in HTTP/1.0",
        b"POST /v1/publish HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nxx\r\n0\r\n\r\n", 400, BAD),
    *[Row(f"a chunk of {size!r}", chunks(size + b"\r\nxx\r\n0\r\n\r\n"), 400, BAD) for size in (
        b"-2", b"0x2", b"1_0", b" 2", b"", b"2 ", b"2\n", b"f" * 17, b"f" * 1000,
    )],
    Row("a chunk that ends otherwise", chunks(b"2\r\nxxyy0\r\n\r\n"), 400, BAD),
    Row("chunks that end in LF", chunks(b"2\nxx\n0\n\n"), 400, BAD),
    Row("a length among the trailers", chunks(b"2\r\nxx\r\n0\r\nContent-Length: 5\r\n\r\n"), 400, BAD),
    Row("Expect: dinner", field(b"Expect: dinner"), 400, BAD),
    Row("two Content-Types", request(
        b"POST /v1/publish", *[b"Content-Type: text/plain"] * 2, b"Content-Length: 2", body=b"xx",
    ), 400, BAD, False),
    Row("a body on a receive", sent(b"x", b"/v1/consumer?cid=1", b"GET"), 400, "unexpected-body", False),
    Row("a body on a delete", sent(b"x", b"/v1/consumer?cid=1&id=1", b"DELETE"), 400, "unexpected-body", False),
    Row("a body on a GET", sent(b"x", b"/v1/queues/default", b"GET"), 400, "unexpected-body", False),
    Row("gzip", request(b"POST /v1/publish", b"Content-Encoding: gzip", b"Content-Length: 2", body=b"xx"), 415,
        "unsupported-media-type", False),
    Row("a form where JSON belongs", request(
        b"POST /v1/publish/batch", b"Content-Type: application/x-www-form-urlencoded", b"Content-Length: 2", body=b"[]",
    ), 415, "unsupported-media-type", False),
    Row("broken multipart", request(
        b"PUT /v1/queues/a", b"Content-Type: multipart/form-data", b"Content-Length: 2", body=b"[]",
    ), 415, "unsupported-media-type", False),
    Row("JSON in UTF-16", request(
        b"POST /v1/publish", b"Content-Type: application/json; charset=utf-16", b"Content-Length: 2", body=b"[]",
    ), 415, "unsupported-media-type", False),
]  # fmt: skip

PARAMETERS = [
    *[Row(f"limit={value!r}", get(b"/v1/consumer?cid=1&limit=" + value), 400, INVALID, False) for value in (
        b"0", b"-1", b"+1", b"1001", b"99999999999999999999", b"9" * 5000, b"1.0", b"1e1", b"0x10", b"0b1", b"1_0",
        b"007", b"%201", b"1%20", b"1%0a", b"%D9%A1%D9%A2", b"%EF%BC%91", b"%C2%B2", b"", b"1&limit=2", b"1;cid=2",
    )],
    Row("limit without a sign", get(b"/v1/consumer?cid=1&limit"), 400, INVALID, False),
    Row("a NUL", get(b"/v1/consumer?cid=1&limit=1%00"), 400, BAD, False),
    Row("an unknown parameter", get(b"/v1/consumer?cid=1&lmit=5"), 400, "unknown-parameter", False),
    Row("2,000 parameters", get(b"/v1/consumer?cid=1" + b"&a=1" * 2000), 400, "unknown-parameter", False),
    Row("a broken escape in a query", get(b"/v1/consumer?cid=%zz"), 400, BAD, False),
    Row("a query that is not UTF-8", get(b"/v1/consumer?cid=%ff"), 400, BAD, False),
    Row("a fragment behind a query", get(b"/v1/consumer?cid=1#x"), 400, BAD, False),
    Row("no cid", get(b"/v1/consumer"), 400, "missing-parameter", False),
    *[Row(f"wait={value!r}", get(b"/v1/consumer?cid=1&wait=" + value), 400, INVALID, False) for value in (
        b"61", b"nan", b"inf", b"Infinity", b"-1", b"1e1", b".5", b"1.",
    )],
    Row("bury=TRUE", request(b"PATCH /v1/consumer?cid=1&id=1&bury=TRUE"), 400, INVALID, False),
]  # fmt: skip

BODIES = [
    *[Row(f"a batch {body[:40]!r}", sent(body), 400, "invalid-json", False) for body in (
        b"", b"[", b'[{"body":\xff}]', b'[{"text":"\xed\xa0\x80"}]', "[]".encode("utf-16"), b"\xef\xbb\xbf[]",
        b'[{"body":' + b"[" * 3000, b'[{"body":NaN}]', b'[{"body":1}] x', b'[{"body":1},]',
        b"[{'body':1}]", b'[{"body":1}] // x',
    )],
    *[Row(f"a batch {body[:40]!r}", sent(body), 400, "invalid-envelope", False) for body in (
        b"[]", b"{}", b"1", b'"x"', b"null", b"[{}]", b'[{"body":1,"text":"x"}]', b'[{"base64":"a=b"}]',
        b'[{"body":1,"priority":true}]', b'[{"body":1,"priority":"5"}]', b'[{"body":1,"delay":-1}]',
    )],
    Row("an unknown field", sent(b'[{"body":1,"boby":2}]'), 400, "unknown-field", False),
    Row("a message that is not the JSON it says", sent(b"{", b"/v1/publish"), 400, "invalid-json", False),
    Row("settings that are none", sent(b"[]", b"/v1/queues/a", b"PUT"), 400, "invalid-setting", False),
]  # fmt: skip


class BadInputTests(OverTheChannel, ServerTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.server.publish(b"here before")

    def assertUnchanged(self) -> None:
        """Assert that all is as it was before, that it is served, and that nothing was logged."""
        self.assertEqual(self.flushLoggedErrors(), [])
        self.assertEqual([one["body"] for one in self.server.receive()], ["here before"])
        self.assertEqual(self.server.request("GET", "/v1/queues/a").status, 404)
        self.assertEqual((self.server.site.buffers.used, self.server.site.connections), (0, 0))

    def check(self, row: Row, *pieces: bytes) -> None:
        connection = self.server.connect()
        for piece in pieces:
            connection.send(piece)
        replies = connection.replies()
        self.assertEqual(len(replies), 1, f"{row.name}, {len(pieces)} pieces: {len(replies)} answers")
        (reply,) = replies
        said = (reply.status, reply.headers["content-type"], reply.json["code"], reply.headers.get("connection"))
        wanted = (row.status, "application/problem+json", row.code, "close" if row.closes else None)
        self.assertEqual(said, wanted, f"{row.name}, {len(pieces)} pieces, the first of {len(pieces[0])} bytes")
        connection.request("GET", "/livez")
        after = [later.status for later in connection.replies()]
        self.assertEqual(after, [] if row.closes else [200], row.name)
        connection.hang_up()

    def check_all(self, rows: Sequence[Row]) -> None:
        for row in rows:
            self.check(row, row.data)
            if len(row.data) < 1000:
                self.check(row, *(row.data[at : at + 1] for at in range(len(row.data))))
                for at in range(1, len(row.data), 1 if len(row.data) < 200 else 7):
                    self.check(row, row.data[:at], row.data[at:])
        self.assertUnchanged()

    def test_request_lines(self) -> None:
        self.check_all(REQUEST_LINES)

    def test_headers_and_framing(self) -> None:
        self.check_all(HEADERS)

    def test_parameters(self) -> None:
        self.check_all(PARAMETERS)

    def test_bodies(self) -> None:
        self.check_all(BODIES)


class OddButGoodTests(OverTheChannel, ServerTestCase):
    """What may look strange and is answered all the same."""

    def sent(self, data: bytes) -> Reply:
        """Return the answer, which is the same however the request is cut."""
        answers = []
        for pieces in [(data,), tuple(data[at : at + 1] for at in range(len(data)))]:
            connection = self.server.connect()
            for piece in pieces:
                connection.send(piece)
            (reply,) = connection.replies()
            connection.hang_up()
            answers.append((reply.status, reply.body))
        self.assertEqual(answers[0][0], answers[1][0])
        return reply

    def test_is_served(self) -> None:
        for data in (
            b"\r\n" + get(b"/livez"),
            b"GET /livez HTTP/1.0\r\n\r\n",
            field(b"X-Forwarded-For: 6.6.6.6", b"Accept: application/xml", b"Range: bytes=0-1"),
            field(b"X: " + b"a" * 16_000),
            field(*[b"X: a"] * 99),
            field(b"Content_Length: 2"),
            get(b"/v1/queues/%64efault"),
        ):
            self.assertEqual(self.sent(data).status, 200, data[:60])

    def test_chunks_of_every_kind_are_put_together(self) -> None:
        for body in (
            b"5\r\nhello\r\n0\r\n\r\n",
            b"1\r\nh\r\n4\r\nello\r\n0\r\n\r\n",
            b"5;x=y;z\r\nhello\r\n000\r\n\r\n",
            b"00005\r\nhello\r\n0\r\nX: a trailer\r\nHost: b\r\n\r\n",
        ):
            self.assertEqual(self.sent(chunks(body)).status, 201)
        self.assertEqual(self.sent(coded(b"CHUNKED")).status, 201)
        bodies = [one["body"] for one in self.server.receive(limit=100)]
        self.assertEqual(bodies, ["aGVsbG8="] * 8 + ["eHg="] * 2)

    def test_an_offer_to_upgrade_is_ignored_and_the_body_kept(self) -> None:
        for offer in (b"h2c", b"websocket", b"TLS/1.0"):
            for connection in (b"Upgrade", b"upgrade, keep-alive", b"keep-alive, Upgrade, HTTP2-Settings"):
                fields = b"Upgrade: " + offer, b"Connection: " + connection, b"HTTP2-Settings: AAMAAABk"
                for kind, body in (
                    (b"Content-Length: 5", b"hello"),
                    (b"Transfer-Encoding: chunked", b"5\r\nhello\r\n0\r\n\r\n"),
                ):
                    self.assertEqual(self.sent(request(b"POST /v1/publish", *fields, kind, body=body)).status, 201)
        self.assertEqual({one["body"] for one in self.server.receive(limit=1000)}, {"aGVsbG8="})

    def test_what_is_pipelined_behind_an_offer_to_upgrade_is_answered(self) -> None:
        connection = self.server.connect()
        offer = request(b"POST /v1/publish", b"Upgrade: h2c", b"Connection: Upgrade", b"Content-Length: 1", body=b"x")
        connection.send(offer * 500)
        self.server.clock.pump([0] * 10)
        self.assertEqual([reply.json["messageId"] for reply in connection.replies()], list(range(1, 501)))

    def test_a_body_of_exactly_what_is_announced_ends_there(self) -> None:
        connection = self.server.connect()
        inner = get(b"/livez")
        connection.send(request(b"POST /v1/publish", b"Content-Length: %d" % len(inner), body=inner + get(b"/nothing")))
        self.assertEqual([reply.status for reply in connection.replies()], [201, 404])
