"""The short way: what goes there, and what becomes of calls that go wrong in it."""

from __future__ import annotations

from twisted.internet.defer import Deferred

from tests.http.harness import HeldJournal, Server, ServerTestCase
from tests.http.over_the_channel import OverTheChannel
from wonderq.http.api import Api
from wonderq.http.call import Answer
from wonderq.http.heads import Heads
from wonderq.http.incoming import Incoming
from wonderq.http.lane import CALLS, Lane, waits
from wonderq.local.journal import MemoryJournal


def incoming(method: bytes, target: bytes, body: bytes = b"", **fields: bytes) -> Incoming:
    request = Incoming(method, target, {name.encode(): value for name, value in fields.items()}, (), b"HTTP/1.1", False)
    request.body = body
    return request


class LaneTests(OverTheChannel, ServerTestCase):
    def setUp(self) -> None:
        self.journal = HeldJournal()
        self.server = Server(self, journal=self.journal)
        self.lane = Lane(self.server.api)

    def test_its_calls_are_calls_of_the_app(self) -> None:
        rules = {(rule.rule, method) for rule in Api.app.url_map.iter_rules() for method in rule.methods or ()}
        self.assertEqual({(path.decode(), method.decode()) for method, path in CALLS} - rules, set())

    def test_a_call_that_is_done_is_answered_without_a_deferred(self) -> None:
        answer = self.lane.serve(incoming(b"POST", b"/v1/publish", b"x"))
        assert isinstance(answer, Answer)
        self.assertEqual((answer.status, answer.body), (201, b'{"messageId":1}'))

    def test_a_call_that_waits_for_the_disk_is_answered_later(self) -> None:
        self.journal.holding = True
        answer = self.lane.serve(incoming(b"POST", b"/v1/publish", b"x"))
        assert isinstance(answer, Deferred)
        self.assertNoResult(answer)
        self.journal.release()
        self.assertEqual(self.successResultOf(answer).status, 201)

    def test_a_store_that_fails_meanwhile_is_an_answer_too(self) -> None:
        self.journal.holding = True
        answer = self.lane.serve(incoming(b"POST", b"/v1/publish", b"x"))
        assert isinstance(answer, Deferred)
        self.journal.fail()
        self.assertEqual(self.successResultOf(answer).status, 503)

    def test_everything_else_goes_the_long_way(self) -> None:
        for method, target in (
            (b"HEAD", b"/v1/consumer?cid=1"),
            (b"OPTIONS", b"/v1/publish"),
            (b"GET", b"/v1/publish"),
            (b"POST", b"/v1/publish/"),
            (b"POST", b"/v1/%70ublish"),
            (b"GET", b"/v1/consumer?cid=1#x"),
            (b"GET", b"http://a/v1/consumer?cid=1"),
        ):
            self.assertIsNone(self.lane.serve(incoming(method, target)), (method, target))

    def test_only_receives_that_name_a_wait_may_wait(self) -> None:
        self.assertTrue(waits(incoming(b"GET", b"/v1/consumer?cid=1&wait=5")))
        self.assertTrue(waits(incoming(b"POST", b"/v1/consumer?wait=5&cid=1")))
        for method, target in (
            (b"GET", b"/v1/consumer?cid=1"),
            (b"DELETE", b"/v1/consumer?cid=1&wait=5"),
            (b"POST", b"/v1/publish?wait=5"),
        ):
            self.assertFalse(waits(incoming(method, target)))

    def test_calls_are_counted_and_timed(self) -> None:
        self.server.request("POST", "/v1/publish", b"x")
        self.server.request("POST", "/v1/publish?x=1", b"x")
        connection = self.server.connect()
        connection.request("POST", "/v1/consumer?cid=1&queue=default&limit=1")
        connection.request("POST", "/v1/consumer?cid=1&wait=60")
        self.server.clock.pump([3])
        connection.hang_up()
        page = self.server.request("GET", "/metrics").body.decode()
        for line in (
            'requests_total{code="201",route="publish"} 1.0',
            'requests_total{code="400",route="publish"} 1.0',
            'requests_total{code="200",route="receive"} 1.0',
            'requests_total{code="499",route="receive_wait"} 1.0',
            'request_seconds_bucket{le="2.5",route="receive_wait"} 0.0',
            'request_seconds_bucket{le="10.0",route="receive_wait"} 1.0',
            'request_seconds_sum{route="receive_wait"} 3.0',
            'request_seconds_count{route="publish"} 2.0',
        ):
            self.assertIn("wonderq_http_" + line, page)


class BrokenJournal(MemoryJournal):
    """A journal with a bug."""

    def has_room(self, size: int) -> bool:
        raise ZeroDivisionError("swordfish")


class BugTests(OverTheChannel, ServerTestCase):
    def test_what_nobody_foresaw_is_logged_once_and_not_shown_and_the_connection_goes_on(self) -> None:
        self.server = Server(self, journal=BrokenJournal())
        connection = self.server.connect()
        connection.request("POST", "/v1/publish", b"x")
        connection.request("GET", "/livez")
        first, second = connection.replies()
        self.assertProblem(first, 500, "internal-error")
        self.assertNotIn(b"swordfish", first.body)
        self.assertEqual(second.status, 200)
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)


class HeadsTests(ServerTestCase):
    def setUp(self) -> None:
        self.now = 1_000_000_000.9
        self.heads = Heads(lambda: self.now)
        self.request = incoming(b"GET", b"/")

    def test_the_date_is_that_of_the_wall_clock(self) -> None:
        for passed, minute in ((0, 46), (0.05, 46), (30, 47)):
            self.now += passed
            written = self.heads.answer(Answer(200, b"x"), self.request)
            self.assertIn(b"\r\nDate: Sun, 09 Sep 2001 01:%d:" % minute, written)

    def test_answers_that_differ_in_anything_have_heads_that_differ(self) -> None:
        answers = [
            Answer(200, b"x"),
            Answer(201, b"x"),
            Answer(200, b"xy"),
            Answer(200, b"x", ((b"Retry-After", b"1"),)),
            Answer(200, b"x", content_type=b"text/plain"),
            Answer(204),
        ]
        once = [self.heads.answer(answer, self.request) for answer in answers]
        self.assertEqual(len(set(once)), len(answers))
        self.assertEqual([self.heads.answer(answer, self.request) for answer in answers], once)
        self.request.last = True
        self.assertIn(b"\r\nConnection: close\r\n", self.heads.answer(answers[0], self.request))

    def test_any_number_of_heads_is_written(self) -> None:
        for number in range(1000):
            answer = Answer(429, b"", ((b"Retry-After", b"%d" % number),))
            self.assertIn(b"Retry-After: %d\r\n" % number, self.heads.answer(answer, self.request))
