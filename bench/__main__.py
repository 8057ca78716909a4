"""Measure WonderQ beside the original API on Express: every scenario named, or the first three."""

from __future__ import annotations

import argparse
import contextlib
import os
import resource
import signal
import sys
from collections.abc import Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from types import FrameType

from bench.facts import commit_of, environment, express_version
from bench.load import LoadFailed
from bench.peers import KINDS, ROOT, Peer, PeerFailed, installed_express
from bench.report import disturbance, remarks, structure, table, written
from bench.rounds import Plan, alternate
from bench.scenarios import SCENARIOS, Scenario, kind_of
from bench.scripts import Unexpected

__all__ = ["arguments", "main"]

BOUNDS = {
    "rounds": (1, 100),
    "seconds": (0.1, 600),
    "warm_up": (0, 60),
    "connections": (1, 1000),
    "size": (38, 1 << 20),
    "attempts": (1, 20),
    "idle": (0, 8000),
    "trickling": (0, 2000),
}
"""What each number of a plan may be, so that a slip of the hand does not take the machine."""

PLAN_HELP = {
    "rounds": "how often each row is measured, in turn with the others",
    "seconds": "how long each time",
    "warm_up": "seconds of load before that",
    "connections": "clients, each of which waits for its answer before it asks again",
    "size": "bytes of a message",
    "attempts": "how often a row is measured at most in a round, if other work disturbs it; the calmest counts",
    "idle": "connections of the crowd that do nothing",
    "trickling": "connections of the crowd that send a byte a second",
}


def arguments() -> argparse.ArgumentParser:
    """Describe the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m bench",
        description=__doc__,
        epilog="Tables go to standard output, progress to standard error.  docs/performance.md explains both.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    asked = "; ".join(f"{one.name}: {one.asks}" for one in SCENARIOS.values())
    parser.add_argument(
        "scenarios", nargs="*", metavar="SCENARIO", default=["publish", "lifecycle", "batches"], help=asked
    )
    parser.add_argument(
        "--servers",
        default="constant,express,memory,fsync",
        metavar="SERVER[@TREE],...",
        help=f"of {', '.join(KINDS)}; with @TREE, the WonderQ of another checkout, to compare two",
    )
    parser.add_argument("--wonderq", type=Path, default=ROOT, metavar="TREE", help="the checkout whose WonderQ is run")
    cores = sorted(os.sched_getaffinity(0))
    parser.add_argument(
        "--cores",
        default=f"{cores[0]},{cores[-1]}",
        metavar="N,M",
        help="processors of the servers and of the load; with one for both, figures say little",
    )
    parser.add_argument("--scratch", type=Path, metavar="DIR", help="where stores lie; a disk, not tmpfs")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write everything measured here, too")
    for plan in fields(Plan):
        name = "--" + plan.name.replace("_", "-")
        parser.add_argument(
            name,
            type=type(plan.default),
            default=plan.default,
            metavar="N",
            help=f"{PLAN_HELP[plan.name]}; {BOUNDS[plan.name][0]} to {BOUNDS[plan.name][1]}",
        )
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Measure, and return the exit status."""
    parser = arguments()
    options = parser.parse_args(argv)
    servers = options.servers.split(",")
    for name in options.scenarios:
        if name not in SCENARIOS:
            parser.error(f"there is no scenario {name!r}; there are {', '.join(SCENARIOS)}")
    for server in servers:
        if kind_of(server) not in KINDS:
            parser.error(f"there is no server {server!r}; there are {', '.join(KINDS)}")
    for name, (lowest, highest) in BOUNDS.items():
        if not lowest <= getattr(options, name) <= highest:
            parser.error(f"--{name.replace('_', '-')} is {lowest} to {highest}")
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _leave)
    try:
        return run(options, servers)
    except (PeerFailed, LoadFailed, Unexpected) as error:
        sys.stderr.write(f"bench: {error}\n")
        return 1


def run(options: argparse.Namespace, servers: Sequence[str]) -> int:
    """Run the scenarios, and write what they show."""
    server_core, load_core = map(int, options.cores.split(","))
    os.sched_setaffinity(0, {load_core})
    files = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (files, files))
    plan = Plan(**{one.name: getattr(options, one.name) for one in fields(Plan)})
    trees = {server: Path(server.partition("@")[2] or options.wonderq).resolve() for server in servers}
    about = environment(options.scratch)
    about["trees"] = {server: commit_of(trees[server]) for server in servers if KINDS[kind_of(server)].wonderq}
    if "express" in servers:
        about["express"] = express_version(installed_express())
    _progress(", ".join(f"{name} {value}" for name, value in about.items()))
    results = {}
    for name in options.scenarios:
        results[name] = _scenario(SCENARIOS[name], trees, plan, server_core, options.scratch)
    about["load_average_after"] = round(os.getloadavg()[0], 2)
    if options.json is not None:
        options.json.write_text(written({"environment": about, "plan": vars(plan), "scenarios": results}))
    return 0


def _scenario(
    scenario: Scenario, trees: Mapping[str, Path], plan: Plan, core: int, scratch: Path | None
) -> dict[str, object]:
    """Run one scenario on fresh servers, and write its table."""
    rows = scenario.rows(list(trees))
    with contextlib.ExitStack() as stack:
        peers = {
            server: stack.enter_context(Peer(KINDS[kind_of(server)], core, trees[server], scratch))
            for server in dict.fromkeys(row.server for row in rows)
        }
        measured = alternate(rows, peers, plan, _progress)
    base = scenario.base(rows)
    titles = {server: _title(server) for server in peers}
    compared = [*filter(None, [disturbance(measured)]), *remarks(measured, scenario.remarks(rows), titles)]
    sys.stdout.write(f"\n**{scenario.name}**: {scenario.asks}\n\n{table(measured, titles, base)}")
    sys.stdout.write("".join(f"\n- {line}" for line in compared) + "\n" * bool(compared))
    sys.stdout.flush()
    return {"rows": structure(measured, base), "remarks": compared}


def _title(server: str) -> str:
    kind, _, tree = server.partition("@")
    return KINDS[kind].title + (f" ({Path(tree).name})" if tree else "")


def _progress(line: str) -> None:
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()


def _leave(number: int, frame: FrameType | None) -> None:
    """Go through every C{finally}, so that what was started ends."""
    sys.exit(128 + number)


if __name__ == "__main__":
    sys.exit(main())
