"""What the load says, and what it does not let pass."""

from __future__ import annotations

import json

import pytest

from bench.scripts import SCRIPTS, Unexpected, message
from bench.wire import Reader


def said(raw: bytes) -> tuple[bytes, bytes]:
    """Take a request apart."""
    whole = Reader().feed(raw)
    assert whole is not None
    return whole


@pytest.mark.parametrize("size", [38, 39, 200, 5000])
def test_a_message_is_json_of_exactly_the_size_asked_for(size: int) -> None:
    assert len(message(size)) == size
    assert json.loads(message(size))["task"] == "resize"


def test_a_lifecycle_deletes_what_it_received() -> None:
    talk = SCRIPTS["lifecycle"].start(7, 200)
    assert said(next(talk)) == (b"POST /v1/publish HTTP/1.1", message(200))
    assert said(talk.send(b'{"messageId":1}')) == (b"GET /v1/consumer?cid=7&limit=1 HTTP/1.1", b"")
    assert said(talk.send(b'[{"id":41,"receipt":9,"body":{}}]')) == (b"DELETE /v1/consumer?cid=7&id=41 HTTP/1.1", b"")
    assert said(talk.send(b"true")) == (b"POST /v1/publish HTTP/1.1", message(200))


def test_a_batch_deletes_all_that_it_received() -> None:
    talk = SCRIPTS["batch-10"].start(7, 200)
    assert json.loads(said(next(talk))[1]) == [{"body": json.loads(message(200))}] * 10
    assert said(talk.send(b'{"messageIds":[]}'))[0] == b"GET /v1/consumer?cid=7&limit=10 HTTP/1.1"
    received = b"[" + b",".join(b'{"id":%d,"receipt":9,"body":{}}' % one for one in range(3, 13)) + b"]"
    assert said(talk.send(received))[0] == b"DELETE /v1/consumer?cid=7&id=3,4,5,6,7,8,9,10,11,12 HTTP/1.1"
    talk.send(b"[" + b",".join([b"true"] * 10) + b"]")


@pytest.mark.parametrize("received", [b"[]", b'[{"id":1,"x":1},{"id":2,"x":1}]', b"true"])
def test_a_receive_with_another_number_of_messages_is_a_fault(received: bytes) -> None:
    talk = SCRIPTS["lifecycle"].start(7, 200)
    next(talk)
    talk.send(b"")
    with pytest.raises(Unexpected):
        talk.send(received)


def test_a_delete_that_did_nothing_is_a_fault() -> None:
    talk = SCRIPTS["lifecycle"].start(7, 200)
    next(talk)
    talk.send(b"")
    talk.send(b'[{"id":1,"x":1}]')
    with pytest.raises(Unexpected):
        talk.send(b"false")


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_script_says_how_many_messages_go_through_in_how_many_calls(name: str) -> None:
    script = SCRIPTS[name]
    talk = script.start(0, 200)
    first = next(talk)
    ids = b"[" + b",".join([b'{"id":1,"x":1}'] * script.messages) + b"]"
    answers = [b"", ids, b",".join([b"true"] * script.messages)]
    for answer in answers[: script.calls]:
        last = talk.send(answer)
    assert last == first
    assert first.count(message(200)) == script.messages
