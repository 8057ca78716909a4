"""Everything on /v1/consumer, through the door."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import example, given
from hypothesis import strategies as st
from twisted.internet.defer import Deferred, succeed

from tests.http.harness import ServerTestCase
from wonderq.errors import WonderQError
from wonderq.http import operations
from wonderq.http.call import Answer, Call
from wonderq.model import MAX_ID, Claim

CONSUMER = "/v1/consumer"


class ReceiveTests(ServerTestCase):
    def test_a_delivery_tells_everything_about_message_and_lease(self) -> None:
        self.server.publish(b'{"n": 1}', "application/json", priority=3)
        reply = self.server.request("GET", f"{CONSUMER}?cid=worker-1")
        self.assertEqual(reply.status, 200)
        self.assertEqual(
            reply.body,
            b'[{"id":1,"receipt":1,"queue":"default","body":{"n": 1},"encoding":"json",'
            b'"contentType":"application/json","receives":1,"publishedAt":"2026-05-28T20:26:40.250Z",'
            b'"leaseUntil":"2026-05-28T20:27:10.250Z","priority":3}]',
        )

    def test_get_and_post_do_the_same(self) -> None:
        for method in ("GET", "POST"):
            self.server.publish(method.encode())
            self.assertEqual(self.server.request(method, f"{CONSUMER}?cid=1").json[0]["body"], method)

    def test_with_nothing_to_receive_the_answer_is_an_empty_array(self) -> None:
        self.assertEqual(self.server.request("GET", f"{CONSUMER}?cid=1").body, b"[]")

    def test_a_receive_takes_ten_messages_or_as_many_as_it_says(self) -> None:
        for size in (1000, 12):
            self.server.request("POST", "/v1/publish/batch", b"[%b]" % b",".join([b'{"text":""}'] * size))
        self.assertEqual(len(self.server.receive()), 10)
        self.assertEqual(len(self.server.receive(limit=1)), 1)
        self.assertEqual(len(self.server.receive(limit=1000)), 1000)
        self.assertEqual(len(self.server.receive(limit=1000)), 1)

    def test_a_lease_lasts_as_long_as_the_receive_says(self) -> None:
        self.server.publish()
        self.assertEqual(self.server.receive(lease="0.5")[0]["leaseUntil"], "2026-05-28T20:26:40.750Z")
        self.server.clock.advance(0.499)
        self.assertEqual(self.server.receive(2), [])
        self.server.clock.advance(0.001)
        (again,) = self.server.receive(2)
        self.assertEqual((again["receives"], again["lastFailure"]), (2, "lease expired"))

    def test_several_queues_are_served_in_the_order_named(self) -> None:
        for name in "ab":
            self.server.request("PUT", f"/v1/queues/{name}")
            self.server.publish(name.encode(), queue=name)
        self.assertEqual([one["queue"] for one in self.server.receive(queue="b,a")], ["b", "a"])

    def test_a_queue_that_does_not_exist(self) -> None:
        self.assertRefused(404, "no-such-queue", "POST", f"{CONSUMER}?cid=1&queue=default,x", parameter="queue")

    def test_every_name_of_a_consumer_is_taken(self) -> None:
        for cid in ("0", "7", "a", "A_b.c:d-e", "x" * 128, "007"):
            self.server.publish()
            (message,) = self.server.receive(cid)
            self.assertIs(self.server.delete(cid=cid, id=message["id"]), True)

    def test_consumers_are_compared_as_text(self) -> None:
        self.server.publish()
        self.server.receive("7")
        self.assertIs(self.server.delete(cid="07", id=1), False)

    def test_bad_parameters_are_refused(self) -> None:
        self.server.publish()
        for query, code, parameter in (
            ("", "missing-parameter", "cid"),
            ("limit=1", "missing-parameter", "cid"),
            ("cid=", "invalid-parameter", "cid"),
            ("cid", "invalid-parameter", "cid"),
            ("cid=a%20b", "invalid-parameter", "cid"),
            ("cid=a/b", "invalid-parameter", "cid"),
            ("cid=%C3%A9", "invalid-parameter", "cid"),
            ("cid=" + "x" * 129, "invalid-parameter", "cid"),
            ("cid=1&cid=1", "invalid-parameter", "cid"),
            ("cid=1&limit=0", "invalid-parameter", "limit"),
            ("cid=1&limit=1001", "invalid-parameter", "limit"),
            ("cid=1&limit=1.0", "invalid-parameter", "limit"),
            ("cid=1&limit=007", "invalid-parameter", "limit"),
            ("cid=1&limit=%D9%A1", "invalid-parameter", "limit"),
            ("cid=1&limit=" + "9" * 5000, "invalid-parameter", "limit"),
            ("cid=1;limit=2", "invalid-parameter", "cid"),
            ("cid=1&wait=60.1", "invalid-parameter", "wait"),
            ("cid=1&wait=nan", "invalid-parameter", "wait"),
            ("cid=1&lease=0", "invalid-parameter", "lease"),
            ("cid=1&lease=0.09", "invalid-parameter", "lease"),
            ("cid=1&lease=43200.1", "invalid-parameter", "lease"),
            ("cid=1&queue=a,a", "invalid-parameter", "queue"),
            ("cid=1&queue=a,", "invalid-queue-name", "queue"),
            ("cid=1&queue=,a", "invalid-queue-name", "queue"),
            ("cid=1&queue=" + ",".join(f"q{number}" for number in range(101)), "invalid-parameter", "queue"),
            ("cid=1&lmit=5", "unknown-parameter", "lmit"),
            ("cid=1&id=5", "unknown-parameter", "id"),
            ("cid=1&limit=%zz", "bad-request", None),
            ("cid=1&queue=%ff", "bad-request", None),
        ):
            for method in ("GET", "POST"):
                self.assertRefused(400, code, method, f"{CONSUMER}?{query}", parameter=parameter)
        self.assertEqual(len(self.server.receive()), 1)

    def test_a_body_has_no_place_on_consumer(self) -> None:
        self.server.publish()
        for method in ("GET", "POST", "DELETE", "PATCH"):
            self.assertRefused(400, "unexpected-body", method, f"{CONSUMER}?cid=1&id=1", b"cid=1")
        self.assertEqual(len(self.server.receive()), 1)


class WaitTests(ServerTestCase):
    def test_a_receive_that_waits_is_answered_by_a_publish(self) -> None:
        waiting = self.server.connect()
        waiting.request("POST", f"{CONSUMER}?cid=1&wait=60")
        self.server.clock.advance(59)
        self.assertEqual(waiting.replies(), [])
        self.server.publish(b"at last")
        (reply,) = waiting.replies()
        self.assertEqual(reply.json[0]["body"], "at last")

    def test_a_receive_waits_no_longer_than_it_says(self) -> None:
        waiting = self.server.connect()
        waiting.request("POST", f"{CONSUMER}?cid=1&wait=1.5")
        self.server.clock.advance(1.499)
        self.assertEqual(waiting.replies(), [])
        self.server.clock.advance(0.001)
        self.assertEqual([reply.body for reply in waiting.replies()], [b"[]"])

    def test_who_waits_for_a_queue_that_is_deleted_is_told(self) -> None:
        self.server.request("PUT", "/v1/queues/a")
        waiting = self.server.connect()
        waiting.request("POST", f"{CONSUMER}?cid=1&wait=60&queue=a")
        self.server.request("DELETE", "/v1/queues/a")
        (reply,) = waiting.replies()
        self.assertProblem(reply, 404, "no-such-queue", parameter="queue")

    def test_a_server_that_stops_answers_who_waits_with_nothing(self) -> None:
        waiting = self.server.connect()
        waiting.request("POST", f"{CONSUMER}?cid=1&wait=60")
        self.server.broker.stop()
        self.assertEqual([reply.body for reply in waiting.replies()], [b"[]"])


class DeleteTests(ServerTestCase):
    def setUp(self) -> None:
        super().setUp()
        for _ in range(3):
            self.server.publish()
        self.server.receive()

    def test_for_one_id_the_answer_is_true_or_false(self) -> None:
        for body in (b"true", b"false"):
            self.assertEqual(self.server.request("DELETE", f"{CONSUMER}?cid=1&id=1").body, body)

    def test_for_several_it_is_an_array(self) -> None:
        self.assertEqual(self.server.request("DELETE", f"{CONSUMER}?cid=1&id=1,2,1,9").body, b"[true,true,false,false]")

    def test_what_another_consumer_holds_stays(self) -> None:
        self.assertIs(self.server.delete(cid=2, id=1), False)
        self.assertIs(self.server.delete(cid=1, id=1), True)

    def test_receipts_go_with_the_ids(self) -> None:
        self.assertEqual(self.server.delete(cid=1, id="1,2", receipt="1,3"), [True, False])
        self.assertIs(self.server.delete(cid=1, id=2, receipt=2), True)

    def test_a_thousand_ids_with_their_receipts_fit(self) -> None:
        numbers = ",".join(str(2**53 - 1 - number) for number in range(1000))
        self.assertEqual(self.server.delete(cid="c" * 128, id=numbers, receipt=numbers), [False] * 1000)

    def test_bad_parameters_are_refused(self) -> None:
        for query, code, parameter in (
            ("id=1", "missing-parameter", "cid"),
            ("cid=1", "missing-parameter", "id"),
            ("cid=1&id=", "invalid-parameter", "id"),
            ("cid=1&id=0", "invalid-parameter", "id"),
            ("cid=1&id=a", "invalid-parameter", "id"),
            ("cid=1&id=1,", "invalid-parameter", "id"),
            ("cid=1&id=9007199254740992", "invalid-parameter", "id"),
            ("cid=1&id=" + ",".join(["1"] * 1001), "invalid-parameter", "id"),
            ("cid=1&id=1&receipt=1,2", "invalid-parameter", "receipt"),
            ("cid=1&id=1,2&receipt=1", "invalid-parameter", "receipt"),
            ("cid=1&id=1&receipt=-1", "invalid-parameter", "receipt"),
            ("cid=1&id=1&receipt=", "invalid-parameter", "receipt"),
            ("cid=1&id=1&id=2", "invalid-parameter", "id"),
            ("cid=1&id=1&lease=5", "unknown-parameter", "lease"),
            ("cid=1&id=1&queue=default", "unknown-parameter", "queue"),
        ):
            self.assertRefused(400, code, "DELETE", f"{CONSUMER}?{query}", parameter=parameter)
        self.assertEqual(self.server.delete(cid=1, id="1,2,3"), [True, True, True])


class PatchTests(ServerTestCase):
    def setUp(self) -> None:
        super().setUp()
        for _ in range(2):
            self.server.publish()
        self.server.receive()

    def shown(self, message: int) -> dict[str, object]:
        reply = self.server.request("GET", f"/v1/messages/{message}")
        shown: dict[str, object] = reply.json
        return shown

    def test_lease_extends(self) -> None:
        self.assertEqual(self.server.patch(cid=1, id="1,2", receipt="1,1", lease=60), [True, False])
        self.server.clock.advance(59)
        self.assertEqual((self.shown(1)["state"], self.shown(2)["state"]), ("leased", "ready"))
        self.assertEqual(self.shown(1)["leaseUntil"], "2026-05-28T20:27:40.250Z")

    def test_delay_releases(self) -> None:
        self.assertIs(self.server.patch(cid=1, id=1, delay="0"), True)
        self.assertEqual(self.shown(1)["lastFailure"], "released")
        self.assertIs(self.server.patch(cid=1, id=2, delay="1.5", reason="try again: 100%"), True)
        self.assertEqual((self.shown(1)["state"], self.shown(2)["state"]), ("ready", "delayed"))
        self.assertEqual(self.shown(2)["lastFailure"], "try again: 100%")

    def test_bury_buries(self) -> None:
        self.assertIs(self.server.patch(cid=1, id=1, bury="true", reason="h\u00e9\n"), True)
        self.assertEqual((self.shown(1)["state"], self.shown(1)["lastFailure"]), ("dead", "h\u00e9\n"))

    def test_what_is_not_held_stays_as_it_is(self) -> None:
        for verb in ({"lease": 60}, {"delay": 0}, {"bury": "true"}):
            self.assertIs(self.server.patch(cid=2, id=1, **verb), False)
        self.assertEqual(self.shown(1)["leaseUntil"], "2026-05-28T20:27:10.250Z")

    def test_a_reason_has_up_to_1000_characters(self) -> None:
        self.assertIs(self.server.patch(cid=1, id=1, delay=0, reason="\u00e9" * 1000), True)
        reason = "%C3%A9" * 1001
        self.assertRefused(
            400, "invalid-parameter", "PATCH", f"{CONSUMER}?cid=1&id=2&delay=0&reason={reason}", parameter="reason"
        )

    def test_bad_parameters_are_refused(self) -> None:
        for query, code, parameter in (
            ("", "missing-parameter", None),
            ("reason=x", "missing-parameter", None),
            ("lease=5&delay=5", "invalid-parameter", "delay"),
            ("delay=5&bury=true", "invalid-parameter", "bury"),
            ("lease=5&bury=true", "invalid-parameter", "bury"),
            ("lease=0", "invalid-parameter", "lease"),
            ("lease=43201", "invalid-parameter", "lease"),
            ("lease=5&reason=x", "invalid-parameter", "reason"),
            ("delay=-1", "invalid-parameter", "delay"),
            ("delay=315360001", "invalid-parameter", "delay"),
            ("delay=0&reason=", "invalid-parameter", "reason"),
            ("delay=0&reason=a%00b", "bad-request", None),
            ("bury=false", "invalid-parameter", "bury"),
            ("bury=1", "invalid-parameter", "bury"),
            ("bury=TRUE", "invalid-parameter", "bury"),
            ("bury=true&limit=5", "unknown-parameter", "limit"),
        ):
            self.assertRefused(400, code, "PATCH", f"{CONSUMER}?cid=1&id=1&{query}".rstrip("&"), parameter=parameter)
        for query, parameter in (("id=1&lease=5", "cid"), ("cid=1&lease=5", "id")):
            self.assertRefused(400, "missing-parameter", "PATCH", f"{CONSUMER}?{query}", parameter=parameter)
        self.assertEqual(self.shown(1)["leaseUntil"], "2026-05-28T20:27:10.250Z")


class Settling:
    """A broker that notes what is deleted."""

    def delete(self, consumer: str, claims: Sequence[Claim]) -> Deferred[list[bool]]:
        self.deleted = consumer, list(claims)
        return succeed([True])


def deleted(query: str) -> object:
    """Return what a delete with this query asks for, or its fault."""
    broker = Settling()
    try:
        answer = operations.delete(broker, Call(query.encode(), lambda name: None))  # type: ignore[arg-type]
    except WonderQError as error:
        return error.slug, error.parameter
    assert answer == Answer(200, b"true")
    return broker.deleted


NUMBERS = st.integers(0, 2 * MAX_ID).map(str) | st.from_regex(r"[0-9]{1,17}", fullmatch=True)


@given(st.from_regex(r"[a-z0-9_.:/-]{0,130}", fullmatch=True), NUMBERS, st.none() | NUMBERS)
@example("c" * 128, str(MAX_ID), str(MAX_ID))
@example("c" * 129, "1", "1")
@example("7", "01", None)
@example("7", "1", "0")
def test_a_delete_means_the_same_in_whatever_order_its_parameters_stand(
    cid: str, id_: str, receipt: str | None
) -> None:
    parts = [f"cid={cid}", f"id={id_}", *([] if receipt is None else [f"receipt={receipt}"])]
    assert (
        deleted("&".join(parts))
        == deleted("&".join([parts[0], *reversed(parts[1:])]))
        == deleted("&".join(parts[1:] + parts[:1]))
    )
