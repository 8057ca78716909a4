"""What kill -9 cannot show: a disk that is slow, and a disk that fails, under a store in a process of its own."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.local.stores import Store
from wonderq.local.checkpoint import LONG

ROOT = Path(__file__).parent.parent.parent


class Sync(NamedTuple):
    """One sync that the shim saw."""

    begin: int
    end: int
    thread: str
    result: int
    file: str


class Run:
    """What the child told, and what the shim saw."""

    def __init__(self, output: str, log: str) -> None:
        self.lines = [line.split() for line in output.splitlines()]
        self.syncs = []
        for line in log.splitlines():
            begin, end, thread, result, file = line.split(maxsplit=4)
            self.syncs.append(Sync(int(begin), int(end), thread, int(result), file))

    def told(self, what: str) -> list[list[int]]:
        """Return the numbers of all lines of a kind."""
        return [[int(word) for word in words] for first, *words in self.lines if first == what]

    def faults(self) -> list[str]:
        """Return what C{on_failure} was called with."""
        return [" ".join(words[1:]) for words in self.lines if words[0] == "failed"]

    def log_syncs(self) -> list[Sync]:
        """Return the syncs of the log since the store was opened."""
        [[opened]] = self.told("opened")
        return [sync for sync in self.syncs if sync.file.endswith("-wal") and sync.begin > opened]


class Shim:
    """Runs the child with the shim before its disk."""

    def __init__(self, library: Path, directory: Path) -> None:
        self.store = directory / "store.sqlite"
        self._library = library
        self._log = directory / "syncs"

    def run(self, rounds: int, size: int = 10, **settings: object) -> Run:
        """Run the child to its end."""
        self._log.unlink(missing_ok=True)
        environment = {f"WONDERQ_SHIM_{name.upper()}": str(value) for name, value in settings.items()}
        child = subprocess.run(
            [sys.executable, Path(__file__).with_name("disk_child.py"), self.store, str(rounds), str(size)],
            env={**os.environ, "LD_PRELOAD": str(self._library), "WONDERQ_SHIM_LOG": str(self._log), **environment},
            capture_output=True,
            cwd=ROOT,
            text=True,
            timeout=60,
        )
        assert child.stderr == ""
        return Run(child.stdout, self._log.read_text())


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the shim."""
    compiler = shutil.which("gcc") or shutil.which("cc")
    if compiler is None:
        pytest.skip("there is no C compiler (Debian: the package gcc)")
    library = tmp_path_factory.mktemp("shim") / "syncs.so"
    source = ROOT / "tests" / "shims" / "syncs.c"
    subprocess.run(
        [compiler, "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC", "-o", library, source, "-ldl"],
        check=True,
    )
    return library


@pytest.fixture
def shim(library: Path, tmp_path: Path) -> Shim:
    return Shim(library, tmp_path)


OPENING = 2
"""Syncs of the log while a new store is opened."""


def test_a_store_is_open_when_its_directory_knows_all_its_files_for_sure(shim: Shim) -> None:
    run = shim.run(rounds=0)
    [[opened]] = run.told("opened")
    *_, log = (sync for sync in run.syncs if sync.file.endswith("-wal") and sync.begin < opened)
    directory = str(shim.store.parent)
    assert [sync for sync in run.syncs if sync.file == directory and log.end < sync.begin and sync.end < opened]


def test_no_answer_leaves_before_a_sync_that_began_after_it_was_noted_has_ended(shim: Shim) -> None:
    run = shim.run(rounds=100, skip=OPENING, delay_ms=30)
    published = run.told("published")
    assert len(published) == 100
    for message, noted, answered in published:
        assert any(noted < sync.begin and sync.end < answered for sync in run.log_syncs()), message


def test_those_who_wait_for_a_slow_disk_share_its_syncs(shim: Shim) -> None:
    run = shim.run(rounds=100, skip=OPENING, delay_ms=100)
    assert len(run.told("published")) == 100
    assert len(run.log_syncs()) < 50


def test_a_receive_does_not_wait_for_a_slow_disk(shim: Shim) -> None:
    run = shim.run(rounds=50, skip=OPENING, delay_ms=100)
    during = [
        message
        for message, noted, answered in run.told("leased")
        if any(sync.begin < noted and answered < sync.end for sync in run.log_syncs())
    ]
    assert during


def test_the_reactors_thread_never_waits_for_the_disk(shim: Shim) -> None:
    run = shim.run(rounds=300, size=4096 * LONG // 40)
    [[opened]], [[closing]] = run.told("opened"), run.told("closing")
    syncs = [sync for sync in run.syncs if opened < sync.begin < closing]
    assert {sync.thread for sync in syncs} == {"thread"}
    # There was a checkpoint, which syncs the database too: so much is not written without one.
    assert [sync for sync in syncs if sync.file.endswith(".sqlite")]


def test_after_a_failed_sync_nothing_is_answered_and_nothing_is_synced_again(shim: Shim) -> None:
    run = shim.run(rounds=60, skip=OPENING, delay_ms=20, fail_after=3)
    syncs = run.log_syncs()
    assert [sync.result for sync in syncs] == [0, 0, 0, -1]
    published, refused = run.told("published"), run.told("refused")
    assert published
    assert len(published) + len(run.told("leased")) + len(refused) == 2 * 60
    assert {message for message, *_ in published} < set(range(1, 30))
    for _, noted, answered in published:
        assert any(noted < sync.begin and sync.end < answered for sync in syncs if sync.result == 0)
    assert run.faults() == ["OSError(5, 'Input/output error')"]


def test_what_was_answered_before_a_failed_sync_is_there_at_the_next_start(shim: Shim) -> None:
    run = shim.run(rounds=40, skip=OPENING, delay_ms=20, fail_after=3)
    store = Store(shim.store)
    survivors = {survivor.id for survivor in store.survivors()}
    assert {message for message, *_ in run.told("published")} <= survivors
    store.stop()


def test_a_sync_that_fails_within_a_checkpoint_is_a_fault_too(shim: Shim) -> None:
    run = shim.run(rounds=0)
    [[opened]] = run.told("opened")
    opening = len([sync for sync in run.syncs if sync.file.endswith(".sqlite") and sync.begin < opened])
    shim.store.unlink()
    failed = shim.run(rounds=100, size=4096 * LONG // 16, file=".sqlite", skip=opening, fail_after=0)
    [fault] = failed.faults()
    assert "disk I/O error" in fault
    assert failed.told("refused")
