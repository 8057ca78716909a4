"""How does an answer stand on the wire: its head and its body as one piece of bytes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from twisted.web.http import datetimeToString

from wonderq.http.call import Answer, head
from wonderq.http.incoming import Incoming
from wonderq.http.limits import reason

_KEPT: Final = 256
"""Heads to remember; there are about ten of them in common use."""

_Key = tuple[int, bytes, tuple[tuple[bytes, bytes], ...], bytes, bool]


class Heads:
    """Writes answers.  Heads differ in little but the length of the body, so they are made once a second.

    @param wall: gives the time, seconds since 1970.
    """

    def __init__(self, wall: Callable[[], float]) -> None:
        self._wall = wall
        self._second = -1
        self._date = b""
        self._known: dict[_Key, tuple[bytes, bytes]] = {}

    def answer(self, answer: Answer, request: Incoming) -> bytes:
        """Write the answer to a request."""
        second = int(self._wall())
        if second != self._second:
            self._second = second
            self._date = datetimeToString(second)
            self._known.clear()
        key = (answer.status, answer.content_type, answer.headers, request.version, request.last)
        known = self._known.get(key)
        if known is None:
            known = self._make(answer, request)
            if len(self._known) < _KEPT:
                self._known[key] = known
        before, behind = known
        if answer.status == 204:
            return before + behind
        return b"%b%d%b%b" % (before, len(answer.body), behind, answer.body)

    def _make(self, answer: Answer, request: Incoming) -> tuple[bytes, bytes]:
        """Write what stands before the length of the body, and between that and the body."""
        lines = [b"%b %d %b\r\n" % (request.version, answer.status, reason(answer.status))]
        if request.last and request.version == b"HTTP/1.1":
            lines.append(b"Connection: close\r\n")
        lines.append(b"Date: %b\r\n" % self._date)
        before = b""
        for name, value in head(answer):
            if name == b"Content-Length":
                before = b"".join(lines) + b"Content-Length: "
                lines = [b"\r\n"]
            else:
                lines.append(b"%b: %b\r\n" % (name, value))
        return before, b"".join(lines) + b"\r\n"
