"""Both fronts give the same answers: the daemon's own connection, and the API in a site of twisted.web's.

One table of requests goes to a server of each kind, in the same order; status line, headers, their order, and body must
be the same.  What differs by design is in L{DIFFERENT}, and nowhere else.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from tests.http.harness import Connection, HeldJournal, Server
from wonderq.http.api import Api
from wonderq.http.factory import ChannelFactory
from wonderq.http.lane import CALLS
from wonderq.http.site import Site


class Sent(NamedTuple):
    """One request."""

    method: str
    target: str
    body: bytes = b""
    headers: dict[str, str | list[str]] = {}


JSON: dict[str, str | list[str]] = {"Content-Type": "application/json"}
TEXT: dict[str, str | list[str]] = {"Content-Type": "text/plain"}

KEEPING: list[dict[str, str | list[str]]] = [{}, {"Connection": "keep-alive"}, {"Connection": "close"}]

LIFE = [
    Sent("PUT", "/v1/queues/a", b'{"lease":5,"maxReceives":2}', JSON),
    Sent("PUT", "/v1/queues/a", b"", {"If-None-Match": "*"}),
    Sent("POST", "/v1/publish", b"hello", TEXT),
    Sent("POST", "/v1/publish?queue=a&priority=9", b'{"a":[1]}', JSON),
    Sent("POST", "/v1/publish?queue=a&delay=0.5", b"\x00\xff"),
    Sent("POST", "/v1/publish", b""),
    Sent("POST", "/v1/publish/batch?queue=a", b'[{"body":1},{"text":"x"},{"base64":"eA=="}]'),
    Sent("GET", "/v1/consumer?cid=1"),
    Sent("POST", "/v1/consumer?cid=a.b:c-d&limit=2&queue=a,default&lease=1"),
    Sent("POST", "/v1/consumer?cid=1&queue=default&wait=0"),
    Sent("DELETE", "/v1/consumer?cid=1&id=1"),
    Sent("DELETE", "/v1/consumer?cid=1&id=1,4,99"),
    Sent("PATCH", "/v1/consumer?cid=a.b:c-d&id=2,5&lease=60"),
    Sent("PATCH", "/v1/consumer?cid=a.b:c-d&id=2&delay=0&reason=%C3%A9t%C3%A9+x"),
    Sent("PATCH", "/v1/consumer?cid=a.b:c-d&id=5&bury=true"),
    Sent("GET", "/v1/messages/2"),
    Sent("GET", "/v1/messages/5"),
    Sent("GET", "/v1/queues/a"),
    Sent("DELETE", "/v1/queues/a"),
]

REFUSED = [
    Sent("POST", "/v1/publish?queue=nope", b"x"),
    Sent("POST", "/v1/publish", b"x" * (1024 * 1024 + 1)),
    Sent("POST", "/v1/publish?x=1", b"x"),
    Sent("POST", "/v1/publish", b"{", JSON),
    Sent("POST", "/v1/publish", b"x", {"Content-Type": ["a/b", "c/d"]}),
    Sent("POST", "/v1/publish", b"x", {"Content-Encoding": "gzip"}),
    Sent("POST", "/v1/publish/batch", b'[{"body":1},{"body":2,"delay":-1}]'),
    Sent("POST", "/v1/publish/batch", b'[{"body":1,"queue":"nope"}]'),
    Sent("POST", "/v1/publish/batch", b"[]", {"Content-Type": "a/b"}),
    Sent("GET", "/v1/consumer"),
    Sent("GET", "/v1/consumer?cid=1#x"),
    Sent("GET", "/v1/consumer?cid=1&cid=2"),
    Sent("GET", "/v1/consumer?cid=%zz"),
    Sent("GET", "/v1/consumer?cid=1", b"x"),
    Sent("DELETE", "/v1/consumer?cid=1&id=0"),
    Sent("PATCH", "/v1/consumer?cid=1&id=1"),
    Sent("PUT", "/v1/publish"),
    Sent("HEAD", "/v1/consumer?cid=1"),
    Sent("OPTIONS", "/v1/consumer"),
    Sent("TRACE", "/v1/consumer"),
    Sent("GET", "/nothing"),
    Sent("GET", "/v1/queues/a%2Fb"),
    Sent("GET", "http://evil/livez"),
    Sent("DELETE", "/v1/queues/default"),
    Sent("GET", "/v1/messages/0"),
    Sent("POST", "/v1/publish", b"x", {"Host": ["a", "b"]}),
    Sent("POST", "/v1/publish", b"x", {"Expect": "dinner"}),
    Sent("POST", "/v1/publish", b"x", {"Content-Length": "+1"}),
    Sent("POST", "/v1/publish", b"", {"Content-Length": "99999999"}),
]

LOOKING = [
    Sent("GET", "/livez"),
    Sent("HEAD", "/livez"),
    Sent("OPTIONS", "/livez"),
    Sent("GET", "/readyz?verbose=true"),
    Sent("GET", "/healthz"),
    Sent("GET", "/v1/status"),
    Sent("HEAD", "/v1/queues/default"),
    Sent("POST", "/v1/consumer?cid=1", b"", {"Connection": "close"}),
    Sent("GET", "/livez", b"", {"Connection": "close"}),
    Sent("GET", "/livez", b"", {"Upgrade": "h2c", "Connection": "Upgrade"}),
]

DIFFERENT = re.compile(
    rb"(?<=\r\n)Date: [^\r]*|"
    # twisted.web writes the names of headers in its own way.
    rb"(?i:wonderq-durability)",
)


class ParityTests(SynchronousTestCase):
    """Requests go to both servers; answers are compared as bytes."""

    def make_front(self, api: Api, clock: Clock) -> Site | ChannelFactory:
        if self.over_channel:
            return ChannelFactory(api, clock)
        return Site(api.resource(), clock)

    def make_server(self, over_channel: bool) -> Server:
        self.over_channel = over_channel
        return Server(self, journal=HeldJournal())

    def setUp(self) -> None:
        self.servers = [self.make_server(over_channel) for over_channel in (False, True)]

    def answers(self, data: bytes) -> list[bytes]:
        """Return what both make of the same bytes."""
        answers = []
        for server in self.servers:
            connection = server.connect()
            connection.send(data)
            answers.append(DIFFERENT.sub(b"", connection.transport.value()))
            connection.hang_up()
        return answers

    def assertSame(self, requests: list[Sent], version: str = "1.1") -> None:
        for sent in requests:
            recorder = Recorder(self.servers[0])
            recorder.request(sent.method, sent.target, sent.body, sent.headers)
            data = bytes(recorder.sent).replace(b" HTTP/1.1\r\n", b" HTTP/%b\r\n" % version.encode(), 1)
            site, channel = self.answers(data)
            self.assertTrue(site.startswith(b"HTTP/1."), sent)
            self.assertEqual(channel, site, sent[:2])

    def test_the_life_of_messages(self) -> None:
        self.assertSame(LIFE)

    def test_refusals(self) -> None:
        self.assertSame(LIFE[:3] + REFUSED)

    def test_looking(self) -> None:
        self.assertSame(LIFE[:3] + LOOKING)

    def test_http_1_0(self) -> None:
        for headers in KEEPING:
            self.assertSame([Sent("GET", "/livez", b"", headers), Sent("POST", "/v1/publish", b"x", headers)], "1.0")

    def test_a_store_that_is_not_ready(self) -> None:
        for server in self.servers:
            self.successResultOf(server.broker.stop())
        self.assertSame(LIFE + LOOKING)

    def test_every_call_of_the_short_way_is_here(self) -> None:
        here = {(sent.method.encode(), sent.target.partition("?")[0].encode()) for sent in LIFE}
        self.assertEqual(set(CALLS) - here, set())

    def test_both_count_the_same(self) -> None:
        self.assertSame(LIFE)
        counts = [
            sorted(re.findall(rb"wonderq_http_requests_total\{[^\n]*", server.request("GET", "/metrics").body))
            for server in self.servers
        ]
        self.assertEqual(counts[0], counts[1])
        self.assertGreater(len(counts[0]), 8)


class Recorder(Connection):
    """A connection that only writes down what is sent."""

    def __init__(self, server: Server) -> None:
        self.sent = bytearray()

    def send(self, data: bytes) -> None:
        self.sent += data
