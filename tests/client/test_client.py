"""What the client asks for, and what it makes of the answers, where the contract does not say it."""

from __future__ import annotations

from urllib.parse import parse_qsl

from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from tests.client.scripted import ScriptedHarness
from tests.network import HTTPHarness
from wonderq.broker import IBroker
from wonderq.errors import NoSuchQueue, StoreUnavailable
from wonderq.model import Claim, Draft, QueueSettings


class TestRequests(SynchronousTestCase):
    def setUp(self) -> None:
        self.harness = ScriptedHarness()
        self.client = self.harness.client
        self.addCleanup(self.harness.close)

    def request(self) -> tuple[str, str, dict[str, str]]:
        """The request that was sent last: method, path and parameters."""
        line = self.harness.connection.received.split(b"\r\n")[0].decode("ascii")
        method, target, _ = line.split(" ")
        path, _, query = target.partition("?")
        return method, path, dict(parse_qsl(query, keep_blank_values=True, strict_parsing=bool(query)))

    def test_a_broker_is_what_it_is(self) -> None:
        verifyObject(IBroker, self.client)

    def test_a_receive_is_a_post_since_proxies_may_repeat_a_get(self) -> None:
        self.client.receive(["b", "a"], "alice", 7, 1.5, 0.25).addErrback(lambda _: None)
        self.assertEqual(
            self.request(),
            ("POST", "/v1/consumer", {"cid": "alice", "limit": "7", "queue": "b,a", "wait": "1.5", "lease": "0.25"}),
        )

    def test_claims_are_settled_in_one_request_if_all_name_their_receipts(self) -> None:
        self.client.release("alice", [Claim(1, 5), Claim(2, 6)], 0.5, "no & no").addErrback(lambda _: None)
        self.assertEqual(
            self.request(),
            (
                "PATCH",
                "/v1/consumer",
                {"cid": "alice", "id": "1,2", "receipt": "5,6", "delay": "0.5", "reason": "no & no"},
            ),
        )

    def test_claims_are_settled_in_one_request_if_none_names_its_receipt(self) -> None:
        self.client.delete("alice", [Claim(1), Claim(2)]).addErrback(lambda _: None)
        self.assertEqual(self.request(), ("DELETE", "/v1/consumer", {"cid": "alice", "id": "1,2"}))

    def test_claims_of_both_kinds_are_settled_in_their_order(self) -> None:
        deferred = self.client.delete("alice", [Claim(1), Claim(2), Claim(3, 7), Claim(1)])
        asked = []
        for answer in (b"[true,false]", b"true", b"false"):
            asked.append(self.request()[2])
            self.harness.connection.received = b""
            self.harness.answer(answer)
        self.assertEqual(self.successResultOf(deferred), [True, False, True, False])
        self.assertEqual(
            asked,
            [{"cid": "alice", "id": "1,2"}, {"cid": "alice", "id": "3", "receipt": "7"}, {"cid": "alice", "id": "1"}],
        )

    def test_nothing_to_publish_or_settle_is_not_sent(self) -> None:
        self.assertEqual(self.successResultOf(self.client.publish([])), [])
        self.assertEqual(self.successResultOf(self.client.delete("alice", [])), [])
        self.assertEqual(self.harness.server.connections, [])

    def test_an_empty_reason_is_none(self) -> None:
        self.client.bury("alice", [Claim(1)], "").addErrback(lambda _: None)
        self.assertEqual(self.request(), ("PATCH", "/v1/consumer", {"cid": "alice", "id": "1", "bury": "true"}))

    def test_settings_are_sent_without_their_defaults(self) -> None:
        self.client.put_queue("other", QueueSettings(delay=2.0), create_only=True).addErrback(lambda _: None)
        head, _, body = self.harness.connection.received.partition(b"\r\n\r\n")
        self.assertEqual(body, b'{"delay":2.0}')
        self.assertIn(b"\r\nIf-None-Match: *", head)


class TestOverHTTP(SynchronousTestCase):
    def setUp(self) -> None:
        self.harness = HTTPHarness()
        self.client = self.harness.client
        self.addCleanup(self.harness.close)

    def test_durability_is_what_the_last_publish_has_reached(self) -> None:
        self.assertEqual(self.client.durability, "unknown")
        self.harness.result(self.client.publish([Draft(b"")]))
        self.assertEqual(self.client.durability, "memory")

    def test_a_refused_publish_has_reached_nothing(self) -> None:
        with self.assertRaises(NoSuchQueue):
            self.harness.result(self.client.publish([Draft(b"", queue="nowhere")]))
        self.assertEqual(self.client.durability, "unknown")

    def test_every_call_leaves_its_connection_for_the_next(self) -> None:
        self.harness.result(self.client.publish([Draft(b"1")]))
        self.harness.result(self.client.publish([Draft(b"2"), Draft(b"3")]))
        [got, _, _] = self.harness.result(self.client.receive(["default"], "alice"))
        self.harness.result(self.client.extend("alice", [Claim(got.id)], 5.0))
        self.harness.result(self.client.delete("alice", [Claim(got.id)]))
        self.harness.result(self.client.put_queue("other", QueueSettings()))
        self.harness.result(self.client.delete_queue("other"))
        with self.assertRaises(NoSuchQueue):
            self.harness.result(self.client.show_queue("other"))
        self.harness.result(self.client.stats())
        self.assertEqual(len(self.harness.network.pumps), 1)

    def test_a_thousand_of_the_largest_ids_are_settled_in_one_request(self) -> None:
        claims = [Claim(2**53 - 1 - number, 2**53 - 1) for number in range(1000)]
        self.assertEqual(self.harness.result(self.client.delete("c" * 128, claims)), [False] * 1000)

    def test_what_is_given_back_counts_as_received(self) -> None:
        self.harness.result(self.client.publish([Draft(b"")]))
        deliveries = self.harness.result(self.client.receive(["default"], "alice"))
        self.client.give_back("alice", deliveries)
        self.harness.settle()
        [got] = self.harness.result(self.client.receive(["default"], "bob"))
        self.assertEqual((got.receives, got.last_failure), (2, "released"))

    def test_nobody_is_told_that_giving_back_failed(self) -> None:
        self.harness.result(self.client.publish([Draft(b"")]))
        deliveries = self.harness.result(self.client.receive(["default"], "alice"))
        self.harness.result(self.client.close())
        self.client.give_back("alice", deliveries)
        self.assertEqual(self.flushLoggedErrors(), [])

    def test_a_server_whose_broker_has_stopped_has_no_stats(self) -> None:
        self.harness.result(self.harness.local.stop())
        with self.assertRaises(StoreUnavailable):
            self.harness.result(self.client.stats())
