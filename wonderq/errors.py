"""What can be refused or go wrong: one family, one slug each.

Slugs are those of the protocol's error table.  There are no HTTP numbers here: `wonderq.http.problems` knows
them, and a test demands an entry for every class.
"""

from __future__ import annotations

from typing import ClassVar


class WonderQError(Exception):
    """Base of everything WonderQ refuses.

    @ivar detail: one sentence for a human; never raw input.
    @ivar parameter: the query parameter or header to blame, if one is.
    @ivar pointer: a JSON pointer (RFC 6901) into the body to blame, if one is.
    @ivar retry_after: seconds after which a repeat may succeed, if that is known.
    """

    slug: ClassVar[str] = ""
    title: ClassVar[str] = ""

    def __init__(
        self,
        detail: str = "",
        *,
        parameter: str | None = None,
        pointer: str | None = None,
        retry_after: int | None = None,
    ) -> None:
        super().__init__(detail or self.title)
        self.detail = detail or self.title
        self.parameter = parameter
        self.pointer = pointer
        self.retry_after = retry_after


# -- what a client got wrong --


class BadRequest(WonderQError):
    """The request cannot be understood."""

    slug = "bad-request"
    title = "The request cannot be understood."


class UnknownParameter(BadRequest):
    """A query parameter that this call does not take."""

    slug = "unknown-parameter"
    title = "This call has no such parameter."


class MissingParameter(BadRequest):
    """A query parameter that this call needs."""

    slug = "missing-parameter"
    title = "A required parameter is missing."


class InvalidParameter(BadRequest):
    """A parameter whose value is malformed, repeated, out of range or does not go with another."""

    slug = "invalid-parameter"
    title = "A parameter has an invalid value."


class InvalidJSON(BadRequest):
    """A body that is not one JSON value in UTF-8."""

    slug = "invalid-json"
    title = "The body is not valid JSON in UTF-8."


class UnknownField(BadRequest):
    """A field, in JSON that WonderQ reads itself, that it does not know."""

    slug = "unknown-field"
    title = "The body has a field that WonderQ does not know."


class InvalidEnvelope(BadRequest):
    """An entry of a batch that is not a valid message envelope."""

    slug = "invalid-envelope"
    title = "An entry of the batch is not a valid message envelope."


class InvalidSetting(BadRequest):
    """A queue setting of the wrong type or out of range."""

    slug = "invalid-setting"
    title = "A queue setting has an invalid value."


class InvalidQueueName(BadRequest):
    """A text that can never be the name of a queue."""

    slug = "invalid-queue-name"
    title = "This is not a valid queue name."


class UnexpectedBody(BadRequest):
    """A body on a call that takes none."""

    slug = "unexpected-body"
    title = "This call takes no body."


class NotFound(WonderQError):
    """No route has this path."""

    slug = "not-found"
    title = "There is nothing at this path."


class NoSuchQueue(NotFound):
    """The queue named does not exist."""

    slug = "no-such-queue"
    title = "There is no such queue."


class NoSuchMessage(NotFound):
    """No message has this id now."""

    slug = "no-such-message"
    title = "There is no such message."


class MethodNotAllowed(WonderQError):
    """The path exists, but not with this method.

    @ivar allow: the methods it has, sorted.
    """

    slug = "method-not-allowed"
    title = "This path does not take this method."

    def __init__(self, allow: tuple[str, ...] = (), detail: str = "") -> None:
        super().__init__(detail or (f"It takes {', '.join(allow)}." if allow else ""))
        self.allow = allow


class DefaultQueue(WonderQError):
    """The queue ``default`` cannot be deleted."""

    slug = "default-queue"
    title = "The queue `default` always exists."


class QueueExists(WonderQError):
    """Create-only was asked for, and the queue exists."""

    slug = "queue-exists"
    title = "The queue exists already."


class MessageTooLarge(WonderQError):
    """A message body above its queue's ``maxMessageBytes``."""

    slug = "message-too-large"
    title = "The message is larger than its queue allows."


class BodyTooLarge(WonderQError):
    """A request body above what any call takes."""

    slug = "body-too-large"
    title = "The request body is too large."


class UriTooLong(WonderQError):
    """A request target above the limit."""

    slug = "uri-too-long"
    title = "The request target is too long."


class HeadersTooLarge(WonderQError):
    """Header fields above the limit, in bytes or in number."""

    slug = "headers-too-large"
    title = "The header fields are too large."


class RequestTimeout(WonderQError):
    """A request that did not arrive completely in time."""

    slug = "request-timeout"
    title = "The request did not arrive in time."


class UnsupportedMediaType(WonderQError):
    """A Content-Type or Content-Encoding that this call does not take."""

    slug = "unsupported-media-type"
    title = "This call does not take this content type."


class MethodNotImplemented(WonderQError):
    """A method that WonderQ has nowhere."""

    slug = "not-implemented"
    title = "WonderQ does not know this method."


class HTTPVersion(WonderQError):
    """A version of HTTP other than 1.0 and 1.1."""

    slug = "http-version"
    title = "WonderQ speaks HTTP/1.1."


# -- what the server cannot do now --


class NotReady(WonderQError):
    """The server is recovering or stopping; nothing was done."""

    slug = "not-ready"
    title = "The server is not ready."


class StoreUnavailable(WonderQError):
    """The store failed; what was asked for may or may not have happened."""

    slug = "store-unavailable"
    title = "The store is not available."


class DiskFull(WonderQError):
    """Less disk is left than ``--min-free``; nothing was published."""

    slug = "disk-full"
    title = "The disk is nearly full, so nothing more is published."
