"""How fast is the embedded store, without rules and HTTP: python -m bench.store --help."""

from __future__ import annotations

import argparse
import os
import resource
import sys
import tempfile
import time
from collections.abc import Iterator
from functools import partial
from typing import Any

from twisted.internet import reactor as the_reactor
from twisted.internet.defer import Deferred, DeferredList
from twisted.internet.task import deferLater, react
from twisted.internet.threads import deferToThread

from wonderq.local.clock import StoreClock
from wonderq.local.journal import StoredLease, Sync
from wonderq.local.sqlite import SqliteJournal
from wonderq.model import Message, QueueSettings

reactor: Any = the_reactor


class Bench:
    """A journal in a directory of its own, and what was measured on it."""

    def __init__(self, directory: str, size: int, batch: int) -> None:
        self.path = os.path.join(directory, "bench.sqlite")
        self.body = b"x" * size
        self.batch = batch

    def open(self, mode: str) -> SqliteJournal:
        """Open the store."""
        clock = StoreClock(time.monotonic, time.time, "bench")
        sync = Sync("never") if mode == "never" else Sync("always")
        journal = SqliteJournal(self.path, clock, reactor, deferToThread, sync)
        journal.on_failure = lambda fault: sys.exit(f"the store failed: {fault!r}")
        journal.open()
        if "bench" not in journal.queues():
            journal.put_queue("bench", QueueSettings())
        return journal

    def publish(self, journal: SqliteJournal) -> list[int]:
        """Note one batch of messages."""
        ids = []
        for _ in range(self.batch):
            message = journal.next_id()
            ids.append(message)
            journal.publish(Message(message, "bench", self.body, "application/json", 0, 0.0, 0.0), False)
        return ids

    def delete(self, journal: SqliteJournal, ids: list[int]) -> None:
        """Note the delete of each message."""
        for message in ids:
            journal.delete(message)

    def lease(self, journal: SqliteJournal, ids: list[int]) -> None:
        """Note a lease on each message, as a receive does: read it first."""
        for message in ids:
            journal.read(message)
            journal.lease(message, StoredLease(journal.next_receipt(), "7", 0.0, 30.0))


async def publishes(bench: Bench, mode: str, count: int) -> None:
    """Publish C{count} messages, a transaction for each batch, and show how evenly the reactor turned."""
    journal = bench.open(mode)
    turns = Turns()
    start = time.perf_counter()
    for _ in range(count // bench.batch):
        bench.publish(journal)
        await turns.timed(journal.commit(None, durable=True))
    report(f"publishes, sync={mode}, batches of {bench.batch}, one after another", count, start, turns)
    await journal.close()


async def lifecycles(bench: Bench, mode: str, count: int, depth: int = 8) -> None:
    """Publish, lease and delete messages, C{depth} batches at a time."""
    journal = bench.open(mode)
    turns = Turns()

    async def client(rounds: int) -> None:
        for _ in range(rounds):
            ids = bench.publish(journal)
            await turns.timed(journal.commit(None, durable=True))
            bench.lease(journal, ids)
            await turns.timed(journal.commit(None, durable=False))
            bench.delete(journal, ids)
            await turns.timed(journal.commit(None, durable=True))

    start = time.perf_counter()
    clients = [Deferred.fromCoroutine(client(count // bench.batch // depth)) for _ in range(depth)]
    await DeferredList(clients, fireOnOneErrback=True)
    report(f"lifecycles, sync={mode}, {depth} clients, batches of {bench.batch}", count, start, turns)
    await journal.close()


async def recovery(bench: Bench, count: int) -> None:
    """Recover C{count} ready messages, after a clean stop."""
    journal = bench.open("never")
    for _ in range(count // bench.batch):
        bench.publish(journal)
        await journal.commit(None, durable=False)
    await journal.close()
    start = time.perf_counter()
    journal = bench.open("never")
    opened = time.perf_counter() - start
    before = memory()
    longest, found = 0.0, 0
    slices: Iterator[Any] = iter(journal.recover(0.0))
    while True:
        began = time.perf_counter()
        survivors = next(slices, None)
        longest = max(longest, time.perf_counter() - began)
        if survivors is None:
            break
        found += len(survivors)
    seconds = time.perf_counter() - start
    say(
        f"recovery of {found:,} messages: {seconds:.2f} s, {opened * 1e3:.0f} ms of it to open; "
        f"longest slice {longest * 1e3:.1f} ms; {(memory() - before) / 1024:.0f} MB"
    )
    await journal.close()


class Turns:
    """How long transactions took to be answered, and the longest time that the reactor did not turn."""

    def __init__(self) -> None:
        self.latencies: list[float] = []
        self.blocked = 0.0
        self._last = time.perf_counter()
        self._tick()

    async def timed(self, answer: Deferred[None]) -> None:
        """Wait for an answer."""
        start = time.perf_counter()
        await answer
        self.latencies.append(time.perf_counter() - start)

    def stop(self) -> None:
        """Look no more."""
        self._call.cancel()

    def _tick(self) -> None:
        now = time.perf_counter()
        self.blocked = max(self.blocked, now - self._last)
        self._last = now
        self._call = reactor.callLater(0, self._tick)


def report(name: str, count: int, start: float, turns: Turns) -> None:
    """Print what one run measured."""
    turns.stop()
    rate = count / (time.perf_counter() - start)
    ordered = sorted(turns.latencies)
    p50, p99, longest = (ordered[int(share * (len(ordered) - 1))] * 1e3 for share in (0.5, 0.99, 1))
    say(
        f"{name}: {rate:,.0f}/s; answers p50 {p50:.2f} p99 {p99:.2f} max {longest:.1f} ms; "
        f"longest turn {turns.blocked * 1e3:.1f} ms"
    )


def say(line: str) -> None:
    """Show a result."""
    sys.stdout.write(line + "\n")


def memory() -> int:
    """Return the most memory that this process has had, in KiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


async def run(clock: Any, options: argparse.Namespace) -> None:
    """Run what was asked for, each in a store of its own."""
    runs = {
        "publish": partial(publishes, mode="never", count=options.count),
        "durable": partial(publishes, mode="always", count=options.count // 4),
        "lifecycle": partial(lifecycles, mode="always", count=options.count // 4),
        "recovery": partial(recovery, count=options.count),
    }
    for name in options.run or runs:
        with tempfile.TemporaryDirectory(dir=options.directory) as directory:
            await runs[name](Bench(directory, options.size, options.batch))
            await deferLater(clock, 0.1)


def main() -> None:
    """Read the command line and run."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.store", description="How fast is the embedded store, without rules and HTTP?"
    )
    parser.add_argument("run", nargs="*", help="publish, durable, lifecycle, recovery; all of them without one")
    parser.add_argument("--count", type=int, default=200_000, help="messages (default 200000)")
    parser.add_argument("--size", type=int, default=200, help="bytes of a body (default 200)")
    parser.add_argument("--batch", type=int, default=100, help="messages in a transaction (default 100)")
    parser.add_argument("--directory", help="where the stores are made; a disk, not a RAM disk (default: temporary)")
    react(run, [parser.parse_args()])


if __name__ == "__main__":
    main()
