"""The short way of the calls that come most: from a request to its operation, past twisted.web and Klein.

The operations are those of L{wonderq.http.api}, and so are the answers.  Whatever this module does not answer, the
Klein app does.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final, TypeAlias

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from wonderq.broker import IBroker
from wonderq.errors import WonderQError
from wonderq.http import operations
from wonderq.http.api import GONE, Api
from wonderq.http.call import Answer, Call, Later
from wonderq.http.incoming import Incoming
from wonderq.http.problems import problem

Operation: TypeAlias = Callable[[IBroker, Call], Answer | Later]

CALLS: Final[dict[tuple[bytes, bytes], tuple[str, Operation]]] = {
    (b"POST", b"/v1/publish"): ("publish", operations.publish),
    (b"POST", b"/v1/publish/batch"): ("publish_batch", operations.publish_batch),
    (b"GET", b"/v1/consumer"): ("receive", operations.receive),
    (b"POST", b"/v1/consumer"): ("receive", operations.receive),
    (b"DELETE", b"/v1/consumer"): ("delete", operations.delete),
    (b"PATCH", b"/v1/consumer"): ("patch", operations.patch),
}
"""Method and path → the C{route} label of the call, as in the app, and its operation."""

# What paths.fault refuses in a query; the path is one of those above.
_UNPRINTABLE = re.compile(rb"[^!-~]|#")


class Lane:
    """The short way to the operations of an API."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self._broker = api.broker
        self._answered = api.answered
        self._seconds = api.seconds

    def serve(self, request: Incoming) -> Answer | Deferred[Answer] | None:
        """Do what a request asks for.

        @return: its answer, or a Deferred that will fire with it and never fail; C{None}: this is not the way for it.
            Cancelling the Deferred of a receive ends its wait; others are not to be cancelled.
        """
        path, _, query = request.target.partition(b"?")
        call = CALLS.get((request.method, path))
        if call is None or (query and not request.plain and _UNPRINTABLE.search(query) is not None):
            return None
        route, operation = call
        if route == "receive" and b"wait=" in query:
            route = "receive_wait"
        started = self._seconds()
        try:
            work = operation(self._broker, Call(query, request.header, request.body))
        except WonderQError as error:
            return self._measured(problem(error), request, route, started)
        except Exception:  # noqa: BLE001 - the top: a bug in one call must not end the connection, let alone others
            return self._measured(self._api.refusal(Failure()), request, route, started)
        if isinstance(work, Answer):
            return self._measured(work, request, route, started)
        answered: Deferred[Answer] = work.work.addCallbacks(
            self._done,
            self._failed,
            callbackArgs=(work.answer, request, route, started),
            errbackArgs=(work.blame, request, route, started),
        )
        if answered.called and isinstance(answered.result, Answer):
            return answered.result
        return answered

    def _done(
        self, result: Any, answer: Callable[[Any], Answer], request: Incoming, route: str, started: float
    ) -> Answer:
        try:
            made = answer(result)
        except Exception:  # noqa: BLE001 - the top, as above
            made = self._api.refusal(Failure())
        return self._measured(made, request, route, started)

    def _failed(
        self,
        failure: Failure,
        blame: Callable[[Failure], Failure] | None,
        request: Incoming,
        route: str,
        started: float,
    ) -> Answer:
        if blame is not None:
            failure = blame(failure)
        return self._measured(self._api.refusal(failure), request, route, started)

    def _measured(self, answer: Answer, request: Incoming, route: str, started: float) -> Answer:
        self._answered(route, GONE if request.gone else answer.status, self._seconds() - started)
        return answer


def waits(request: Incoming) -> bool:
    """Tell whether a request is a receive that may wait for messages; those that may not are soon answered."""
    path, _, query = request.target.partition(b"?")
    return path == b"/v1/consumer" and request.method in (b"GET", b"POST") and b"wait=" in query
