"""/v1/queues/Q, through the door."""

from __future__ import annotations

from tests.http.harness import ServerTestCase

DEFAULTS = {"lease": 30.0, "delay": 0.0, "maxReceives": 20, "maxMessageBytes": 1048576}


class QueueTests(ServerTestCase):
    def test_put_creates_and_then_replaces(self) -> None:
        reply = self.server.request("PUT", "/v1/queues/jobs", b'{"lease":5,"maxReceives":3}')
        self.assertEqual(reply.status, 201)
        self.assertEqual(
            reply.json,
            {
                "name": "jobs",
                "settings": DEFAULTS | {"lease": 5.0, "maxReceives": 3},
                "counts": {"ready": 0, "delayed": 0, "leased": 0, "dead": 0},
                "bytes": 0,
                "oldestAge": None,
                "waiting": 0,
                "paused": False,
            },
        )
        reply = self.server.request("PUT", "/v1/queues/jobs", b'{"delay":0.5}')
        self.assertEqual((reply.status, reply.json["settings"]), (200, DEFAULTS | {"delay": 0.5}))
        self.assertEqual(self.server.request("GET", "/v1/queues/jobs").json, reply.json)

    def test_an_empty_body_means_the_defaults(self) -> None:
        for body in (b"", b"{}"):
            reply = self.server.request("PUT", "/v1/queues/jobs", body)
            self.assertEqual(reply.json["settings"], DEFAULTS)

    def test_if_none_match_creates_only(self) -> None:
        headers = {"If-None-Match": "*"}
        self.assertEqual(self.server.request("PUT", "/v1/queues/a", b"", headers).status, 201)
        self.assertRefused(412, "queue-exists", "PUT", "/v1/queues/a", b'{"lease":5}', headers=headers)
        self.assertEqual(self.server.request("GET", "/v1/queues/a").json["settings"], DEFAULTS)
        self.assertRefused(
            400, "invalid-parameter", "PUT", "/v1/queues/b", headers={"If-None-Match": '"x"'}, parameter="If-None-Match"
        )
        self.assertRefused(404, "no-such-queue", "GET", "/v1/queues/b")

    def test_get_shows_what_is_in_a_queue(self) -> None:
        for body in (b"1", b"22", b"333"):
            self.server.publish(body)
        self.server.publish(b"4444", delay=60)
        self.server.receive(limit=1)
        self.server.receive(cid=2, limit=1)
        self.server.patch(cid=2, id=2, bury="true")
        self.server.clock.advance(1.5)
        waiting = self.server.connect()
        waiting.request("POST", "/v1/consumer?cid=1&wait=9&queue=jobs")
        shown = self.server.request("GET", "/v1/queues/default").json
        self.assertEqual(shown["counts"], {"ready": 1, "delayed": 1, "leased": 1, "dead": 1})
        self.assertEqual((shown["bytes"], shown["oldestAge"]), (10, 1.5))

    def test_get_shows_how_many_wait(self) -> None:
        self.server.connect().request("POST", "/v1/consumer?cid=1&wait=9")
        self.assertEqual(self.server.request("GET", "/v1/queues/default").json["waiting"], 1)

    def test_delete_takes_the_messages_along(self) -> None:
        self.server.request("PUT", "/v1/queues/a")
        message = self.server.publish(queue="a")
        reply = self.server.request("DELETE", "/v1/queues/a")
        self.assertEqual((reply.status, reply.body), (204, b""))
        self.assertNotIn("content-length", reply.headers)
        self.assertNotIn("content-type", reply.headers)
        self.assertRefused(404, "no-such-message", "GET", f"/v1/messages/{message}")
        self.assertRefused(404, "no-such-queue", "DELETE", "/v1/queues/a")

    def test_the_default_queue_stays(self) -> None:
        self.assertRefused(409, "default-queue", "DELETE", "/v1/queues/default")
        self.assertEqual(self.server.request("GET", "/v1/queues/default").status, 200)

    def test_names_differ_by_case(self) -> None:
        for name in ("a", "A"):
            self.assertEqual(self.server.request("PUT", f"/v1/queues/{name}").status, 201)

    def test_a_name_has_up_to_80_characters_of_a_few_kinds(self) -> None:
        for name in ("a" * 80, "_", "9", "A.b-c_d", "a%2Db", "__proto__", "_other"):
            self.assertEqual(self.server.request("PUT", f"/v1/queues/{name}").status, 201)
        for name in ("a" * 81, "a" * 8000, ".a", "-a", "a%20b", "a%3Fb", "a;b", "a+b", "a,b", "a@b", "a:b", "~a", "$"):
            for method in ("PUT", "GET", "DELETE"):
                self.assertRefused(400, "invalid-queue-name", method, f"/v1/queues/{name}")

    def test_settings_have_types_and_ranges(self) -> None:
        for settings, pointer in (
            ('{"lease":0.09}', "/lease"),
            ('{"lease":43200.1}', "/lease"),
            ('{"lease":"30"}', "/lease"),
            ('{"lease":null}', "/lease"),
            ('{"lease":true}', "/lease"),
            ('{"delay":-1}', "/delay"),
            ('{"delay":315360001}', "/delay"),
            ('{"maxReceives":-1}', "/maxReceives"),
            ('{"maxReceives":1.5}', "/maxReceives"),
            ('{"maxReceives":1000001}', "/maxReceives"),
            ('{"maxMessageBytes":0}', "/maxMessageBytes"),
            ('{"maxMessageBytes":16777217}', "/maxMessageBytes"),
            ('{"lease":5,"delay":[]}', "/delay"),
            ("[]", ""),
            ("null", ""),
            ("7", ""),
            ('"{}"', ""),
        ):
            self.assertRefused(400, "invalid-setting", "PUT", "/v1/queues/a", settings.encode(), pointer=pointer)
        self.assertRefused(404, "no-such-queue", "GET", "/v1/queues/a")

    def test_unknown_settings_are_refused(self) -> None:
        for name, pointer in (("leese", "/leese"), ("max_receives", "/max_receives"), ("a/b~", "/a~1b~0")):
            self.assertRefused(
                400, "unknown-field", "PUT", "/v1/queues/a", f'{{"lease":5,"{name}":1}}'.encode(), pointer=pointer
            )
        name = "x" * 1000
        self.assertRefused(400, "unknown-field", "PUT", "/v1/queues/a", f'{{"{name}":1}}'.encode())

    def test_of_a_repeated_setting_the_last_counts(self) -> None:
        reply = self.server.request("PUT", "/v1/queues/a", b'{"lease":5,"lease":6}')
        self.assertEqual(reply.json["settings"]["lease"], 6.0)

    def test_settings_are_json(self) -> None:
        for body in (b"{", b'{"lease":NaN}', b'{"a":"\xff"}', b"\xef\xbb\xbf{}", b'{"lease":1e400}', b"[" * 60_000):
            self.assertRefused(400, "invalid-json", "PUT", "/v1/queues/a", body)
        for headers in ({"Content-Type": "text/plain"}, {"Content-Encoding": "gzip"}):
            self.assertRefused(415, "unsupported-media-type", "PUT", "/v1/queues/a", b"{}", headers=headers)

    def test_what_is_far_too_long_for_settings_is_not_read(self) -> None:
        self.assertRefused(413, "body-too-large", "PUT", "/v1/queues/a", b"{%b}" % (b" " * 65536))

    def test_calls_on_a_queue_take_no_parameters(self) -> None:
        for method in ("PUT", "GET", "DELETE"):
            self.assertRefused(400, "unknown-parameter", method, "/v1/queues/a?lease=5", parameter="lease")

    def test_a_body_has_no_place_on_get_and_delete(self) -> None:
        for method in ("GET", "DELETE"):
            self.assertRefused(400, "unexpected-body", method, "/v1/queues/default", b"{}")
