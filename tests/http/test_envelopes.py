"""What a batch may hold, and where it says a fault is."""

from __future__ import annotations

import json

import pytest

from wonderq import errors
from wonderq.http.envelopes import drafts
from wonderq.model import Draft


def test_an_envelope_holds_one_message_as_json_text_or_base64() -> None:
    batch = b"""[
        {"body": {"a" : 1.0}}, {"body":null}, {"text":"h\\u00e9"}, {"text":""}, {"base64":"/+8="}, {"base64":""}
    ]"""
    assert drafts(batch, "q") == [
        Draft(b'{"a" : 1.0}', "application/json", "q"),
        Draft(b"null", "application/json", "q"),
        Draft("hé".encode(), "text/plain; charset=utf-8", "q"),
        Draft(b"", "text/plain; charset=utf-8", "q"),
        Draft(b"\xff\xef", "application/octet-stream", "q"),
        Draft(b"", "application/octet-stream", "q"),
    ]


def test_an_envelope_has_the_options_of_a_publish() -> None:
    batch = b"""[
        {"text":"a","contentType":"text/html","delay":2,"priority":9,"queue":"other"},
        {"text":"b","delay":0.5}, {"text":"c","delay":0}, {"text":"{}","contentType":"application/json"},
        {"base64":"e30=","contentType":"a/b+json"}, {"body":{},"contentType":"a/b+json"}
    ]"""
    assert drafts(batch, "q") == [
        Draft(b"a", "text/html", "other", 2.0, 9),
        Draft(b"b", "text/plain; charset=utf-8", "q", 0.5),
        Draft(b"c", "text/plain; charset=utf-8", "q", 0.0),
        Draft(b"{}", "application/json", "q"),
        Draft(b"{}", "a/b+json", "q"),
        Draft(b"{}", "a/b+json", "q"),
    ]


def test_of_a_repeated_key_the_last_counts() -> None:
    assert drafts(b'[{"text":"a","text":"b"}]', "q")[0].body == b"b"


def test_a_batch_has_up_to_1000_entries() -> None:
    assert len(drafts(b"[%b]" % b",".join([b'{"text":""}'] * 1000), "q")) == 1000


ENVELOPES = [
    ("[]", ""),
    ("{}", ""),
    ('{"messages":[]}', ""),
    ("null", ""),
    ('"x"', ""),
    ("[" + ",".join(['{"text":""}'] * 1001) + "]", ""),
    ("[1]", "/0"),
    ('[{"text":"a"},null]', "/1"),
    ("[[]]", "/0"),
    ("[{}]", "/0"),
    ('[{"text":"a"},{"queue":"q"}]', "/1"),
    ('[{"text":"a","base64":""}]', "/0"),
    ('[{"body":1,"text":"a"}]', "/0"),
    ('[{"text":null}]', "/0/text"),
    ('[{"text":5}]', "/0/text"),
    ('[{"base64":"QQ"}]', "/0/base64"),
    ('[{"base64":"Q=Q="}]', "/0/base64"),
    ('[{"base64":"_-8="}]', "/0/base64"),
    ('[{"base64":"Q Q="}]', "/0/base64"),
    ('[{"base64":"QQ==\\n"}]', "/0/base64"),
    ('[{"base64":7}]', "/0/base64"),
    ('[{"text":"a","priority":10}]', "/0/priority"),
    ('[{"text":"a","priority":-1}]', "/0/priority"),
    ('[{"text":"a","priority":1.0}]', "/0/priority"),
    ('[{"text":"a","priority":true}]', "/0/priority"),
    ('[{"text":"a","priority":"5"}]', "/0/priority"),
    ('[{"text":"a","priority":null}]', "/0/priority"),
    ('[{"text":"a","priority":9223372036854775808}]', "/0/priority"),
    ('[{"text":"a","delay":-0.1}]', "/0/delay"),
    ('[{"text":"a","delay":315360001}]', "/0/delay"),
    ('[{"text":"a","delay":"5"}]', "/0/delay"),
    ('[{"text":"a","delay":null}]', "/0/delay"),
    ('[{"text":"a","delay":1e400}]', "/0/delay"),
    ('[{"text":"a","queue":5}]', "/0/queue"),
    ('[{"text":"a","contentType":""}]', "/0/contentType"),
    ('[{"text":"a","contentType":"text"}]', "/0/contentType"),
    ('[{"text":"a","contentType":"t/\\u00e9"}]', "/0/contentType"),
    ('[{"text":"a","contentType":"t/a\\r\\nX: 1"}]', "/0/contentType"),
    ('[{"text":"a","contentType":"t/%s"}]' % ("a" * 254), "/0/contentType"),
    ('[{"text":"1","contentType":"application/json; charset=utf-16"}]', "/0/contentType"),
    ('[{"body":1,"contentType":"text/plain"}]', "/0/contentType"),
]


@pytest.mark.parametrize(("batch", "pointer"), ENVELOPES)
def test_what_is_no_envelope_is_pointed_at(batch: str, pointer: str) -> None:
    with pytest.raises(errors.InvalidEnvelope) as caught:
        drafts(batch.encode(), "q")
    assert caught.value.pointer == pointer
    assert len(caught.value.detail) < 200


@pytest.mark.parametrize("name", ["", "a", " ", "-", ".a", "a b", "é", "a" * 81, "a\n"])
def test_an_entry_names_a_queue_that_can_exist(name: str) -> None:
    batch = json.dumps([{"text": "x"}, {"text": "x", "queue": name}]).encode()
    if name == "a":
        assert [draft.queue for draft in drafts(batch, "q")] == ["q", "a"]
        return
    with pytest.raises(errors.InvalidQueueName) as caught:
        drafts(batch, "q")
    assert caught.value.pointer == "/1/queue"


@pytest.mark.parametrize(
    "name", ["txt", "at", "group", "dedup", "ttl", "attributes", "BODY", "a/b~c", "x` - at `$[9]", ""]
)
def test_an_unknown_field_is_pointed_at(name: str) -> None:
    with pytest.raises(errors.UnknownField) as caught:
        drafts(json.dumps([{"text": "x"}, {"text": "x", name: 1}]).encode(), "q")
    assert caught.value.pointer == "/1/" + name.replace("~", "~0").replace("/", "~1")
    assert name not in caught.value.detail or name in ("at", "")


@pytest.mark.parametrize("batch", [b"", b"[", b'[{"text":"a"},]', b'[{"text":"\xff"}]', b'[{"text":"\\ud800"}]'])
def test_what_is_no_json_is_refused(batch: bytes) -> None:
    with pytest.raises(errors.InvalidJSON):
        drafts(batch, "q")


@pytest.mark.parametrize(
    "entry",
    [b'{"body":"\xff"}', b'{"body":"\\ud800"}', b'{"body":NaN}', b'{"body":%b1%b}' % (b"[" * 9999, b"]" * 9999)],
)
def test_a_body_in_a_batch_is_json_as_strictly_as_one_alone(entry: bytes) -> None:
    with pytest.raises(errors.InvalidJSON):
        drafts(b"[" + entry + b"]", "q")


@pytest.mark.parametrize("field", ["text", "base64"])
def test_text_and_base64_that_claim_to_be_json_must_be_json(field: str) -> None:
    entry = {field: "e3s=", "contentType": "application/json"}
    with pytest.raises(errors.InvalidJSON) as caught:
        drafts(json.dumps([entry]).encode(), "q")
    assert caught.value.pointer == f"/0/{field}"
