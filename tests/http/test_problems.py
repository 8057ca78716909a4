"""Every error has its status, and says what a client needs to know."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from wonderq import errors
from wonderq.http.problems import MAX_POINTER, STATUS, problem, unexpected


def subclasses(base: type[errors.WonderQError]) -> Iterator[type[errors.WonderQError]]:
    for one in base.__subclasses__():
        yield one
        yield from subclasses(one)


ALL = sorted(set(subclasses(errors.WonderQError)), key=lambda one: one.__name__)

# From the protocol's own table.
SLUGS = {
    400: "bad-request unknown-parameter missing-parameter invalid-parameter invalid-json unknown-field "
    "invalid-envelope invalid-setting invalid-queue-name unexpected-body",
    404: "not-found no-such-queue no-such-message",
    405: "method-not-allowed",
    409: "default-queue",
    412: "queue-exists",
    413: "message-too-large body-too-large",
    414: "uri-too-long",
    415: "unsupported-media-type",
    501: "not-implemented",
    503: "not-ready store-unavailable",
    507: "disk-full",
}


def test_every_error_has_a_status_of_its_own() -> None:
    assert set(STATUS) == set(ALL)


@pytest.mark.parametrize("status", SLUGS)
def test_the_slugs_have_the_statuses_of_the_protocol(status: int) -> None:
    assert {one.slug for one, number in STATUS.items() if number == status} == set(SLUGS[status].split())


@pytest.mark.parametrize("error", ALL)
def test_an_error_becomes_a_problem_document(error: type[errors.WonderQError]) -> None:
    answer = problem(error())
    assert answer.content_type == b"application/problem+json"
    assert answer.status == STATUS[error]
    assert json.loads(answer.body) == {
        "type": f"urn:wonderq:problem:{error.slug}",
        "title": error.title,
        "status": STATUS[error],
        "detail": error.title,
        "code": error.slug,
    }


def test_a_problem_names_who_is_to_blame() -> None:
    document = json.loads(problem(errors.InvalidParameter("Too long.", parameter="wait", pointer="/3/wait")).body)
    assert document["detail"] == "Too long."
    assert (document["parameter"], document["pointer"]) == ("wait", "/3/wait")


def test_a_pointer_that_is_a_page_long_is_left_out() -> None:
    for size, kept in ((MAX_POINTER, True), (MAX_POINTER + 1, False)):
        document = json.loads(problem(errors.UnknownField(pointer="/" + "a" * (size - 1))).body)
        assert ("pointer" in document) is kept


@pytest.mark.parametrize(
    ("error", "seconds"),
    [
        (errors.NotReady(), b"1"),
        (errors.StoreUnavailable(retry_after=30), b"30"),
        (errors.DiskFull(retry_after=60), b"60"),
        (errors.DiskFull(), None),
        (errors.BadRequest(), None),
    ],
)
def test_who_may_try_again_is_told_when(error: errors.WonderQError, seconds: bytes | None) -> None:
    assert dict(problem(error).headers).get(b"Retry-After") == seconds


def test_a_method_not_allowed_names_those_that_are() -> None:
    assert problem(errors.MethodNotAllowed(("GET", "PUT"))).headers == ((b"Allow", b"GET, PUT"),)


def test_the_unexpected_says_nothing_about_itself() -> None:
    answer = unexpected()
    assert (answer.status, json.loads(answer.body)["code"]) == (500, "internal-error")
