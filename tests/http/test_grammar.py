"""Requests by the grammar, with faults planted, two in one stream, cut anywhere: the answers are theirs, in order."""

from __future__ import annotations

from typing import NamedTuple

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.http.harness import Server, ServerTestCase
from tests.http.over_the_channel import OverTheChannel

SETTINGS = settings(
    max_examples=100, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.differing_executors]
)


class Made(NamedTuple):
    """A request that was made up.

    @ivar good: it is one, so its answer leaves the connection open.
    """

    data: bytes
    good: bool


TARGETS = st.sampled_from(
    [b"/v1/publish", b"/v1/consumer?cid=1", b"/v1/consumer?cid=1&id=1", b"/livez", b"/nothing", b"/v1/queues/default",
     b"/v1/publish?queue=%zz", b"/v1/consumer", b"/v1//x", b"/%2F"]
)  # fmt: skip
METHODS = st.sampled_from([b"GET", b"POST", b"PUT", b"DELETE", b"PATCH", b"OPTIONS"])
TOKENS = st.text("abcXYZ019-_!#$%&'*+.^`|~", min_size=1, max_size=12).map(str.encode)
VALUES = st.text(' !azAZ09:;,="/\\\t\x80\xff', max_size=20).map(lambda text: text.encode("latin-1").strip(b" \t"))
FIELDS = st.lists(
    st.tuples(TOKENS.map(lambda name: b"x-" + name), VALUES).map(lambda field: b"%b: %b\r\n" % field), max_size=4
)
BODIES = st.binary(max_size=40)


@st.composite
def heads(draw: st.DrawFn) -> list[bytes]:
    """Make the pieces of a good head, without an end."""
    line = b"%b %b HTTP/1.1\r\n" % (draw(METHODS), draw(TARGETS))
    return [line, b"Host: a\r\n", *draw(FIELDS)]


@st.composite
def requests(draw: st.DrawFn) -> Made:
    """Make a good request, with a body of one of the two kinds or without one."""
    head, body = b"".join(draw(heads())), draw(BODIES)
    kind = draw(st.sampled_from(["none", "length", "chunks"]))
    if kind == "none":
        return Made(head + b"\r\n", True)
    if kind == "length":
        return Made(b"%bContent-Length: %d\r\n\r\n%b" % (head, len(body), body), True)
    cuts = sorted(draw(st.lists(st.integers(0, len(body)), max_size=3)))
    pieces = [body[start:end] for start, end in zip([0, *cuts], [*cuts, len(body)], strict=True)]
    chunks = b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces if piece)
    return Made(head + b"Transfer-Encoding: chunked\r\n\r\n" + chunks + b"0\r\n\r\n", True)


FAULTS = st.sampled_from(
    [b"Content-Length: 1\r\nContent-Length: 1\r\n", b"Transfer-Encoding: gzip\r\n", b"Host: b\r\n", b"Foo\r\n",
     b"Foo : 1\r\n", b" folded\r\n", b"X: a\0b\r\n", b"X: a\rb\r\n", b"Content-Length: -1\r\n", b"Expect: x\r\n",
     b"Content-Length: 1\r\nTransfer-Encoding: chunked\r\n", b"Content-Length: 99999999999\r\n", b": 1\r\n"]
)  # fmt: skip


@st.composite
def faulty(draw: st.DrawFn) -> Made:
    """Make a request whose head has a fault, and what one may smuggle behind it."""
    head = draw(heads())
    head.insert(draw(st.integers(1, len(head))), draw(FAULTS))
    return Made(b"".join(head) + b"\r\n" + draw(BODIES), False)


@st.composite
def cut(draw: st.DrawFn, data: bytes) -> list[bytes]:
    """Cut bytes into pieces."""
    at = sorted(draw(st.lists(st.integers(0, len(data)), max_size=4)))
    return [data[start:end] for start, end in zip([0, *at], [*at, len(data)], strict=True) if start < end]


class GrammarTests(OverTheChannel, ServerTestCase):
    def send(self, *pieces: bytes) -> list[tuple[int, str | None]]:
        """Return the status of each answer, and what it says of the connection."""
        connection = self.server.connect()
        for piece in pieces:
            connection.send(piece)
        answers = [(reply.status, reply.headers.get("connection")) for reply in connection.replies()]
        connection.hang_up()
        self.assertEqual(self.flushLoggedErrors(), [])
        self.assertEqual((self.server.site.connections, self.server.site.buffers.used), (0, 0))
        return answers

    def fresh(self) -> None:
        """Let nothing be left of the example before."""
        self.server.stop()
        self.server = Server(self)

    def assertInOrder(self, first: Made, second: Made, pieces: list[bytes]) -> None:
        """Assert that two requests in one stream are answered as each would be alone, and that nothing else is."""
        wanted = self.send(first.data)
        self.assertEqual(len(wanted), 1)
        if first.good:
            self.assertEqual(wanted[0][1], None)
            wanted += self.send(second.data)
            self.assertEqual(len(wanted), 2)
        else:
            self.assertEqual((wanted[0][0] // 100, wanted[0][1]), (4, "close"))
        self.fresh()
        self.assertEqual(self.send(*pieces), wanted)
        self.assertEqual(self.send(b"GET /livez HTTP/1.1\r\nHost: a\r\n\r\n"), [(200, None)])

    @SETTINGS
    @given(st.data(), requests(), st.one_of(requests(), faulty()))
    def test_two_requests_in_one_stream_have_two_answers(self, data: st.DataObject, first: Made, second: Made) -> None:
        self.assertInOrder(first, second, data.draw(cut(first.data + second.data)))

    @SETTINGS
    @given(st.data(), faulty(), requests())
    def test_nothing_behind_a_fault_is_answered(self, data: st.DataObject, first: Made, second: Made) -> None:
        self.assertInOrder(first, second, data.draw(cut(first.data + second.data)))

    @SETTINGS
    @given(st.data(), requests(), st.integers(0, 200), st.binary(min_size=1, max_size=3))
    def test_whatever_is_done_to_a_request_the_server_lives(
        self, data: st.DataObject, made: Made, at: int, junk: bytes
    ) -> None:
        self.fresh()
        at %= len(made.data)
        for mutated in (made.data[:at] + junk + made.data[at:], made.data[:at] + junk + made.data[at + len(junk) :]):
            answers = self.send(*data.draw(cut(mutated)))
            self.assertTrue(all(status < 500 or status in (501, 505) for status, _ in answers), answers)
            self.assertTrue(all(connection is None for _, connection in answers[:-1]), answers)
        self.assertEqual(self.send(b"GET /livez HTTP/1.1\r\nHost: a\r\n\r\n"), [(200, None)])
