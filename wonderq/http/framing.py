"""Where does one request end and the next begin: bytes to requests, by llhttp; what it lets pass is refused here.

Nothing here writes or waits.  A fault is final: requests before it stand, what follows it is not looked at.
"""

from __future__ import annotations

import re
from collections import deque
from typing import Final, Literal

from httptools import HttpParserError, HttpParserInvalidMethodError, HttpParserUpgrade, HttpRequestParser

from wonderq.errors import BadRequest, HeadersTooLarge, HTTPVersion, MethodNotImplemented, UriTooLong, WonderQError
from wonderq.http.incoming import Field, Incoming, head_fault, too_large
from wonderq.http.known import Known
from wonderq.http.limits import MAX_FIELDS, MAX_HEADERS
from wonderq.http.paths import MAX_TARGET
from wonderq.model import MAX_BODY

MAX_BLANKS: Final = 2
"""Bytes of blank lines before a request: one line, as RFC 9112, section 2.2, asks."""

MAX_METHOD: Final = 32
"""Bytes of a method that nobody knows, and that shall still be said to be one."""

_NO_HOST: Final = b"\0"
_HEAD: Final = MAX_TARGET + MAX_HEADERS + 1024
_METHOD = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+")


Phase = Literal["idle", "head", "body"]
"""What is to come: a request, the rest of a head, the rest of a body."""


class _Stop(Exception):
    """Ends the parsing from inside one of its calls."""


