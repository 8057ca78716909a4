"""How is what the broker says written as JSON: deliveries, messages, queues, times."""

from __future__ import annotations

import time
from binascii import b2a_base64
from collections.abc import Iterable
from functools import lru_cache
from typing import Any

import msgspec

from wonderq.http.content import kind
from wonderq.model import Attempt, Delivery, MessageView, QueueSettings, QueueView

_MILLISECONDS = tuple(b".%03dZ" % millisecond for millisecond in range(1000))
_SETTINGS = tuple((field.name, field.encode_name) for field in msgspec.structs.fields(QueueSettings))


def timestamp(wall: float) -> bytes:
    """Write a wall time, seconds since 1970, as RFC 3339 UTC with milliseconds: C{2026-01-31T12:00:00.250Z}."""
    second, millisecond = divmod(int(wall * 1000), 1000)
    return _second(second) + _MILLISECONDS[millisecond]


def deliveries(those: Iterable[Delivery]) -> bytes:
    """Write the answer to a receive: an array."""
    return b"[" + b",".join([_delivery(one) for one in those]) + b"]"


def message(view: MessageView) -> bytes:
    """Write one message with its state, the cause of it, and its last leases."""
    one = view.message
    # A running lease counts as a receive, though it is not among those that have ended.
    receives = one.receives + (view.state == "leased")
    rest: dict[str, Any] = {
        "receives": receives,
        "publishedAt": timestamp(one.published).decode(),
        "priority": one.priority,
        "attempts": [_attempt(attempt) for attempt in view.attempts],
    }
    if one.last_failure is not None:
        rest["lastFailure"] = one.last_failure
    if view.consumer is not None:
        rest["consumer"] = view.consumer
    if view.lease_until is not None:
        rest["leaseUntil"] = timestamp(view.lease_until).decode()
    if view.due is not None:
        rest["dueAt"] = timestamp(view.due).decode()
    return b'{"id":%d,"queue":"%b","state":"%b","why":%b,%b,%b' % (
        one.id,
        one.queue.encode(),
        view.state.encode(),
        msgspec.json.encode(view.why),
        content(one.body, one.content_type),
        msgspec.json.encode(rest)[1:],
    )


def queue(view: QueueView) -> bytes:
    """Write one queue with all its settings, the defaults too."""
    return msgspec.json.encode(queue_members(view))


def queue_members(view: QueueView) -> dict[str, object]:
    """Name what a queue shows, as the protocol does."""
    return {
        "name": view.name,
        "settings": {written: getattr(view.settings, name) for name, written in _SETTINGS},
        "counts": view.counts,
        "bytes": view.bytes,
        "oldestAge": None if view.oldest_age is None else round(view.oldest_age, 3),
        "waiting": view.waiting,
        "paused": view.paused,
    }


def content(body: bytes, content_type: str) -> bytes:
    """Write the three members that a body takes.

    JSON was checked when it came in, so it goes out as the bytes that it was.
    """
    form, encoded_type, _ = kind(content_type)
    encoding = b"base64"
    if form == "json":
        encoding = b"json"
    elif form == "text":
        try:
            body = msgspec.json.encode(body.decode("utf-8"))
            encoding = b"text"
        except UnicodeDecodeError:
            pass
    if encoding == b"base64":
        body = b'"%b"' % b2a_base64(body, newline=False)
    return b'"body":%b,"encoding":"%b","contentType":%b' % (body, encoding, encoded_type)


def _delivery(one: Delivery) -> bytes:
    text = b'{"id":%d,"receipt":%d,"queue":"%b",%b,"receives":%d,"publishedAt":"%b","leaseUntil":"%b","priority":%d' % (
        one.id,
        one.receipt,
        one.queue.encode(),
        content(one.body, one.content_type),
        one.receives,
        timestamp(one.published),
        timestamp(one.lease_until),
        one.priority,
    )
    if one.last_failure is None:
        return text + b"}"
    return b'%b,"lastFailure":%b}' % (text, msgspec.json.encode(one.last_failure))


def _attempt(attempt: Attempt) -> dict[str, object]:
    return {
        "consumer": attempt.consumer,
        "from": timestamp(attempt.start).decode(),
        "to": None if attempt.end is None else timestamp(attempt.end).decode(),
        "outcome": attempt.outcome,
        "reason": attempt.reason,
    }


@lru_cache(maxsize=256)
def _second(second: int) -> bytes:
    """Write a whole second; the messages of one answer mostly share a few."""
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second)).encode()
