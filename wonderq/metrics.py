"""Is it healthy, is it keeping up, who is stuck: the state of a server as Prometheus wants it.

What the broker knows is read when somebody asks; only what passes by (requests, syncs, lags) is counted on the way.
Everything runs on the reactor's thread.
"""

from __future__ import annotations

import platform
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from itertools import accumulate

from prometheus_client import (
    GC_COLLECTOR,
    PLATFORM_COLLECTOR,
    PROCESS_COLLECTOR,
    CollectorRegistry,
    Gauge,
    Histogram,
    Info,
)
from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector
from twisted.copyright import version as twisted_version
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.python.failure import Failure

from wonderq import __version__
from wonderq.broker import Stats
from wonderq.errors import NotReady, StoreUnavailable
from wonderq.model import Counts, QueueSettings, QueueView

OTHER = "_other"
"""The C{queue} label of all the queues beyond the limit."""

_SYNC_BUCKETS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)
_LAG_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0)
_REQUEST_BUCKETS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 60.0)

_LAG_EVERY = 0.1
"""Seconds between two looks at the lag; of stalls that are shorter, most are missed."""

_END = b"# EOF\n"

_GAUGES: tuple[tuple[str, str, Callable[[QueueView], float]], ...] = (
    ("queue_bytes", "Bytes of bodies, in every state.", lambda view: view.bytes),
    (
        "queue_oldest_message_age_seconds",
        "Seconds since the oldest ready message became ready; 0 when none is.",
        lambda view: view.oldest_age or 0.0,
    ),
    ("waiting_receivers", "Receives that wait for a message.", lambda view: view.waiting),
)
"""What a queue is now, besides its messages by state."""

_TOTALS = {
    "messages_published": "Messages published.",
    "messages_received": "Leases granted.",
    "messages_deleted": "Messages deleted by their consumers.",
    "messages_released": "Leases released by their consumers.",
    "messages_buried": "Messages buried by their consumers.",
    "lease_expiries": "Leases that ended by themselves.",
    "dead_lettered": "Messages that became dead.",
}
"""The counters of L{Stats.totals}, each with what it counts."""


class Metrics:
    """The metrics of one server.

    @param max_queues: queues with series of their own; the rest is summed as C{queue="_other"}.
    @ivar answered: see L{_Requests.answered}.
    """

    def __init__(self, max_queues: int = 1000) -> None:
        self._registry = CollectorRegistry()
        for collector in (PROCESS_COLLECTOR, PLATFORM_COLLECTOR, GC_COLLECTOR):
            self._registry.register(collector)
        self._fsync_seconds = Histogram(
            "wonderq_fsync_seconds", "How long syncs of the store took.", registry=self._registry, buckets=_SYNC_BUCKETS
        )
        self._lag_seconds = Histogram(
            "wonderq_reactor_lag_seconds", "How late the reactor was.", registry=self._registry, buckets=_LAG_BUCKETS
        )
        self._requests = _Requests()
        self._registry.register(self._requests)
        self.answered = self._requests.answered
        self._ready = Gauge("wonderq_ready", "1 when the server is ready.", registry=self._registry)
        Info("wonderq_build", "What is running.", registry=self._registry).info(
            {"version": __version__, "python": platform.python_version(), "twisted": twisted_version}
        )
        self._max_queues = max_queues
        self._stats: Callable[[], Deferred[Stats]] | None = None
        self._is_ready: Callable[[], bool] = lambda: False

    def watch(self, stats: Callable[[], Deferred[Stats]], ready: Callable[[], bool]) -> None:
        """Show from now on what a broker says (see L{wonderq.broker.IBroker.stats}), and whether it is ready."""
        self._stats = stats
        self._is_ready = ready

    def synced(self, seconds: float) -> None:
        """Count one sync of the store."""
        self._fsync_seconds.observe(seconds)

    def lagged(self, seconds: float) -> None:
        """Count how late the reactor was once (see L{ReactorLag})."""
        self._lag_seconds.observe(seconds)

    def render(self, accept: str) -> Deferred[tuple[str, bytes]]:
        """Write everything.

        @param accept: the Accept header of whoever asks; it decides between OpenMetrics and the older text format.
        @return: the content type and the page.  While the broker cannot tell, its queues are left out.
        """
        if self._stats is None:
            raise RuntimeError("Nothing is being watched.")
        return self._stats().addErrback(_nothing).addCallback(self._render, accept)

    def _render(self, stats: Stats | None, accept: str) -> tuple[str, bytes]:
        self._ready.set(self._is_ready())
        try:
            encode, content_type = choose_encoder(accept)
        except (TypeError, ValueError):
            # It stumbles over versions that are none.
            encode, content_type = choose_encoder("")
        page = encode(self._registry)
        if stats is not None:
            modern = content_type.startswith("application/openmetrics-text")
            queues = "".join(_families(stats, self._max_queues, modern)).encode("ascii")
            # OpenMetrics has its own last line.
            page = page.removesuffix(_END) + queues + _END if modern else page + queues
        return content_type, page


