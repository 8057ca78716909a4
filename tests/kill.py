"""Kill a server under load, again and again, and check what its clients saw: C{python -m tests.kill --help}."""

from __future__ import annotations

import argparse
import secrets
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from random import Random

from tests.checker import Violation, check
from tests.daemon.load import Load
from tests.daemon.process import Daemon
from tests.history import History, Receive

SHORTEST = 0.005
LONGEST = 0.5
"""Seconds of load before a kill."""

STARTING = 0.1
"""Of this share of its lives the server does not see the end of its start."""


class Run:
    """One server's lives on one data directory, from one seed.

    @ivar history: what its clients saw.
    @ivar starts: seconds from each start to ready.
    """

    def __init__(self, directory: Path, seed: str, kills: int, *options: str, longest: float = LONGEST) -> None:
        """Prepare; L{run} does it.

        @param options: of the server.
        @param longest: seconds of load before a kill.
        """
        self.directory = directory
        self.seed = seed
        self.history = History([])
        self.starts: list[float] = []
        self._kills = kills
        self._options = options
        self._longest = longest
        self._random = Random(seed)
        self._load = Load(seed)

    def run(self) -> list[Violation]:
        """Kill, drain and check; return the promises that were broken, with everything kept in C{directory}."""
        daemon = Daemon(self.directory, *self._options)
        try:
            for _ in range(self._kills):
                self._live(daemon)
            with daemon:
                self._load.finish(daemon.port)
        finally:
            self._load.close()
            self.history = self._load.history()
            self.history.save(self.directory / "history.jsonl")
        return check(self.history)

    def _live(self, daemon: Daemon) -> None:
        while self._random.random() < STARTING:
            daemon.spawn_for(self._random.uniform(0.0, self.starts[0] if self.starts else 0.5))
        started = time.monotonic()
        with daemon:
            self.starts.append(time.monotonic() - started)
            self._load.begin(daemon.port)
            time.sleep(self._random.uniform(SHORTEST, self._longest))
            daemon.kill()
        self._load.end()

    def report(self) -> str:
        """Say in one line how much was tried."""
        deliveries = sum(len(receive.deliveries) for receive in self.history.of(Receive))
        starts = sorted(self.starts)
        return (
            f"seed {self.seed}: {len(starts)} kills, {len(self.history.acknowledged)} acknowledged messages,"
            f" {deliveries} deliveries, {self.history.unanswered} calls unanswered; ready again in"
            f" {starts[len(starts) // 2]:.2f} s (median), {starts[-1]:.2f} s (longest)"
        )


def main(arguments: Sequence[str]) -> int:
    """Run in rounds, each with a new store, until something is found or all is done; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tests.kill", description=str(__doc__).partition(":")[0] + ".")
    parser.add_argument("--kills", type=int, default=2000, help="kills in all [%(default)s]")
    parser.add_argument("--round", type=int, default=100, help="kills of one store [%(default)s]")
    parser.add_argument("--longest", type=float, default=LONGEST, help="seconds of load before a kill [%(default)s]")
    parser.add_argument("--seed", default=secrets.token_hex(4), help="where the dice begin [random]")
    options = parser.parse_args(arguments)
    # An end that lets the server end too.
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    for done in range(0, options.kills, options.round):
        directory = Path(tempfile.mkdtemp(prefix="wonderq-kill-"))
        run = Run(
            directory, f"{options.seed}-{done}", min(options.round, options.kills - done), longest=options.longest
        )
        violations = run.run()
        sys.stdout.write(run.report() + "\n")
        for violation in violations:
            sys.stdout.write(f"{violation.rule}: {violation.detail}\n")
        if violations:
            sys.stdout.write(f"The history and the store are in {directory}.\n")
            return 1
        shutil.rmtree(directory)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
