"""What is too much, or no HTTP request to this server at all: a request that refuses it while it comes in."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from http import HTTPStatus
from io import BytesIO
from typing import Any

from twisted.web import server
from twisted.web.http import RESPONSES
from twisted.web.iweb import INonQueuedRequestFactory
from zope.interface import provider

from wonderq.errors import BadRequest, BodyTooLarge, WonderQError
from wonderq.http.call import Answer, head
from wonderq.http.problems import problem
from wonderq.model import MAX_BODY

IDLE = 75.0
"""Seconds an idle connection is kept.  nginx and Amazon's balancers keep theirs for 60, and should close first."""

MAX_HEADERS = 16 * 1024
"""Bytes of all header fields.  Tomcat and Node: 8 and 16 KiB; Apache: 8 KiB for each."""

MAX_FIELDS = 100

LINGER = 5
"""Seconds that may pass without a byte until a connection is closed whose request was refused."""

_HOST = re.compile(rb"[A-Za-z0-9._~!$&'()*+,;=%\[\]:-]+")


@provider(INonQueuedRequestFactory)
class Request(server.Request):
    """A request whose body is kept in memory, and never more of it than L{MAX_BODY} bytes.

    @ivar complete: all of it has come in.
    @ivar undo: called when the connection is lost before its answer was handed to the socket.
    @ivar on_end: called when the client ends its side before it is answered.
    """

    # There is no default content type to guess from.
    defaultContentType = None
    complete = False
    undo: Callable[[], object] | None = None
    on_end: Callable[[], object] | None = None

    _received = 0
    _refused = False

    def gotLength(self, length: int | None) -> None:
        """Look at the announced length of the body before any of it has come; C{None}: it comes in chunks."""
        # Twisted's own choice is a file for everything that comes in chunks, written by the reactor's thread.
        self.content = BytesIO()
        if length is not None and length > MAX_BODY:
            # Nobody shall be asked to go on.
            self.requestHeaders.removeHeader(b"Expect")
            self._refuse(BodyTooLarge(f"A request body has at most {MAX_BODY} bytes."))

    def handleContentChunk(self, data: bytes) -> None:
        """Take a piece of the body."""
        self._received += len(data)
        if self._received > 2 * MAX_BODY:
            # It was told, and does not stop.
            self.channel.loseConnection()
        elif self._refused:
            pass
        elif self._received > MAX_BODY:
            self._refuse(BodyTooLarge(f"A request body has at most {MAX_BODY} bytes."))
        else:
            server.Request.handleContentChunk(self, data)

    def requestReceived(self, command: bytes, path: bytes, version: bytes) -> None:
        """Look at the request as a whole."""
        self.complete = True
        if self._refused:
            self.channel.loseConnection()
        else:
            server.Request.requestReceived(self, command, path, version)

    def process(self) -> None:
        """Let the site answer."""
        fault = self._fault()
        if fault is None:
            server.Request.process(self)
        else:
            self._refuse(fault)
            self.channel.loseConnection()

    def client_ended(self) -> bool:
        """Tell whether the client has ended its side, and so will send no more, but still reads."""
        return bool(getattr(self.channel, "ended", False))

    def _fault(self) -> WonderQError | None:
        """Tell what is wrong with the framing, if something is."""
        fault = host_fault(self.requestHeaders.getRawHeaders(b"host", []), self.clientproto)
        if fault is not None:
            return fault
        if any(value.lower() != b"100-continue" for value in self.requestHeaders.getRawHeaders(b"expect", [])):
            return BadRequest("Nothing but 100-continue can be expected.")
        if self.uri == b"*":
            return BadRequest("The request target is not a path.")
        return None

    def _refuse(self, error: WonderQError) -> None:
        """Answer at once, past everything that would wait for the rest of the request.

        What still comes in is dropped: to close before it is read would reset the connection, and might take the
        answer back.
        """
        self._refused = True
        channel: Any = self.channel
        channel.write(last_answer(problem(error)))
        channel.setTimeout(LINGER)


def host_fault(hosts: Sequence[bytes], version: bytes) -> WonderQError | None:
    """Tell what is wrong with the Host fields of a request, if something is (RFC 9112, section 3.2)."""
    if len(hosts) > 1 or (not hosts and version == b"HTTP/1.1"):
        return BadRequest("A request has exactly one Host.")
    if hosts and _HOST.fullmatch(hosts[0]) is None:
        return BadRequest("This is not a valid Host.")
    return None


def reason(status: int) -> bytes:
    """Return the phrase that goes with a status; twisted.web does not have them all."""
    return RESPONSES.get(status) or HTTPStatus(status).phrase.encode("ascii")


def last_answer(answer: Answer) -> bytes:
    """Write an answer behind which the connection is closed."""
    lines = [b"%b: %b\r\n" % header for header in head(answer)]
    status_line = b"HTTP/1.1 %d %b\r\nConnection: close\r\n" % (answer.status, reason(answer.status))
    return b"%b%b\r\n%b" % (status_line, b"".join(lines), answer.body)
