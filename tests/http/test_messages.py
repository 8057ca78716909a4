"""GET /v1/messages/ID, through the door."""

from __future__ import annotations

from typing import Any

from tests.http.harness import ServerTestCase


class MessageTests(ServerTestCase):
    def shown(self, message: int) -> dict[str, Any]:
        reply = self.server.request("GET", f"/v1/messages/{message}")
        self.assertEqual(reply.status, 200)
        shown: dict[str, Any] = reply.json
        return shown

    def test_a_ready_message(self) -> None:
        self.server.publish(b'{"a": 1}', "application/json", priority=2)
        shown = self.shown(1)
        self.assertTrue(shown.pop("why").endswith("."))
        self.assertEqual(
            shown,
            {
                "id": 1,
                "queue": "default",
                "state": "ready",
                "body": {"a": 1},
                "encoding": "json",
                "contentType": "application/json",
                "receives": 0,
                "publishedAt": "2026-05-28T20:26:40.250Z",
                "priority": 2,
                "attempts": [],
            },
        )

    def test_a_delayed_message_tells_when_it_is_due(self) -> None:
        self.server.publish(delay=2)
        shown = self.shown(1)
        self.assertEqual((shown["state"], shown["dueAt"]), ("delayed", "2026-05-28T20:26:42.250Z"))

    def test_a_leased_message_tells_who_holds_it_and_no_receipt(self) -> None:
        self.server.publish()
        self.server.receive("worker", lease=5)
        shown = self.shown(1)
        self.assertEqual((shown["state"], shown["consumer"]), ("leased", "worker"))
        self.assertEqual((shown["leaseUntil"], shown["receives"]), ("2026-05-28T20:26:45.250Z", 1))
        self.assertEqual(
            shown["attempts"],
            [{"consumer": "worker", "from": "2026-05-28T20:26:40.250Z", "to": None, "outcome": None, "reason": None}],
        )
        self.assertNotIn("receipt", shown)

    def test_a_dead_message_tells_its_attempts_and_why(self) -> None:
        self.server.publish()
        self.server.receive(1, lease=1)
        self.server.clock.advance(1)
        self.server.receive(2)
        self.server.patch(cid=2, id=1, delay=0, reason="busy")
        self.server.receive(3)
        self.server.patch(cid=3, id=1, bury="true", reason="<b>\n")
        shown = self.shown(1)
        self.assertEqual((shown["state"], shown["receives"], shown["lastFailure"]), ("dead", 3, "<b>\n"))
        self.assertIn("<b>\n", shown["why"])
        ends = [(one["consumer"], one["outcome"], one["reason"]) for one in shown["attempts"]]
        self.assertEqual(ends, [("1", "expired", None), ("2", "released", "busy"), ("3", "buried", "<b>\n")])
        self.assertEqual(shown["attempts"][0]["to"], "2026-05-28T20:26:41.250Z")

    def test_what_is_gone_or_never_was_is_not_found(self) -> None:
        self.server.publish()
        self.server.receive()
        self.server.delete(cid=1, id=1)
        for message in (1, 2, 2**53 - 1):
            self.assertRefused(404, "no-such-message", "GET", f"/v1/messages/{message}")

    def test_an_id_is_a_whole_number(self) -> None:
        for text in ("0", "-1", "+1", "01", "1.0", "a", "1,2", "9007199254740992", "9" * 5000, "1_0", "1%20"):
            self.assertRefused(400, "invalid-parameter", "GET", f"/v1/messages/{text}", parameter="id")

    def test_it_takes_neither_parameters_nor_a_body(self) -> None:
        self.server.publish()
        self.assertRefused(400, "unknown-parameter", "GET", "/v1/messages/1?cid=1", parameter="cid")
        self.assertRefused(400, "unexpected-body", "GET", "/v1/messages/1", b"x")
