"""How samples come about: in turns, and by arithmetic that can be checked by hand."""

from __future__ import annotations

import pytest

from bench.lag import Lag
from bench.load import Figures, Usage
from bench.rounds import Row, Sample, calmest, order, percentile, sample_of
from bench.scripts import SCRIPTS

PAGE = """# HELP wonderq_reactor_lag_seconds How late the reactor was.
# TYPE wonderq_reactor_lag_seconds histogram
wonderq_reactor_lag_seconds_bucket{le="0.001"} 1.0
wonderq_reactor_lag_seconds_bucket{le="0.05"} 4.0
wonderq_reactor_lag_seconds_bucket{le="1.0"} 5.0
wonderq_reactor_lag_seconds_bucket{le="+Inf"} 5.0
wonderq_reactor_lag_seconds_count 5.0
"""


def test_each_round_begins_with_another_row() -> None:
    rows = [Row(server, "publish") for server in ("a", "b", "c")]
    firsts = [order(rows, number)[0] for number in range(4)]
    assert firsts == [*rows, rows[0]]
    assert all(sorted(order(rows, number), key=rows.index) == rows for number in range(4))


@pytest.mark.parametrize(("percent", "expected"), [(50, 50), (99, 99), (100, 100), (0.1, 1)])
def test_a_percentile_is_the_value_at_the_nearest_rank(percent: float, expected: int) -> None:
    assert percentile(range(1, 101), percent) == expected


def test_a_percentile_of_few_values_is_one_of_them() -> None:
    assert percentile([7.0], 99) == 7.0
    assert percentile([1.0, 2.0, 3.0], 50) == 2.0
    assert percentile([1.0, 2.0, 3.0], 99) == 3.0


def test_a_sample_counts_messages_not_calls() -> None:
    figures = Figures(600, 2.0, Usage(1.5, 1.75), 0.25, [0.001] * 590 + [0.002] * 10)
    sample = sample_of(figures, SCRIPTS["batch-100"], None, 3)
    assert (sample.rate, sample.requests) == (10_000, 300)
    assert (sample.server_us, sample.message_us) == (2500, 75)
    assert (sample.server_cpu, sample.others_cpu, sample.load_cpu) == (0.75, 0.125, 0.125)
    assert (sample.p50, sample.p99, sample.slowest, sample.lost) == (1.0, 2.0, 2.0, 3)


def disturbed_by(*shares: float) -> list[Sample]:
    """Samples during which other work took these shares."""
    figures = [Figures(100, 1.0, Usage(0.1, 0.1 + share), 0.1, [share + 0.001] * 100) for share in shares]
    return [sample_of(one, SCRIPTS["publish"], None, 0) for one in figures]


@pytest.mark.parametrize(
    ("shares", "taken"),
    [([0.01, 0.0], 1), ([0.5, 0.01, 0.0], 2), ([0.5, 0.2, 0.3, 0.0], 3)],
)
def test_the_calmest_of_a_few_attempts_counts(shares: list[float], taken: int) -> None:
    samples = disturbed_by(*shares)
    left = iter(samples)
    assert calmest(lambda: next(left), 3) == min(samples[:taken], key=lambda sample: sample.others_cpu)
    assert next(left) == samples[taken]


def test_the_lag_of_a_time_is_what_was_observed_in_it() -> None:
    later = PAGE.replace("4.0", "6.0").replace("5.0", "7.0")
    lag = Lag.read(later).since(Lag.read(PAGE))
    assert (lag.count, lag.worst) == (2, 0.05)


def test_the_worst_lag_is_the_first_bound_that_holds_for_all() -> None:
    assert (Lag.read(PAGE).count, Lag.read(PAGE).worst) == (5, 1.0)
    assert Lag.read(PAGE).since(Lag.read(PAGE)).worst == 0.0
    assert Lag.total([Lag.read(PAGE), Lag.read(PAGE)]).count == 10
    assert (Lag.read("").count, Lag.read("").worst) == (0, 0.0)
