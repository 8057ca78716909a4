"""What a report says of samples."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from bench.lag import Lag
from bench.report import disturbance, ratio, remarks, structure, summary, table, written
from bench.rounds import Row, Sample
from bench.scenarios import SCENARIOS, Remark

SAMPLE = Sample(
    rate=100.0,
    requests=300.0,
    p50=1.0,
    p99=2.0,
    slowest=9.0,
    server_us=50.0,
    message_us=150.0,
    server_cpu=0.9,
    load_cpu=0.2,
    others_cpu=0.05,
)
EXPRESS, OURS = Row("express", "lifecycle"), Row("memory", "lifecycle")
TITLES = {"express": "Express", "memory": "WonderQ"}


def at_rates(*rates: float) -> list[Sample]:
    """Samples that differ in their rates."""
    return [replace(SAMPLE, rate=rate) for rate in rates]


def test_a_row_is_the_median_of_its_rounds_with_its_extremes() -> None:
    figures = summary(at_rates(300, 100, 120, 110, 90))
    assert (figures["rate"], figures["lowest"], figures["highest"]) == (110, 90, 300)


def test_the_slowest_answer_and_the_lag_are_the_worst_of_all_rounds() -> None:
    calm, late = Lag(((0.01, 2), (0.1, 2))), Lag(((0.01, 1), (0.1, 2)))
    figures = summary([replace(SAMPLE, lag=calm), replace(SAMPLE, slowest=70.0, lag=late)])
    assert (figures["slowest"], figures["lag"], figures["lag_count"]) == (70.0, 0.1, 4)
    assert summary([SAMPLE])["lag"] is None


def test_a_ratio_is_taken_within_each_round_so_drift_does_not_count() -> None:
    ours, base = at_rates(500, 50, 400), at_rates(100, 10, 100)
    assert ratio(ours, base) == 5.0


def test_processor_time_that_no_tick_was_counted_for_breaks_nothing() -> None:
    assert ratio([SAMPLE], [replace(SAMPLE, message_us=0.0)], "message_us") == float("inf")


def test_the_table_has_a_line_for_each_row_and_compares_with_the_base() -> None:
    cheap = [replace(sample, message_us=30.0) for sample in at_rates(400, 450, 500)]
    lines = table({EXPRESS: at_rates(100, 100, 100), OURS: cheap}, TITLES, EXPRESS).splitlines()
    head = [cell.strip() for cell in lines[0].split("|")]
    ours = dict(zip(head, [cell.strip() for cell in lines[3].split("|")], strict=True))
    assert ours["row"] == "lifecycle: WonderQ"
    assert (ours["messages/s"], ours["lowest to highest"], ours["ratio"]) == ("450", "400 to 500", "4.50")
    assert (ours["CPU ratio"], ours["load CPU"], ours["others' CPU"]) == ("5.00", "20%", "5%")
    assert len(lines) == 4
    assert {line.count("|") for line in lines} == {len(head) - 1}


def test_a_column_that_would_be_empty_is_left_out() -> None:
    assert "ratio" not in table({OURS: at_rates(1)}, TITLES, None)
    assert "reactor lag" not in table({OURS: at_rates(1)}, TITLES, None)


def test_a_crowd_says_how_many_of_it_were_lost() -> None:
    crowd = Row("memory", "lifecycle", crowd=True)
    lines = table(
        {OURS: [SAMPLE], crowd: [replace(SAMPLE, lost=3), replace(SAMPLE, lost=4)]}, TITLES, None
    ).splitlines()
    at = lines[0].split(" | ").index("lost of the crowd |")
    assert [line.split(" | ")[at].strip(" |") for line in lines[2:]] == ["", "7"]


def test_a_remark_says_what_is_how_many_times_what() -> None:
    crowd = Row("memory", "lifecycle", crowd=True)
    measured = {OURS: [SAMPLE], crowd: [replace(SAMPLE, p99=3.0)]}
    assert remarks(measured, [Remark(crowd, OURS, "p99")], TITLES) == [
        "lifecycle: WonderQ, in a crowd: 1.50 times the p99 of lifecycle: WonderQ"
    ]


def test_a_table_from_a_busy_machine_says_so() -> None:
    calm, busy = replace(SAMPLE, others_cpu=0.02), replace(SAMPLE, others_cpu=0.7)
    assert disturbance({OURS: [calm, calm, busy]}) == ""
    assert "70%" in disturbance({OURS: [busy, busy, calm]})


def test_what_is_written_can_be_read_again() -> None:
    measured = {EXPRESS: at_rates(100), OURS: [replace(SAMPLE, rate=450.0, lag=Lag(((0.01, 2), (0.1, 2))))]}
    rows = json.loads(written({"rows": structure(measured, EXPRESS)}))["rows"]
    assert [row["server"] for row in rows] == ["express", "memory"]
    assert rows[1]["ratio"] == 4.5
    assert rows[1]["samples"][0]["lag"] == {"worst": 0.01, "count": 2}


def test_a_lag_beyond_the_last_bound_is_called_that_and_is_null_in_json() -> None:
    stuck = {OURS: [replace(SAMPLE, lag=Lag(((0.1, 1), (float("inf"), 2))))]}
    assert "beyond all bounds of 2" in table(stuck, TITLES, None)
    (row,) = json.loads(written({"rows": structure(stuck, None)}), parse_constant=pytest.fail)["rows"]
    assert row["median"]["lag"] is None
    assert row["median"]["lag_count"] == 2


def test_every_scenario_that_has_express_once_compares_with_it() -> None:
    servers = ["constant", "express", "memory", "fsync@elsewhere"]
    bases = {name: one.base(one.rows(servers)) for name, one in SCENARIOS.items()}
    assert bases == {
        "publish": Row("express", "publish"),
        "lifecycle": Row("express", "lifecycle"),
        "batches": Row("express", "lifecycle"),
        "idle": None,
        "stalls": None,
    }


def test_every_remark_is_about_rows_that_are_measured() -> None:
    for scenario in SCENARIOS.values():
        rows = scenario.rows(["constant", "express", "memory", "fsync"])
        assert {row for remark in scenario.remarks(rows) for row in (remark.row, remark.base)} <= set(rows)
