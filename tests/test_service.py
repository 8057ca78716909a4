"""How a server starts and stops: in which order, and what it tells whom."""

from __future__ import annotations

from signal import SIGHUP, SIGINT, SIGTERM

import pytest
from twisted.internet.address import HostnameAddress, IPv4Address, IPv6Address, UNIXAddress
from twisted.internet.defer import Deferred, fail
from twisted.internet.error import CannotListenError
from twisted.internet.interfaces import IAddress
from twisted.logger import LogLevel, capturedLogs, formatEvent
from twisted.trial.unittest import SynchronousTestCase

from tests.rig import LOCAL, FakeEndpoint, Rig
from wonderq.broker import StoreRefused, StoreUnwell
from wonderq.config import Config
from wonderq.errors import StoreUnavailable
from wonderq.local.journal import Sync
from wonderq.process import REFUSED, STORE_FAILED, Refused
from wonderq.service import CLOSE_SECONDS, STOP_SECONDS, Shortage, is_local, url


class StartTests(SynchronousTestCase):
    def test_what_asks_is_told_at_once_and_answered_when_all_is_recovered(self) -> None:
        rig = Rig()
        rig.start()
        self.assertTrue(rig.listening)
        self.assertEqual((rig.get("/livez"), rig.get("/readyz")), (200, 503))
        rig.settle()
        self.assertEqual((rig.get("/livez"), rig.get("/readyz")), (200, 200))

    def test_whoever_started_it_is_told_once_it_serves(self) -> None:
        rig = Rig()
        rig.server.privilegedStartService()
        self.assertEqual(rig.process.told, [])
        rig.server.startService()
        self.assertEqual(rig.process.told, ["started"])

    def test_listeners_come_first_and_the_store_is_opened_when_privileges_are_gone(self) -> None:
        rig = Rig()
        rig.server.privilegedStartService()
        self.assertEqual((rig.listening, rig.journal.opened), (True, False))
        rig.server.startService()
        self.assertTrue(rig.journal.opened)

    def test_a_hangup_signal_means_nothing(self) -> None:
        rig = Rig()
        rig.start()
        self.assertEqual(rig.process.ignored, {SIGHUP})

    def test_one_line_says_where_it_is_and_one_that_it_is_ready(self) -> None:
        rig = Rig(FakeEndpoint(LOCAL), FakeEndpoint(IPv6Address("TCP", "::1", 81)))
        with capturedLogs() as logs:
            rig.ready()
        self.assertEqual(
            [formatEvent(event) for event in logs],
            [
                "Serving http://127.0.0.1:8080 http://[::1]:81; messages are kept in memory.",
                "Ready: 0 messages recovered in 0.00 s.",
            ],
        )

    def refusal(self, rig: Rig) -> tuple[str, int]:
        """Return the line of a refusal, and the exit status."""
        refused = self.assertRaises(Refused, rig.start)
        self.assertEqual(rig.process.told, [str(refused)])
        self.assertFalse(rig.listening)
        return str(refused), refused.status

    def test_a_taken_address_is_refused_by_its_description_and_the_systems_reason(self) -> None:
        taken = CannotListenError("127.0.0.1", 80, OSError(98, "Address already in use"))
        rig = Rig(FakeEndpoint(LOCAL), FakeEndpoint(taken))
        self.assertEqual(self.refusal(rig), ("wonderq: Cannot listen on fake:1: Address already in use.", REFUSED))

    def test_whatever_else_keeps_it_from_listening_is_refused_too(self) -> None:
        rig = Rig(FakeEndpoint(OverflowError("bind(): port must be 0-65535.")))
        self.assertEqual(
            self.refusal(rig), ("wonderq: Cannot listen on fake:0: bind(): port must be 0-65535.", REFUSED)
        )

    def test_an_address_open_to_other_machines_is_refused_unless_that_is_meant(self) -> None:
        everywhere = IPv4Address("TCP", "0.0.0.0", 8080)
        line, _ = self.refusal(Rig(FakeEndpoint(LOCAL), FakeEndpoint(everywhere)))
        self.assertTrue(line.startswith("wonderq: fake:1 is open to other machines"), line)
        self.assertIn("(interface=127.0.0.1)", line)
        line, _ = self.refusal(Rig(FakeEndpoint(IPv6Address("TCP", "::", 8080))))
        self.assertIn(r"(interface=\:\:1)", line)
        rig = Rig(FakeEndpoint(everywhere), insecure=True)
        rig.start()
        self.assertTrue(rig.listening)

    def test_a_store_that_is_not_to_be_had_is_refused(self) -> None:
        rig = Rig()
        rig.journal.refusal = StoreRefused("a.sqlite is in use by process 7")
        self.assertEqual(self.refusal(rig), ("wonderq: a.sqlite is in use by process 7.", REFUSED))

    def test_a_store_whose_disk_is_not_well_is_refused_with_another_status(self) -> None:
        rig = Rig()
        rig.journal.refusal = StoreUnwell("a.sqlite cannot be opened: its disk is full")
        self.assertEqual(self.refusal(rig), ("wonderq: a.sqlite cannot be opened: its disk is full.", STORE_FAILED))


