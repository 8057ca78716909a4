"""What the server says is on disk is there, however slow, broken or full the disk is."""

from __future__ import annotations

import errno
import os
import subprocess
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.checker import check
from tests.daemon.client import NoAnswer, NotSent, Session
from tests.daemon.load import Load
from tests.daemon.preload import Disk
from tests.daemon.process import Daemon, eventually
from tests.history import Publish, Settle

SYNC = 0.3
"""Seconds that a sync takes on a slow disk."""


@pytest.fixture
def disk(tmp_path: Path) -> Disk:
    return Disk(tmp_path)


Call = Callable[[Session, dict[str, Any]], object]

CHANGES: dict[str, Call] = {
    "publish": lambda session, held: session.publish(b"new"),
    "publish of a batch": lambda session, held: session.publish_batch([{"text": "new"}, {"text": "newer"}]),
    "delete": lambda session, held: session.delete("c", **held),
    "extend": lambda session, held: session.settle("c", lease=60, **held),
    "release": lambda session, held: session.settle("c", delay=0, **held),
    "bury": lambda session, held: session.settle("c", bury="true", **held),
    "making a queue": lambda session, held: session.succeed("PUT", "/v1/queues/q", b"{}", "application/json"),
}


def receipt_of(message: dict[str, Any]) -> dict[str, Any]:
    """Return the parameters by which a settling call names a message that was received."""
    return {"id": message["id"], "receipt": message["receipt"]}


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_is_answered_when_a_sync_that_began_after_it_has_ended(
    change: str, tmp_path: Path, disk: Disk
) -> None:
    with Daemon(tmp_path, environment=disk.environment) as daemon:
        session = daemon.session()
        session.publish(b"old")
        held = receipt_of(session.receive("c")[0])
        settled(disk)
        disk.slow(SYNC)
        before, start = disk.synced, time.monotonic()
        CHANGES[change](session, held)
        assert disk.synced > before
        assert time.monotonic() - start >= SYNC


def test_a_receive_does_not_wait_for_the_disk(tmp_path: Path, disk: Disk) -> None:
    with Daemon(tmp_path, environment=disk.environment) as daemon:
        session = daemon.session()
        session.publish(b"old")
        settled(disk)
        disk.slow(SYNC)
        before = disk.synced
        assert session.receive("c")[0]["id"] == 1
        assert disk.synced == before


def test_a_receive_does_not_wait_for_a_sync_that_others_wait_for(tmp_path: Path, disk: Disk) -> None:
    with Daemon(tmp_path, environment=disk.environment) as daemon, ThreadPoolExecutor(1) as threads:
        session = daemon.session()
        session.publish(b"old")
        settled(disk)
        disk.slow(1.0)
        before = disk.begun
        publishing = threads.submit(daemon.session().publish, b"new")
        assert eventually(lambda: disk.begun > before)
        assert session.receive("c")[0]["id"] == 1
        assert not publishing.done()
        assert publishing.result() == 2


def test_a_strict_server_syncs_a_receive_too(tmp_path: Path, disk: Disk) -> None:
    with Daemon(tmp_path, "--sync", "strict", environment=disk.environment) as daemon:
        session = daemon.session()
        session.publish(b"old")
        settled(disk)
        disk.slow(SYNC)
        before, start = disk.synced, time.monotonic()
        assert session.receive("c")[0]["id"] == 1
        assert disk.synced > before
        assert time.monotonic() - start >= SYNC


@pytest.mark.parametrize("sync", ["interval:3600", "never"])
def test_no_change_waits_for_the_disk_when_asked_not_to(sync: str, tmp_path: Path, disk: Disk) -> None:
    with Daemon(tmp_path, "--sync", sync, environment=disk.environment) as daemon:
        session = daemon.session()
        session.publish(b"old")
        held = receipt_of(session.receive("c")[0])
        settled(disk)
        disk.slow(1.0)
        before = disk.synced
        session.publish(b"new")
        assert session.delete("c", **held) is True
        assert disk.synced == before


