"""What can be measured, with which rows, and what is compared?"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from bench.peers import KINDS
from bench.rounds import Row
from bench.scripts import SCRIPTS

__all__ = ["SCENARIOS", "Remark", "Scenario", "kind_of"]


@dataclass(frozen=True)
class Remark:
    """A comparison worth a line of its own.

    @ivar figure: the one of a sample that is compared.
    """

    row: Row
    base: Row
    figure: str = "rate"


@dataclass(frozen=True)
class Scenario:
    """One table.

    @ivar name: what it is called on the command line.
    @ivar asks: the question it answers.
    @ivar rows: makes its rows from the keys of the servers.
    @ivar remarks: makes its remarks from its rows.
    """

    name: str
    asks: str
    rows: Callable[[Sequence[str]], list[Row]]
    remarks: Callable[[Sequence[Row]], list[Remark]] = lambda rows: []

    def base(self, rows: Sequence[Row]) -> Row | None:
        """Return the row that the others are compared with: that of Express, if it is there once."""
        found = [row for row in rows if kind_of(row.server) == "express"]
        return found[0] if len(found) == 1 else None


def kind_of(server: str) -> str:
    """Return the name of the kind of a server, from its key: C{KIND} or C{KIND@TREE}."""
    return server.partition("@")[0]


def _ours(servers: Sequence[str]) -> list[str]:
    return [server for server in servers if KINDS[kind_of(server)].wonderq]


def _each(script: str) -> Callable[[Sequence[str]], list[Row]]:
    return lambda servers: [Row(server, script) for server in servers]


def _batches(servers: Sequence[str]) -> list[Row]:
    sizes = [name for name in SCRIPTS if name.startswith("batch-")]
    express = [Row(server, "lifecycle") for server in servers if kind_of(server) == "express"]
    return express + [Row(server, script) for server in _ours(servers) for script in ["lifecycle", *sizes]]


def _idle(servers: Sequence[str]) -> list[Row]:
    real = [server for server in servers if kind_of(server) != "constant"]
    return [Row(server, "lifecycle", crowd) for server in real for crowd in (False, True)]


def _stalls(servers: Sequence[str]) -> list[Row]:
    return [Row(server, script) for server in _ours(servers) for script in ("publish", "lifecycle", "batch-1000")]


def _against_single_calls(rows: Sequence[Row]) -> list[Remark]:
    return [Remark(row, Row(row.server, "lifecycle")) for row in rows if row.script != "lifecycle"]


def _against_alone(rows: Sequence[Row]) -> list[Remark]:
    return [
        Remark(row, Row(row.server, row.script), figure)
        for row in rows
        if row.crowd
        for figure in ("p50", "p99", "rate")
    ]


SCENARIOS = {
    scenario.name: scenario
    for scenario in [
        Scenario("publish", "How many messages are published, each with a call?", _each("publish")),
        Scenario("lifecycle", "How many are published, received and deleted, one with each call?", _each("lifecycle")),
        Scenario("batches", "And 1, 10, 100, 1000 with each call?", _batches, _against_single_calls),
        Scenario("idle", "Do thousands of connections that do next to nothing slow the others?", _idle, _against_alone),
        Scenario("stalls", "For how long does the server attend to nobody?", _stalls),
    ]
}
"""Every scenario, by its name."""
