"""Where is each call: the Klein app.  A handler finds its operation, and hands over the answer."""

from __future__ import annotations

# werkzeug loads this for its first request; by then there may be no file descriptor left to load it with.
import encodings.idna  # noqa: F401
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Concatenate, ParamSpec

from klein import Klein
from twisted.internet.defer import CancelledError, Deferred, succeed
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.web.iweb import IRequest
from twisted.web.resource import IResource, Resource
from twisted.web.server import NOT_DONE_YET
from werkzeug import exceptions

from wonderq import errors
from wonderq.broker import IBroker
from wonderq.http import codec, health, operations, paths
from wonderq.http.call import Answer, Call, Later, head
from wonderq.http.limits import Request
from wonderq.http.problems import problem, unexpected
from wonderq.metrics import Metrics

P = ParamSpec("P")

UNROUTED = "none"
"""The C{route} label of requests that no route was found for."""

GONE = 499
"""The C{code} label of receives whose client went away while they waited, as nginx calls it."""


class Api:
    """The HTTP API of a broker.

    @param reactor: its clock measures how long answers take.
    @param wall: gives the time, seconds since 1970.
    @param checks: see L{health.Checks}.
    @param about: gives more members for C{/v1/status}, such as the store's kind.
    @ivar seconds: the reactor's clock.
    @ivar answered: counts an answer (see L{Metrics.answered}).
    """

    app = Klein()
    log = Logger()

    def __init__(
        self,
        broker: IBroker,
        *,
        reactor: IReactorTime,
        wall: Callable[[], float],
        checks: health.Checks,
        metrics: Metrics,
        about: Callable[[], Mapping[str, object]] = dict,
    ) -> None:
        self.broker = broker
        self.seconds = reactor.seconds
        self.wall = wall
        self.answered = metrics.answered
        self._checks = checks
        self._metrics = metrics
        self._about = about
        self._started = self.seconds()
        self._started_at = codec.timestamp(wall()).decode()
        metrics.watch(broker.stats, lambda: not any(health.troubles_of(checks).values()))

    def resource(self) -> IResource:
        """Return the root resource, for a L{wonderq.http.site.Site} or any other of twisted.web's."""
        return _Root(self)

    # -- messages --

    @app.route("/v1/publish", methods=["POST"])
    def publish(self, request: IRequest) -> Deferred[bytes]:
        """Publish one message."""
        return self._serve(request, "publish", operations.publish)

    @app.route("/v1/publish/batch", methods=["POST"])
    def publish_batch(self, request: IRequest) -> Deferred[bytes]:
        """Publish many messages, or none."""
        return self._serve(request, "publish_batch", operations.publish_batch)

    @app.route("/v1/consumer", methods=["GET", "POST"])
    def receive(self, request: IRequest) -> Deferred[bytes]:
        """Lease messages."""
        route = "receive_wait" if b"wait=" in request.uri else "receive"
        return self._serve(request, route, operations.receive)

    @app.route("/v1/consumer", methods=["DELETE"])
    def delete(self, request: IRequest) -> Deferred[bytes]:
        """Settle messages."""
        return self._serve(request, "delete", operations.delete)

    @app.route("/v1/consumer", methods=["PATCH"])
    def patch(self, request: IRequest) -> Deferred[bytes]:
        """Extend, release or bury messages."""
        return self._serve(request, "patch", operations.patch)

    @app.route("/v1/messages/<message>", methods=["GET"])
    def show_message(self, request: IRequest, message: str) -> Deferred[bytes]:
        """Show one message."""
        return self._serve(request, "show_message", operations.show_message, message)

    # -- queues --

    @app.route("/v1/queues/<name>", methods=["PUT"])
    def put_queue(self, request: IRequest, name: str) -> Deferred[bytes]:
        """Create a queue, or replace its settings."""
        return self._serve(request, "put_queue", operations.put_queue, name)

    @app.route("/v1/queues/<name>", methods=["GET"])
    def show_queue(self, request: IRequest, name: str) -> Deferred[bytes]:
        """Show one queue."""
        return self._serve(request, "show_queue", operations.show_queue, name)

    @app.route("/v1/queues/<name>", methods=["DELETE"])
    def delete_queue(self, request: IRequest, name: str) -> Deferred[bytes]:
        """Delete a queue with its messages."""
        return self._serve(request, "delete_queue", operations.delete_queue, name)

    # -- operations --

    @app.route("/livez", methods=["GET"])
    def livez(self, request: IRequest) -> Deferred[bytes]:
        """Tell that the server is alive."""
        return self._serve(request, "livez", lambda broker, call: health.livez(call))

    @app.route("/readyz", methods=["GET"])
    @app.route("/healthz", methods=["GET"])
    def readyz(self, request: IRequest) -> Deferred[bytes]:
        """Tell whether the server is ready."""
        return self._serve(request, "readyz", lambda broker, call: health.readyz(self._checks, call))

    @app.route("/metrics", methods=["GET"])
    def metrics(self, request: IRequest) -> Deferred[bytes]:
        """Show the metrics to Prometheus."""
        return self._serve(request, "metrics", lambda broker, call: health.metrics(self._metrics, call))

    @app.route("/v1/status", methods=["GET"])
    def status(self, request: IRequest) -> Deferred[bytes]:
        """Show what the server is doing."""
        uptime = round(self.seconds() - self._started, 3)
        about = {"startedAt": self._started_at, "uptime": uptime, **self._about()}
        return self._serve(request, "status", lambda broker, call: health.status(broker, self._checks, about, call))

    # -- from a request to an operation, and back --

    def _serve(
        self,
        request: IRequest,
        route: str,
        operation: Callable[Concatenate[IBroker, Call, P], Answer | Later | Deferred[Answer]],
        *arguments: P.args,
        **keywords: P.kwargs,
    ) -> Deferred[bytes]:
        """Run an operation, and return the body of what came of it, for Klein to write."""
        started = self.seconds()

        def begin(_: None) -> Answer | Deferred[Answer]:
            begun = operation(self.broker, _call(request), *arguments, **keywords)
            return begun.deferred() if isinstance(begun, Later) else begun

        work: Deferred[Answer] = succeed(None).addCallback(begin)
        handover = _Handover(request, work, waits=operation is operations.receive)

        def measured(answer: Answer) -> Answer:
            code = GONE if handover.gone else answer.status
            self.answered(route, code, self.seconds() - started)
            return answer

        work.addErrback(self.refusal).addCallback(measured).addCallback(handover.deliver)
        handover.watch()
        return handover.body

    @app.handle_errors(Exception)
    def refuse(self, request: IRequest, failure: Failure) -> bytes:
        """Answer a request that never came to an operation."""
        answer = self.refusal(failure)
        if request.method == b"OPTIONS" and answer.status == 405:
            answer = Answer(204, headers=answer.headers)
        self.answered(UNROUTED, answer.status, 0.0)
        return _start(request, answer)

    def refusal(self, failure: Failure) -> Answer:
        """Say what went wrong.  What nobody foresaw is logged, once, here."""
        error = failure.value
        if isinstance(error, errors.WonderQError):
            return problem(error)
        if isinstance(error, exceptions.MethodNotAllowed):
            return problem(errors.MethodNotAllowed(tuple(sorted({*(error.valid_methods or ()), "OPTIONS"}))))
        if isinstance(error, exceptions.NotFound):
            return problem(errors.NotFound("The API is under /v1/, and no path of it ends with a slash."))
        if isinstance(error, CancelledError):
            # Only receives are cancelled: one that ends its wait has nothing.
            return Answer(200, b"[]")
        self.log.failure("A request failed in a way that nobody foresaw.", failure=failure)
        return unexpected()


