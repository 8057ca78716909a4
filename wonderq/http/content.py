"""What is a body, by its Content-Type: JSON, text or bytes; and is it what it says."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Literal, NamedTuple

import msgspec

from wonderq.errors import InvalidJSON, UnexpectedBody, UnsupportedMediaType
from wonderq.http.call import Call
from wonderq.model import MAX_CONTENT_TYPE

OCTETS = "application/octet-stream"

_RAW = msgspec.json.Decoder(msgspec.Raw)
_TOKEN = r"[A-Za-z0-9!#$%&'*+.^_`|~-]+"
_MEDIA_TYPE = re.compile(rf"({_TOKEN}/{_TOKEN})[ \t]*(?:;([ -~\t]*))?")
_CHARSET = re.compile(r'(?:^|;)[ \t]*charset[ \t]*=[ \t]*"?([^\s";]*)', re.IGNORECASE)


class Kind(NamedTuple):
    """What a Content-Type says.

    @ivar form: C{"json"} and C{"text"} for those in UTF-8, C{"bytes"} for everything else.
    @ivar encoded: the Content-Type as a JSON string.
    @ivar refusal: why no message with it is taken, if none is.
    """

    form: Literal["json", "text", "bytes"]
    encoded: bytes
    refusal: str | None = None


_CUT_OFF = "The JSON is empty, or ends too early, or has half of a surrogate pair."

_NO_TYPE = f"A content type is type/subtype, with parameters or without, at most {MAX_CONTENT_TYPE} characters."


def kind(content_type: str) -> Kind:
    """Tell what a Content-Type says (RFC 9110, section 8.3)."""
    if len(content_type) > MAX_CONTENT_TYPE:
        # Neither looked at nor remembered: an envelope may hold one of 16 MiB.
        return Kind("bytes", msgspec.json.encode(content_type), _NO_TYPE)
    return _kind(content_type)


@lru_cache(maxsize=1024)
def _kind(content_type: str) -> Kind:
    """See L{kind}; the same few come again and again, so remember them."""
    encoded = msgspec.json.encode(content_type)
    match = _MEDIA_TYPE.fullmatch(content_type)
    if match is None:
        return Kind("bytes", encoded, _NO_TYPE)
    essence = match[1].lower()
    utf8 = all(charset.lower() == "utf-8" for charset in _CHARSET.findall(match[2] or ""))
    if essence == "application/json" or essence.endswith("+json"):
        return Kind("json", encoded) if utf8 else Kind("bytes", encoded, "JSON is taken in UTF-8 only.")
    return Kind("text" if utf8 and essence.startswith("text/") else "bytes", encoded)


def content_type(call: Call) -> str:
    """Return the Content-Type of the body of a call, which is a message.

    @raise UnsupportedMediaType: no message with it is taken, or the body is compressed.
    """
    refuse_encoding(call)
    value = call.header(b"content-type")
    if value is None:
        return OCTETS
    text = value.decode("latin-1")
    refusal = kind(text).refusal
    if refusal is not None:
        raise UnsupportedMediaType(refusal)
    return text


def refuse_encoding(call: Call) -> None:
    """Refuse a compressed body.

    @raise UnsupportedMediaType: it is one.
    """
    encoding = call.header(b"content-encoding")
    if encoding is not None and encoding.lower() != b"identity":
        raise UnsupportedMediaType("A Content-Encoding other than identity is not taken.")


def refuse_body(call: Call) -> None:
    """Refuse a body where none belongs.

    @raise UnsupportedMediaType, UnexpectedBody: there is one.
    """
    refuse_encoding(call)
    if call.body:
        raise UnexpectedBody


def require_json(call: Call) -> None:
    """Let nothing pass but JSON that WonderQ reads itself; without a Content-Type it is taken for JSON.

    @raise UnsupportedMediaType: the Content-Type says otherwise, or the body is compressed.
    """
    refuse_encoding(call)
    if call.header(b"content-type") is not None and kind(content_type(call)).form != "json":
        raise UnsupportedMediaType("This call takes JSON: send Content-Type: application/json.")


def check_utf8(body: bytes) -> None:
    """See that JSON is in UTF-8, which msgspec leaves to whoever looks at a string.

    @raise InvalidJSON: it is not.
    """
    if not body.isascii():
        try:
            body.decode("utf-8")
        except UnicodeDecodeError as error:
            raise InvalidJSON(f"The body is not UTF-8 (byte {error.start}).") from None


def check_json(body: bytes) -> None:
    """See that a body is one JSON value in UTF-8, without building it.

    @raise InvalidJSON: it is not.
    """
    check_utf8(body)
    try:
        _RAW.decode(body)
    except (msgspec.DecodeError, RecursionError) as error:
        raise invalid_json(error) from None


def invalid_json(error: msgspec.DecodeError | RecursionError) -> InvalidJSON:
    """Say what the parser found; it names a place and a fault, never what stands there."""
    if isinstance(error, RecursionError):
        return InvalidJSON("The JSON is nested too deeply.")
    fault = str(error)
    # The parser says so of an empty body, and of a \ud800 without its other half.
    return InvalidJSON(_CUT_OFF if fault == "Input data was truncated" else f"{fault}.")
