"""What has come in on a connection and is not answered yet: requests in their order, and how long the next may take."""

from __future__ import annotations

from typing import Final

from wonderq.errors import WonderQError
from wonderq.http import deadlines
from wonderq.http.framing import Framing
from wonderq.http.incoming import Incoming
from wonderq.http.known import Known
from wonderq.http.limits import IDLE

HOLD: Final = 16 * 1024
"""Bytes to keep that come while a request is being answered; with more, reading stops.  twisted.web: 16 KiB."""


class Intake:
    """The way in of one connection.

    Bytes that come while a request is being answered are kept as they are, and looked at when it is the turn of the
    next one.

    @param known: see L{Framing}.
    """

    def __init__(self, known: Known) -> None:
        self._framing = Framing(known)
        self._held = bytearray()
        # When the request that comes in began, and whether its client was told to go on with the body.
        self._began: float | None = None
        self._continued = False

    def whole(self, data: bytes) -> Incoming | None:
        """Return the request that was read, if it is a plain one with nothing before or behind it; or take nothing."""
        return None if self._held else self._framing.whole(data)

    def take(self, data: bytes, busy: bool) -> None:
        """Take what was read.

        @param busy: a request is being answered.
        """
        if busy or self._held:
            self._held += data
        else:
            self._feed(data)

    def next(self) -> Incoming | None:
        """Return the next request if it is complete."""
        requests = self._framing.requests
        if not requests and self._held and not self._framing.over:
            data = bytes(self._held)
            self._held.clear()
            self._feed(data)
        return requests.popleft() if requests else None

    def close(self) -> None:
        """Let go of everything; nothing more will come."""
        self._held.clear()
        self._framing.close()

    @property
    def done(self) -> bool:
        """Whether everything was looked at that has come in."""
        return not self._framing.requests and (self._framing.over or not self._held)

    @property
    def empty(self) -> bool:
        """Whether nothing has come in, and more may come."""
        return not self._held and self._framing.empty

    @property
    def fault(self) -> WonderQError | None:
        """What is wrong with what follows the complete requests, if something is."""
        return self._framing.fault

    @property
    def idle(self) -> bool:
        """Whether no request has begun to come in."""
        return self._framing.phase == "idle"

    @property
    def full(self) -> bool:
        """Whether no more should be read now."""
        return len(self._held) > HOLD

    @property
    def body(self) -> int:
        """Bytes of the body that comes in."""
        return self._framing.size

    @property
    def size(self) -> int:
        """Bytes that are kept."""
        return self._framing.size + len(self._held)

    def pause(self) -> None:
        """The client has to wait for an answer, and what it sends meanwhile has all its time afterwards."""
        self._began = None

    def deadline(self, now: float) -> float:
        """Return the time by which the next request has to be complete, or its head, or its first byte."""
        framing = self._framing
        if framing.phase == "idle":
            return now + IDLE
        if self._began is None:
            self._began = now
        if framing.phase == "head":
            return self._began + deadlines.HEAD
        return self._began + deadlines.REQUEST + (framing.announced or framing.size) / deadlines.REQUEST_RATE

    def go_on(self) -> Incoming | None:
        """Return the head of a request whose client waits to be told to go on with the body; once for each."""
        head = self._framing.head
        if head is None or not head.expects or self._framing.size or self._continued:
            return None
        self._continued = True
        return head

    def _feed(self, data: bytes) -> None:
        self._framing.feed(data)
        if self._framing.requests:
            self._began = None
            self._continued = False
