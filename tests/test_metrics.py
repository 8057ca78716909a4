"""What Prometheus sees."""

from __future__ import annotations

import sys
from pathlib import Path

from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics_families
from prometheus_client.parser import text_string_to_metric_families
from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from tests.http.harness import Server
from wonderq import __version__
from wonderq.broker import Stats
from wonderq.errors import NotReady
from wonderq.metrics import OTHER, Metrics, ReactorLag
from wonderq.model import Counts, QueueSettings, QueueView

Samples = dict[tuple[str, tuple[tuple[str, str], ...]], float]


def samples(page: bytes) -> Samples:
    """Read a page as Prometheus does: every sample by its name and labels."""
    found: Samples = {}
    for family in text_string_to_metric_families(page.decode()):
        for sample in family.samples:
            key = sample.name, tuple(sorted(sample.labels.items()))
            assert key not in found, f"twice: {key}"
            found[key] = sample.value
    return found


def key(name: str, **labels: str) -> tuple[str, tuple[tuple[str, str], ...]]:
    """Make the key of a sample; the prefix is added."""
    return f"wonderq_{name}", tuple(sorted(labels.items()))


class PageTests(SynchronousTestCase):
    """The page as a whole server shows it."""

    def setUp(self) -> None:
        self.server = Server(self)

    def scrape(self) -> Samples:
        reply = self.server.request("GET", "/metrics")
        self.assertEqual(reply.status, 200)
        return samples(reply.body)

    def test_queues_show_what_they_hold(self) -> None:
        self.server.request("PUT", "/v1/queues/jobs")
        for body in (b"1", b"22", b"333", b"4444"):
            self.server.publish(body, queue="jobs")
        self.server.publish(b"55555", queue="jobs", delay=60)
        self.server.receive(1, queue="jobs", limit=1)
        self.server.receive(2, queue="jobs", limit=1)
        self.server.patch(cid=2, id=2, bury="true")
        self.server.clock.advance(3)
        self.server.connect().request("POST", "/v1/consumer?cid=1&wait=9")
        page = self.scrape()
        for state, count in (("ready", 2), ("leased", 1), ("dead", 1), ("delayed", 1)):
            self.assertEqual(page[key("queue_messages", queue="jobs", state=state)], count)
            self.assertEqual(page[key("queue_messages", queue="default", state=state)], 0)
        self.assertEqual(page[key("queue_bytes", queue="jobs")], 15)
        self.assertEqual(page[key("queue_oldest_message_age_seconds", queue="jobs")], 3)
        self.assertEqual(page[key("queue_oldest_message_age_seconds", queue="default")], 0)
        self.assertEqual(page[key("waiting_receivers", queue="default")], 1)
        self.assertEqual(page[key("waiting_receivers", queue="jobs")], 0)

    def test_totals_count_what_happened(self) -> None:
        self.server.request("PUT", "/v1/queues/jobs")
        for _ in range(4):
            self.server.publish(queue="jobs")
        self.server.receive(queue="jobs", lease=1)
        self.server.delete(cid=1, id=1)
        self.server.patch(cid=1, id=2, delay=60)
        self.server.patch(cid=1, id=3, bury="true")
        self.server.clock.advance(1)
        page = self.scrape()
        for name, count in (
            ("messages_published_total", 4),
            ("messages_received_total", 4),
            ("messages_deleted_total", 1),
            ("messages_released_total", 1),
            ("messages_buried_total", 1),
            ("lease_expiries_total", 1),
            ("dead_lettered_total", 1),
        ):
            self.assertEqual(page[key(name, queue="jobs")], count, name)
            # A queue starts with zeros, so that its first event is an increase.
            self.assertEqual(page[key(name, queue="default")], 0, name)

    def test_a_deleted_queue_is_shown_no_more(self) -> None:
        self.server.request("PUT", "/v1/queues/jobs")
        self.server.publish(queue="jobs")
        self.server.request("DELETE", "/v1/queues/jobs")
        self.assertEqual([one for one in self.scrape() if ("queue", "jobs") in one[1]], [])

    def test_requests_are_counted_by_route_and_code(self) -> None:
        self.server.publish()
        self.server.publish()
        self.server.request("POST", "/v1/publish?queue=nope", b"x")
        self.server.request("GET", "/nothing")
        self.server.request("GET", "/v1/queues/%00")
        page = self.scrape()
        self.assertEqual(page[key("http_requests_total", route="publish", code="201")], 2)
        self.assertEqual(page[key("http_requests_total", route="publish", code="404")], 1)
        self.assertEqual(page[key("http_requests_total", route="none", code="404")], 1)
        self.assertEqual(page[key("http_requests_total", route="none", code="400")], 1)
        self.assertEqual(page[key("http_request_seconds_count", route="publish")], 3)

    def test_receives_that_wait_are_a_route_of_their_own(self) -> None:
        self.server.receive()
        waiting = self.server.connect()
        waiting.request("POST", "/v1/consumer?cid=1&wait=60")
        self.server.clock.advance(7)
        self.server.publish()
        page = self.scrape()
        self.assertEqual(page[key("http_request_seconds_sum", route="receive")], 0)
        self.assertEqual(page[key("http_request_seconds_sum", route="receive_wait")], 7)

    def test_a_client_that_has_gone_is_counted_as_that(self) -> None:
        waiting = self.server.connect()
        waiting.request("POST", "/v1/consumer?cid=1&wait=60")
        waiting.hang_up()
        self.assertEqual(self.scrape()[key("http_requests_total", route="receive_wait", code="499")], 1)

    def test_it_says_what_runs_and_whether_it_is_ready(self) -> None:
        page = self.scrape()
        self.assertEqual(page[key("ready")], 1)
        (build,) = [dict(labels) for name, labels in page if name == "wonderq_build_info"]
        self.assertEqual(build["version"], __version__)
        self.assertIn("twisted", build)
        self.assertEqual(build["python"], ".".join(map(str, sys.version_info[:3])))

    def test_it_answers_while_the_broker_cannot(self) -> None:
        self.server = Server(self, start=False)
        page = self.scrape()
        self.assertEqual(page[key("ready")], 0)
        self.assertEqual([one for one in page if one[0].startswith("wonderq_queue")], [])

    def test_process_platform_and_garbage_collector_are_on_it(self) -> None:
        names = {name for name, _ in self.scrape()}
        expected = {"python_info", "python_gc_collections_total"}
        if Path("/proc/self/stat").exists():
            expected |= {"process_resident_memory_bytes", "process_open_fds"}
        self.assertEqual(expected - names, set())

    def test_it_comes_in_the_format_that_is_accepted(self) -> None:
        plain = self.server.request("GET", "/metrics")
        self.assertEqual(plain.headers["content-type"], "text/plain; version=0.0.4; charset=utf-8")
        accept = {"Accept": "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5"}
        modern = self.server.request("GET", "/metrics", b"", accept)
        self.assertTrue(modern.headers["content-type"].startswith("application/openmetrics-text; version=1.0.0"))
        families = {family.name for family in openmetrics_families(modern.body.decode())}  # type: ignore[no-untyped-call]
        self.assertIn("wonderq_queue_messages", families)
        for odd in ("\xe9;;,==", "application/openmetrics-text;version=abc", "text/plain;version=1..0"):
            self.assertEqual(self.server.request("GET", "/metrics", b"", {"Accept": odd}).status, 200)


