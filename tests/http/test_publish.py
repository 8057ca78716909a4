"""POST /v1/publish and POST /v1/publish/batch, through the door."""

from __future__ import annotations

import json

from tests.http.harness import ServerTestCase
from wonderq.model import MAX_BODY

PUBLISH = "/v1/publish"
BATCH = "/v1/publish/batch"


class PublishTests(ServerTestCase):
    def test_a_publish_answers_with_the_id_and_the_level_of_durability(self) -> None:
        reply = self.server.request("POST", PUBLISH, b"hello")
        self.assertEqual((reply.status, reply.body), (201, b'{"messageId":1}'))
        self.assertEqual(reply.headers["content-type"], "application/json")
        self.assertEqual(reply.headers["wonderq-durability"], "memory")
        self.assertEqual(self.server.publish(), 2)

    def test_the_body_is_the_message(self) -> None:
        for body, content_type, encoding in (
            (b' {"a": 12345678901234567890.0, "a":1}\n', "application/json", "json"),
            ("h\u00e9 \u2028\U0001f418".encode(), "text/plain; charset=utf-8", "text"),
            (b"\xff\xfe", "text/plain", "base64"),
            (bytes(range(256)), "application/octet-stream", "base64"),
            (b"", "text/plain", "text"),
            (b"", "application/octet-stream", "base64"),
            (b"a=1&b=%20", "application/x-www-form-urlencoded", "base64"),
            (b"--x\r\nbroken", "multipart/form-data; boundary=x", "base64"),
        ):
            self.server.publish(body, content_type)
            reply = self.server.request("POST", "/v1/consumer?cid=1")
            (message,) = reply.json
            self.assertEqual((message["contentType"], message["encoding"]), (content_type, encoding))
            if encoding == "json":
                self.assertIn(b'"body":' + body + b',"encoding"', reply.body)
            elif encoding == "text":
                self.assertEqual(message["body"].encode(), body)

    def test_without_a_content_type_a_message_is_bytes(self) -> None:
        self.server.request("POST", PUBLISH, b"hello")
        self.assertEqual(self.server.receive()[0]["contentType"], "application/octet-stream")

    def test_a_publish_names_queue_delay_and_priority(self) -> None:
        self.server.request("PUT", "/v1/queues/jobs")
        self.server.publish(b"1", queue="jobs")
        self.server.publish(b"2", queue="jobs", priority=9)
        self.server.publish(b"3", queue="jobs", delay="0.5")
        self.assertEqual([one["body"] for one in self.server.receive(queue="jobs")], ["2", "1"])
        self.server.clock.advance(0.5)
        self.assertEqual([one["body"] for one in self.server.receive(queue="jobs")], ["3"])
        self.assertEqual(self.server.receive(), [])

    def test_bad_parameters_are_refused(self) -> None:
        for query, code, parameter in (
            ("queue=", "invalid-parameter", "queue"),
            ("queue=a&queue=b", "invalid-parameter", "queue"),
            ("queue=-a", "invalid-queue-name", "queue"),
            ("queue=a,b", "invalid-queue-name", "queue"),
            ("delay=-1", "invalid-parameter", "delay"),
            ("delay=315360001", "invalid-parameter", "delay"),
            ("delay=1e3", "invalid-parameter", "delay"),
            ("priority=10", "invalid-parameter", "priority"),
            ("priority=-1", "invalid-parameter", "priority"),
            ("priority=1.0", "invalid-parameter", "priority"),
            ("priorty=1", "unknown-parameter", "priorty"),
            ("group=a", "unknown-parameter", "group"),
            ("cid=1", "unknown-parameter", "cid"),
        ):
            self.assertRefused(400, code, "POST", f"{PUBLISH}?{query}", b"x", parameter=parameter)
        self.assertEqual(self.server.receive(), [])

    def test_a_message_that_claims_to_be_json_must_be(self) -> None:
        for body in (b"", b"{", b"NaN", b'"\xff"', b'"\\ud800"', b"\xef\xbb\xbf{}", b"[" * 100_000):
            self.assertRefused(
                400, "invalid-json", "POST", PUBLISH, body, headers={"Content-Type": "application/cloudevents+json"}
            )

    def test_json_goes_as_deep_as_500(self) -> None:
        body = b"[" * 500 + b"]" * 500
        self.server.publish(body, "application/json")
        self.assertIn(body, self.server.request("POST", "/v1/consumer?cid=1").body)

    def test_content_types_and_encodings_that_are_not_taken(self) -> None:
        for headers in (
            {"Content-Type": "json"},
            {"Content-Type": "application/json; charset=latin-1"},
            {"Content-Type": "a/" + "b" * 254},
            {"Content-Encoding": "gzip"},
        ):
            self.assertRefused(415, "unsupported-media-type", "POST", PUBLISH, b"{}", headers=headers)

    def test_two_content_types_are_none(self) -> None:
        headers = {"Content-Type": ["text/plain", "text/html"]}
        self.assertRefused(400, "bad-request", "POST", PUBLISH, b"x", headers=headers)

    def test_a_queue_that_does_not_exist(self) -> None:
        self.assertRefused(404, "no-such-queue", "POST", f"{PUBLISH}?queue=nope", b"x", parameter="queue")

    def test_a_message_of_the_queues_limit_goes_and_one_byte_more_does_not(self) -> None:
        self.server.request("PUT", "/v1/queues/small", b'{"maxMessageBytes":10}')
        self.server.publish(b"x" * 10, queue="small")
        self.assertRefused(413, "message-too-large", "POST", f"{PUBLISH}?queue=small", b"x" * 11)
        self.server.publish(b"x" * 1024 * 1024)
        self.assertRefused(413, "message-too-large", "POST", PUBLISH, b"x" * (1024 * 1024 + 1))

    def test_a_message_may_have_16_mebibytes_if_its_queue_allows(self) -> None:
        self.server.request("PUT", "/v1/queues/big", b'{"maxMessageBytes":16777216}')
        self.server.publish(b"x" * MAX_BODY, queue="big")
        self.assertEqual(len(self.server.receive(queue="big")[0]["body"]), MAX_BODY)


