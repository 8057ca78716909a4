"""One connection: requests come in, answers go out in their order, and neither side fills the memory of the other.

Requests are taken from L{wonderq.http.intake} one at a time; the next begins when the one before it is answered, so
what a client asks for first is done first.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from twisted.internet.error import ConnectionDone
from twisted.internet.interfaces import IHalfCloseableProtocol, IPushProducer, ITCPTransport
from twisted.internet.protocol import connectionDone
from twisted.python.failure import Failure
from zope.interface import implementer

from wonderq.errors import NotReady, WonderQError
from wonderq.http import deadlines, paths
from wonderq.http.bridge import Bridge
from wonderq.http.call import Answer
from wonderq.http.closing import Closing
from wonderq.http.exchange import Exchange
from wonderq.http.incoming import Incoming
from wonderq.http.limits import IDLE
from wonderq.http.output import Output
from wonderq.http.problems import problem

if TYPE_CHECKING:
    from wonderq.http.factory import ChannelFactory

TURN: Final = 64
TURN_SECONDS: Final = 0.01
"""Requests to answer, and seconds to do so, before others have their turn: one read may hold a thousand."""

LARGE: Final = 64 * 1024
"""Bytes of an answer for which room is looked for first."""

CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"

PROBES: Final = (b"/livez", b"/readyz", b"/healthz", b"/metrics")
"""Paths that are answered even when memory is short."""


@implementer(IHalfCloseableProtocol, IPushProducer)
class Channel(Closing):
    """One connection."""

    def __init__(self, factory: ChannelFactory) -> None:
        super().__init__(factory)
        # What is being answered, if it has to wait.
        self._exchange: Exchange | None = None
        # We take no more than what has come in.
        self._ended = False
        self._running = False

    # -- what the transport calls --

    def connectionMade(self) -> None:
        """See L{Protocol}."""
        self._output = Output(self.transport)
        self.transport.registerProducer(self, True)
        if ITCPTransport.providedBy(self.transport):
            # The second piece of an answer must not wait until the first one was acknowledged.
            self.transport.setTcpNoDelay(True)
        self._settle()
        self._factory.made(self)

    def dataReceived(self, data: bytes) -> None:
        """See L{Protocol}."""
        if self._state != "open":
            self._drop(len(data))
            return
        busy = self._exchange is not None or self._blocked or self._later is not None
        incoming = None if busy else self._intake.whole(data)
        if incoming is None:
            self._intake.take(data, busy)
            self._run()
            return
        self._serve(incoming)
        self._served()

    def readConnectionLost(self) -> None:
        """The client has ended its side, and still reads: it is answered what it has asked for, without waiting."""
        self._fin = True
        self._reading = False
        if self._state == "lingering":
            self._close()
        elif self._state == "open":
            if self._exchange is not None:
                self._exchange.end()
            self.end()

    def writeConnectionLost(self) -> None:
        """Nothing more will be written; that was our own wish."""

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """See L{Protocol}."""
        finished = self._state == "closing" and reason.check(ConnectionDone) is not None
        self._state = "closing"
        self._forget()
        self._output.lost(finished)
        exchange, self._exchange = self._exchange, None
        if exchange is not None:
            exchange.lost(reason)
        self._factory.buffers.used -= self._counted
        self._factory.lost(self)

    def pauseProducing(self) -> None:
        """The client does not read its answers: nothing more is read or answered."""
        self._blocked = True
        self._output.full()
        self._unsent = self._output.unsent()
        self.deadline = self._factory.seconds() + IDLE
        if self._exchange is not None:
            self._exchange.pause()
        self._settle()

    def resumeProducing(self) -> None:
        """The client has read them."""
        self._blocked = False
        self._output.empty()
        if self._exchange is not None:
            self._exchange.resume()
        self._run()

    def stopProducing(self) -> None:
        """The connection is being lost, as C{connectionLost} will say."""

    # -- what the factory calls --

    def park(self) -> None:
        """Read nothing: there are too many connections."""
        self._reading = False
        self.transport.pauseProducing()

    def unpark(self) -> None:
        """There is room now."""
        self._settle()

    def end(self) -> None:
        """Close the connection as soon as what has been asked for completely is answered."""
        self._ended = True
        self._run()

    # -- from one request to the next --

    def _run(self) -> None:
        """Answer what can be answered now."""
        if self._running:
            return
        self._running = True
        turn, started = 0, 0.0
        while self._exchange is None and self._later is None and not self._blocked and self._state == "open":
            if turn == 1:
                started = self._factory.seconds()
            elif turn > 1 and (turn >= TURN or self._factory.seconds() - started > TURN_SECONDS):
                self._run_later()
                break
            incoming = self._intake.next()
            if incoming is None:
                break
            turn += 1
            self._serve(incoming)
        self._running = False
        self._settle()

    def _run_later(self) -> None:
        def run() -> None:
            self._later = None
            self._run()

        if self._later is None:
            self._later = self._factory.call_later(0, run)

    def _serve(self, incoming: Incoming) -> None:
        """Answer a request, or begin to."""
        answer = self._factory.lane.serve(incoming)
        if isinstance(answer, Answer):
            self._write(answer, incoming)
            return
        if answer is None:
            if self._factory.buffers.full and incoming.target.partition(b"?")[0] not in PROBES:
                self._write(problem(short_of_memory()), incoming)
                return
            bridge = Bridge(self._factory.site, self.transport, self._output, self._bridged, self._fin)
            self._exchange = Exchange(incoming, bridge)
            bridge.serve(incoming)
            return
        exchange = self._exchange = Exchange(incoming, answer)
        answer.addCallback(self._answered, incoming)
        if self._fin:
            exchange.end()

    def _answered(self, answer: Answer, incoming: Incoming) -> None:
        """The answer has come that was waited for."""
        if incoming.gone:
            if answer.undo is not None:
                answer.undo()
            return
        self._exchange = None
        self._write(answer, incoming)
        if self._intake.empty:
            self._served()
        else:
            self._run()

    def _served(self) -> None:
        """Settle what is to be settled when nothing has come in but the request that was served just now."""
        if self._state == "open" and not self._ended and not self._counted and not self._output.given:
            # And nothing is unsent, so this is all.
            self.deadline = self._factory.seconds() + IDLE if self._exchange is None else deadlines.NEVER
        else:
            self._settle()

    def _write(self, answer: Answer, incoming: Incoming) -> None:
        if len(answer.body) > LARGE and self._factory.buffers.used + len(answer.body) > self._factory.buffers.limit:
            if answer.undo is not None:
                answer.undo()
            answer = problem(short_of_memory())
        self._output.write(self._factory.heads.answer(answer, incoming), answer.undo)
        if incoming.last:
            self._close()

    def _bridged(self) -> None:
        """The bridge has written its answer."""
        exchange, self._exchange = self._exchange, None
        if exchange is not None and exchange.incoming.last:
            self._close()
        self._run()

    # -- what follows from the state --

    def _settle(self) -> None:
        """See what is to be done when nothing can be answered now: read on, or not; wait, how long; or close."""
        if self._state != "open":
            return
        intake = self._intake
        self._account()
        if self._exchange is not None or self._blocked or self._later is not None:
            intake.pause()
            if not self._blocked:
                self.deadline = deadlines.NEVER
        elif intake.fault is not None:
            self._refuse(intake.fault)
        elif self._ended and intake.done:
            self._close()
        elif intake.body and self._factory.buffers.full:
            self._refuse(short_of_memory())
        else:
            self.deadline = intake.deadline(self._factory.seconds())
            head = intake.go_on()
            if head is not None:
                self._go_on(head)
        reading = not self._fin and not self._blocked and not intake.full
        if reading is not self._reading and self._state == "open":
            self._reading = reading
            if reading:
                self.transport.resumeProducing()
            else:
                self.transport.pauseProducing()

    def _go_on(self, head: Incoming) -> None:
        """Ask for the body, if it is of any use."""
        fault = paths.fault(head.method, head.target)
        if fault is not None:
            self._refuse(fault)
        else:
            self._output.write(CONTINUE)


def short_of_memory() -> WonderQError:
    """Say that others must be served first."""
    return NotReady("The server holds as many requests and answers as it may; try again.", retry_after=1)
