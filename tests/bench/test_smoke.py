"""Every scenario runs against the real server, and nothing that was started stays."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from bench.load import Load, LoadFailed, Usage
from bench.peers import KINDS, Peer
from bench.scenarios import SCENARIOS
from bench.scripts import SCRIPTS

ROOT = Path(__file__).parents[2]


def bench(*arguments: str, scratch: Path) -> subprocess.Popen[str]:
    """Start it."""
    command = [sys.executable, "-m", "bench", *arguments, "--scratch", str(scratch)]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def inside(directory: Path) -> list[int]:
    """Return the processes whose working directory lies in this one."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            where = os.readlink(process / "cwd")
        except OSError:
            continue
        if Path(where).is_relative_to(directory):
            found.append(int(process.name))
    return found


def eventually_empty(directory: Path) -> bool:
    """Wait until no process is left in a directory, but not for ever."""
    end = time.monotonic() + 20
    while inside(directory) and time.monotonic() < end:
        time.sleep(0.02)
    return not inside(directory)


@pytest.mark.parametrize("name", SCENARIOS)
def test_a_scenario_measures_each_of_its_rows_and_leaves_nothing(name: str, tmp_path: Path) -> None:
    scratch, result = tmp_path / "scratch", tmp_path / "result"
    scratch.mkdir()
    short = ["--rounds=1", "--seconds=0.5", "--warm-up=0", "--connections=4", "--idle=20", "--trickling=100"]
    with bench(name, "--servers=memory", *short, "--json", str(result), scratch=scratch) as process:
        table, errors = process.communicate(timeout=100)
    assert process.returncode == 0, errors
    measured = json.loads(result.read_text())["scenarios"][name]["rows"]
    expected = SCENARIOS[name].rows(["memory"])
    assert [(row["server"], row["script"], row["crowd"]) for row in measured] == [
        (row.server, row.script, row.crowd) for row in expected
    ]
    for row in measured:
        assert row["median"]["rate"] > 0
        assert 0 < row["median"]["p50"] <= row["median"]["p99"] <= row["median"]["slowest"]
        assert row["median"]["lost"] == 0
    assert table.count("\n| ") == len(expected) + 2
    assert inside(scratch) == []
    assert list(scratch.iterdir()) == []


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_what_was_started_ends_with_the_run_however_that_ends(number: signal.Signals, tmp_path: Path) -> None:
    with bench("idle", "--servers=memory", "--seconds=60", "--idle=10", "--trickling=10", scratch=tmp_path) as process:
        end = time.monotonic() + 60
        while not inside(tmp_path) and time.monotonic() < end:
            time.sleep(0.02)
        assert inside(tmp_path)
        process.send_signal(number)
        process.communicate(timeout=60)
    assert eventually_empty(tmp_path)


@pytest.mark.parametrize("wrong", [["nonsense"], ["--servers=apache"], ["--rounds=0"], ["--connections=100000"]])
def test_a_wrong_argument_is_refused_before_anything_starts(wrong: list[str], tmp_path: Path) -> None:
    with bench(*wrong, scratch=tmp_path) as process:
        _, errors = process.communicate(timeout=60)
    assert process.returncode == 2
    assert wrong[0].removeprefix("--servers=").split("=")[0] in errors
    assert list(tmp_path.iterdir()) == []


@contextmanager
def saying(answer: bytes) -> Iterator[int]:
    """Serve one connection: say this to its first request, and hang up.

    @return: the port.
    """

    def serve() -> None:
        client, _ = listener.accept()
        with client:
            client.recv(65536)
            client.sendall(answer)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            thread.join()


@pytest.mark.parametrize("answer", [b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 4\r\n\r\nfull", b""])
def test_a_load_that_is_refused_or_hung_up_on_has_no_figures(answer: bytes) -> None:
    with saying(answer) as port, pytest.raises(LoadFailed):
        Load(port, [SCRIPTS["publish"].start(0, 200)], lambda: Usage(0.0, 0.0)).run(0.0, 5.0)


def test_a_window_lasts_until_there_is_something_to_say(tmp_path: Path) -> None:
    with Peer(KINDS["constant"], max(os.sched_getaffinity(0)), ROOT, tmp_path) as peer:
        conversations = [SCRIPTS["lifecycle"].start(number, 200) for number in range(4)]
        figures = Load(peer.port, conversations, peer.usage).run(0.0, 0.0)
    assert figures.answers == len(figures.latencies) >= 3 * 4
    assert figures.seconds > 0
