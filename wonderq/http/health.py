"""Is the server alive, is it ready, and what is it doing: for probes and for people."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from urllib.parse import parse_qsl

import msgspec
from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from wonderq import __version__, errors
from wonderq.broker import IBroker, Stats
from wonderq.http import codec, query
from wonderq.http.call import TEXT, Answer, Call
from wonderq.http.content import refuse_body
from wonderq.http.problems import problem
from wonderq.metrics import Metrics

Checks = Mapping[str, Callable[[], str | None]]
"""Named checks: each returns why the server is not ready, C{None} when nothing is wrong."""


def livez(call: Call) -> Answer:
    """C{GET /livez}: who can answer is alive."""
    refuse_body(call)
    return Answer(200, b"ok\n", content_type=TEXT)


def readyz(checks: Checks, call: Call) -> Answer:
    """C{GET /readyz}: 200 when every check is fine, else 503; C{?verbose=true} names them all, one a line."""
    refuse_body(call)
    troubles = troubles_of(checks)
    failing = {name: why for name, why in troubles.items() if why is not None}
    if dict(parse_qsl(call.query.decode("latin-1"), keep_blank_values=True)).get("verbose") in ("", "true"):
        lines = [f"[+]{name} ok\n" if why is None else f"[-]{name} {why}\n" for name, why in troubles.items()]
        return Answer(503 if failing else 200, "".join(lines).encode(), content_type=TEXT)
    if failing:
        return problem(errors.NotReady(" ".join(f"{name}: {why}" for name, why in failing.items())))
    return Answer(200, b"ok\n", content_type=TEXT)


def troubles_of(checks: Checks) -> dict[str, str | None]:
    """Ask every check."""
    return {name: check() for name, check in checks.items()}


def metrics(metrics: Metrics, call: Call) -> Deferred[Answer]:
    """C{GET /metrics}: for Prometheus, in the format that it accepts."""
    refuse_body(call)
    accept = call.header(b"accept") or b""
    rendered = metrics.render(accept.decode("latin-1"))
    return rendered.addCallback(lambda page: Answer(200, page[1], content_type=page[0].encode("ascii")))


def status(broker: IBroker, checks: Checks, about: Mapping[str, object], call: Call) -> Deferred[Answer]:
    """C{GET /v1/status}: what an operator wants to see first.

    While the broker cannot tell, what only it knows is C{null}.

    @param about: members that the composer of the server knows.
    """
    refuse_body(call)
    query.parse(call.query, frozenset())
    troubles = troubles_of(checks)
    members: dict[str, object] = {
        "version": __version__,
        "ready": not any(troubles.values()),
        "checks": troubles,
        "durability": broker.durability,
        **about,
    }

    def known(stats: Stats) -> None:
        members["leases"] = stats.leases
        members["totals"] = stats.totals
        members["queues"] = [codec.queue_members(view) for view in stats.queues]

    def unknown(failure: Failure) -> None:
        failure.trap(errors.NotReady, errors.StoreUnavailable)
        members.update(dict.fromkeys(("leases", "totals", "queues")))

    told = broker.stats().addCallbacks(known, unknown)
    return told.addCallback(lambda _: Answer(200, msgspec.json.encode(members)))
