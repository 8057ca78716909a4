"""What do the samples say?  Medians, ratios, a table, JSON."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from statistics import median

from bench.lag import Lag
from bench.rounds import Row, Sample
from bench.scenarios import Remark

__all__ = ["ratio", "remarks", "structure", "summary", "table", "written"]

_COLUMNS = [
    ("row", "---"),
    ("messages/s", "---:"),
    ("lowest to highest", "---:"),
    ("ratio", "---:"),
    ("p50 ms", "---:"),
    ("p99 ms", "---:"),
    ("slowest ms", "---:"),
    ("CPU µs/request", "---:"),
    ("CPU ratio", "---:"),
    ("server CPU", "---:"),
    ("others' CPU", "---:"),
    ("load CPU", "---:"),
    ("reactor lag", "---:"),
]


def summary(samples: Sequence[Sample]) -> dict[str, float | None]:
    """Reduce the samples of a row to the median of each figure; of the slowest and the lag to the worst."""
    names = ("rate", "requests", "p50", "p99", "server_us", "message_us", "server_cpu", "others_cpu", "load_cpu")
    figures: dict[str, float | None] = {name: median(getattr(sample, name) for sample in samples) for name in names}
    figures["lowest"] = min(sample.rate for sample in samples)
    figures["highest"] = max(sample.rate for sample in samples)
    figures["slowest"] = max(sample.slowest for sample in samples)
    figures["lost"] = sum(sample.lost for sample in samples)
    lags = [sample.lag for sample in samples if sample.lag is not None]
    figures["lag"] = Lag.total(lags).worst if lags else None
    figures["lag_count"] = Lag.total(lags).count if lags else None
    return figures


def ratio(samples: Sequence[Sample], base: Sequence[Sample], figure: str = "rate") -> float:
    """Compare two rows: the median of their ratios within each round."""
    pairs = zip(samples, base, strict=True)
    return median(_over(getattr(one, figure), getattr(other, figure)) for one, other in pairs)


def _over(one: float, other: float) -> float:
    """Divide; processor time comes in ticks, and in a short run may be none."""
    return one / other if other else math.inf


def table(measured: Mapping[Row, Sequence[Sample]], titles: Mapping[str, str], base: Row | None) -> str:
    """Write a Markdown table.

    @param titles: what each server is called.
    @param base: the row that the others are compared with, if any.
    """
    lines = ["| " + " | ".join(name for name, _ in _COLUMNS) + " |", "|" + "|".join(line for _, line in _COLUMNS) + "|"]
    for row, samples in measured.items():
        against = "", ""
        if base is not None:
            against = (
                f"{ratio(samples, measured[base]):.2f}",
                f"{ratio(measured[base], samples, 'message_us'):.2f}",
            )
        lines.append("| " + " | ".join(_cells(_name(row, titles), samples, against)) + " |")
    return "\n".join(lines) + "\n"


def remarks(measured: Mapping[Row, Sequence[Sample]], wanted: Sequence[Remark], titles: Mapping[str, str]) -> list[str]:
    """Write what is worth a line of its own, one sentence each."""
    names = {"rate": "messages/s"}
    lines = []
    for remark in wanted:
        times = ratio(measured[remark.row], measured[remark.base], remark.figure)
        figure = names.get(remark.figure, remark.figure)
        lines.append(f"{_name(remark.row, titles)}: {times:.2f} times the {figure} of {_name(remark.base, titles)}")
    return lines


def _name(row: Row, titles: Mapping[str, str]) -> str:
    return f"{row.script}: {titles[row.server]}{', in a crowd' if row.crowd else ''}"


def _cells(name: str, samples: Sequence[Sample], against: tuple[str, str]) -> list[str]:
    figures = {name: value if value is not None else math.nan for name, value in summary(samples).items()}
    return [
        name,
        f"{figures['rate']:,.0f}",
        f"{figures['lowest']:,.0f} to {figures['highest']:,.0f}",
        against[0],
        f"{figures['p50']:.2f}",
        f"{figures['p99']:.2f}",
        f"{figures['slowest']:.0f}",
        f"{figures['server_us']:.0f}",
        against[1],
        f"{figures['server_cpu']:.0%}",
        f"{figures['others_cpu']:.0%}",
        f"{figures['load_cpu']:.0%}",
        "" if math.isnan(figures["lag"]) else f"≤ {figures['lag'] * 1e3:.0f} ms of {figures['lag_count']:.0f}",
    ]


def structure(measured: Mapping[Row, Sequence[Sample]], base: Row | None) -> list[dict[str, object]]:
    """Return what JSON can hold of each row: its summary, its ratio, and every sample."""
    return [
        {
            **asdict(row),
            "median": summary(samples),
            "ratio": ratio(samples, measured[base]) if base is not None else None,
            "cpu_ratio": ratio(measured[base], samples, "message_us") if base is not None else None,
            "samples": [_sample(sample) for sample in samples],
        }
        for row, samples in measured.items()
    ]


def _sample(sample: Sample) -> dict[str, object]:
    lag = sample.lag
    return {**asdict(sample), "lag": None if lag is None else {"worst": lag.worst, "count": lag.count}}


def written(result: Mapping[str, object]) -> str:
    """Write a result as JSON."""
    return json.dumps(result, indent=1) + "\n"
