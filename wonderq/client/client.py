"""The verbs over HTTP."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import groupby
from typing import Any, TypeVar
from urllib.parse import quote

import msgspec
from twisted.internet.defer import Deferred, succeed
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.web.http_headers import Headers
from twisted.web.iweb import IAgentEndpointFactory
from zope.interface import implementer

from wonderq.broker import IBroker, Stats
from wonderq.client import wire
from wonderq.client.calls import Answer, Calls
from wonderq.client.refusals import refusal
from wonderq.errors import WonderQError
from wonderq.model import Claim, Delivery, Draft, MessageView, Published, QueueSettings, QueueView

T = TypeVar("T")
Params = list[tuple[str, str]]


@implementer(IBroker)
class Client:
    """A WonderQ server somewhere else, spoken to as if it were here.

    Every verb is one HTTP call, sent once.  A Deferred that fails with L{wonderq.errors.StoreUnavailable} leaves open
    what happened: the answer to a publish may be lost after it was done.  Cancelling one closes its connection; what
    the server was asked to change may still change.

    @ivar durability: what the last publish that was answered has reached; C{"unknown"} before the first.
    """

    _log = Logger()

    def __init__(
        self,
        reactor: Any,
        url: str = "http://127.0.0.1:8080",
        *,
        timeout: float = 30.0,
        idle_connections: int = 10,
        endpoints: IAgentEndpointFactory | None = None,
    ) -> None:
        """Speak to the server at C{url}; nothing is sent yet.

        @param reactor: the reactor to run on.
        @param url: C{http:} or C{https:}, with a path if the server is mounted under one.
        @param timeout: seconds a call may take, besides those that a receive waits.
        @param idle_connections: how many connections are kept for later calls; each call under way has its own.
        @param endpoints: how to connect, for other ways than TCP to the host in C{url}, such as a Unix socket.
        """
        self.durability = "unknown"
        self._calls = Calls(reactor, url, timeout, idle_connections, endpoints)

    def close(self) -> Deferred[None]:
        """End what is under way, which fails with L{StoreUnavailable<wonderq.errors.StoreUnavailable>}, and close all
        connections; every later verb fails alike.
        """
        return self._calls.close()

    def publish(self, drafts: Sequence[Draft]) -> Deferred[list[Published]]:
        """See L{IBroker.publish}."""
        if len(drafts) == 1:
            answer = self._publish_one(drafts[0])
            read = wire.published
        elif drafts:
            answer = self._call(
                "POST", "/v1/publish/batch", body=wire.envelopes(drafts), headers={"Content-Type": "application/json"}
            )
            read = wire.batch
        else:
            return succeed([])
        return answer.addCallback(self._note_durability).addCallback(_read(read))

    def receive(
        self, queues: Sequence[str], consumer: str, limit: int = 10, wait: float = 0.0, lease: float | None = None
    ) -> Deferred[list[Delivery]]:
        """See L{IBroker.receive}.

        When it is cancelled just as its answer is on the way, the leases in it last until their deadlines.
        """
        params = [("cid", consumer), ("limit", str(limit)), ("queue", ",".join(queues)), ("wait", wire.seconds(wait))]
        if lease is not None:
            params.append(("lease", wire.seconds(lease)))
        answer = self._call("POST", "/v1/consumer", params, wait=wait)
        return answer.addCallback(_read(wire.deliveries))

    def give_back(self, consumer: str, deliveries: Sequence[Delivery]) -> Deferred[None]:
        """See L{IBroker.give_back}; only that these count as receives, since the server had handed them over."""
        claims = [Claim(delivery.id, delivery.receipt) for delivery in deliveries]
        return self.release(consumer, claims).addCallbacks(lambda _: None, self._not_given_back)

    def delete(self, consumer: str, claims: Sequence[Claim]) -> Deferred[list[bool]]:
        """See L{IBroker.delete}."""
        return self._settle("DELETE", consumer, claims, [])

    def extend(self, consumer: str, claims: Sequence[Claim], lease: float) -> Deferred[list[bool]]:
        """See L{IBroker.extend}."""
        return self._settle("PATCH", consumer, claims, [("lease", wire.seconds(lease))])

    def release(
        self, consumer: str, claims: Sequence[Claim], delay: float = 0.0, reason: str | None = None
    ) -> Deferred[list[bool]]:
        """See L{IBroker.release}."""
        return self._settle("PATCH", consumer, claims, [("delay", wire.seconds(delay)), *_reason(reason)])

    def bury(self, consumer: str, claims: Sequence[Claim], reason: str | None = None) -> Deferred[list[bool]]:
        """See L{IBroker.bury}."""
        return self._settle("PATCH", consumer, claims, [("bury", "true"), *_reason(reason)])

    def show_message(self, message: int) -> Deferred[MessageView]:
        """See L{IBroker.show_message}."""
        return self._call("GET", f"/v1/messages/{message}").addCallback(_read(wire.message_view))

    def put_queue(
        self, name: str, settings: QueueSettings, create_only: bool = False
    ) -> Deferred[tuple[QueueView, bool]]:
        """See L{IBroker.put_queue}."""
        headers = {"Content-Type": "application/json"}
        if create_only:
            headers["If-None-Match"] = "*"
        answer = self._call("PUT", _queue_path(name), body=msgspec.json.encode(settings), headers=headers)
        return answer.addCallback(lambda good: (_read(wire.queue_view)(good), good.status == 201))

    def show_queue(self, name: str) -> Deferred[QueueView]:
        """See L{IBroker.show_queue}."""
        return self._call("GET", _queue_path(name)).addCallback(_read(wire.queue_view))

    def delete_queue(self, name: str) -> Deferred[None]:
        """See L{IBroker.delete_queue}."""
        return self._call("DELETE", _queue_path(name)).addCallback(lambda good: None)

    def stats(self) -> Deferred[Stats]:
        """See L{IBroker.stats}."""
        return self._call("GET", "/v1/status").addCallback(_read(wire.stats))

    # -- what the verbs have in common --

    def _publish_one(self, draft: Draft) -> Deferred[Answer]:
        params = [("queue", draft.queue), ("priority", str(draft.priority))]
        if draft.delay is not None:
            params.append(("delay", wire.seconds(draft.delay)))
        return self._call("POST", "/v1/publish", params, body=draft.body, headers={"Content-Type": draft.content_type})

    def _settle(self, method: str, consumer: str, claims: Sequence[Claim], params: Params) -> Deferred[list[bool]]:
        return Deferred.fromCoroutine(self._settle_in_runs(method, consumer, claims, params))

    async def _settle_in_runs(self, method: str, consumer: str, claims: Sequence[Claim], params: Params) -> list[bool]:
        """Settle in one call, or, as one call names all receipts or none, in one for each run of claims alike."""
        results: list[bool] = []
        for without_receipt, run in groupby(claims, lambda claim: claim.receipt is None):
            those = list(run)
            query = [("cid", consumer), ("id", ",".join(str(claim.id) for claim in those)), *params]
            if not without_receipt:
                query.append(("receipt", ",".join(str(claim.receipt) for claim in those)))
            results += await self._call(method, "/v1/consumer", query).addCallback(_read(wire.settled))
        return results

    def _call(
        self,
        method: str,
        path: str,
        params: Params | None = None,
        *,
        body: bytes = b"",
        headers: dict[str, str] | None = None,
        wait: float = 0.0,
    ) -> Deferred[Answer]:
        """Make a call whose answer is good."""
        fields = Headers({name: [value] for name, value in (headers or {}).items()})
        return self._calls.send(method, path, params or [], body=body, headers=fields, wait=wait).addCallback(_good)

    def _note_durability(self, answer: Answer) -> Answer:
        for level in answer.headers.getRawHeaders("wonderq-durability", []):
            self.durability = level
        return answer

    def _not_given_back(self, failure: Failure) -> None:
        failure.trap(WonderQError)
        self._log.info("Deliveries could not be given back: {reason}", reason=failure.getErrorMessage())


def _good(answer: Answer) -> Answer:
    if answer.status not in (200, 201, 204):
        raise refusal(answer)
    return answer


def _read(read: Callable[[bytes], T]) -> Callable[[Answer], T]:
    return lambda answer: wire.understand(read, answer.body)


def _reason(reason: str | None) -> Params:
    return [("reason", reason)] if reason else []


def _queue_path(name: str) -> str:
    return "/v1/queues/" + quote(name, safe="")
