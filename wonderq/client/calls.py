"""How does one HTTP call reach the server and come back: connections, deadlines, and what can go wrong with both."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from treq.client import HTTPClient
from twisted.internet.defer import CancelledError, Deferred, fail, succeed
from twisted.internet.error import ConnectError, ConnectionClosed, DNSLookupError
from twisted.internet.interfaces import IConsumer
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure
from twisted.web.client import (
    Agent,
    HTTPConnectionPool,
    RequestGenerationFailed,
    RequestTransmissionFailed,
    ResponseDone,
    ResponseFailed,
)
from twisted.web.http_headers import Headers
from twisted.web.iweb import IAgentEndpointFactory, IBodyProducer, IResponse
from zope.interface import implementer

from wonderq.errors import StoreUnavailable

IDLE = 60
"""Seconds an idle connection is kept: below the server's own 75, so that a call seldom meets one just closed."""

_LOST = (
    CancelledError,
    ConnectError,
    ConnectionClosed,
    DNSLookupError,
    RequestGenerationFailed,
    RequestTransmissionFailed,
    ResponseFailed,
)
"""Everything that Twisted's HTTP client says when no whole answer came."""

_NOTHING_SENT = (ConnectError, DNSLookupError)


class Answer(NamedTuple):
    """A whole answer.  Whether it is a good one is not known here."""

    status: int
    headers: Headers
    body: bytes


@implementer(IBodyProducer)
class _Body:
    """A request body that is all there already."""

    def __init__(self, body: bytes) -> None:
        self._body = body
        self.length = len(body)

    def startProducing(self, consumer: IConsumer) -> Deferred[None]:
        consumer.write(self._body)
        return succeed(None)

    def pauseProducing(self) -> None:
        pass

    def resumeProducing(self) -> None:
        pass

    def stopProducing(self) -> None:
        pass


class Calls:
    """HTTP calls to one server over kept-alive connections.

    Each call is sent once: whether a call whose answer was lost may be repeated, only the caller can tell.

    The reactor is of no one interface: Twisted's agent and treq each ask for their own set, and with C{endpoints} of
    its own a client needs time only.
    """

    def __init__(
        self,
        reactor: Any,
        url: str,
        timeout: float,
        idle_connections: int,
        endpoints: IAgentEndpointFactory | None,
    ) -> None:
        self._reactor = reactor
        self._url = url.rstrip("/")
        self._timeout = timeout
        self._pool = HTTPConnectionPool(reactor)
        self._pool.maxPersistentPerHost = idle_connections
        self._pool.cachedConnectionTimeout = IDLE
        # Twisted would repeat a DELETE; the second answer would be "not held" where the first, lost, was "done".
        self._pool.retryAutomatically = False
        if endpoints is None:
            agent = Agent(reactor, connectTimeout=timeout, pool=self._pool)
        else:
            agent = Agent.usingEndpointFactory(reactor, endpoints, self._pool)
        self._http = HTTPClient(agent, data_to_body_producer=_Body)
        self._running: set[Deferred[Answer]] = set()
        self._closed = False

    def __len__(self) -> int:
        """Return how many calls wait for their answers."""
        return len(self._running)

    def send(
        self,
        method: str,
        path: str,
        params: Sequence[tuple[str, str]] = (),
        *,
        body: bytes = b"",
        headers: Headers | None = None,
        wait: float = 0.0,
    ) -> Deferred[Answer]:
        """Send one request; cancelling the Deferred closes the connection at once.

        @param path: percent-encoded.
        @param params: the query, not encoded.
        @param wait: seconds that the server may take on top of the usual.
        @return: the answer, whatever its status.
        @raise StoreUnavailable: no whole answer came.
        """
        if self._closed:
            return fail(StoreUnavailable("This client is closed; nothing was sent."))
        exchange: Deferred[Answer] = self._http.request(
            method,
            self._url + path,
            params=list(params),
            data=body,
            headers=headers,
            allow_redirects=False,
            unbuffered=True,
            # Without one, treq would take the global reactor.
            reactor=self._reactor,
        ).addCallback(_read)
        self._running.add(exchange)
        exchange.addTimeout(self._timeout + wait, self._reactor, _timed_out).addErrback(_lost)
        return self._detached(exchange)

    def close(self) -> Deferred[None]:
        """End the calls under way, which fail with L{StoreUnavailable}, and close every connection."""
        self._closed = True
        for exchange in list(self._running):
            exchange.cancel()
        closed: Deferred[None] = self._pool.closeCachedConnections()
        return closed

    def _detached(self, exchange: Deferred[Answer]) -> Deferred[Answer]:
        """Return a Deferred for the same answer that, when it is cancelled, says so and nothing else."""

        def cancel(answer: Deferred[Answer]) -> None:
            answer.errback(CancelledError())
            exchange.cancel()

        def arrived(result: Answer | Failure) -> None:
            self._running.discard(exchange)
            if not answer.called:
                answer.callback(result)

        answer: Deferred[Answer] = Deferred(cancel)
        exchange.addBoth(arrived)
        return answer


class _Reader(Protocol):
    """Collects the body of a response.  Twisted's C{readBody} cannot be cancelled, and warns of it each time.

    @ivar answer: fires when all of it is there; cancelling it closes the connection.
    """

    def __init__(self, response: IResponse) -> None:
        self._response = response
        self._parts: list[bytes] = []
        self.answer: Deferred[Answer] = Deferred(self._cancelled)

    def dataReceived(self, data: bytes) -> None:
        self._parts.append(data)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        if self.answer.called:
            return
        if reason.check(ResponseDone):
            self.answer.callback(Answer(self._response.code, self._response.headers, b"".join(self._parts)))
        else:
            self.answer.errback(ResponseFailed([reason], self._response))

    def _cancelled(self, answer: Deferred[Answer]) -> None:
        if self.transport is not None:
            self.transport.loseConnection()


def _read(response: IResponse) -> Deferred[Answer]:
    reader = _Reader(response)
    response.deliverBody(reader)
    return reader.answer


def _timed_out(result: Answer | Failure, seconds: float) -> Answer:
    raise StoreUnavailable(f"No answer within {seconds:g} s; what was asked for may or may not have happened.")


def _lost(failure: Failure) -> Failure:
    error = failure.value
    if isinstance(error, StoreUnavailable):
        return failure
    failure.trap(*_LOST)
    if isinstance(error, _NOTHING_SENT):
        raise StoreUnavailable(f"The server cannot be reached: {error}") from error
    raise StoreUnavailable(
        "The connection was lost before the whole answer came; what was asked for may or may not have happened."
    ) from error
