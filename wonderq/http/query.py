"""How is a query read: strictly.  A typing mistake must not mean "the default"."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import TypeVar
from urllib.parse import unquote_to_bytes

from wonderq.errors import BadRequest, InvalidParameter, InvalidQueueName, MissingParameter, UnknownParameter
from wonderq.model import MAX_ID, MAX_RECEIVE, queue_name

MAX_QUEUES = 100
"""Queues that one receive may name."""

KEPT = 4096
"""Queries to remember for each call: as many consumers may ask for messages again and again."""

SHORT = 200
"""Bytes of a query that is remembered."""

_DIGITS = len(str(MAX_ID))
_BROKEN_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")
_DURATION = re.compile(r"(?:0|[1-9][0-9]{0,15})(?:\.[0-9]{1,9})?")
_SHOWABLE = re.compile(r"[A-Za-z0-9_.-]{1,40}")


T = TypeVar("T")


def remembered(read: Callable[[bytes], T]) -> Callable[[bytes], T]:
    """Let a function that reads a query remember what it has read, for the queries that come again as they were."""
    known = lru_cache(KEPT)(read)
    return lambda raw: known(raw) if len(raw) <= SHORT else read(raw)


def parse(raw: bytes, names: frozenset[str]) -> dict[str, str]:
    """Split a query at each C{&}, and decode it.

    @param names: the parameters that the call takes.
    @raise UnknownParameter: one that is not among them.
    @raise InvalidParameter: one that is empty or stands there twice.
    @raise BadRequest: not a query at all: a broken escape, not UTF-8, a NUL.
    """
    parameters: dict[str, str] = {}
    if not raw:
        return parameters
    if not raw.isascii():
        raise BadRequest("The query holds a byte outside of ASCII; percent-encode it.")
    for part in raw.decode("ascii").split("&"):
        name, _, value = part.partition("=")
        if "%" in part or "+" in part:
            name, value = _decode(name), _decode(value)
        if name not in names:
            raise _unknown(name, names)
        if name in parameters:
            raise InvalidParameter("This parameter stands there more than once.", parameter=name)
        if not value:
            raise InvalidParameter("This parameter has no value.", parameter=name)
        parameters[name] = value
    return parameters


def required(parameters: Mapping[str, str], name: str) -> str:
    """Return a parameter that must be there.

    @raise MissingParameter: it is not.
    """
    value = parameters.get(name)
    if value is None:
        raise MissingParameter(f"This call needs the parameter {name}.", parameter=name)
    return value


def integer(value: str, name: str, low: int, high: int) -> int:
    """Read a whole number: decimal ASCII digits without sign, blanks or leading zeros.

    @raise InvalidParameter: it is none, or not between C{low} and C{high}.
    """
    # int() also takes blanks, underscores, signs and the digits of other scripts.
    if value.isascii() and value.isdigit() and len(value) <= _DIGITS and (value[0] != "0" or value == "0"):
        number = int(value)
        if low <= number <= high:
            return number
    raise InvalidParameter(f"{name} is a whole number from {low} to {high}.", parameter=name)


def integers(value: str, name: str) -> list[int]:
    """Read ids or receipts: one, or up to L{MAX_RECEIVE} with a comma between any two.

    @raise InvalidParameter: they are none.
    """
    values = value.split(",")
    if len(values) > MAX_RECEIVE:
        raise InvalidParameter(f"{name} takes at most {MAX_RECEIVE} numbers.", parameter=name)
    return [integer(item, name, 1, MAX_ID) for item in values]


def duration(value: str, name: str, low: float, high: float) -> float:
    """Read a duration in seconds: C{30}, C{0.5}, with at most nine digits behind the point.

    @raise InvalidParameter: it is none, or not between C{low} and C{high}.
    """
    if _DURATION.fullmatch(value) is not None:
        seconds = float(value)
        if low <= seconds <= high:
            return seconds
    raise InvalidParameter(
        f"{name} is a number of seconds from {low:.10g} to {high:.10g}, such as 30 or 0.5.", parameter=name
    )


def queue(value: str) -> str:
    """Read the name of a queue.

    @raise InvalidQueueName: it is none.
    """
    try:
        return queue_name(value)
    except InvalidQueueName as error:
        error.parameter = "queue"
        raise


def queues(value: str) -> list[str]:
    """Read the names of up to L{MAX_QUEUES} queues with a comma between any two, none twice.

    @raise InvalidQueueName, InvalidParameter: they are none.
    """
    names = value.split(",")
    if len(names) > MAX_QUEUES:
        raise InvalidParameter(f"queue takes at most {MAX_QUEUES} names.", parameter="queue")
    for name in names:
        queue(name)
    if len(set(names)) < len(names):
        raise InvalidParameter("The same queue is named twice.", parameter="queue")
    return names


def _decode(text: str) -> str:
    if _BROKEN_ESCAPE.search(text) is not None:
        raise BadRequest("The query holds a % that two hexadecimal digits do not follow.")
    try:
        decoded = unquote_to_bytes(text.replace("+", " ")).decode("utf-8")
    except UnicodeDecodeError:
        raise BadRequest("The query is not UTF-8.") from None
    if "\0" in decoded:
        raise BadRequest("The query holds a NUL.")
    return decoded


def _unknown(name: str, names: frozenset[str]) -> UnknownParameter:
    detail = f"This call takes {', '.join(sorted(names))}." if names else "This call takes no parameters."
    return UnknownParameter(detail, parameter=name if _SHOWABLE.fullmatch(name) else None)
