"""Which error does an answer mean: the way back from C{problem+json} to the family of L{wonderq.errors}."""

from __future__ import annotations

import msgspec
from msgspec import Struct

from wonderq import errors
from wonderq.client.calls import Answer
from wonderq.errors import MethodNotAllowed, StoreUnavailable, WonderQError

_BY_SLUG = {
    kind.slug: kind
    for kind in vars(errors).values()
    if isinstance(kind, type) and issubclass(kind, WonderQError) and kind.slug
}


class _Problem(Struct):
    """What of a problem document (RFC 9457) says more than its status."""

    code: str
    detail: str = ""
    parameter: str | None = None
    pointer: str | None = None


_DECODER = msgspec.json.Decoder(_Problem)


def refusal(answer: Answer) -> WonderQError:
    """Return the error that an answer other than a good one stands for.

    What does not come from WonderQ (a proxy's page), or from one that knows more errors than this client, is
    L{StoreUnavailable}: nobody can tell what happened.
    """
    try:
        problem = _DECODER.decode(answer.body)
    except msgspec.MsgspecError:
        return StoreUnavailable(f"The answer, with status {answer.status}, is not one of WonderQ's.")
    kind = _BY_SLUG.get(problem.code)
    if kind is None:
        return StoreUnavailable(f"The server answered with status {answer.status}: {problem.detail}")
    if issubclass(kind, MethodNotAllowed):
        allow = _header(answer, "allow") or ""
        return kind(tuple(method.strip() for method in allow.split(",")), problem.detail)
    return kind(problem.detail, parameter=problem.parameter, pointer=problem.pointer, retry_after=_retry_after(answer))


def _retry_after(answer: Answer) -> int | None:
    value = _header(answer, "retry-after")
    # A proxy may put a date there.
    return int(value) if value is not None and value.isascii() and value.isdigit() else None


def _header(answer: Answer, name: str) -> str | None:
    values = answer.headers.getRawHeaders(name, [])
    return values[0] if values else None
