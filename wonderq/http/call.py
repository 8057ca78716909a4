"""What does an operation get, and what does it give back: one call and one answer, whatever server carries them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from msgspec import Struct
from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

JSON = b"application/json"
PROBLEM = b"application/problem+json"
TEXT = b"text/plain; charset=utf-8"


class Call(Struct, frozen=True, gc=False):
    """One request, as far as an operation has to know it.

    @ivar query: what stands behind the C{?} of the target, as it came in; empty without one.
    @ivar header: gives the value of a header by its name in lower case; C{None}: it is not there.  It raises
        L{wonderq.errors.BadRequest} for a header that stands there more than once.
    @ivar body: all of it; empty without one.
    """

    query: bytes
    header: Callable[[bytes], bytes | None]
    body: bytes = b""


class Answer(Struct, frozen=True, gc=False):
    """What to send back.

    @ivar headers: those that only this answer has; see L{head} for the rest.
    @ivar content_type: of the body.
    @ivar undo: to be called when the connection is lost before all of it was handed to the socket.
    """

    status: int
    body: bytes = b""
    headers: tuple[tuple[bytes, bytes], ...] = ()
    content_type: bytes = JSON
    undo: Callable[[], object] | None = None


class Later(Struct, frozen=True, gc=False):
    """An answer that has to wait for what a verb returns.

    @ivar work: what the verb has returned.
    @ivar answer: makes the answer of what that fires with.
    @ivar blame: gets the failure before it becomes an answer; it may say more than the broker could.
    """

    work: Deferred[Any]
    answer: Callable[[Any], Answer]
    blame: Callable[[Failure], Failure] | None = None

    def deferred(self) -> Deferred[Answer]:
        """Return what fires with the answer, or fails."""
        return self.work.addCallbacks(self.answer, self.blame)


def head(answer: Answer) -> Iterator[tuple[bytes, bytes]]:
    """Yield every header of an answer.

    Nothing that a queue says may be kept by a cache, nor be guessed to be a page.
    """
    yield b"Cache-Control", b"no-store"
    yield b"X-Content-Type-Options", b"nosniff"
    if answer.status != 204:
        yield b"Content-Type", answer.content_type
        yield b"Content-Length", b"%d" % len(answer.body)
    yield from answer.headers
