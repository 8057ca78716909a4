"""What the load reads is what was sent, in whatever pieces it comes."""

from __future__ import annotations

import pytest

from bench.wire import Reader, WireError, request

ANSWER = b"HTTP/1.1 201 Created\r\nDate: today\r\nContent-Length: 15\r\nX: y\r\n\r\n" + b'{"messageId":1}'


@pytest.mark.parametrize("at", range(1, len(ANSWER)))
def test_an_answer_split_anywhere_is_the_same_answer(at: int) -> None:
    reader = Reader()
    assert reader.feed(ANSWER[:at]) is None
    assert reader.feed(ANSWER[at:]) == (b"HTTP/1.1 201 Created", b'{"messageId":1}')


def test_an_answer_byte_by_byte_is_the_same_answer_and_the_next_one_too() -> None:
    reader = Reader()
    for _ in range(2):
        got = [reader.feed(ANSWER[at : at + 1]) for at in range(len(ANSWER))]
        assert got[:-1] == [None] * (len(ANSWER) - 1)
        assert got[-1] == (b"HTTP/1.1 201 Created", b'{"messageId":1}')


def test_names_of_fields_are_read_in_any_case() -> None:
    assert Reader().feed(b"HTTP/1.1 200 OK\r\ncontent-LENGTH: 4\r\n\r\ntrue") == (b"HTTP/1.1 200 OK", b"true")


def test_an_answer_without_a_length_has_no_body() -> None:
    assert Reader().feed(b"HTTP/1.1 204 No Content\r\n\r\n") == (b"HTTP/1.1 204 No Content", b"")


def test_more_than_one_answer_to_one_request_is_refused() -> None:
    with pytest.raises(WireError):
        Reader().feed(ANSWER + b"H")
    reader = Reader()
    reader.feed(ANSWER[:-1])
    with pytest.raises(WireError):
        reader.feed(ANSWER[-1:] + b"H")


def test_a_chunked_answer_is_refused() -> None:
    with pytest.raises(WireError):
        Reader().feed(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")


def test_a_request_says_how_long_its_body_is() -> None:
    assert Reader().feed(request("POST", "/v1/publish", b"hello", "text/plain")) == (
        b"POST /v1/publish HTTP/1.1",
        b"hello",
    )
    assert b"Content" not in request("GET", "/livez")
