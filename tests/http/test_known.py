"""What is not parsed since it was parsed before: it is read as llhttp would read it, or not at all."""

from __future__ import annotations

from hypothesis import example, given
from hypothesis import strategies as st

from tests.http.harness import Server, ServerTestCase
from tests.http.over_the_channel import OverTheChannel
from wonderq.http.framing import MAX_BLANKS, Framing
from wonderq.http.incoming import Incoming
from wonderq.http.known import KEPT, LONGEST, Known
from wonderq.http.paths import fault

HEAD = b"\r\nHost: a\r\nContent-Length: 5\r\n\r\n"
PUBLISH = b"POST /v1/publish HTTP/1.1" + HEAD + b"hello"

LINES = (
    b"POST /v1/publish HTTP/1.1",
    b"GET /v1/consumer?cid=1 HTTP/1.1",
    b"DELETE /v1/consumer?cid=1&id=2#3 HTTP/1.1",
    b"PATCH /v1/consumer?cid=1&id=\xff HTTP/1.1",
    b"PATCH //v1 HTTP/1.1",
    b"GET * HTTP/1.1",
    b"GET http://a/ HTTP/1.1",
    b"GET / HTTP/1.0",
    b"GET  / HTTP/1.1",
    b"GET / x HTTP/1.1",
    b"GET /\r HTTP/1.1",
    b"GET /\nHost: b HTTP/1.1",
    b"PRI * HTTP/2.0",
    b"CONNECT a:1 HTTP/1.1",
    b"get / HTTP/1.1",
    b"",
)
FIELDS = (
    b"Host: a",
    b"host:a ",
    b"Host: b, c",
    b"Content-Length: 5",
    b"Content-Length: 0",
    b"Content-Length: 4",
    b"Content-Length : 5",
    b"Transfer-Encoding: chunked",
    b"Connection: close",
    b"Connection: keep-alive",
    b"Connection: Upgrade",
    b"Upgrade: h2c",
    b"Expect: 100-continue",
    b"X: \r\n folded",
    b"X:",
    b"",
)
BODIES = (b"", b"hello", b"\r\n\r\n\r", b"5\r\nhello\r\n0\r\n\r\n", b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
ENDS = (b"\r\n", b"\r\n", b"\n", b"\r")


@st.composite
def reads(draw: st.DrawFn, blocks: st.SearchStrategy[bytes]) -> bytes:
    return b"%b%b%b%b" % (
        draw(st.sampled_from(LINES)),
        draw(blocks),
        draw(st.sampled_from((b"\r\n\r\n", b"\r\n\r\n", b"\n\n", b"\r\n"))),
        draw(st.sampled_from(BODIES)),
    )


@st.composite
def pairs(draw: st.DrawFn) -> tuple[bytes, bytes]:
    """Two reads, mostly with the same header fields."""
    parts = draw(st.lists(st.tuples(st.sampled_from(ENDS), st.sampled_from(FIELDS)), max_size=4))
    block = st.sampled_from((b"\r\nHost: a", b"\r\nHost: a\r\nContent-Length: 5", b"".join(map(b"".join, parts))))
    block = st.just(draw(block))
    return draw(reads(block)), draw(reads(block))


def alike(request: Incoming) -> tuple[object, ...]:
    return (request.method, request.target, dict(request.fields), [*request.repeated], request.version, request.last)


@given(pairs())
@example((PUBLISH, PUBLISH))
@example((b"GET /1 HTTP/1.1\r\nHost: a\r\n\r\n", b"GET /2 HTTP/1.1\r\nHost: a\r\n\r\n"))
@example((b"GET / HTTP/1.1\r\nContent-Length: 4\nHost: a\n\n\r\n\r\n",) * 2)
@example((b"GET / HTTP/1.1\r\nHost: a\n\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",) * 2)
def test_what_is_known_reads_as_it_would_be_parsed(pair: tuple[bytes, bytes]) -> None:
    before, data = pair
    known = Known()
    Framing(known).feed(before)
    request = known.request(data)
    if request is not None:
        parsing = Framing(Known())
        parsing.feed(data)
        (parsed,) = parsing.requests
        assert (*alike(request), request.body) == (*alike(parsed), parsed.body)
        assert (parsing.phase, parsing.fault, parsing.over) == ("idle", None, False)
        assert request.target.startswith(b"//") or fault(request.method, request.target) is None


class KnownTests(OverTheChannel, ServerTestCase):
    def setUp(self) -> None:
        self.server = Server(self)
        self.known = Known()
        self.framing = Framing(self.known)

    def test_what_comes_again_is_known_and_on_every_connection(self) -> None:
        self.assertIsNone(self.framing.whole(PUBLISH))
        self.framing.feed(PUBLISH)
        self.framing.requests.clear()
        for framing in (self.framing, Framing(self.known)):
            request = framing.whole(PUBLISH.replace(b"publish", b"publish?queue=a").replace(b"hello", b"world"))
            assert request is not None
            self.assertEqual((request.target, request.body), (b"/v1/publish?queue=a", b"world"))

    def test_nothing_is_taken_that_is_more_or_less_than_a_request_alone(self) -> None:
        self.framing.feed(PUBLISH)
        self.assertIsNone(self.framing.whole(PUBLISH), "one is there already")
        self.framing.requests.clear()
        for data in (PUBLISH[:-1], PUBLISH + b"x", PUBLISH * 2, b"\r\n" + PUBLISH, PUBLISH.replace(b": a", b": b")):
            self.assertIsNone(self.framing.whole(data), data)
        for end in range(1, len(PUBLISH)):
            self.assertIsNone(self.framing.whole(PUBLISH[:end]), PUBLISH[:end])
        self.framing.feed(PUBLISH[:20])
        self.assertIsNone(self.framing.whole(PUBLISH), "another has begun")

    def test_heads_that_ask_for_care_are_parsed_each_time(self) -> None:
        for field in (
            b"Transfer-Encoding: chunked",
            b"Connection: close",
            b"Expect: 100-continue",
            b"Accept: a/b\r\nAccept: c/d",
            b"X: " + b"x" * LONGEST,
        ):
            data = b"GET / HTTP/1.1\r\nHost: a\r\n%b\r\n\r\n" % field
            framing = Framing(self.known)
            framing.feed(data + (b"0\r\n\r\n" if b"chunked" in field else b""))
            self.assertEqual(len(framing.requests), 1, field[:40])
            self.assertIsNone(Framing(self.known).whole(data), field[:40])

    def test_what_offers_an_upgrade_each_time_is_known_without_it(self) -> None:
        data = PUBLISH.replace(b": a", b": a\r\nConnection: Upgrade\r\nUpgrade: h2c")
        self.framing.feed(data)
        request = Framing(self.known).whole(data)
        assert request is not None
        self.assertEqual((request.body, alike(request)), (b"hello", alike(self.framing.requests[0])))

    def test_long_targets_are_parsed_each_time(self) -> None:
        self.framing.feed(PUBLISH)
        self.assertIsNone(Framing(self.known).whole(PUBLISH.replace(b"publish", b"publish?dedup=" + b"x" * LONGEST)))

    def test_any_number_of_heads_comes_in_and_few_are_kept(self) -> None:
        first = PUBLISH.replace(b": a", b": first")
        Framing(self.known).feed(first)
        for number in range(KEPT):
            data = PUBLISH.replace(b": a", b": a%d" % number)
            Framing(self.known).feed(data)
            self.assertIsNotNone(Framing(self.known).whole(data))
        self.assertIsNone(Framing(self.known).whole(first))

    def test_blank_lines_are_counted_anew_behind_what_is_known(self) -> None:
        connection = self.server.connect()
        for _ in range(MAX_BLANKS + 1):
            connection.send(b"\r\n")
            connection.send(PUBLISH)
            self.assertEqual([reply.status for reply in connection.replies()], [201])

    def test_it_is_answered_alike(self) -> None:
        connection = self.server.connect()
        bodies = []
        for target in (b"/v1/publish", b"/v1/publish", b"/v1/publish?queue=nowhere", b"/livez", b"/v1/%2F", b"//"):
            connection.send(b"POST " + target + b" HTTP/1.1" + HEAD + b"hello")
            bodies += [(reply.status, reply.json.get("code")) for reply in connection.replies()]
        self.assertEqual(
            bodies,
            [
                (201, None),
                (201, None),
                (404, "no-such-queue"),
                (405, "method-not-allowed"),
                (400, "bad-request"),
                (400, "bad-request"),
            ],
        )
