"""Which targets and methods are looked at at all, before anything is decoded or routed."""

from __future__ import annotations

import re

from wonderq.errors import BadRequest, MethodNotImplemented, UriTooLong, WonderQError

MAX_TARGET = 48 * 1024
"""Bytes of a request target: 1,000 ids with their receipts need 34,000."""

METHODS = frozenset((b"GET", b"HEAD", b"POST", b"PUT", b"PATCH", b"DELETE", b"OPTIONS"))

_DOTS = frozenset((b".", b".."))
_UNPRINTABLE = re.compile(rb"[^!-~]|#")
_PATH = re.compile(rb"/[A-Za-z0-9_.~!$&'()*+,;=:@/-]*")
# Of every character that is printable and neither a slash nor a backslash.
_ESCAPE = re.compile(rb"%(?:2[0-9A-E]|[346][0-9A-F]|5[0-9ABD-F]|7[0-9A-E])", re.IGNORECASE)
_ESCAPED_DOT = re.compile(rb"%2e", re.IGNORECASE)


def fault(method: bytes, target: bytes) -> WonderQError | None:
    """Tell what is wrong with a request line, if something is.

    Klein decodes a path before it looks for its route, so an escaped slash would lead elsewhere than it seems, and
    werkzeug takes C{get} for C{GET}.  What is let through means the same before and after decoding.

    @param target: the whole request target as it came in.
    """
    if method not in METHODS:
        return MethodNotImplemented()
    if len(target) > MAX_TARGET:
        return UriTooLong(f"A request target has at most {MAX_TARGET} bytes.")
    if not target.startswith(b"/"):
        return BadRequest("The request target is not a path.")
    if _UNPRINTABLE.search(target) is not None:
        return BadRequest("The request target holds a character that must be percent-encoded.")
    path = target.partition(b"?")[0]
    if _PATH.fullmatch(_ESCAPE.sub(b"", path)) is None:
        return BadRequest("The path holds a character or an escape that has no place in it.")
    path = _ESCAPED_DOT.sub(b".", path)
    if b"//" in path or not _DOTS.isdisjoint(path.split(b"/")):
        return BadRequest("The path holds an empty step, . or ..")
    return None
