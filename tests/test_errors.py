"""One family of refusals: each has a slug of the protocol and a sentence for a human."""

from __future__ import annotations

import re

import pytest

from wonderq import errors
from wonderq.errors import WonderQError


def family(root: type[WonderQError] = WonderQError) -> list[type[WonderQError]]:
    return [error for child in root.__subclasses__() for error in (child, *family(child))]


def test_every_refusal_has_a_slug_of_its_own() -> None:
    slugs = [error.slug for error in family()]
    assert len(slugs) == len(set(slugs))
    assert all(re.fullmatch(r"[a-z]+(-[a-z]+)*", slug) for slug in slugs)


@pytest.mark.parametrize("error", family(), ids=lambda error: str(error.slug))
def test_every_refusal_explains_itself_in_one_sentence(error: type[WonderQError]) -> None:
    assert "title" in vars(error)
    assert re.fullmatch(r"[A-Z`].*[^.]\.", error.title)
    assert error.__doc__


@pytest.mark.parametrize("error", family(), ids=lambda error: str(error.slug))
def test_without_a_detail_the_title_is_the_detail(error: type[WonderQError]) -> None:
    plain = error()
    assert (plain.detail, str(plain)) == (error.title, error.title)
    assert (plain.parameter, plain.pointer, plain.retry_after) == (None, None, None)


def test_a_refusal_says_who_is_to_blame_and_when_to_try_again() -> None:
    error = errors.InvalidParameter("Too long.", parameter="wait", pointer="/3", retry_after=60)
    assert (error.detail, str(error)) == ("Too long.", "Too long.")
    assert (error.parameter, error.pointer, error.retry_after) == ("wait", "/3", 60)


def test_a_method_that_is_not_allowed_comes_with_those_that_are() -> None:
    error = errors.MethodNotAllowed(("GET", "PUT"))
    assert (error.allow, error.detail) == (("GET", "PUT"), "It takes GET, PUT.")
    assert errors.MethodNotAllowed().allow == ()


@pytest.mark.parametrize("missing", [errors.NoSuchQueue, errors.NoSuchMessage])
def test_what_is_missing_is_a_kind_of_not_found(missing: type[WonderQError]) -> None:
    assert issubclass(missing, errors.NotFound)


def test_bad_input_is_a_kind_of_bad_request() -> None:
    named = {error.slug for error in family(errors.BadRequest)}
    assert named == {
        "unknown-parameter",
        "missing-parameter",
        "invalid-parameter",
        "invalid-json",
        "unknown-field",
        "invalid-envelope",
        "invalid-setting",
        "invalid-queue-name",
        "unexpected-body",
    }
