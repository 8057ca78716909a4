"""What a body is, and whether it is that."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wonderq import errors
from wonderq.http.call import Call
from wonderq.http.codec import content
from wonderq.http.content import _kind, check_json, content_type, kind, require_json


def call(**headers: str) -> Call:
    fields = {name.replace("_", "-").encode(): value.encode("latin-1") for name, value in headers.items()}
    return Call(b"", fields.get)


@pytest.mark.parametrize(
    ("value", "form"),
    [
        ("application/json", "json"),
        ("Application/JSON", "json"),
        ("application/json; charset=utf-8", "json"),
        ('application/json;charset="UTF-8"', "json"),
        ("application/cloudevents+json", "json"),
        ("application/problem+json; profile=x", "json"),
        ("text/plain", "text"),
        ("text/plain; charset=UTF-8", "text"),
        ("text/html; charset=utf-8", "text"),
        ("text/plain; charset=latin-1", "bytes"),
        ("text/plain; format=flowed; CHARSET = utf-16", "bytes"),
        ("application/octet-stream", "bytes"),
        ("application/x-json", "bytes"),
        ("application/jsonl", "bytes"),
        ("application/x-www-form-urlencoded", "bytes"),
        ("multipart/form-data; boundary=x", "bytes"),
        ("image/svg+xml", "bytes"),
        ("a/" + "b" * 253, "bytes"),
    ],
)
def test_a_content_type_says_what_a_body_is(value: str, form: str) -> None:
    assert content_type(call(content_type=value)) == value
    assert kind(value).form == form


@pytest.mark.parametrize(
    "value",
    [
        "", "json", "/", "a/", "/b", "a/b/c", "a b/c", "text/plain charset=utf-8", "text/plän", "a/\x01", "a/b;\x7f",
        "a/" + "b" * 254, "application/json; charset=utf-16", "application/json; charset=latin-1",
        "application/x+json; charset=utf-8; charset=utf-16", "text/plain, application/json",
    ],
)  # fmt: skip
def test_a_content_type_that_is_none_is_refused(value: str) -> None:
    with pytest.raises(errors.UnsupportedMediaType):
        content_type(call(content_type=value))


def test_without_a_content_type_a_message_is_bytes_and_what_we_read_is_json() -> None:
    assert content_type(call()) == "application/octet-stream"
    require_json(call())


@pytest.mark.parametrize("value", ["gzip", "br", "identity, gzip", "x", ""])
def test_a_compressed_body_is_refused(value: str) -> None:
    for read in (content_type, require_json):
        with pytest.raises(errors.UnsupportedMediaType):
            read(call(content_encoding=value))
        read(call(content_encoding="Identity"))


JSON = [
    b"0", b"-0", b"-1.5e-3", b"1e400", b"1" * 5000, b"true", b"null", b'""', b"[]", b"{}", b' {"a" : [1, 2] }\r\n\t',
    b'"\\ud83d\\ude00"', '"é🐘"'.encode(), b'"\\u0000"', b'{"a":1,"a":2}', b'{"":""}', b"[" * 500 + b"]" * 500,
    b'{"a":' * 500 + b"1" + b"}" * 500, b'"<script>"', b'{"__proto__":{}}',
]  # fmt: skip


@pytest.mark.parametrize("body", JSON)
def test_every_json_text_is_taken(body: bytes) -> None:
    check_json(body)


NOT_JSON = [
    b"", b" ", b"{", b"[1,]", b"[1 2]", b"{'a':1}", b"{a:1}", b"1 2", b"nul", b"NaN", b"Infinity", b"-Infinity", b"01",
    b"1.", b".5", b"+1", b"0x1", b"// c\n1", b'"\x01"', b'"\n"', b'"\\x"', b'"abc', b"\xef\xbb\xbf{}", b'"\xff"',
    b'"\xc0\xaf"', b'"\xed\xa0\x80"', b'"\\ud800"', b'"\\udc00"', b'"\\ud800x"', b'"\\ud800\\ud800"', b'"\\u12"',
    "1".encode("utf-16"), "[]".encode("utf-32"), b"[" * 100_000, b'{"a":' * 50_000, b"[" * 100_000 + b"]" * 100_000,
    b"\0", b"[]\0", b"a=1&b=2", b"<html>",
]  # fmt: skip


@pytest.mark.parametrize("body", NOT_JSON)
def test_nothing_else_is(body: bytes) -> None:
    with pytest.raises(errors.InvalidJSON) as caught:
        check_json(body)
    assert len(caught.value.detail) < 120


@given(st.binary(max_size=12) | st.text('[]{},:"\\utfns0123456789.eE+- \n', max_size=12).map(str.encode))
def test_what_is_taken_is_what_python_takes_too(body: bytes) -> None:
    try:
        value = json.loads(body.decode("utf-8"), parse_constant=lambda name: pytest.fail(f"not JSON: {name}"))
        json.dumps(value, ensure_ascii=False).encode("utf-8")
    except (ValueError, pytest.fail.Exception):
        with pytest.raises(errors.InvalidJSON):
            check_json(body)
    else:
        check_json(body)


@pytest.mark.parametrize(
    ("body", "type_", "members"),
    [
        (b' {"a": 1} ', "application/json", b'"body": {"a": 1} ,"encoding":"json","contentType":"application/json"'),
        (b'a "b"\n\0', "text/plain", rb'"body":"a \"b\"\n\u0000","encoding":"text","contentType":"text/plain"'),
        (b"\xe9", "text/plain", b'"body":"6Q==","encoding":"base64","contentType":"text/plain"'),
        (b"\xe9", "text/plain; charset=latin-1", None),
        (b"", "text/plain", b'"body":"","encoding":"text","contentType":"text/plain"'),
        (b"", "a/b", b'"body":"","encoding":"base64","contentType":"a/b"'),
        (b"a", 'a/b; c="d"', rb'"body":"YQ==","encoding":"base64","contentType":"a/b; c=\"d\""'),
        # Taken from whoever published past HTTP; what comes out is JSON all the same.
        (b"oops", 'no type"', rb'"body":"b29wcw==","encoding":"base64","contentType":"no type\""'),
    ],
)
def test_a_body_is_written_as_what_it_is(body: bytes, type_: str, members: bytes | None) -> None:
    written = content(body, type_)
    if members is not None:
        assert written == members
    assert json.loads(b"{%b}" % written)["contentType"] == type_


def test_a_content_type_that_is_too_long_is_not_remembered() -> None:
    before = _kind.cache_info()
    assert kind("a/" + "b" * 300).refusal is not None
    assert _kind.cache_info() == before


@given(st.binary())
def test_bytes_of_every_value_come_back(body: bytes) -> None:
    from base64 import b64decode

    one = json.loads(b"{%b}" % content(body, "application/octet-stream"))
    assert b64decode(one["body"], validate=True) == body
    two = json.loads(b"{%b}" % content(body, "text/plain"))
    assert (two["body"].encode() if two["encoding"] == "text" else b64decode(two["body"])) == body