class _Tally:
    """The answers with one status to one call.

    @ivar buckets: how many are in each bucket alone.
    @ivar seconds: theirs together.
    """

    __slots__ = ("buckets", "seconds")

    def __init__(self) -> None:
        self.buckets = [0] * (len(_REQUEST_BUCKETS) + 1)
        self.seconds = 0.0


class _Requests(Collector):
    """Counts answers, in plain integers: prometheus_client takes a lock for each of its numbers."""

    def __init__(self) -> None:
        self._tallies: defaultdict[tuple[str, int], _Tally] = defaultdict(_Tally)

    def answered(self, route: str, code: int, seconds: float) -> None:
        """Count one answer.

        @param route: the call, one of a few names.
        @param code: its status; 499 when the client had gone before it.
        """
        tally = self._tallies[route, code]
        tally.buckets[bisect_left(_REQUEST_BUCKETS, seconds)] += 1
        tally.seconds += seconds

    def collect(self) -> Iterator[CounterMetricFamily | HistogramMetricFamily]:
        """See L{Collector}."""
        requests = CounterMetricFamily("wonderq_http_requests", "Requests answered.", labels=["route", "code"])
        by_route: defaultdict[str, list[_Tally]] = defaultdict(list)
        for (route, code), tally in self._tallies.items():
            requests.add_metric([route, str(code)], sum(tally.buckets))
            by_route[route].append(tally)
        yield requests
        times = HistogramMetricFamily(
            "wonderq_http_request_seconds",
            "Seconds from a complete request to its answer; receives that name a wait are the route receive_wait.",
            labels=["route"],
        )
        bounds = [*map(str, _REQUEST_BUCKETS), "+Inf"]
        for route, tallies in by_route.items():
            buckets = map(sum, zip(*(tally.buckets for tally in tallies), strict=True))
            seconds = sum(tally.seconds for tally in tallies)
            times.add_metric([route], list(zip(bounds, accumulate(buckets), strict=True)), seconds)
        yield times


def _families(stats: Stats, max_queues: int, modern: bool) -> Iterator[str]:
    """Write what a broker says of its queues.

    prometheus_client takes 10 µs a sample, so 1,000 queues would stop the reactor for 150 ms; a name that a queue can
    have needs none of the care that this time goes into.

    @param modern: OpenMetrics, which names a counter without its C{_total}.
    """
    named = [view for view in stats.queues if view.name != OTHER]
    # A queue may bear the name of the sum; then it is in the sum.
    views, rest = named[:max_queues], named[max_queues:] + [view for view in stats.queues if view.name == OTHER]
    if rest:
        views.append(_summed(rest))
    for name, help_text, value in _GAUGES:
        yield _title(name, help_text, "gauge")
        yield from (f'wonderq_{name}{{queue="{view.name}"}} {value(view)}\n' for view in views)
    yield _title("queue_messages", "Messages by state.", "gauge")
    for state in Counts.__struct_fields__:
        yield from (
            f'wonderq_queue_messages{{queue="{view.name}",state="{state}"}} {getattr(view.counts, state)}\n'
            for view in views
        )
    for name, help_text in _TOTALS.items():
        by_queue = dict(stats.totals.get(name, {}))
        by_queue[OTHER] = sum([by_queue.get(view.name, 0) for view in rest])
        yield _title(name if modern else f"{name}_total", help_text, "counter")
        yield from (f'wonderq_{name}_total{{queue="{view.name}"}} {by_queue.get(view.name, 0)}\n' for view in views)


def _title(name: str, help_text: str, type_: str) -> str:
    return f"# HELP wonderq_{name} {help_text}\n# TYPE wonderq_{name} {type_}\n"


def _summed(views: Sequence[QueueView]) -> QueueView:
    """Make one queue of many; it is as old as the oldest of them."""
    return QueueView(
        OTHER,
        QueueSettings(),
        Counts(*(sum(getattr(view.counts, state) for view in views) for state in Counts.__struct_fields__)),
        sum(view.bytes for view in views),
        max(view.oldest_age or 0.0 for view in views),
        sum(view.waiting for view in views),
    )


class ReactorLag:
    """Finds out how late the reactor is: a call that should have come every so often tells.

    @param observe: called with the seconds.
    @param every: seconds between two calls.
    """

    def __init__(self, reactor: IReactorTime, observe: Callable[[float], object], every: float = _LAG_EVERY) -> None:
        self._reactor = reactor
        self._observe = observe
        self._every = every
        self._call: IDelayedCall | None = None

    def start(self) -> None:
        """Start to look."""
        self._call = self._reactor.callLater(self._every, self._look, self._reactor.seconds() + self._every)

    def stop(self) -> None:
        """Look no more."""
        if self._call is not None:
            self._call.cancel()
            self._call = None

    def _look(self, due: float) -> None:
        self._observe(self._reactor.seconds() - due)
        self.start()


def _nothing(failure: Failure) -> None:
    failure.trap(NotReady, StoreUnavailable)
