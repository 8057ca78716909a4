"""How does a connection end: when it is closed, how long its client may take to read what was written, and to stop.

What goes on while it is open is L{wonderq.http.channel}'s.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Literal

from twisted.internet.interfaces import IDelayedCall
from twisted.internet.protocol import Protocol

from wonderq.errors import RequestTimeout, WonderQError
from wonderq.http import deadlines
from wonderq.http.api import UNROUTED
from wonderq.http.intake import Intake
from wonderq.http.limits import IDLE, LINGER, last_answer
from wonderq.http.output import Output
from wonderq.http.problems import problem
from wonderq.model import MAX_BODY

if TYPE_CHECKING:
    from wonderq.http.factory import ChannelFactory

LINGER_AT_MOST: Final = 30.0
"""Seconds after which a connection is closed whose request was refused, whatever still comes; see L{LINGER}."""

ABORT: Final = 15.0
"""Seconds between the wish to close a connection whose client does not read and the end of it, as in twisted.web."""

State = Literal["open", "lingering", "closing"]
"""What is done with what comes in: it is answered; dropped, so that the last answer is read; nothing comes any more."""


class Closing(Protocol):
    """What a connection needs to end.

    @ivar deadline: when to look at it again, in seconds on the reactor's clock.
    """

    transport: Any
    _output: Output

    def __init__(self, factory: ChannelFactory) -> None:
        self.deadline = deadlines.NEVER
        self._factory = factory
        self._state: State = "open"
        self._intake = Intake(factory.known)
        # The client has ended its side.
        self._fin = False
        self._reading = True
        # The client does not read as fast as we write.
        self._blocked = False
        # The next turn, if others have theirs now.
        self._later: IDelayedCall | None = None
        # Bytes: counted among those of all connections, dropped while lingering, unsent when last looked at.
        self._counted = 0
        self._dropped = 0
        self._unsent = 0
        self._linger_until = 0.0

    def expired(self, now: float) -> None:
        """The deadline has come."""
        if self._state == "lingering":
            self._close()
        elif self._blocked or self._state == "closing":
            unsent = self._output.unsent()
            if unsent < self._unsent:
                # Slow, but it reads.
                self._unsent, self.deadline = unsent, now + IDLE
            elif self._blocked and self._state == "open":
                self._close(ABORT)
            else:
                self.transport.abortConnection()
        elif self._intake.idle:
            self._close()
        else:
            self._refuse(RequestTimeout())

    def _refuse(self, fault: WonderQError) -> None:
        """Give the last answer, and close when it was read.

        To close while there is something unread would reset the connection, and might take the answer back.  So what
        still comes in is dropped, for a while.
        """
        answer = problem(fault)
        self._factory.api.answered(UNROUTED, answer.status, 0.0)
        self._output.write(last_answer(answer))
        if self._fin:
            self._close()
            return
        self._state = "lingering"
        self._forget()
        self._account()
        self.transport.unregisterProducer()
        now = self._factory.seconds()
        self.deadline, self._linger_until = now + LINGER, now + LINGER_AT_MOST
        if not self._reading:
            self._reading = True
            self.transport.resumeProducing()
        self._output.end()

    def _drop(self, size: int) -> None:
        self._dropped += size
        if self._state == "lingering":
            if self._dropped > 2 * MAX_BODY:
                # It was told, and does not stop.
                self._close()
            else:
                self.deadline = min(self._factory.seconds() + LINGER, self._linger_until)

    def _close(self, patience: float = IDLE + ABORT) -> None:
        """Close the connection when everything is written.

        @param patience: seconds that the client may read nothing meanwhile.
        """
        if self._state == "open":
            self.transport.unregisterProducer()
        self._state = "closing"
        self._forget()
        self._account()
        self._unsent = self._output.unsent()
        self.deadline = self._factory.seconds() + patience
        self.transport.loseConnection()

    def _forget(self) -> None:
        """Let go of everything that came in."""
        self._intake.close()
        if self._later is not None:
            self._later.cancel()
            self._later = None

    def _account(self) -> None:
        """Count what this connection keeps in memory."""
        amount = self._intake.size + self._output.unsent()
        if amount != self._counted:
            self._factory.buffers.used += amount - self._counted
            self._counted = amount