class QueuesTests(SynchronousTestCase):
    """Many queues."""

    def render(self, metrics: Metrics) -> Samples:
        return samples(self.successResultOf(metrics.render(""))[1])

    def test_queues_beyond_the_limit_are_summed(self) -> None:
        views = tuple(
            QueueView(f"q{number}", QueueSettings(), Counts(ready=number, dead=1), 10 * number, float(number), 1)
            for number in range(5)
        )
        totals = {"messages_published": {f"q{number}": 100 + number for number in range(5)}}
        metrics = Metrics(max_queues=2)
        metrics.watch(lambda: succeed(Stats(views, totals, 0)), lambda: True)
        page = self.render(metrics)
        self.assertEqual(
            {dict(labels)["queue"] for name, labels in page if name == "wonderq_queue_bytes"}, {"q0", "q1", OTHER}
        )
        self.assertEqual(page[key("queue_messages", queue=OTHER, state="ready")], 2 + 3 + 4)
        self.assertEqual(page[key("queue_messages", queue=OTHER, state="dead")], 3)
        self.assertEqual(page[key("queue_bytes", queue=OTHER)], 90)
        self.assertEqual(page[key("queue_oldest_message_age_seconds", queue=OTHER)], 4)
        self.assertEqual(page[key("waiting_receivers", queue=OTHER)], 3)
        self.assertEqual(page[key("messages_published_total", queue=OTHER)], 102 + 103 + 104)
        self.assertEqual(page[key("messages_published_total", queue="q1")], 101)

    def test_a_queue_that_bears_the_name_of_the_sum_is_in_it(self) -> None:
        views = tuple(QueueView(name, QueueSettings(), Counts(ready=1), 5, 2.0, 0) for name in (OTHER, "a", "b"))
        totals = {"messages_published": {OTHER: 10, "a": 20, "b": 40}}
        for max_queues, size, published in ((1000, 5, 10), (1, 10, 50)):
            metrics = Metrics(max_queues)
            metrics.watch(lambda: succeed(Stats(views, totals, 0)), lambda: True)
            page = self.render(metrics)
            self.assertEqual(page[key("queue_bytes", queue=OTHER)], size)
            self.assertEqual(page[key("messages_published_total", queue=OTHER)], published)
            self.assertEqual(page[key("messages_published_total", queue="a")], 20)

    def test_what_nobody_foresaw_is_not_hidden(self) -> None:
        metrics = Metrics()
        metrics.watch(lambda: fail(ZeroDivisionError()), lambda: True)
        self.failureResultOf(metrics.render(""), ZeroDivisionError)

    def test_a_broker_that_is_not_ready_is_left_out(self) -> None:
        metrics = Metrics()
        metrics.watch(unready, lambda: False)
        self.assertEqual(self.render(metrics)[key("ready")], 0)

    def test_many_servers_keep_their_metrics_apart(self) -> None:
        one, other = Metrics(), Metrics()
        one.synced(1.0)
        for metrics, count in ((one, 1), (other, 0)):
            metrics.watch(unready, lambda: True)
            self.assertEqual(self.render(metrics)[key("fsync_seconds_count")], count)

    def test_syncs_and_lags_are_counted(self) -> None:
        metrics = Metrics()
        metrics.watch(unready, lambda: True)
        metrics.synced(0.004)
        metrics.lagged(0.3)
        page = self.render(metrics)
        self.assertEqual(page[key("fsync_seconds_sum")], 0.004)
        self.assertEqual(page[key("fsync_seconds_bucket", le="0.0025")], 0)
        self.assertEqual(page[key("fsync_seconds_bucket", le="0.005")], 1)
        self.assertEqual(page[key("reactor_lag_seconds_sum")], 0.3)


def unready() -> Deferred[Stats]:
    """Answer as a broker that recovers."""
    return fail(NotReady())


class LagTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.lags: list[float] = []
        self.lag = ReactorLag(self.clock, self.lags.append, every=0.5)
        self.lag.start()

    def test_a_reactor_in_time_has_no_lag(self) -> None:
        self.clock.pump([0.5, 0.5, 0.5])
        self.assertEqual(self.lags, [0.0, 0.0, 0.0])

    def test_a_reactor_that_was_blocked_has_one_and_then_has_none(self) -> None:
        self.clock.pump([0.75, 0.5])
        self.assertEqual(self.lags, [0.25, 0.0])

    def test_it_looks_ten_times_a_second(self) -> None:
        lags: list[float] = []
        lag = ReactorLag(self.clock, lags.append)
        lag.start()
        self.clock.pump([0.125] * 8)
        lag.stop()
        self.assertEqual([round(late, 6) for late in lags], [0.025] * 8)

    def test_it_stops(self) -> None:
        self.lag.stop()
        self.lag.stop()
        self.assertEqual(self.clock.getDelayedCalls(), [])