# werkzeug lets HEAD go wherever GET goes; here it would lease messages and show none.
for _rule in Api.app.url_map.iter_rules("receive"):
    _rule.methods = {"GET", "POST"}


class _Root(Resource):
    """Lets Klein see only what it will not misunderstand."""

    isLeaf = True

    def __init__(self, api: Api) -> None:
        Resource.__init__(self)
        self._api = api
        self._routes = api.app.resource()

    def render(self, request: IRequest) -> Any:
        """See L{IResource.render}."""
        fault = paths.fault(request.method, request.uri)
        if fault is None:
            # Klein makes URLs of the Host, which nobody here uses, and stumbles over odd ones.
            request.requestHeaders.setRawHeaders(b"host", [b"localhost"])
            return self._routes.render(request)
        request.write(self._api.refuse(request, Failure(fault)))
        request.finish()
        return NOT_DONE_YET


class _Handover:
    """Stands between an operation and Klein, which cancels what a handler returned when the client hangs up.

    Nothing is cancelled by that but a receive: the broker ends its wait, and takes back what it has leased.  What was
    done otherwise stays done.

    @ivar body: what the handler returns.
    @ivar gone: there is nobody to answer.
    """

    def __init__(self, request: IRequest, work: Deferred[Answer], waits: bool) -> None:
        self.body: Deferred[bytes] = Deferred(self._hung_up)
        self.gone = False
        self._request = request
        self._work = work
        self._waits = waits

    def watch(self) -> None:
        """End the wait also when the client sends no more; twisted.web itself takes that for a hang-up."""
        if isinstance(self._request, Request) and self._waits:
            self._request.on_end = self._work.cancel
            if self._request.client_ended():
                self._work.cancel()

    def deliver(self, answer: Answer) -> None:
        """Hand over the answer, if there is somebody."""
        if not self.gone:
            if isinstance(self._request, Request):
                self._request.undo = answer.undo
            self.body.callback(_start(self._request, answer))

    def _hung_up(self, body: Deferred[bytes]) -> None:
        self.gone = True
        if self._waits:
            self._work.cancel()


def _call(request: IRequest) -> Call:
    """Read a request as far as operations look at it."""

    def header(name: bytes) -> bytes | None:
        values: Sequence[bytes] | None = request.requestHeaders.getRawHeaders(name)
        if values is None:
            return None
        if len(values) > 1:
            raise errors.BadRequest(f"The header {name.decode()} stands there more than once.")
        return values[0]

    return Call(request.uri.partition(b"?")[2], header, request.content.read())


def _start(request: IRequest, answer: Answer) -> bytes:
    """Set the status and the headers, and return the body."""
    request.setResponseCode(answer.status)
    request.responseHeaders.removeHeader(b"server")
    for name, value in head(answer):
        request.setHeader(name, value)
    return answer.body
