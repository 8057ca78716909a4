"""What has come in: one request, and what can be wrong with its head before anybody looks at what it asks for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from msgspec import Struct

from wonderq.errors import BadRequest, BodyTooLarge, HeadersTooLarge, HTTPVersion, MethodNotImplemented, WonderQError
from wonderq.http.limits import MAX_FIELDS, host_fault
from wonderq.model import MAX_BODY

Field = tuple[bytes, bytes]


class Incoming(Struct, eq=False, gc=False):
    """A request.

    @ivar target: as it came in.
    @ivar fields: the header fields, by their names in lower case.
    @ivar repeated: those whose name has stood there before.
    @ivar version: C{b"HTTP/1.1"} or C{b"HTTP/1.0"}.
    @ivar last: the client wants no other on this connection.
    @ivar body: all of it; empty without one.
    @ivar plain: nothing stands in the target but what may stand in a query.
    @ivar gone: nobody is left who would read its answer.
    """

    method: bytes
    target: bytes
    fields: Mapping[bytes, bytes]
    repeated: Sequence[Field]
    version: bytes
    last: bool
    body: bytes = b""
    plain: bool = False
    gone: bool = False

    def header(self, name: bytes) -> bytes | None:
        """Return the value of a header, by its name in lower case.

        @raise BadRequest: it stands there more than once.
        """
        if self.repeated and any(name == repeated for repeated, _ in self.repeated):
            raise BadRequest(f"The header {name.decode()} stands there more than once.")
        return self.fields.get(name)

    def every_field(self) -> Iterator[Field]:
        """Yield all header fields."""
        yield from self.fields.items()
        yield from self.repeated

    @property
    def expects(self) -> bool:
        """Whether the client waits to be told to go on with the body (RFC 9110, section 10.1.1)."""
        return b"expect" in self.fields and self.version == b"HTTP/1.1"


def head_fault(
    version: str, method: bytes, fields: Mapping[bytes, bytes], repeated: Sequence[Field]
) -> WonderQError | None:
    """Tell what is wrong with a head that llhttp lets pass, if something is.

    @param version: as llhttp says it: C{"1.1"}.
    """
    if version not in ("1.1", "1.0"):
        return HTTPVersion() if version > "1.1" else BadRequest("HTTP/0.9 is not spoken here.")
    if method == b"CONNECT":
        return MethodNotImplemented()
    if len(fields) + len(repeated) > MAX_FIELDS:
        return HeadersTooLarge(f"A request has at most {MAX_FIELDS} header fields.")
    hosts = [value for name, value in (*fields.items(), *repeated) if name == b"host"]
    fault = host_fault(hosts, b"HTTP/1.1" if version == "1.1" else b"HTTP/1.0")
    if fault is not None:
        return fault
    coding = fields.get(b"transfer-encoding")
    if coding is not None and (version == "1.0" or coding.lower() != b"chunked"):
        return BadRequest("A body is sent as it is, or chunked in HTTP/1.1.")
    if any(name == b"expect" and value.lower() != b"100-continue" for name, value in (*fields.items(), *repeated)):
        return BadRequest("Nothing but 100-continue can be expected.")
    return None


def too_large() -> WonderQError:
    """Say that a body is larger than any call takes."""
    return BodyTooLarge(f"A request body has at most {MAX_BODY} bytes.")
