"""One connection of the daemon's: who waits for whom, for how long, and what is kept meanwhile."""

from __future__ import annotations

from typing import Any, cast

from twisted.internet.abstract import FileDescriptor
from twisted.internet.interfaces import IProtocolNegotiationFactory, ITCPTransport
from twisted.internet.task import Clock
from twisted.internet.testing import MemoryReactor, StringTransport
from zope.interface import directlyProvides
from zope.interface.verify import verifyObject

from tests.http.harness import Connection, HeldJournal, Reply, Server, ServerTestCase
from tests.http.over_the_channel import OverTheChannel
from wonderq.http import deadlines
from wonderq.http.api import Api
from wonderq.http.channel import TURN
from wonderq.http.closing import LINGER_AT_MOST
from wonderq.http.factory import ChannelFactory
from wonderq.http.intake import HOLD
from wonderq.http.limits import IDLE, LINGER
from wonderq.http.paths import MAX_TARGET
from wonderq.model import MAX_BODY

PUBLISH = b"POST /v1/publish HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx"
WAIT = b"POST /v1/consumer?cid=1&wait=60 HTTP/1.1\r\nHost: a\r\n\r\n"
LIVEZ = b"GET /livez HTTP/1.1\r\nHost: a\r\n\r\n"


class ChannelTestCase(OverTheChannel, ServerTestCase):
    def setUp(self) -> None:
        self.journal = HeldJournal()
        self.server = Server(self, journal=self.journal)
        self.connection = self.server.connect()

    @property
    def transport(self) -> StringTransport:
        return self.connection.transport

    def head(self, *lines: str) -> None:
        self.connection.send("\r\n".join(("POST /v1/publish HTTP/1.1", "Host: a", *lines, "", "")).encode())

    def statuses(self) -> list[int]:
        return [reply.status for reply in self.connection.replies()]

    def later(self, seconds: float) -> None:
        """Let time pass as it does, a bit at a time."""
        self.server.clock.pump([seconds])


