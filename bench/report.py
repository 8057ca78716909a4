"""What do the samples say?  Medians, ratios, a table, JSON."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from statistics import median

from bench.lag import Lag
from bench.rounds import DISTURBED, Row, Sample
from bench.scenarios import Remark

__all__ = ["disturbance", "ratio", "remarks", "structure", "summary", "table", "written"]


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
    """Write a Markdown table, without the columns that would be empty.

    @param titles: what each server is called.
    @param base: the row that the others are compared with, if any.
    """
    lines = [
        _cells(_name(row, titles), samples, row.crowd, measured[base] if base is not None else None)
        for row, samples in measured.items()
    ]
    kept = [name for name in lines[0] if any(line[name] for line in lines)]
    head = [kept, ["---", *["---:"] * (len(kept) - 1)]]
    cells = [*head, *([line[name] for name in kept] for line in lines)]
    return "".join(f"| {' | '.join(line)} |\n" for line in cells)


def remarks(measured: Mapping[Row, Sequence[Sample]], wanted: Sequence[Remark], titles: Mapping[str, str]) -> list[str]:
    """Write what is worth a line of its own, one sentence each."""
    names = {"rate": "messages/s"}
    lines = []
    for remark in wanted:
        times = ratio(measured[remark.row], measured[remark.base], remark.figure)
        figure = names.get(remark.figure, remark.figure)
        lines.append(f"{_name(remark.row, titles)}: {times:.2f} times the {figure} of {_name(remark.base, titles)}")
    return lines


def disturbance(measured: Mapping[Row, Sequence[Sample]]) -> str:
    """Write what speaks against a table; empty if nothing does."""
    others = median(sample.others_cpu for samples in measured.values() for sample in samples)
    if others <= DISTURBED:
        return ""
    return (
        f"Other work took {others:.0%} of the servers' processor: messages/s, their ratio and milliseconds say little, "
        "and the CPU ratio is rough."
    )


def _name(row: Row, titles: Mapping[str, str]) -> str:
    return f"{row.script}: {titles[row.server]}{', in a crowd' if row.crowd else ''}"


def _cells(name: str, samples: Sequence[Sample], crowd: bool, base: Sequence[Sample] | None) -> dict[str, str]:
    """Write one line of a table, by its columns."""
    figures = {name: value if value is not None else math.nan for name, value in summary(samples).items()}
    return {
        "row": name,
        "messages/s": f"{figures['rate']:,.0f}",
        "lowest to highest": f"{figures['lowest']:,.0f} to {figures['highest']:,.0f}",
        "ratio": "" if base is None else f"{ratio(samples, base):.2f}",
        "p50 ms": f"{figures['p50']:.2f}",
        "p99 ms": f"{figures['p99']:.2f}",
        "slowest ms": f"{figures['slowest']:.0f}",
        "CPU µs/request": f"{figures['server_us']:.0f}",
        "CPU ratio": "" if base is None else f"{ratio(base, samples, 'message_us'):.2f}",
        "server CPU": f"{figures['server_cpu']:.0%}",
        "others' CPU": f"{figures['others_cpu']:.0%}",
        "load CPU": f"{figures['load_cpu']:.0%}",
        "lost of the crowd": f"{figures['lost']:.0f}" if crowd else "",
        "reactor lag": _lag(figures["lag"], figures["lag_count"]),
    }


def _lag(worst: float, count: float) -> str:
    if math.isnan(worst):
        return ""
    bound = f"≤ {worst * 1e3:.0f} ms" if worst < math.inf else "beyond all bounds"
    return f"{bound} of {count:.0f}"


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
    """Write a result as JSON; what is infinite is null there."""
    return json.dumps(_finite(result), indent=1) + "\n"


def _finite(value: object) -> object:
    if isinstance(value, Mapping):
        return {name: _finite(part) for name, part in value.items()}
    if isinstance(value, list):
        return [_finite(part) for part in value]
    return None if value == math.inf else value
