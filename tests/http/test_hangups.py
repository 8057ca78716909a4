"""What becomes of a request whose client goes away, or says no more."""

from __future__ import annotations

from typing import Any

from twisted.internet.testing import StringTransport
from twisted.logger import capturedLogs

from tests.http.harness import HeldJournal, Server, ServerTestCase

WAIT = "/v1/consumer?cid=1&wait=60"


class HangUpTests(ServerTestCase):
    def setUp(self) -> None:
        self.journal = HeldJournal()
        self.server = Server(self, journal=self.journal)

    def waiting(self) -> int:
        waiting: int = self.server.request("GET", "/v1/queues/default").json["waiting"]
        return waiting

    def test_who_hangs_up_waits_no_longer(self) -> None:
        for clean in (True, False):
            connection = self.server.connect()
            connection.request("POST", WAIT)
            self.assertEqual(self.waiting(), 1)
            connection.hang_up(clean)
            self.assertEqual(self.waiting(), 0)
        self.server.publish()
        self.assertEqual(self.server.receive()[0]["receives"], 1)

    def test_a_lease_that_nobody_is_left_to_hear_of_is_given_back(self) -> None:
        self.server.publish()
        self.journal.holding = True
        connection = self.server.connect()
        connection.request("POST", "/v1/consumer?cid=1")
        connection.hang_up()
        self.journal.release()
        (message,) = self.server.receive(2)
        self.assertEqual(message["receives"], 1)
        self.assertNotIn("lastFailure", message)

    def test_a_lease_granted_to_one_who_waited_is_given_back_too(self) -> None:
        connection = self.server.connect()
        connection.request("POST", WAIT)
        self.journal.holding = True
        publisher = self.server.connect()
        publisher.request("POST", "/v1/publish", b"x")
        connection.hang_up()
        self.journal.release()
        self.assertEqual([reply.status for reply in publisher.replies()], [201])
        self.assertEqual(self.server.receive(2)[0]["receives"], 1)

    def test_a_publish_goes_on_without_its_client(self) -> None:
        self.journal.holding = True
        connection = self.server.connect()
        connection.request("POST", "/v1/publish", b"x")
        connection.hang_up(clean=False)
        self.journal.release()
        self.assertEqual(self.server.receive()[0]["id"], 1)

    def test_a_delete_goes_on_without_its_client(self) -> None:
        self.server.publish()
        self.server.receive()
        self.journal.holding = True
        connection = self.server.connect()
        connection.request("DELETE", "/v1/consumer?cid=1&id=1")
        connection.hang_up()
        self.journal.release()
        self.assertEqual(self.server.request("GET", "/v1/messages/1").status, 404)

    def test_a_publish_that_fails_without_its_client_is_no_incident(self) -> None:
        self.journal.holding = True
        connection = self.server.connect()
        connection.request("POST", "/v1/publish", b"x")
        connection.hang_up()
        self.journal.fail()
        self.assertEqual(self.flushLoggedErrors(), [])


class SlowTransport(StringTransport):
    """A connection whose client reads when it is told to."""

    producer: Any
    disconnected = False

    def abortConnection(self) -> None:
        self.disconnected = True

    def write(self, data: bytes) -> None:
        StringTransport.write(self, data)
        if len(self.value()) > 65536 and self.producer is not None:
            self.producer.pauseProducing()