class ShortageTests(SynchronousTestCase):
    def test_a_full_disk_and_its_end_are_a_line_each(self) -> None:
        shortage = Shortage(Config((), "a.sqlite", Sync(), 1000, 0.0, False))
        self.assertFalse(shortage.full)
        with capturedLogs() as logs:
            shortage.changed(False)
            self.assertTrue(shortage.full)
            shortage.changed(True)
            self.assertFalse(shortage.full)
        self.assertEqual(
            [(event["log_level"], formatEvent(event)) for event in logs],
            [
                (
                    LogLevel.warn,
                    "The disk of a.sqlite is full: publishing is refused, since less than 1000 bytes (--min-free) would"
                    " be left.",
                ),
                (LogLevel.info, "There is room on the disk of a.sqlite: publishing is possible again."),
            ],
        )


class SettleTests(SynchronousTestCase):
    def test_what_is_here_to_stay_is_spared_the_collector_before_requests_come_and_after_the_recovery(self) -> None:
        starting, ready = Rig(), Rig()
        starting.start()
        self.assertEqual(starting.process.settled, 1)
        ready.ready()
        self.assertEqual(ready.process.settled, 2)


class StopTests(SynchronousTestCase):
    def test_without_drain_listeners_close_at_once_and_long_polls_are_answered_with_nothing(self) -> None:
        rig = Rig()
        rig.ready()
        poll = rig.connect()
        poll.request("GET", "/v1/consumer?cid=1&wait=20")
        stopped = rig.server.stopService()
        self.assertFalse(rig.listening)
        rig.settle()
        (reply,) = poll.replies()
        self.assertEqual((reply.status, reply.json), (200, []))
        self.assertTrue(poll.closed)
        self.assertNoResult(stopped)
        poll.hang_up()
        self.successResultOf(stopped)
        self.assertEqual(rig.clock.getDelayedCalls(), [])

    def test_a_drain_says_so_at_once_and_serves_on_until_its_time_is_over(self) -> None:
        rig = Rig(drain=5)
        rig.ready()
        stopped = rig.server.stopService()
        rig.clock.advance(4.9)
        self.assertEqual((rig.get("/livez"), rig.get("/readyz"), rig.get("/v1/consumer?cid=1")), (200, 503, 200))
        self.assertTrue(rig.listening)
        rig.clock.advance(0.1)
        rig.settle()
        self.assertFalse(rig.listening)
        self.successResultOf(stopped)

    def test_a_long_poll_may_wait_as_long_as_the_drain_lasts(self) -> None:
        rig = Rig(drain=5)
        rig.ready()
        rig.server.stopService()
        poll = rig.connect()
        poll.request("GET", "/v1/consumer?cid=1&wait=20")
        rig.clock.advance(4.9)
        self.assertEqual(poll.replies(), [])
        rig.clock.advance(0.1)
        rig.settle()
        self.assertEqual([reply.status for reply in poll.replies()], [200])

    def test_it_is_over_when_the_store_is_closed(self) -> None:
        rig = Rig()
        rig.ready()
        rig.journal.closed = Deferred()
        stopped = rig.server.stopService()
        rig.clock.advance(STOP_SECONDS - 0.1)
        self.assertNoResult(stopped)
        rig.journal.closed.callback(None)
        self.successResultOf(stopped)
        self.assertEqual(rig.process.told, ["started"])

    def test_a_store_that_does_not_finish_is_left_behind(self) -> None:
        rig = Rig()
        rig.ready()
        rig.journal.closed = Deferred()
        rig.server.stopService()
        with capturedLogs() as logs:
            rig.clock.advance(STOP_SECONDS)
        self.assertEqual(rig.process.told[1:], [("leave", STORE_FAILED)])
        self.assertEqual([event["log_level"] for event in logs], [LogLevel.critical])

    def test_a_store_that_cannot_be_closed_shows_in_the_exit_status(self) -> None:
        rig = Rig()
        rig.ready()
        rig.journal.closed = fail(StoreUnavailable())
        rig.server.stopService()
        rig.settle()
        self.assertEqual(rig.process.told[1:], [("exit with", STORE_FAILED)])
        self.assertEqual(len(self.flushLoggedErrors(StoreUnavailable)), 1)

    def test_a_client_that_does_not_read_its_last_answer_is_not_waited_for_for_long(self) -> None:
        rig = Rig()
        rig.ready()
        idle = rig.connect()
        stopped = rig.server.stopService()
        rig.settle()
        self.assertTrue(idle.closed)
        self.assertNoResult(stopped)
        rig.clock.advance(CLOSE_SECONDS)
        self.successResultOf(stopped)

    def test_a_second_signal_means_nothing(self) -> None:
        rig = Rig()
        rig.ready()
        rig.server.stopService()
        self.assertEqual(rig.process.ignored, {SIGHUP, SIGTERM, SIGINT})

    def test_a_stop_while_it_recovers_is_a_stop(self) -> None:
        rig = Rig()
        rig.start()
        stopped = rig.server.stopService()
        rig.settle()
        self.successResultOf(stopped)
        self.assertEqual(rig.process.told, ["started"])


