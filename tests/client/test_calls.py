"""Connections, deadlines, and what can go wrong with both."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import CancelledError, Deferred
from twisted.trial.unittest import SynchronousTestCase

from tests.client.scripted import ScriptedHarness, whole_answer
from tests.network import HTTPHarness
from wonderq.client.calls import Calls
from wonderq.errors import StoreUnavailable
from wonderq.model import Claim, Draft


class CallsTestCase(SynchronousTestCase):
    def setUp(self) -> None:
        self.harness = ScriptedHarness()
        self.client = self.harness.client

    def tearDown(self) -> None:
        self.harness.close()
        self.assertEqual(self.harness.network.open, 0)
        self.assertEqual(self.harness.clock.getDelayedCalls(), [])

    def assertUnavailable(self, deferred: Deferred[Any], said: str) -> None:
        """It failed already, and the text says why."""
        self.harness.settle()
        error = self.failureResultOf(deferred, StoreUnavailable).value
        self.assertIn(said, str(error))


class TestConnections(CallsTestCase):
    def test_calls_one_after_the_other_share_a_connection(self) -> None:
        for _ in range(3):
            deferred = self.client.receive(["default"], "alice")
            self.harness.answer(b"[]")
            self.assertEqual(self.successResultOf(deferred), [])
        self.assertEqual(len(self.harness.server.connections), 1)

    def test_calls_at_the_same_time_have_their_own_connections(self) -> None:
        calls = [self.client.receive(["default"], "alice") for _ in range(3)]
        self.harness.settle()
        self.assertEqual(len(self.harness.server.connections), 3)
        for connection in reversed(self.harness.server.connections):
            connection.say(whole_answer(b"[]"))
        self.harness.settle()
        self.assertEqual([self.successResultOf(call) for call in calls], [[], [], []])

    def test_no_more_idle_connections_are_kept_than_wanted(self) -> None:
        self.harness = ScriptedHarness(idle_connections=2)
        for _ in range(5):
            self.harness.client.receive(["default"], "alice")
        self.harness.settle()
        for connection in self.harness.server.connections:
            connection.say(whole_answer(b"[]"))
        self.harness.settle()
        self.assertEqual(self.harness.network.open, 2)

    def test_an_idle_connection_is_closed_before_the_server_does_it(self) -> None:
        harness = HTTPHarness()
        self.addCleanup(harness.close)
        harness.result(harness.client.stats())
        harness.advance(59.5)
        self.assertEqual(harness.network.open, 1)
        harness.advance(0.5)
        self.assertEqual(harness.network.open, 0)

    def test_a_connection_that_the_server_closed_is_not_used_again(self) -> None:
        self.client.receive(["default"], "alice")
        self.harness.answer(b"[]")
        self.harness.connection.hang_up()
        self.harness.settle()
        deferred = self.client.receive(["default"], "alice")
        self.harness.answer(b"[]")
        self.assertEqual(self.successResultOf(deferred), [])
        self.assertEqual(len(self.harness.server.connections), 2)

    def test_a_path_in_the_url_comes_before_every_path(self) -> None:
        self.harness = ScriptedHarness("http://queue.test:8080/some/where/")
        self.harness.client.show_queue("other").addErrback(lambda _: None)
        received = self.harness.connection.received
        self.assertTrue(received.startswith(b"GET /some/where/v1/queues/other HTTP/1.1\r\n"), received)
        self.assertIn(b"Host: queue.test:8080\r\n", received)


class TestWhatCanGoWrong(CallsTestCase):
    def test_nobody_listens(self) -> None:
        self.harness.network.server = None
        self.assertUnavailable(self.client.publish([Draft(b"")]), "cannot be reached")

    def test_the_connection_is_lost_before_the_answer(self) -> None:
        deferred = self.client.publish([Draft(b"")])
        self.harness.connection.hang_up()
        self.assertUnavailable(deferred, "may or may not have happened")

    def test_the_connection_is_lost_within_the_answer(self) -> None:
        deferred = self.client.receive(["default"], "alice")
        self.harness.connection.say(whole_answer(b"[]")[:-1])
        self.harness.connection.hang_up()
        self.assertUnavailable(deferred, "may or may not have happened")

    def test_what_comes_back_is_not_http(self) -> None:
        deferred = self.client.publish([Draft(b"")])
        self.harness.connection.say(b"220 mail.test ESMTP\r\n")
        self.assertUnavailable(deferred, "may or may not have happened")

    def test_a_call_is_sent_once_though_its_answer_was_lost(self) -> None:
        self.client.receive(["default"], "alice")
        self.harness.answer(b"[]")
        # Twisted repeats a DELETE whose connection had been idle before, if it is let.
        deferred = self.client.delete("alice", [Claim(1)])
        self.harness.connection.hang_up()
        self.assertUnavailable(deferred, "may or may not have happened")
        self.assertEqual(len(self.harness.server.connections), 1)

    def test_a_redirect_is_not_followed(self) -> None:
        deferred = self.client.show_message(1)
        self.harness.answer(b"", 307, b"Location: http://elsewhere.test/v1/messages/1")
        self.assertUnavailable(deferred, "status 307")
        self.assertEqual(len(self.harness.server.connections), 1)

    def test_a_good_answer_that_is_cut_short_or_says_something_else(self) -> None:
        for body in (
            b"",
            b"<html>welcome</html>",
            b'{"messageId":',
            b'{"messageIds":[1]}',
            b'{"messageId":"1"}',
            b"[]",
        ):
            deferred = self.client.publish([Draft(b"")])
            self.harness.answer(body, 201)
            self.assertUnavailable(deferred, "cannot be understood")

    def test_a_delivery_whose_body_is_not_what_it_says(self) -> None:
        for body, encoding in ((b'"=="', b"base64"), (b'"\\ud800"', b"text"), (b"1", b"text"), (b'""', b"gzip")):
            deferred = self.client.receive(["default"], "alice")
            self.harness.answer(
                b'[{"id":1,"receipt":1,"queue":"default","body":%b,"encoding":"%b","contentType":"a/b","receives":1,'
                b'"publishedAt":"2026-01-01T00:00:00.000Z","leaseUntil":"2026-01-01T00:00:30.000Z","priority":0}]'
                % (body, encoding)
            )
            self.assertUnavailable(deferred, "cannot be understood")


class TestBookkeeping(SynchronousTestCase):
    def test_a_call_is_remembered_until_its_answer_or_its_end(self) -> None:
        harness = ScriptedHarness()
        calls = Calls(harness.clock, "http://queue.test", 30.0, 10, harness.network)
        answered, lost, cancelled, late = (calls.send("GET", "/livez") for _ in range(4))
        harness.settle()
        self.assertEqual(len(calls), 4)
        harness.server.connections[0].say(whole_answer(b"ok"))
        harness.server.connections[1].hang_up()
        harness.settle()
        cancelled.cancel()
        self.assertEqual(len(calls), 1)
        harness.advance(30)
        self.assertEqual(len(calls), 0)
        self.assertEqual(self.successResultOf(answered).body, b"ok")
        for failed, reason in ((lost, StoreUnavailable), (cancelled, CancelledError), (late, StoreUnavailable)):
            self.failureResultOf(failed, reason)


class TestDeadlines(CallsTestCase):
    def test_a_call_without_an_answer_ends_at_its_time(self) -> None:
        deferred = self.client.publish([Draft(b"")])
        self.harness.advance(29.5)
        self.assertNoResult(deferred)
        self.harness.advance(0.5)
        self.assertUnavailable(deferred, "No answer within 30 s")
        self.assertTrue(self.harness.connection.lost)

    def test_a_call_may_have_another_time(self) -> None:
        self.harness = ScriptedHarness(timeout=2.5)
        deferred = self.harness.client.publish([Draft(b"")])
        self.harness.advance(2.5)
        self.assertUnavailable(deferred, "No answer within 2.5 s")

    def test_a_receive_that_waits_has_its_wait_on_top(self) -> None:
        deferred = self.client.receive(["default"], "alice", wait=60.0)
        self.harness.advance(89.5)
        self.assertNoResult(deferred)
        self.harness.advance(0.5)
        self.assertUnavailable(deferred, "No answer within 90 s")

    def test_an_answer_that_trickles_in_has_no_more_time_than_another(self) -> None:
        deferred = self.client.receive(["default"], "alice")
        self.harness.connection.say(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n[")
        for _ in range(29):
            self.harness.advance(1)
            self.harness.connection.say(b" ")
        self.assertNoResult(deferred)
        self.harness.advance(1)
        self.assertUnavailable(deferred, "No answer within 30 s")
        self.assertTrue(self.harness.connection.lost)

    def test_an_answer_in_time_leaves_no_timer(self) -> None:
        self.client.receive(["default"], "alice")
        self.harness.answer(b"[]")
        # The one that is left closes the idle connection.
        self.assertEqual([call.getTime() for call in self.harness.clock.getDelayedCalls()], [60.0])


class TestCancelling(CallsTestCase):
    def test_cancelling_closes_the_connection_at_once(self) -> None:
        deferred = self.client.receive(["default"], "alice", wait=60.0)
        connection = self.harness.connection
        self.assertFalse(connection.lost)
        deferred.cancel()
        self.failureResultOf(deferred, CancelledError)
        self.harness.settle()
        self.assertTrue(connection.lost)

    def test_cancelling_within_an_answer_closes_the_connection_too(self) -> None:
        deferred = self.client.receive(["default"], "alice")
        self.harness.connection.say(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[")
        self.harness.settle()
        deferred.cancel()
        self.failureResultOf(deferred, CancelledError)
        self.harness.settle()
        self.assertTrue(self.harness.connection.lost)

    def test_a_call_that_makes_several_requests_stops_at_the_one_under_way(self) -> None:
        deferred = self.client.delete("alice", [Claim(1), Claim(2, 3)])
        self.harness.settle()
        deferred.cancel()
        self.failureResultOf(deferred, CancelledError)
        self.harness.settle()
        self.assertEqual(len(self.harness.server.connections), 1)


class TestClosing(CallsTestCase):
    def test_closing_closes_idle_connections(self) -> None:
        self.client.receive(["default"], "alice")
        self.harness.answer(b"[]")
        closed = self.client.close()
        self.assertNoResult(closed)
        self.harness.settle()
        self.assertIsNone(self.successResultOf(closed))
        self.assertTrue(self.harness.connection.lost)

    def test_closing_ends_the_calls_under_way(self) -> None:
        deferred = self.client.receive(["default"], "alice", wait=60.0)
        connection = self.harness.connection
        self.client.close()
        self.assertUnavailable(deferred, "connection was lost")
        self.assertTrue(connection.lost)

    def test_a_closed_client_sends_nothing(self) -> None:
        self.client.close()
        self.assertUnavailable(self.client.publish([Draft(b"")]), "closed")
        self.assertEqual(self.harness.server.connections, [])
