"""How is a batch read: a JSON array of envelopes, each with one message and its options."""

from __future__ import annotations

import re
from typing import Annotated

import msgspec
from msgspec import UNSET, Meta, Raw, Struct, UnsetType

from wonderq.errors import InvalidEnvelope, InvalidJSON, InvalidQueueName, UnknownField, WonderQError
from wonderq.http.content import OCTETS, check_json, check_utf8, invalid_json, kind
from wonderq.model import MAX_DELAY, MAX_RECEIVE, PRIORITIES, Draft, json_pointer, queue_name

_ABSENT = Raw()
_UNKNOWN = re.compile(r"Object contains unknown field `(.*)`", re.DOTALL)
_STEP = re.compile(r"\[(\d+)\]|\.(\w+)")


class Envelope(Struct, forbid_unknown_fields=True, rename="camel"):
    """One entry of a batch: exactly one of C{body}, C{text} and C{base64}, and what else a publish may say."""

    body: Raw = _ABSENT
    text: str | UnsetType = UNSET
    base64: bytes | UnsetType = UNSET
    content_type: str | UnsetType = UNSET
    delay: Annotated[float, Meta(ge=0, le=MAX_DELAY)] | UnsetType = UNSET
    priority: Annotated[int, Meta(ge=0, lt=PRIORITIES)] = 0
    queue: str | UnsetType = UNSET


_FIELDS = ", ".join(field.encode_name for field in msgspec.structs.fields(Envelope))
_BATCH = msgspec.json.Decoder(Annotated[list[Envelope], Meta(min_length=1, max_length=MAX_RECEIVE)])


def drafts(body: bytes, queue: str) -> list[Draft]:
    """Read a batch.

    @param queue: where the messages go whose envelope names no queue.
    @raise InvalidJSON: the body is not JSON at all.
    @raise InvalidEnvelope, UnknownField, InvalidQueueName: an entry is at fault; the C{pointer} says which.
    """
    check_utf8(body)
    try:
        envelopes = _BATCH.decode(body)
    except msgspec.ValidationError as error:
        raise _fault(str(error)) from None
    except (msgspec.DecodeError, RecursionError) as error:
        raise invalid_json(error) from None
    return [_draft(index, envelope, queue) for index, envelope in enumerate(envelopes)]


def _draft(index: int, envelope: Envelope, queue: str) -> Draft:
    content_type, body = _content(index, envelope)
    if envelope.queue is not UNSET:
        try:
            queue = queue_name(envelope.queue)
        except InvalidQueueName as error:
            error.pointer = json_pointer(index, "queue")
            raise
    delay = None if envelope.delay is UNSET else envelope.delay
    return Draft(body, content_type, queue, delay, envelope.priority)


def _content(index: int, envelope: Envelope) -> tuple[str, bytes]:
    """Return the content type and the bytes of a message."""
    given = (envelope.body is not _ABSENT, envelope.text is not UNSET, envelope.base64 is not UNSET)
    if sum(given) != 1:
        raise InvalidEnvelope("An envelope has exactly one of body, text and base64.", pointer=json_pointer(index))
    if envelope.text is not UNSET:
        field, default, body = "text", "text/plain; charset=utf-8", envelope.text.encode("utf-8")
    elif envelope.base64 is not UNSET:
        field, default, body = "base64", OCTETS, envelope.base64
    else:
        field, default, body = "body", "application/json", bytes(envelope.body)
    if envelope.content_type is UNSET:
        return default, body
    form, _, refusal = kind(envelope.content_type)
    if refusal is not None:
        raise InvalidEnvelope(refusal, pointer=json_pointer(index, "contentType"))
    if form == "json":
        if field != "body":
            _check(index, field, body)
    elif field == "body":
        detail = "A body is JSON, and its contentType says otherwise; use text or base64."
        raise InvalidEnvelope(detail, pointer=json_pointer(index, "contentType"))
    return envelope.content_type, body


def _check(index: int, field: str, body: bytes) -> None:
    try:
        check_json(body)
    except InvalidJSON as error:
        error.pointer = json_pointer(index, field)
        raise


def _fault(message: str) -> WonderQError:
    """Turn what msgspec says into what it means; its texts name types and places, but also an unknown field."""
    fault, at, place = message.rpartition(" - at `$")
    if not at:
        return InvalidEnvelope(f"A batch is an array of 1 to {MAX_RECEIVE} envelopes.", pointer="")
    steps = [int(index) if index else name for index, name in _STEP.findall(place)]
    unknown = _UNKNOWN.fullmatch(fault)
    if unknown is not None:
        return UnknownField(f"An envelope has the fields {_FIELDS}.", pointer=json_pointer(*steps, unknown[1]))
    return InvalidEnvelope(f"{fault}.", pointer=json_pointer(*steps))