class FailureTests(SynchronousTestCase):
    def test_a_store_that_fails_stops_the_server_with_one_line_and_an_exit_status(self) -> None:
        rig = Rig(drain=60)
        rig.ready()
        with capturedLogs() as logs:
            rig.journal.on_failure(OSError(5, "Input/output error"))
        self.assertEqual(
            [(event["log_level"], formatEvent(event)) for event in logs],
            [(LogLevel.critical, "The store has failed, so the server stops: [Errno 5] Input/output error")],
        )
        self.assertEqual(rig.process.told[1:], [("exit with", STORE_FAILED)])
        self.assertEqual((rig.get("/livez"), rig.get("/readyz"), rig.get("/v1/consumer?cid=1")), (200, 503, 503))
        self.assertEqual(rig.stops, 0)
        rig.settle()
        self.assertEqual(rig.stops, 1)

    def test_after_a_failure_nothing_is_drained(self) -> None:
        rig = Rig(drain=60)
        rig.ready()
        rig.journal.on_failure(OSError(5, "Input/output error"))
        stopped = rig.server.stopService()
        rig.settle()
        self.successResultOf(stopped)

    def test_a_store_that_fails_while_the_server_stops_stops_nothing_twice(self) -> None:
        rig = Rig(drain=60)
        rig.ready()
        rig.server.stopService()
        rig.journal.on_failure(OSError(5, "Input/output error"))
        rig.settle()
        self.assertEqual((rig.stops, rig.process.told[1:]), (0, [("exit with", STORE_FAILED)]))

    def test_a_store_that_cannot_be_read_is_a_store_that_failed(self) -> None:
        rig = Rig()
        rig.journal.readable = False
        rig.ready()
        self.assertEqual(rig.process.told[1:], [("exit with", STORE_FAILED)])
        self.assertEqual(rig.stops, 1)


@pytest.mark.parametrize(
    ("address", "local"),
    [
        (IPv4Address("TCP", "127.0.0.1", 1), True),
        (IPv4Address("TCP", "127.8.9.1", 1), True),
        (IPv6Address("TCP", "::1", 1), True),
        (UNIXAddress("/run/wonderq.sock"), True),
        (IPv4Address("TCP", "0.0.0.0", 1), False),
        (IPv4Address("TCP", "192.168.0.1", 1), False),
        (IPv6Address("TCP", "::", 1), False),
        (IPv6Address("TCP", "fe80::1%eth0", 1), False),
        (HostnameAddress(b"localhost", 1), False),
    ],
)
def test_only_loopback_and_unix_sockets_are_local(address: IAddress, local: bool) -> None:
    assert is_local(address) is local


@pytest.mark.parametrize(
    ("address", "description", "text"),
    [
        (IPv4Address("TCP", "127.0.0.1", 80), "tcp:80:interface=127.0.0.1", "http://127.0.0.1:80"),
        (IPv6Address("TCP", "::1", 80), "tcp:80:interface=\\:\\:1", "http://[::1]:80"),
        (IPv4Address("TCP", "127.0.0.1", 443), "ssl:443", "https://127.0.0.1:443"),
        (UNIXAddress("/run/wonderq.sock"), "unix:/run/wonderq.sock", "unix:/run/wonderq.sock"),
    ],
)
def test_an_address_is_shown_as_one_would_type_it(address: IAddress, description: str, text: str) -> None:
    assert url(address, description) == text
