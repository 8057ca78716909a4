"""The way back from an answer to the error it stands for."""

from __future__ import annotations

import msgspec
import pytest
from twisted.web.http_headers import Headers

from wonderq import errors
from wonderq.client.calls import Answer
from wonderq.client.refusals import refusal
from wonderq.errors import MethodNotAllowed, StoreUnavailable, WonderQError

KINDS = [
    kind
    for kind in vars(errors).values()
    if isinstance(kind, type) and issubclass(kind, WonderQError) and kind is not WonderQError
]


def problem(code: str, status: int = 400, headers: dict[str, str] | None = None, **members: str) -> Answer:
    fields = Headers({name: [value] for name, value in (headers or {}).items()})
    return Answer(status, fields, msgspec.json.encode({"code": code, "detail": "said", **members}))


@pytest.mark.parametrize("kind", KINDS)
def test_every_error_comes_back_as_itself(kind: type[WonderQError]) -> None:
    error = refusal(problem(kind.slug))
    assert type(error) is kind
    assert error.detail == "said"
    assert (error.parameter, error.pointer, error.retry_after) == (None, None, None)


def test_what_is_to_blame_comes_back() -> None:
    error = refusal(problem("invalid-parameter", parameter="cid", pointer="/3"))
    assert (error.parameter, error.pointer) == ("cid", "/3")


def test_when_to_try_again_comes_back() -> None:
    assert refusal(problem("not-ready", 503, {"Retry-After": "7"})).retry_after == 7


@pytest.mark.parametrize("value", ["Fri, 31 Dec 1999 23:59:59 GMT", "-1", "²", ""])
def test_a_time_to_try_again_that_is_no_number_of_seconds_is_none(value: str) -> None:
    assert refusal(problem("not-ready", 503, {"Retry-After": value})).retry_after is None


def test_the_methods_of_a_path_come_back() -> None:
    error = refusal(problem("method-not-allowed", 405, {"Allow": "GET, PUT"}))
    assert isinstance(error, MethodNotAllowed)
    assert error.allow == ("GET", "PUT")


@pytest.mark.parametrize(
    "body",
    [b"", b"<html>502 Bad Gateway</html>", b"[]", b'"code"', b'{"detail":"x"}', b'{"code":5}', b'{"code":"x"', b"\xff"],
)
def test_an_answer_that_is_no_problem_document_tells_nothing(body: bytes) -> None:
    error = refusal(Answer(502, Headers(), body))
    assert type(error) is StoreUnavailable
    assert "status 502" in str(error)


def test_an_error_that_this_client_does_not_know_tells_nothing() -> None:
    error = refusal(problem("from-the-future", 499))
    assert type(error) is StoreUnavailable
    assert "status 499: said" in str(error)
