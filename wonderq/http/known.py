"""Is this a request like one before: with the same header fields, byte for byte?  Then nobody has to parse them again.

A client sends the same fields with each of its requests, and a small request comes in with one read.  llhttp and the
calls it makes take 2 to 3 µs for such a request, this takes 1.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from wonderq.http.incoming import Incoming

KEPT: Final = 256
"""Different heads to remember; as many clients, if each has one of its own."""

LONGEST: Final = 1024
"""Bytes of a request line, and of a head without it, beyond which it is not worth it."""

# What llhttp takes for a request line, and paths.fault for a query.
_LINE = re.compile(rb'(GET|POST|DELETE|PATCH) (/[!"$-~]*) HTTP/1\.1')
_NOT_ALIKE: Final = frozenset((b"transfer-encoding", b"expect"))


class Known:
    """The heads of requests that were parsed, without their first lines."""

    def __init__(self) -> None:
        # What stands between the request line and the end of the head → its fields, and bytes of the body.
        self._heads: dict[bytes, tuple[Mapping[bytes, bytes], int]] = {}

    def request(self, data: bytes) -> Incoming | None:
        """Return the request that stands in C{data} if it is one, with nothing behind it, whose head is known."""
        line_end = data.find(b"\r\n")
        end = data.find(b"\r\n\r\n", line_end)
        known = self._heads.get(data[line_end:end])
        if known is None or end < 0 or len(data) - end - 4 != known[1] or line_end > LONGEST:
            return None
        line = _LINE.fullmatch(data, 0, line_end)
        if line is None:
            return None
        method, target = line.groups()
        return Incoming(method, target, known[0], (), b"HTTP/1.1", False, data[end + 4 :], plain=True)

    def learn(self, data: bytes, request: Incoming) -> None:
        """Remember the head of a request, if it could come again.

        @param data: what was read; C{request} is what llhttp has made of it, all of it.
        """
        line_end, end = data.find(b"\r\n"), data.find(b"\r\n\r\n")
        # If the length is this, llhttp too has found the end of the head here, so what follows is the body.  The
        # fields alone say what they mean then, whatever the line.
        if (
            len(data) - end - 4 != len(request.body)
            or end - line_end > LONGEST
            or request.last
            or request.repeated
            or not _NOT_ALIKE.isdisjoint(request.fields)
        ):
            return
        if len(self._heads) >= KEPT:
            self._heads.clear()
        self._heads[data[line_end:end]] = (request.fields, len(request.body))