class BatchTests(ServerTestCase):
    def test_a_batch_answers_with_the_ids_in_order(self) -> None:
        batch = b'[{"body":{"a" : 1}},{"text":"t","priority":1},{"base64":"/w==","contentType":"a/b"}]'
        reply = self.server.request("POST", BATCH, batch)
        self.assertEqual((reply.status, reply.body), (201, b'{"messageIds":[1,2,3]}'))
        self.assertEqual(reply.headers["wonderq-durability"], "memory")
        got = [(one["id"], one["body"], one["encoding"], one["contentType"]) for one in self.server.receive()]
        self.assertEqual(
            got,
            [
                (2, "t", "text", "text/plain; charset=utf-8"),
                (1, {"a": 1}, "json", "application/json"),
                (3, "/w==", "base64", "a/b"),
            ],
        )

    def test_the_query_names_the_queue_of_entries_that_name_none(self) -> None:
        for name in "ab":
            self.server.request("PUT", f"/v1/queues/{name}")
        self.server.request("POST", f"{BATCH}?queue=a", b'[{"text":"1"},{"text":"2","queue":"b"}]')
        self.assertEqual([one["body"] for one in self.server.receive(queue="a")], ["1"])
        self.assertEqual([one["body"] for one in self.server.receive(queue="b")], ["2"])

    def test_a_batch_is_published_whole_or_not_at_all(self) -> None:
        self.server.request("PUT", "/v1/queues/small", b'{"maxMessageBytes":1}')
        for entry, status, code, pointer in (
            ('{"text":"x","queue":"nope"}', 404, "no-such-queue", "/1"),
            ('{"text":"xx","queue":"small"}', 413, "message-too-large", "/1"),
            ('{"text":"x","queue":"-"}', 400, "invalid-queue-name", "/1/queue"),
            ('{"text":"x","body":1}', 400, "invalid-envelope", "/1"),
            ('{"text":"x","ttl":1}', 400, "unknown-field", "/1/ttl"),
            ('{"text":"{","contentType":"application/json"}', 400, "invalid-json", "/1/text"),
        ):
            batch = '[{"text":"good"},' + entry + ',{"text":"good"}]'
            self.assertRefused(status, code, "POST", BATCH, batch.encode(), pointer=pointer)
        self.assertEqual(self.server.receive(), [])

    def test_a_batch_is_json(self) -> None:
        for headers in ({}, {"Content-Type": "application/json"}, {"Content-Type": "application/json; charset=UTF-8"}):
            self.assertEqual(self.server.request("POST", BATCH, b'[{"body":1}]', headers).status, 201)
        for headers in (
            {"Content-Type": "text/plain"},
            {"Content-Type": "application/x-www-form-urlencoded"},
            {"Content-Type": "application/jsonl"},
            {"Content-Type": "application/json; charset=utf-16"},
            {"Content-Encoding": "gzip"},
        ):
            self.assertRefused(415, "unsupported-media-type", "POST", BATCH, b'[{"body":1}]', headers=headers)
        for body in (b"", b"[", b'[{"text":"\xff"}]'):
            self.assertRefused(400, "invalid-json", "POST", BATCH, body)

    def test_a_batch_has_1_to_1000_entries(self) -> None:
        for size in (0, 1001):
            batch = json.dumps([{"text": ""}] * size).encode()
            self.assertRefused(400, "invalid-envelope", "POST", BATCH, batch, pointer="")
        reply = self.server.request("POST", BATCH, json.dumps([{"text": ""}] * 1000).encode())
        self.assertEqual(reply.json["messageIds"], list(range(1, 1001)))

    def test_a_batch_takes_no_parameter_but_queue(self) -> None:
        self.assertRefused(400, "unknown-parameter", "POST", f"{BATCH}?delay=1", b"[]", parameter="delay")
        self.assertRefused(400, "invalid-queue-name", "POST", f"{BATCH}?queue=-", b'[{"text":""}]', parameter="queue")
