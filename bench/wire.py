"""What is the least of HTTP/1.1 that asks and understands an answer?

Every message here has a head that ends in an empty line and, if any, a C{Content-Length}; one is under way at a time.
"""

from __future__ import annotations

__all__ = ["Message", "Reader", "WireError", "request"]

Message = tuple[bytes, bytes]
"""The first line, and the body."""

_END = b"\r\n\r\n"
_LENGTH = b"\r\ncontent-length:"


class WireError(Exception):
    """The peer said something that is not understood here."""


def request(method: str, target: str, body: bytes = b"", content_type: str = "") -> bytes:
    """Write a request.

    @param content_type: that of the body; none for a request without one.
    """
    head = f"{method} {target} HTTP/1.1\r\nHost: localhost\r\n"
    if content_type:
        head += f"Content-Type: {content_type}\r\nContent-Length: {len(body)}\r\n"
    return f"{head}\r\n".encode("ascii") + body


class Reader:
    """Puts one message after another together, of either direction."""

    __slots__ = ("_have", "_need", "_parts")

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._have = 0
        self._need = 0

    def feed(self, data: bytes) -> Message | None:
        """Take what came.

        @return: the message, if that was the rest of it.
        @raise WireError: it has another framing, or something follows it.
        """
        if self._parts:
            self._parts.append(data)
            self._have += len(data)
            if self._have < self._need:
                return None
            data = b"".join(self._parts)
            self._parts.clear()
        end = data.find(_END)
        if end < 0:
            self._keep(data, 0)
            return None
        size = end + 4 + _length(data[:end])
        if len(data) < size:
            self._keep(data, size)
            return None
        if len(data) > size:
            raise WireError(f"more than was asked for: {data[size : size + 80]!r}")
        return data[: data.index(b"\r\n")], data[end + 4 :]

    def _keep(self, data: bytes, need: int) -> None:
        self._parts.append(data)
        self._have = len(data)
        self._need = need


def _length(head: bytes) -> int:
    """Return how long the body after this head is."""
    head = head.lower()
    at = head.find(_LENGTH)
    if at >= 0:
        return int(head[at + len(_LENGTH) :].partition(b"\r\n")[0])
    if b"\r\ntransfer-encoding:" in head:
        raise WireError("a body without a length")
    return 0