@pytest.mark.parametrize(
    ("options", "level"),
    [
        ((), "fsync"),
        (("--sync", "strict"), "fsync"),
        (("--sync", "interval:1"), "interval"),
        (("--sync", "never"), "commit"),
        (("--store", "memory:"), "memory"),
    ],
)
def test_the_answer_to_a_publish_names_the_level_it_reached(
    options: tuple[str, ...], level: str, tmp_path: Path
) -> None:
    with Daemon(tmp_path, *options) as daemon:
        session = daemon.session()
        assert session.call("POST", "/v1/publish", b"x").headers["WonderQ-Durability"] == level
        answer = session.call("POST", "/v1/publish/batch", b'[{"text":"x"}]', "application/json")
        assert answer.headers["WonderQ-Durability"] == level


def test_a_disk_error_fails_all_who_wait_and_stops_the_server(tmp_path: Path, disk: Disk) -> None:
    with Daemon(tmp_path, environment=disk.environment) as daemon, ThreadPoolExecutor(5) as threads:
        session = daemon.session()
        acknowledged = session.publish_batch([{"text": str(number)} for number in range(10)])
        held = receipt_of(session.receive("c", limit=1)[0])
        settled(disk)
        disk.slow(SYNC)
        disk.fail(errno.EIO)
        waiting = [threads.submit(answer_of, daemon.session(), "POST", "/v1/publish", b"x") for _ in range(4)]
        waiting.append(threads.submit(answer_of, session, "DELETE", "/v1/consumer", None, cid="c", **held))
        assert [future.result() for future in waiting] == [(503, "store-unavailable")] * 5
        # Whatever else is asked before the end is not done either.
        assert answer_of(daemon.session(), "POST", "/v1/publish", b"x") in (None, (503, "store-unavailable"))
        assert daemon.wait_gone() > 0
        disk.slow(0)
        disk.fail(0)
        daemon.start()
        session = daemon.session()
        # The lease was written, and the delete was not answered: it may have happened or not.
        there = {message["id"] for message in session.receive("other", limit=100)}
        assert set(acknowledged[1:]) <= there


@pytest.mark.parametrize("once", [True, False], ids=["once", "again and again"])
def test_a_disk_error_under_load_breaks_no_promise(once: bool, tmp_path: Path, disk: Disk) -> None:
    load = Load("disk error")
    with Daemon(tmp_path, environment=disk.environment) as daemon:
        load.begin(daemon.port)
        time.sleep(SYNC)
        disk.fail(errno.EIO)
        failing, begun = time.monotonic(), disk.begun
        if once:
            # As Linux does: what could not be written is forgotten, and the next sync goes well.
            assert eventually(lambda: disk.synced > begun)
            disk.fail(0)
        assert daemon.wait_gone() > 0
        load.end()
        changed = [event.start for event in load.history().of(Publish) if event.outcome == "ok"]
        changed += [event.start for event in load.history().of(Settle) if event.held]
        assert max(changed) < failing
        disk.fail(0)
        daemon.start()
        load.finish(daemon.port)
    load.close()
    assert check(load.history()) == []


@pytest.mark.parametrize("sync", ["always", "never"])
def test_a_stop_under_load_breaks_no_promise(sync: str, tmp_path: Path) -> None:
    load = Load("stop")
    with Daemon(tmp_path, "--sync", sync) as daemon, ThreadPoolExecutor(1) as threads:
        daemon.session().succeed("PUT", "/v1/queues/idle", b"{}", "application/json")
        waiting = threads.submit(daemon.session().receive, "patient", queue="idle", wait=60)
        load.begin(daemon.port)
        time.sleep(0.5)
        stopping = time.monotonic()
        assert daemon.stop() in (0, -15)
        assert time.monotonic() - stopping < 10
        assert waiting.result() == []
        load.end()
        daemon.start()
        load.finish(daemon.port)
    load.close()
    assert check(load.history()) == []


