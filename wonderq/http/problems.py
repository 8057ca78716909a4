"""How is a refusal said in HTTP: the status of each error, and its body (RFC 9457)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import msgspec

from wonderq import errors
from wonderq.errors import WonderQError
from wonderq.http.call import PROBLEM, Answer

STATUS: Final[Mapping[type[WonderQError], int]] = {
    errors.BadRequest: 400,
    errors.UnknownParameter: 400,
    errors.MissingParameter: 400,
    errors.InvalidParameter: 400,
    errors.InvalidJSON: 400,
    errors.UnknownField: 400,
    errors.InvalidEnvelope: 400,
    errors.InvalidSetting: 400,
    errors.InvalidQueueName: 400,
    errors.UnexpectedBody: 400,
    errors.NotFound: 404,
    errors.NoSuchQueue: 404,
    errors.NoSuchMessage: 404,
    errors.MethodNotAllowed: 405,
    errors.RequestTimeout: 408,
    errors.DefaultQueue: 409,
    errors.QueueExists: 412,
    errors.MessageTooLarge: 413,
    errors.BodyTooLarge: 413,
    errors.UriTooLong: 414,
    errors.UnsupportedMediaType: 415,
    errors.HeadersTooLarge: 431,
    errors.MethodNotImplemented: 501,
    errors.NotReady: 503,
    errors.StoreUnavailable: 503,
    errors.HTTPVersion: 505,
    errors.DiskFull: 507,
}
"""The status of every error, subclasses of their own included."""

RETRY_AFTER: Final = 1
"""Seconds after which to try again when the server is not available and nobody knows better."""

MAX_POINTER: Final = 200
"""A pointer may hold a name out of the request; one longer than this is left out."""


def problem(error: WonderQError) -> Answer:
    """Say an error."""
    status = STATUS[type(error)]
    members: dict[str, object] = _members(status, error.slug, error.title, error.detail)
    if error.parameter is not None:
        members["parameter"] = error.parameter
    if error.pointer is not None and len(error.pointer) <= MAX_POINTER:
        members["pointer"] = error.pointer
    headers: tuple[tuple[bytes, bytes], ...] = ()
    retry_after = RETRY_AFTER if error.retry_after is None and status == 503 else error.retry_after
    if retry_after is not None:
        headers = ((b"Retry-After", b"%d" % retry_after),)
    if isinstance(error, errors.MethodNotAllowed):
        headers = (allow(error.allow),)
    return Answer(status, msgspec.json.encode(members), headers, PROBLEM)


def allow(methods: tuple[str, ...]) -> tuple[bytes, bytes]:
    """Make the header that names the methods of a path."""
    return b"Allow", ", ".join(methods).encode("ascii")


def unexpected() -> Answer:
    """Say that the server has a fault; what it is stands in its log, for its operator."""
    title = "The server met something it did not expect."
    return Answer(500, msgspec.json.encode(_members(500, "internal-error", title, title)), (), PROBLEM)


def _members(status: int, slug: str, title: str, detail: str) -> dict[str, object]:
    return {
        "type": f"urn:wonderq:problem:{slug}",
        "title": title,
        "status": status,
        "detail": detail,
        "code": slug,
    }
