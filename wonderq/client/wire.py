"""What do the bytes of requests and answers say: drafts to envelopes, JSON to the values of L{wonderq.model}."""

from __future__ import annotations

import re
from base64 import b64decode
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Final, Literal, TypeVar

import msgspec
from msgspec import UNSET, Raw, Struct, UnsetType

from wonderq.broker import Stats
from wonderq.errors import StoreUnavailable
from wonderq.model import (
    Attempt,
    Counts,
    Delivery,
    Draft,
    Message,
    MessageView,
    Outcome,
    Published,
    QueueSettings,
    QueueView,
    State,
)

T = TypeVar("T")

# -- requests --


class _Envelope(Struct, rename="camel"):
    """One message of a batch.

    The body goes as base64 whatever it is: nothing else is kept byte for byte without looking at it.
    """

    base64: bytes
    content_type: str
    queue: str
    priority: int
    delay: float | UnsetType = UNSET


def envelopes(drafts: Sequence[Draft]) -> bytes:
    """Write the body of a batch."""
    return msgspec.json.encode(
        [
            _Envelope(
                draft.body, draft.content_type, draft.queue, draft.priority,
                UNSET if draft.delay is None else draft.delay,
            )
            for draft in drafts
        ]
    )  # fmt: skip


def seconds(value: float) -> str:
    """Write a duration for a query, to the nanosecond."""
    return f"{value:.9f}".rstrip("0").rstrip(".")


# -- answers --


class _Body(Struct, rename="camel"):
    """The members that tell what a body is."""

    body: Raw
    encoding: Literal["json", "text", "base64"]
    content_type: str


class _Delivery(_Body, rename="camel"):
    id: int
    receipt: int
    queue: str
    receives: int
    published_at: datetime
    lease_until: datetime
    priority: int
    last_failure: str | None = None


class _Attempt(Struct, rename={"start": "from", "end": "to"}):
    consumer: str
    start: datetime
    end: datetime | None = None
    outcome: Outcome | None = None
    reason: str | None = None


class _Message(_Body, rename="camel"):
    id: int
    queue: str
    state: State
    why: str
    receives: int
    published_at: datetime
    priority: int
    attempts: list[_Attempt]
    last_failure: str | None = None
    consumer: str | None = None
    lease_until: datetime | None = None
    due_at: datetime | None = None


class _Queue(Struct, rename="camel"):
    name: str
    settings: dict[str, object]
    counts: Counts
    bytes: int
    oldest_age: float | None
    waiting: int
    paused: bool


class _Status(Struct):
    queues: list[_Queue] | None
    totals: dict[str, dict[str, int]] | None
    leases: int | None


class _Published(Struct, rename="camel"):
    message_id: int
    duplicate: bool = False


class _Batch(Struct, rename="camel"):
    message_ids: list[int]
    duplicates: frozenset[int] = frozenset()


_SETTING_NAMES: Final = frozenset(field.encode_name for field in msgspec.structs.fields(QueueSettings))
_BLANKS: Final = re.compile(rb"[ \t\r\n]*")


def understand(read: Callable[[bytes], T], body: bytes) -> T:
    """Read the body of a good answer.

    @raise StoreUnavailable: it does not say what it should; so something else answered, or only in part.
    """
    try:
        return read(body)
    except (msgspec.MsgspecError, ValueError) as error:
        raise StoreUnavailable(f"The answer cannot be understood, so what happened is not known: {error}") from error


def published(body: bytes) -> list[Published]:
    """Read the answer to the publish of one message."""
    answer = msgspec.json.decode(body, type=_Published)
    return [Published(answer.message_id, answer.duplicate)]


def batch(body: bytes) -> list[Published]:
    """Read the answer to a batch."""
    answer = msgspec.json.decode(body, type=_Batch)
    return [Published(message, index in answer.duplicates) for index, message in enumerate(answer.message_ids)]


def deliveries(body: bytes) -> list[Delivery]:
    """Read the answer to a receive."""
    return [_delivery(bytes(one)) for one in msgspec.json.decode(body, type=list[Raw])]


def settled(body: bytes) -> list[bool]:
    """Read the answer to a call that settles: one boolean for one message, an array for several."""
    answer = msgspec.json.decode(body, type=bool | list[bool])
    return [answer] if isinstance(answer, bool) else answer


def message_view(body: bytes) -> MessageView:
    """Read one message."""
    one = msgspec.json.decode(body, type=_Message)
    return MessageView(
        Message(
            one.id, one.queue, _content(body, one), one.content_type, one.priority,
            published=one.published_at.timestamp(),
            # The protocol counts a running lease, the model does not.
            receives=one.receives - (one.state == "leased"),
            last_failure=one.last_failure,
            attempts=tuple(map(_attempt, one.attempts if one.state != "leased" else one.attempts[:-1])),
            dead=one.state == "dead",
        ),
        one.state, one.why, tuple(map(_attempt, one.attempts)), one.consumer, _wall(one.lease_until), _wall(one.due_at),
    )  # fmt: skip


def queue_view(body: bytes) -> QueueView:
    """Read one queue."""
    return _queue(msgspec.json.decode(body, type=_Queue))


def stats(body: bytes) -> Stats:
    """Read the part of C{GET /v1/status} that the broker knows.

    @raise StoreUnavailable: the server answers, but its broker cannot tell now.
    """
    status = msgspec.json.decode(body, type=_Status)
    if status.queues is None or status.totals is None or status.leases is None:
        raise StoreUnavailable("The server is up, but its store is not ready.", retry_after=1)
    return Stats(tuple(map(_queue, status.queues)), status.totals, status.leases)


def _delivery(text: bytes) -> Delivery:
    one = msgspec.json.decode(text, type=_Delivery)
    return Delivery(
        one.id, one.receipt, one.queue, _content(text, one), one.content_type, one.receives,
        one.published_at.timestamp(), one.lease_until.timestamp(), one.priority, one.last_failure,
    )  # fmt: skip


def _content(text: bytes, one: _Body) -> bytes:
    """Return a body as the bytes it was published as; C{text} is the object that C{one} was read from."""
    if one.encoding == "json":
        return _member(text, "body")
    value = msgspec.json.decode(one.body, type=str)
    return value.encode("utf-8") if one.encoding == "text" else b64decode(value, validate=True)


def _member(text: bytes, name: str) -> bytes:
    """Return what stands between the colon after a name and the comma, or brace, that ends the member.

    The server writes no blanks of its own, so blanks around a body are the body's; L{Raw} drops them.
    """
    end = 0
    for key, value in msgspec.json.decode(text, type=dict[str, Raw]).items():
        # No name in the protocol has an escape or a colon.
        start = text.index(b":", end + len(key)) + 1
        written = bytes(value)
        blanks = _BLANKS.match(text, text.index(written, start) + len(written))
        end = blanks.end() if blanks is not None else 0
        if key == name:
            return text[start:end]
    raise ValueError(f"there is no {name}")


def _attempt(one: _Attempt) -> Attempt:
    return Attempt(one.consumer, one.start.timestamp(), _wall(one.end), one.outcome, one.reason)


def _queue(one: _Queue) -> QueueView:
    # A newer server may have settings that this client does not know.
    known = {name: value for name, value in one.settings.items() if name in _SETTING_NAMES}
    settings = msgspec.convert(known, QueueSettings)
    return QueueView(one.name, settings, one.counts, one.bytes, one.oldest_age, one.waiting, one.paused)


def _wall(when: datetime | None) -> float | None:
    return None if when is None else when.timestamp()