def test_below_min_free_only_publishing_is_refused(tmp_path: Path) -> None:
    with Daemon(tmp_path) as daemon:
        daemon.session().publish_batch([{"text": str(number)} for number in range(5)])
        daemon.stop()
    with Daemon(tmp_path, "--min-free", "900000G") as daemon:
        session = daemon.session()
        assert answer_of(session, "POST", "/v1/publish", b"x") == (507, "disk-full")
        batch = b'[{"text":"x"}]'
        assert answer_of(session, "POST", "/v1/publish/batch", batch, "application/json") == (507, "disk-full")
        first, second, third, fourth, _ = (receipt_of(message) for message in session.receive("c"))
        assert session.delete("c", **first) is True
        assert session.settle("c", lease=60, **second) is True
        assert session.settle("c", bury="true", **third) is True
        assert session.settle("c", delay=0, **fourth) is True
        assert session.counts() == {"ready": 1, "delayed": 0, "leased": 2, "dead": 1}
        assert daemon.probe("/readyz") == 200


@pytest.fixture
def volume(tmp_path: Path) -> Iterator[Path]:
    """A disk of 16 MiB."""
    directory = tmp_path / "volume"
    directory.mkdir()
    if os.geteuid() != 0:
        pytest.skip("only root can mount a small disk")
    mount = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=16m", "tmpfs", directory], capture_output=True, text=True
    )
    if mount.returncode:
        pytest.skip(f"no small disk can be mounted here: {mount.stderr.strip()}")
    yield directory
    subprocess.run(["umount", "--lazy", directory], check=True)


def fill(volume: Path, leave: int) -> Path:
    """Write a file that leaves so many bytes; return it."""
    ballast = volume / "ballast"
    state = os.statvfs(volume)
    ballast.write_bytes(bytes(state.f_bavail * state.f_frsize - leave))
    return ballast


def test_publishing_is_taken_up_by_itself_when_there_is_room_again(tmp_path: Path, volume: Path) -> None:
    with Daemon(tmp_path, "--min-free", "4M", data=volume / "data") as daemon:
        session = daemon.session()
        session.publish(b"first")
        ballast = fill(volume, leave=3 * 1024 * 1024)
        assert eventually(lambda: answer_of(session, "POST", "/v1/publish", b"x") == (507, "disk-full"))
        assert session.delete("c", **receipt_of(session.receive("c")[0])) is True
        ballast.unlink()
        assert eventually(lambda: answer_of(session, "POST", "/v1/publish", b"x") == (201, None))


def test_a_write_that_finds_the_disk_full_stops_the_server_and_loses_nothing(tmp_path: Path, volume: Path) -> None:
    with Daemon(tmp_path, "--min-free", "0", data=volume / "data") as daemon:
        session = daemon.session()
        ids = session.publish_batch([{"text": str(number)} for number in range(10)])
        held = receipt_of(session.receive("c", limit=1)[0])
        ballast = fill(volume, leave=0)
        # Each writes a page or more, and there is none.
        answers = [answer_of(session, "PATCH", "/v1/consumer", None, cid="c", lease=60, **held) for _ in range(100)]
        assert (503, "store-unavailable") in answers
        assert daemon.wait_gone() > 0
        ballast.unlink()
        daemon.start()
        session = daemon.session()
        assert [message["id"] for message in session.receive("c", limit=100)] == ids[1:]
        assert session.delete("c", **held) is True


def settled(disk: Disk) -> None:
    """Wait until the server has nothing to sync."""
    assert eventually(lambda: disk.begun == disk.synced)


def answer_of(
    session: Session, method: str, path: str, body: bytes | None, *content_type: str, **parameters: Any
) -> tuple[int, str | None] | None:
    """Return the status of an answer and the code of its problem; C{None}: there is no answer."""
    try:
        answer = session.call(method, path, body, *content_type, **parameters)
    except (NotSent, NoAnswer):
        return None
    return answer.status, answer.value["code"] if answer.status >= 400 else None