class Framing:
    """The requests of one connection.

    @param known: heads that were parsed, on whatever connection.
    @ivar requests: those that are complete; whoever answers them takes them out.
    @ivar fault: why there will be no more, if there is something wrong.
    @ivar over: there will be no more: a fault, or the last one said so.
    @ivar phase: how far the next one has come.
    @ivar head: the next one, without its body, once its head is complete.
    @ivar size: bytes of its body that have come.
    @ivar announced: bytes of body that its head announces; 0 when it does not say.
    """

    phase: Phase

    def __init__(self, known: Known) -> None:
        self._known = known
        self.requests: deque[Incoming] = deque()
        self.fault: WonderQError | None = None
        self.over = False
        self._parser = HttpRequestParser(self)
        # The last Host, of which it is known that it is good.
        self._host: bytes | None = _NO_HOST
        # The first bytes of a request, while it is known where it began.
        self._start: bytes | None = b""
        self._method_unknown = False
        self._upgrading = False
        # What came in whole reads for one head, or one body, that is not complete; of that, what is body.
        self._raw = 0
        self._raw_body = 0
        self.on_message_begin()
        self.phase = "idle"

    # -- what the connection calls --

    @property
    def empty(self) -> bool:
        """Whether nothing has come in that is not taken out, and more may come."""
        return self.phase == "idle" and not self.requests and not self.over

    def whole(self, data: bytes) -> Incoming | None:
        """Return the request that was read, if it can be seen without parsing that it is one; or take nothing."""
        if not self.empty:
            return None
        request = self._known.request(data)
        if request is not None:
            self._blanks = 0
        return request

    def feed(self, data: bytes) -> None:
        """Take what was read."""
        if self.over:
            return
        phase, size, complete = self.phase, self.size, len(self.requests)
        if phase == "idle":
            if data[0] in b"\r\n":
                data = self._without_blanks(data)
            self._start = data[: MAX_METHOD + 1]
        elif phase == "head" and self._start is not None and len(self._start) <= MAX_METHOD:
            self._start += data
        if self._method_unknown:
            self._judge_method()
            return
        self._parse(data, complete)
        if self.phase == "idle" or self.over:
            if phase == "idle" and len(self.requests) == complete + 1 and self.fault is None:
                self._known.learn(data, self.requests[-1])
            return
        if len(self.requests) > complete:
            self._start = None
        elif self.phase == phase:
            self._raw += len(data)
            self._raw_body += self.size - size
            self._bound()
            return
        self._raw = self._raw_body = 0

    def close(self) -> None:
        """Let go of everything that has come in; nothing more will."""
        self.over = True
        self.requests.clear()
        self.on_message_begin()
        self.phase = "idle"
        # A parser holds the methods of its owner, so each would keep the other.
        self._parser = HttpRequestParser(None)

    # -- what llhttp calls, in this order --

    def on_message_begin(self) -> None:
        """A request begins."""
        self.phase = "head"
        self.head: Incoming | None = None
        self.size = 0
        self.announced = 0
        self._blanks = 0
        self._target = b""
        self._fields: dict[bytes, bytes] = {}
        self._repeated: list[Field] = []
        self._room = MAX_HEADERS
        self._body = b""
        self._rest: bytearray | None = None

    def on_url(self, url: bytes) -> None:
        """Take a piece of the target."""
        self._target += url
        if len(self._target) > MAX_TARGET:
            self._refuse(UriTooLong(f"A request target has at most {MAX_TARGET} bytes."))

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header field; or a trailer, which nobody looks at."""
        self._room -= len(name) + len(value) + 4
        if self._room < 0:
            self._refuse(HeadersTooLarge(f"All header fields together have at most {MAX_HEADERS} bytes."))
        if self.phase == "body":
            return
        name = name.lower()
        if name in self._fields:
            self._repeated.append((name, value))
        else:
            self._fields[name] = value

    def on_headers_complete(self) -> None:
        """Look at a head; what is wrong with it is said before its body comes."""
        parser, fields, repeated = self._parser, self._fields, self._repeated
        version, method, host = parser.get_http_version(), parser.get_method(), fields.get(b"host")
        self._upgrading = parser.should_upgrade()
        if (
            host != self._host
            or version != "1.1"
            or repeated
            or self._upgrading
            or len(fields) > MAX_FIELDS
            or b"transfer-encoding" in fields
            or b"expect" in fields
        ):
            fault = head_fault(version, method, fields, repeated)
            if fault is not None:
                self._refuse(fault)
            self._host = host
        if self._target == b"*":
            self._refuse(BadRequest("The request target is not a path."))
        length = fields.get(b"content-length")
        if length is not None:
            self.announced = int(length)
            if self.announced > MAX_BODY:
                self._refuse(too_large())
        # In HTTP/1.0 each connection carried one request; what was added to it later is not worth its traps.
        one = version == "1.0"
        last = one or not parser.should_keep_alive()
        self.head = Incoming(method, self._target, fields, repeated, b"HTTP/1.0" if one else b"HTTP/1.1", last)
        self.phase = "body"

    def on_body(self, data: bytes) -> None:
        """Take a piece of the body."""
        self.size += len(data)
        if self.size > MAX_BODY:
            self._refuse(too_large())
        if not self._body:
            self._body = data
        elif self._rest is None:
            self._rest = bytearray(data)
        else:
            self._rest += data

    def on_message_complete(self) -> None:
        """A request is complete."""
        head = self.head
        if head is None or self._upgrading:
            return
        head.body = self._body if self._rest is None else self._body + self._rest
        self.head = None
        self._body = b""
        self._rest = None
        self.size = 0
        self.phase = "idle"
        self.over = head.last
        self.requests.append(head)

    # -- how --

    def _parse(self, data: bytes, complete: int) -> None:
        while data:
            try:
                self._parser.feed_data(data)
                return
            except HttpParserUpgrade as upgrade:
                data = self._without_upgrade() + data[upgrade.args[0] :]
            except HttpParserError as error:
                if not self.over:
                    self._failed(error, len(self.requests) == complete)
                return

    def _without_upgrade(self) -> bytes:
        """Begin anew with a head that offers no upgrade: llhttp would not look at the body otherwise."""
        head = self.head
        assert head is not None
        self._upgrading = False
        self._parser = HttpRequestParser(self)
        fields = [b"%b: %b\r\n" % field for field in head.every_field() if field[0] != b"upgrade"]
        return b"%b %b %b\r\n%b\r\n" % (head.method, head.target, head.version, b"".join(fields))

    def _without_blanks(self, data: bytes) -> bytes:
        rest = data.lstrip(b"\r\n")
        self._blanks += len(data) - len(rest)
        if self._blanks > MAX_BLANKS:
            self._end(BadRequest("There are blank lines before the request."))
            return b""
        return rest

    def _refuse(self, fault: WonderQError) -> None:
        """Stop, from inside a call of the parser."""
        self.fault = fault
        raise _Stop

    def _end(self, fault: WonderQError) -> None:
        self.fault = fault
        self.over = True

    def _failed(self, error: HttpParserError, first: bool) -> None:
        """Say what is wrong with what cannot be parsed.

        @param first: the request began with a read, so its first bytes are known.
        """
        if not first:
            self._start = None
        if self.fault is not None:
            self.over = True
        elif isinstance(error, HttpParserInvalidMethodError):
            self._judge_method()
        elif "HTTP version" in str(error) or (self._start or b"").startswith(b"PRI * HTTP/2"):
            self._end(HTTPVersion())
        else:
            self._end(BadRequest())

    def _judge_method(self) -> None:
        """Tell a method that nobody knows from what is no request at all; this may need more bytes."""
        start = self._start or b" "
        method, blank, _ = start.partition(b" ")
        token = _METHOD.fullmatch(method) is not None
        self._method_unknown = token and not blank and len(start) <= MAX_METHOD
        if not self._method_unknown:
            self._end(MethodNotImplemented() if token and blank else BadRequest())

    def _bound(self) -> None:
        """Bound what is read and cannot be used yet: llhttp itself keeps an unfinished header whatever its length."""
        if self.phase == "head":
            if self._raw > _HEAD:
                self._end(HeadersTooLarge(f"All header fields together have at most {MAX_HEADERS} bytes."))
        # A chunk of one byte takes six; whoever sends more than that sends extensions or trailers without end.
        elif self._raw - self._raw_body > MAX_TARGET + MAX_HEADERS + 8 * self.size:
            self._end(BadRequest("There is more around the chunks of the body than in them."))
