"""In which order is what measured?  Round by round, each row once a round, each round beginning with another row.

What drifts on a machine then drifts for all rows alike, and the ratio of two rows is taken within each round.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from functools import partial

from bench.lag import Lag
from bench.load import Figures, Load, LoadFailed
from bench.peers import Peer, get
from bench.scripts import SCRIPTS, Script

__all__ = ["DISTURBED", "Plan", "Row", "Sample", "alternate", "calmest", "order", "percentile"]

DISTURBED = 0.05
"""The share of the servers' processor that other work may take before a figure is not to be trusted: as much as rounds
differ on a machine that does nothing else."""


@dataclass(frozen=True)
class Row:
    """One line of a table: a script against a server, maybe in a crowd.

    @ivar server: the key of a running server.
    @ivar script: the name of a script.
    @ivar crowd: whether idle and trickling connections stand by.
    """

    server: str
    script: str
    crowd: bool = False


@dataclass(frozen=True)
class Plan:
    """How long, how often, with how many.

    @ivar rounds: how often each row is measured.
    @ivar seconds: how long each time.
    @ivar warm_up: seconds of load before that.
    @ivar connections: clients that ask at the same time.
    @ivar size: bytes of a message.
    @ivar attempts: how often at most a row is measured in a round, if other work disturbs it; the calmest counts.
    @ivar idle: connections of a crowd that do nothing.
    @ivar trickling: connections of a crowd that send a byte a second.
    """

    rounds: int = 5
    seconds: float = 2.0
    warm_up: float = 0.5
    connections: int = 32
    size: int = 200
    attempts: int = 1
    idle: int = 5000
    trickling: int = 500


@dataclass(frozen=True)
class Sample:
    """What was measured once.

    @ivar rate: messages that went all the way, each second.
    @ivar requests: requests answered, each second.
    @ivar p50: half of the answers took at most so many milliseconds.
    @ivar p99: 99 of 100 answers did.
    @ivar slowest: milliseconds that the slowest answer took.
    @ivar server_us: microseconds of processor time that the server took for a request.
    @ivar message_us: microseconds of processor time that the server took for a message, all its requests together.
    @ivar server_cpu: how much of a processor the server took, 0 to 1.
    @ivar load_cpu: how much of a processor the load took, 0 to 1.
    @ivar others_cpu: how much of the server's processor something else took, 0 to 1.
    @ivar lag: how late the server's reactor was; none where it does not say.
    @ivar lost: how many of a crowd the server closed.
    """

    rate: float
    requests: float
    p50: float
    p99: float
    slowest: float
    server_us: float
    message_us: float
    server_cpu: float
    load_cpu: float
    others_cpu: float
    lag: Lag | None = None
    lost: int = 0


def order(rows: Sequence[Row], number: int) -> list[Row]:
    """Return the rows as they come in a round."""
    start = number % len(rows)
    return [*rows[start:], *rows[:start]]


def alternate(
    rows: Sequence[Row], peers: Mapping[str, Peer], plan: Plan, progress: Callable[[str], object]
) -> dict[Row, list[Sample]]:
    """Measure every row once a round.

    @param peers: the servers, running.
    @param progress: told one line about each measurement.
    @return: the samples of each row, in the order of the rounds.
    @raise LoadFailed: a server did not go along.
    """
    samples: dict[Row, list[Sample]] = {row: [] for row in rows}
    for number in range(plan.rounds):
        for row in order(rows, number):
            sample = calmest(partial(measure, row, peers[row.server], plan), plan.attempts)
            samples[row].append(sample)
            crowd = " in a crowd" if row.crowd else ""
            progress(f"round {number + 1}/{plan.rounds}  {row.script}{crowd}  {row.server}  {sample.rate:,.0f}/s")
    return samples


def calmest(take: Callable[[], Sample], attempts: int) -> Sample:
    """Take samples until one is not disturbed by other work, at most so many.

    @return: the least disturbed, whatever its figures.
    """
    best = take()
    for _ in range(attempts - 1):
        if best.others_cpu <= DISTURBED:
            break
        best = min(best, take(), key=lambda sample: sample.others_cpu)
    return best


def measure(row: Row, peer: Peer, plan: Plan) -> Sample:
    """Measure a row once."""
    script = SCRIPTS[row.script]
    conversations = [script.start(number, plan.size) for number in range(plan.connections)]
    crowd: AbstractContextManager[list[int]] = crowded(peer.port, plan) if row.crowd else nullcontext([])
    with crowd as lost:
        before = lag_of(peer)
        figures = Load(peer.port, conversations, peer.usage).run(plan.warm_up, plan.seconds)
        after = lag_of(peer)
    lag = after.since(before) if after is not None and before is not None else None
    return sample_of(figures, script, lag, sum(lost))


def sample_of(figures: Figures, script: Script, lag: Lag | None, lost: int) -> Sample:
    """Put into relation what was counted."""
    requests = figures.answers / figures.seconds
    server_us = figures.server.taken / figures.answers * 1e6
    return Sample(
        rate=requests / script.calls * script.messages,
        requests=requests,
        p50=percentile(figures.latencies, 50) * 1e3,
        p99=percentile(figures.latencies, 99) * 1e3,
        slowest=figures.latencies[-1] * 1e3,
        server_us=server_us,
        message_us=server_us * script.calls / script.messages,
        server_cpu=figures.server.taken / figures.seconds,
        load_cpu=figures.load_cpu / figures.seconds,
        others_cpu=max(0.0, figures.server.core - figures.server.taken) / figures.seconds,
        lag=lag,
        lost=lost,
    )


def percentile(ordered: Sequence[float], percent: float) -> float:
    """Return the smallest value that so many percent of all do not exceed (the nearest rank).

    @param ordered: the values, sorted; at least one.
    """
    rank = -(-len(ordered) * percent // 100)
    return ordered[max(0, int(rank) - 1)]


def lag_of(peer: Peer) -> Lag | None:
    """Ask a server how late its reactor was so far."""
    return Lag.read(get(peer.port, "/metrics")[1].decode()) if peer.kind.wonderq else None


@contextmanager
def crowded(port: int, plan: Plan) -> Iterator[list[int]]:
    """Have a crowd stand by.

    @return: a list that, afterwards, holds how many of it the server closed.
    @raise LoadFailed: the server did not take all of it.
    """
    lost: list[int] = []
    command = [sys.executable, "-m", "bench.crowd", str(port), str(plan.idle), str(plan.trickling)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            if process.stdout.readline() != "ready\n":
                raise LoadFailed("the crowd could not connect")
            yield lost
            process.stdin.close()
            lost.append(json.loads(process.stdout.readline())["lost"])
        finally:
            process.kill()