class SlowReaderTests(ServerTestCase):
    """The client takes its time to read a large answer."""

    def setUp(self) -> None:
        super().setUp()
        self.server.publish(b"x" * 100_000)
        self.transport = SlowTransport()
        self.connection = self.server.connect(self.transport)

    def receive(self, connection: str = "keep-alive") -> None:
        self.connection.request("POST", "/v1/consumer?cid=1", headers={"Connection": connection})

    def test_what_it_was_leased_and_not_sent_is_given_back(self) -> None:
        self.receive()
        self.assertEqual(self.server.receive(2), [])
        self.connection.hang_up(clean=False)
        self.assertEqual(self.server.receive(2)[0]["receives"], 1)

    def test_so_it_is_when_the_connection_was_to_be_closed_behind_the_answer(self) -> None:
        self.receive("close")
        self.assertTrue(self.connection.closed)
        self.connection.hang_up(clean=False)
        self.assertEqual(self.server.receive(2)[0]["receives"], 1)

    def test_what_was_sent_stays_leased(self) -> None:
        self.receive()
        self.transport.producer.resumeProducing()
        self.connection.hang_up(clean=False)
        self.assertEqual(self.server.receive(2), [])

    def test_having_been_slow_once_does_not_count(self) -> None:
        self.receive()
        self.transport.producer.resumeProducing()
        self.transport.clear()
        self.server.publish(b"small")
        self.receive()
        self.connection.hang_up(clean=False)
        self.assertEqual(self.server.receive(2), [])

    def test_a_connection_that_the_server_closes_has_sent_everything(self) -> None:
        self.receive("close")
        self.connection.hang_up(clean=True)
        self.assertEqual(self.server.receive(2), [])

    def test_a_client_that_never_reads_is_cut_off(self) -> None:
        for connection in ("close", "keep-alive"):
            self.transport = SlowTransport()
            self.connection = self.server.connect(self.transport)
            self.receive(connection)
            self.server.clock.advance(75)
            self.assertEqual((self.connection.closed, self.transport.disconnected), (True, False))
            self.server.clock.advance(15)
            self.assertTrue(self.transport.disconnected, connection)

    def test_a_small_answer_counts_as_sent_when_it_is_written(self) -> None:
        self.server.publish(b"small", queue="default", priority=9)
        self.connection.request("POST", "/v1/consumer?cid=1&limit=1")
        self.connection.hang_up(clean=False)
        self.assertEqual([len(one["body"]) for one in self.server.receive(2)], [100_000])


class EndTests(ServerTestCase):
    """The client ends its side (FIN), and still reads."""

    def setUp(self) -> None:
        self.journal = HeldJournal()
        self.server = Server(self, journal=self.journal)
        self.connection = self.server.connect()

    def test_who_waits_is_answered_with_nothing_at_once(self) -> None:
        self.connection.request("POST", WAIT)
        self.connection.end()
        self.assertEqual([reply.body for reply in self.connection.replies()], [b"[]"])
        self.assertTrue(self.connection.closed)

    def test_what_was_asked_for_is_answered(self) -> None:
        self.journal.holding = True
        self.connection.request("POST", "/v1/publish", b"x")
        self.connection.end()
        self.assertEqual((self.connection.replies(), self.connection.closed), ([], False))
        self.journal.release()
        self.assertEqual([reply.status for reply in self.connection.replies()], [201])
        self.assertTrue(self.connection.closed)

    def test_so_is_everything_that_was_pipelined(self) -> None:
        self.journal.holding = True
        self.connection.request("POST", "/v1/publish", b"x")
        self.connection.request("POST", "/v1/consumer?cid=1")
        self.connection.request("POST", WAIT)
        self.connection.end()
        self.journal.release()
        replies = self.connection.replies()
        self.assertEqual([reply.status for reply in replies], [201, 200, 200])
        self.assertEqual([len(reply.json) for reply in replies[1:]], [1, 0])
        self.assertTrue(self.connection.closed)

    def test_half_a_request_is_not_answered(self) -> None:
        self.connection.send(b"POST /v1/publish HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nxx")
        self.connection.end()
        self.assertEqual((self.connection.replies(), self.connection.closed), ([], True))
        self.assertEqual(self.server.receive(), [])

    def test_with_nothing_asked_for_the_connection_is_closed(self) -> None:
        self.connection.end()
        self.assertTrue(self.connection.closed)


class PipelineTests(ServerTestCase):
    def test_pipelined_requests_are_answered_in_order(self) -> None:
        connection = self.server.connect()
        connection.request("POST", WAIT)
        for _ in range(3):
            connection.request("POST", "/v1/publish", b"x")
        self.assertEqual(connection.replies(), [])
        self.server.clock.advance(60)
        self.assertEqual([reply.body[:12] for reply in connection.replies()], [b"[]"] + [b'{"messageId"'] * 3)
        self.assertFalse(connection.closed)

    def test_an_idle_connection_is_closed_after_75_seconds_without_a_word(self) -> None:
        connection = self.server.connect()
        connection.request("GET", "/livez")
        self.server.clock.advance(74)
        self.assertFalse(connection.closed)
        with capturedLogs() as logs:
            self.server.clock.advance(1)
        self.assertTrue(connection.closed)
        self.assertEqual(logs, [])

    def test_a_connection_that_waits_is_not_idle(self) -> None:
        connection = self.server.connect()
        self.server.clock.advance(70)
        connection.request("POST", WAIT)
        self.server.clock.advance(59)
        self.server.publish()
        self.assertEqual(len(connection.replies()), 1)