class PipelineTests(ChannelTestCase):
    def test_what_comes_second_is_done_when_the_first_is_answered(self) -> None:
        self.connection.send(WAIT + PUBLISH)
        self.assertEqual(self.statuses(), [])
        self.later(60)
        self.assertEqual([reply.body[:5] for reply in self.connection.replies()], [b"[]", b'{"mes'])

    def test_a_thousand_in_one_read_are_answered_in_order_with_turns_for_others_between(self) -> None:
        self.connection.send(PUBLISH * 1000)
        first = self.connection.replies()
        self.assertEqual(len(first), TURN)
        self.assertEqual(self.server.request("GET", "/livez").status, 200)
        self.server.clock.pump([0] * (1000 // TURN))
        ids = [reply.json["messageId"] for reply in first + self.connection.replies()]
        self.assertEqual(ids, list(range(1, 1001)))

    def test_while_an_answer_is_owed_little_more_is_read(self) -> None:
        self.connection.send(WAIT)
        self.connection.send(PUBLISH * (HOLD // len(PUBLISH)))
        self.assertEqual(self.transport.producerState, "producing")
        self.connection.send(PUBLISH)
        self.assertEqual(self.transport.producerState, "paused")
        self.later(60)
        self.server.clock.pump([0] * 10)
        self.assertEqual(self.transport.producerState, "producing")
        self.assertEqual(len(self.connection.replies()), 2 + HOLD // len(PUBLISH))

    def test_a_client_that_does_not_read_gets_no_more_answers_and_nothing_is_read_from_it(self) -> None:
        self.connection.send(PUBLISH)
        producer = self.transport.producer
        assert producer is not None
        producer.pauseProducing()
        self.assertEqual(self.transport.producerState, "paused")
        self.connection.send(PUBLISH)
        self.assertEqual(self.statuses(), [201])
        producer.resumeProducing()
        self.assertEqual((self.statuses(), self.transport.producerState), ([201], "producing"))

    def test_after_connection_close_nothing_is_answered(self) -> None:
        self.connection.send(PUBLISH.replace(b"Host: a", b"Host: a\r\nConnection: close") + PUBLISH)
        (reply,) = self.connection.replies()
        self.assertEqual((reply.status, reply.headers["connection"]), (201, "close"))
        self.assertTrue(self.connection.closed)
        self.assertEqual(len(self.server.receive()), 1)

    def test_what_stands_before_a_malformed_request_is_answered_and_what_stands_behind_it_is_not(self) -> None:
        self.connection.send(PUBLISH + b"NON SENSE\r\n\r\n" + PUBLISH)
        self.assertEqual(self.statuses(), [201, 400])
        self.connection.send(PUBLISH)
        self.assertEqual((self.statuses(), len(self.server.receive())), ([], 1))

    def test_a_malformed_request_waits_for_its_turn_too(self) -> None:
        self.connection.send(WAIT + b"NON SENSE\r\n\r\n")
        self.assertEqual(self.statuses(), [])
        self.later(60)
        self.assertEqual(self.statuses(), [200, 400])


class TCPTransport(StringTransport):
    """A transport with a switch."""

    no_delay = False

    def setTcpNoDelay(self, enabled: bool) -> None:
        self.no_delay = enabled


class DelayTests(OverTheChannel, ServerTestCase):
    def test_no_piece_of_an_answer_waits_until_the_one_before_it_is_acknowledged(self) -> None:
        transport = TCPTransport()
        directlyProvides(transport, ITCPTransport)
        self.server.connect(transport)
        self.assertTrue(transport.no_delay)


class ContinueTests(ChannelTestCase):
    def test_who_asks_is_told_to_go_on(self) -> None:
        self.head("Content-Length: 5", "Expect: 100-continue")
        self.assertEqual(self.transport.value(), b"HTTP/1.1 100 Continue\r\n\r\n")
        self.transport.clear()
        for byte in (b"h", b"e", b"l", b"l", b"o"):
            self.connection.send(byte)
        self.assertEqual(self.statuses(), [201])

    def test_and_again_for_the_next_request(self) -> None:
        for _ in range(2):
            self.head("Transfer-Encoding: chunked", "Expect: 100-Continue")
            self.assertEqual(self.transport.value(), b"HTTP/1.1 100 Continue\r\n\r\n")
            self.transport.clear()
            self.connection.send(b"1\r\nx\r\n0\r\n\r\n")
            self.assertEqual(self.statuses(), [201])

    def test_nobody_is_told_whose_head_is_refused(self) -> None:
        for line, status in (
            (f"Content-Length: {MAX_BODY + 1}", 413),
            ("Content-Length: 5\r\nHost: b", 400),
        ):
            self.connection = self.server.connect()
            self.head(line, "Expect: 100-continue")
            self.assertEqual(self.statuses(), [status])
        self.connection = self.server.connect()
        self.connection.send(
            b"POST /v1/queues/a%2Fb HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n"
        )
        self.assertEqual(self.statuses(), [400])

    def test_nobody_is_told_before_the_answers_that_come_first(self) -> None:
        self.connection.send(WAIT)
        self.head("Content-Length: 1", "Expect: 100-continue")
        self.assertEqual(self.transport.value(), b"")
        self.later(60)
        self.assertTrue(self.transport.value().endswith(b"[]HTTP/1.1 100 Continue\r\n\r\n"))

    def test_nor_is_who_has_sent_the_body_already_or_speaks_http_1_0(self) -> None:
        self.connection.send(PUBLISH.replace(b"Host: a", b"Host: a\r\nExpect: 100-continue"))
        self.assertEqual(self.statuses(), [201])
        self.connection.send(b"POST /v1/publish HTTP/1.0\r\nContent-Length: 1\r\nExpect: 100-continue\r\n\r\n")
        self.assertEqual(self.transport.value(), b"")


class DeadlineTests(ChannelTestCase):
    """Each may come a second late, and never early."""

    def assertLasts(self, seconds: float) -> None:
        """Assert that the connection is neither answered nor closed before, and soon after."""
        self.server.clock.pump([0.5] * int(2 * seconds - 1))
        self.assertEqual((self.transport.value(), self.connection.closed), (b"", False))
        self.server.clock.pump([0.5] * 4)

    def assertTimedOut(self) -> None:
        (reply,) = self.connection.replies()
        self.assertProblem(reply, 408, "request-timeout")
        self.assertEqual(reply.headers["connection"], "close")

    def test_a_connection_without_a_request_is_closed(self) -> None:
        self.assertLasts(IDLE)
        self.assertEqual((self.transport.value(), self.connection.closed), (b"", True))

    def test_a_connection_is_closed_some_time_after_its_last_answer(self) -> None:
        self.server.clock.pump([1] * 70)
        self.connection.send(LIVEZ)
        self.assertEqual(self.statuses(), [200])
        self.assertLasts(IDLE)
        self.assertTrue(self.connection.closed)

    def test_a_head_has_to_come_in_time_however_it_trickles(self) -> None:
        for byte in b"GET /livez HTTP/1.1\r":
            self.connection.send(bytes([byte]))
            self.server.clock.pump([0.5] * 2)
        self.server.clock.pump([0.5] * 3)
        self.assertTimedOut()

    def test_a_head_after_an_answer_has_all_its_time(self) -> None:
        self.server.clock.pump([1] * 30)
        self.connection.send(LIVEZ + b"GET")
        self.assertEqual(self.statuses(), [200])
        self.assertLasts(deadlines.HEAD)
        self.assertTimedOut()

    def test_a_head_that_comes_with_the_end_of_a_slow_request_has_all_its_time(self) -> None:
        self.connection.send(LIVEZ[:5])
        self.server.clock.pump([1] * 15)
        self.connection.send(LIVEZ[5:] + b"GET")
        self.assertEqual(self.statuses(), [200])
        self.assertLasts(deadlines.HEAD)
        self.assertTimedOut()

    def test_blank_lines_begin_no_request(self) -> None:
        self.connection.send(b"\r\n")
        self.assertLasts(IDLE)
        self.assertEqual((self.transport.value(), self.connection.closed), (b"", True))

    def test_a_body_has_to_come_in_time_however_it_trickles(self) -> None:
        self.head("Content-Length: 1000")
        for _ in range(60):
            self.connection.send(b"x")
            self.server.clock.pump([1])
        self.server.clock.pump([1])
        self.assertTimedOut()

    def test_a_larger_body_has_more_time(self) -> None:
        self.head("Content-Length: 1000000")
        self.assertLasts(deadlines.REQUEST + 10)
        self.assertTimedOut()

    def test_chunks_have_the_time_of_what_has_come(self) -> None:
        self.head("Transfer-Encoding: chunked")
        self.connection.send(b"f4240\r\n" + b"x" * 1_000_000)
        self.assertLasts(deadlines.REQUEST + 10)
        self.assertTimedOut()

    def test_who_waits_for_an_answer_is_not_hurried(self) -> None:
        self.journal.holding = True
        self.connection.send(PUBLISH + b"GET")
        self.server.clock.pump([1] * 300)
        self.assertEqual((self.transport.value(), self.connection.closed), (b"", False))
        self.journal.release()
        self.assertEqual(self.statuses(), [201])
        self.assertLasts(deadlines.HEAD)
        self.assertTimedOut()

    def test_who_is_late_is_answered_what_was_asked_before(self) -> None:
        self.connection.send(PUBLISH + b"GET")
        self.server.clock.pump([1] * 22)
        self.assertEqual(self.statuses(), [201, 408])

    def test_no_timer_runs_without_a_connection(self) -> None:
        self.assertEqual(len(self.server.clock.getDelayedCalls()), 1)
        other = self.server.connect()
        self.assertEqual(len(self.server.clock.getDelayedCalls()), 1)
        self.connection.hang_up()
        other.hang_up()
        self.assertEqual(self.server.clock.getDelayedCalls(), [])


class SizeTests(ChannelTestCase):
    def refused(self) -> Reply:
        (reply,) = self.connection.replies()
        self.assertEqual(reply.headers["connection"], "close")
        return reply

    def test_chunks_are_counted_while_they_come(self) -> None:
        self.head("Transfer-Encoding: chunked")
        for _ in range(16):
            self.connection.send(b"100000\r\n" + b"x" * 0x100000 + b"\r\n")
        self.assertEqual(self.transport.value(), b"")
        self.connection.send(b"1\r\nx\r\n")
        self.assertProblem(self.refused(), 413, "body-too-large")

    def test_a_body_of_the_largest_size_is_taken(self) -> None:
        self.server.request("PUT", "/v1/queues/big", b'{"maxMessageBytes":%d}' % MAX_BODY)
        self.connection.send(b"POST /v1/publish?queue=big HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % MAX_BODY)
        for _ in range(16):
            self.connection.send(b"x" * 0x100000)
        self.assertEqual(self.statuses(), [201])

    def test_a_target_has_48_kibibytes(self) -> None:
        fits = b"GET /v1/consumer?cid=1&queue=" + b"a" * (MAX_TARGET - 25)
        self.connection.send(fits + b" HTTP/1.1\r\nHost: a\r\n\r\n")
        self.assertEqual(self.statuses(), [400])
        self.connection.send(fits + b"a HTTP/1.1\r\nHost: a\r\n\r\n")
        self.assertProblem(self.refused(), 414, "uri-too-long")

    def test_a_target_without_end_is_refused_while_it_comes(self) -> None:
        self.connection.send(b"GET /")
        for _ in range(48):
            self.assertEqual(self.transport.value(), b"")
            self.connection.send(b"a" * 1024)
        self.assertProblem(self.refused(), 414, "uri-too-long")

    def test_fields_have_16_kibibytes_together(self) -> None:
        self.connection.send(LIVEZ[:-2] + b"X: " + b"a" * 16_000 + b"\r\n\r\n")
        self.assertEqual(self.statuses(), [200])
        self.connection.send(LIVEZ[:-2] + (b"X: " + b"a" * 1000 + b"\r\n") * 17 + b"\r\n")
        self.assertProblem(self.refused(), 431, "headers-too-large")

    def test_a_field_without_end_is_refused_while_it_comes(self) -> None:
        self.connection.send(LIVEZ[:-2] + b"X: ")
        for _ in range(70):
            self.connection.send(b"a" * 1024)
        self.assertProblem(self.refused(), 431, "headers-too-large")

    def test_chunk_extensions_and_trailers_without_end_are_refused_while_they_come(self) -> None:
        for start in (b"2;", b"2\r\nxx\r\n0\r\nX: "):
            self.connection = self.server.connect()
            self.head("Transfer-Encoding: chunked")
            self.connection.send(start)
            for _ in range(70):
                self.connection.send(b"a" * 1024)
            self.assertProblem(self.refused(), 400, "bad-request")
        self.connection = self.server.connect()
        self.head("Transfer-Encoding: chunked")
        self.connection.send(b"0\r\n" + b"X: aaaaaaaaaaaaaaaaaaaaa\r\n" * 1000)
        self.assertProblem(self.refused(), 431, "headers-too-large")

    def test_a_hundred_thousand_chunks_of_one_byte_are_a_body(self) -> None:
        self.head("Transfer-Encoding: chunked")
        for _ in range(100):
            self.connection.send(b"1\r\nx\r\n" * 1000)
        self.connection.send(b"0\r\n\r\n")
        self.assertEqual(self.statuses(), [201])


class LingerTests(ChannelTestCase):
    """A refused request is read to its end, within limits: to close before would reset, and take the answer back."""

    def setUp(self) -> None:
        super().setUp()
        self.head(f"Content-Length: {MAX_BODY + 1}")
        self.assertEqual(self.statuses(), [413])

    def test_what_still_comes_is_dropped(self) -> None:
        for _ in range(17):
            self.connection.send(b"x" * 0x100000)
        self.assertEqual((self.connection.closed, self.statuses(), self.server.receive()), (False, [], []))

    def test_but_not_without_end(self) -> None:
        for _ in range(33):
            self.assertFalse(self.connection.closed)
            self.connection.send(b"x" * 0x100000)
        self.assertTrue(self.connection.closed)

    def test_nor_when_nothing_comes(self) -> None:
        self.server.clock.pump([1] * LINGER)
        self.assertTrue(self.connection.closed)

    def test_nor_for_long(self) -> None:
        for _ in range(int(LINGER_AT_MOST)):
            self.assertFalse(self.connection.closed)
            self.connection.send(b"x")
            self.server.clock.pump([1])
        self.assertTrue(self.connection.closed)

    def test_a_client_that_ends_has_read_the_answer(self) -> None:
        self.connection.end()
        self.assertTrue(self.connection.closed)


class EndTests(ChannelTestCase):
    def test_a_receive_that_does_not_wait_is_answered_with_what_it_was_granted(self) -> None:
        self.server.publish()
        self.journal.holding = True
        self.connection.request("POST", "/v1/consumer?cid=1")
        self.connection.end()
        self.journal.release()
        (reply,) = self.connection.replies()
        self.assertEqual(([one["id"] for one in reply.json], self.connection.closed), ([1], True))

    def test_what_was_kept_while_an_answer_was_owed_is_answered(self) -> None:
        self.journal.holding = True
        self.connection.send(PUBLISH)
        self.connection.send(PUBLISH + LIVEZ + WAIT)
        self.connection.send(b"GET /livez")
        self.connection.end()
        self.journal.release()
        self.assertEqual((self.statuses(), self.connection.closed), ([201, 201, 200, 200], True))

    def test_a_connection_that_is_lost_does_nothing_more(self) -> None:
        self.journal.holding = True
        self.connection.send(PUBLISH * 3)
        self.connection.hang_up(clean=False)
        self.journal.release()
        self.assertEqual(len(self.server.receive()), 1)

    def test_a_request_of_the_long_way_ends_its_wait_too(self) -> None:
        for leave in (Connection.end, Connection.hang_up):
            self.connection.request("POST", "/v1/%63onsumer?cid=1&wait=60")
            self.assertEqual(self.server.request("GET", "/v1/queues/default").json["waiting"], 1)
            leave(self.connection)
            self.assertEqual(self.server.request("GET", "/v1/queues/default").json["waiting"], 0)
            self.connection = self.server.connect()


class BufferTests(OverTheChannel, ServerTestCase):
    """What all connections keep together."""

    def setUp(self) -> None:
        super().setUp()
        self.buffers = self.server.site.buffers
        self.buffers.limit = 100_000

    def begin(self, size: int) -> Connection:
        connection = self.server.connect()
        connection.send(b"POST /v1/publish HTTP/1.1\r\nHost: a\r\nContent-Length: 99999\r\n\r\n" + b"x" * size)
        return connection

    def test_bodies_that_come_in_are_counted_until_they_are_complete_or_given_up(self) -> None:
        connections = [self.begin(30_000) for _ in range(3)]
        self.assertEqual(self.buffers.used, 90_000)
        connections[0].hang_up()
        connections[1].send(b"x" * 69_999)
        self.assertEqual([reply.status for reply in connections[1].replies()], [201])
        self.assertEqual(self.buffers.used, 30_000)
        self.server.clock.pump([1] * 70)
        self.assertEqual([reply.status for reply in connections[2].replies()], [408])
        self.assertEqual(self.buffers.used, 0)

    def test_so_is_what_is_kept_while_an_answer_is_owed(self) -> None:
        connection = self.server.connect()
        connection.send(WAIT)
        connection.send(PUBLISH * 10)
        self.assertEqual(self.buffers.used, 10 * len(PUBLISH))
        self.server.clock.pump([60])
        self.assertEqual(self.buffers.used, 0)

    def test_beyond_the_limit_a_body_is_refused(self) -> None:
        first, second = self.begin(60_000), self.begin(60_000)
        (reply,) = second.replies()
        self.assertProblem(reply, 503, "not-ready")
        self.assertEqual((reply.headers["retry-after"], reply.headers["connection"]), ("1", "close"))
        self.assertEqual((first.replies(), self.buffers.used), ([], 60_000))
        first.send(b"x" * 39_999)
        self.assertEqual([reply.status for reply in first.replies()], [201])

    def test_so_is_a_large_answer_and_its_leases_are_given_back(self) -> None:
        self.server.publish(b"x" * 70_000)
        self.begin(50_000)
        reply = self.server.request("POST", "/v1/consumer?cid=1")
        self.assertProblem(reply, 503, "not-ready")
        self.buffers.limit = 1_000_000
        self.assertEqual([one["receives"] for one in self.server.receive()], [1])

    def test_probes_are_answered_all_the_same(self) -> None:
        self.buffers.used += 100_000
        for path, status in (("/livez", 200), ("/readyz?verbose=true", 200), ("/metrics", 200), ("/v1/status", 503)):
            self.assertEqual(self.server.request("GET", path).status, status)
        self.buffers.used -= 100_000


class Port(FileDescriptor):
    """A listener that writes down whether it accepts."""

    accepting = True

    def pauseProducing(self) -> None:
        self.accepting = False

    def resumeProducing(self) -> None:
        self.accepting = True


class MaxConnectionsTests(ServerTestCase):
    def make_front(self, api: Api, clock: Clock) -> ChannelFactory:
        self.port = Port(MemoryReactor())
        factory = ChannelFactory(api, clock, max_connections=2)
        factory.accepts_from(cast(Any, self.port))
        return factory

    def test_accepting_pauses_while_there_are_as_many_as_there_may_be(self) -> None:
        first = self.server.connect()
        self.assertTrue(self.port.accepting)
        second = self.server.connect()
        self.assertFalse(self.port.accepting)
        first.hang_up()
        self.assertTrue(self.port.accepting)
        self.server.connect()
        self.assertFalse(self.port.accepting)
        second.hang_up()
        self.assertTrue(self.port.accepting)

    def test_who_was_accepted_all_the_same_is_not_read_until_there_is_room(self) -> None:
        first, second, third = (self.server.connect() for _ in range(3))
        self.assertEqual((second.transport.producerState, third.transport.producerState), ("producing", "paused"))
        self.assertEqual(self.server.site.connections, 2)
        self.server.clock.pump([1] * 70)
        first.hang_up()
        self.assertEqual((third.transport.producerState, self.port.accepting), ("producing", False))
        self.server.clock.pump([1] * 70)
        self.assertEqual((second.closed, third.closed), (True, False))

    def test_they_are_closed_with_the_others(self) -> None:
        connections = [self.server.connect() for _ in range(4)]
        closed = self.server.site.close()
        for connection in connections:
            self.assertTrue(connection.closed)
            connection.hang_up()
        self.successResultOf(closed)


class FactoryTests(OverTheChannel, ServerTestCase):
    def test_it_closes_when_all_its_connections_are_answered(self) -> None:
        idle, waiting = self.server.connect(), self.server.connect()
        waiting.send(WAIT)
        closed = self.server.site.close()
        self.assertEqual((idle.closed, waiting.closed), (True, False))
        idle.hang_up()
        self.assertNoResult(closed)
        self.successResultOf(self.server.broker.stop())
        self.assertEqual([reply.body for reply in waiting.replies()], [b"[]"])
        self.assertTrue(waiting.closed)
        waiting.hang_up()
        self.successResultOf(closed)

    def test_without_connections_it_is_closed_at_once(self) -> None:
        self.successResultOf(self.server.site.close())

    def test_it_lets_tls_clients_choose_http_1_1(self) -> None:
        # A server that names no protocol to a client that offers some is refused by it.
        verifyObject(IProtocolNegotiationFactory, self.server.site)
        self.assertEqual(self.server.site.acceptableProtocols(), [b"http/1.1"])

    def test_refusals_are_counted(self) -> None:
        connection = self.server.connect()
        connection.send(b"NON\tSENSE\r\n\r\n")
        page = self.server.request("GET", "/metrics").body.decode()
        self.assertIn('wonderq_http_requests_total{code="400",route="none"} 1.0', page)
