"""How long a lease or a delay of the real server is, whatever happens to the wall clock or to the process."""

from __future__ import annotations

import signal
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.daemon.client import Session
from tests.daemon.preload import WallClock
from tests.daemon.process import Daemon, eventually

LATE = 1.0
"""Seconds by which something due may come late."""

HOUR = 3600


def arrivals(session: Session, expected: set[int], seconds: float) -> dict[int, float]:
    """Receive until all that was expected has come, or it is late; return when each came, by the monotonic clock."""
    came: dict[int, float] = {}
    deadline = time.monotonic() + seconds
    while came.keys() < expected and time.monotonic() < deadline:
        for message in session.receive("other", wait=0.2):
            came[message["id"]] = time.monotonic()
    return came


@pytest.fixture
def wall(tmp_path: Path) -> WallClock:
    return WallClock(tmp_path)


@pytest.mark.parametrize("jump", [HOUR, -HOUR])
@pytest.mark.parametrize("restart", [False, True], ids=["running", "restarting"])
def test_a_lease_and_a_delay_outlast_a_jump_of_the_wall_clock(
    jump: int, restart: bool, tmp_path: Path, wall: WallClock
) -> None:
    length = 2.0
    with Daemon(tmp_path, environment=wall.environment) as daemon:
        session = daemon.session()
        leased = session.publish(b"leased")
        session.receive("c", lease=length)
        delayed = session.publish(b"delayed", delay=length)
        start = time.monotonic()
        if restart:
            daemon.kill()
        wall.jump(jump)
        if restart:
            daemon.start()
        came = arrivals(daemon.session(), {leased, delayed}, length + LATE)
    assert came.keys() == {leased, delayed}
    # The server took both up a little before their answers were here.
    assert all(length - 0.2 < moment - start < length + LATE for moment in came.values()), came


@pytest.mark.parametrize("jump", [HOUR, -HOUR])
def test_a_wait_ends_in_time_though_the_wall_clock_jumps(jump: int, tmp_path: Path, wall: WallClock) -> None:
    with Daemon(tmp_path, environment=wall.environment) as daemon, ThreadPoolExecutor(1) as threads:
        start = time.monotonic()
        waiting = threads.submit(daemon.session().receive, "c", wait=1)
        session = daemon.session()
        assert eventually(lambda: session.succeed("GET", "/v1/queues/default").value["waiting"] == 1)
        wall.jump(jump)
        assert waiting.result() == []
        assert 1 <= time.monotonic() - start < 1 + LATE


def test_times_in_answers_follow_the_wall_clock(tmp_path: Path, wall: WallClock) -> None:
    wall.jump(-20 * 365 * 24 * HOUR)
    with Daemon(tmp_path, environment=wall.environment) as daemon:
        session = daemon.session()
        session.publish(b"x")
        message = session.receive("c")[0]
    year = str(int(time.strftime("%Y")) - 20)
    assert {message["publishedAt"][:4], message["leaseUntil"][:4]} <= {year, str(int(year) + 1)}


@pytest.mark.parametrize("too_long", [0.03, 0.5])
def test_a_server_that_stood_still_longer_than_a_lease_grants_nothing_late(too_long: float, tmp_path: Path) -> None:
    with Daemon(tmp_path) as daemon, ThreadPoolExecutor(1) as threads:
        session = daemon.session()
        session.publish(b"x")
        held = session.receive("c", lease=0.5)[0]
        daemon.signal(signal.SIGSTOP)
        # Asked while it stands still, so that it reads this before any timer of its own.
        deleting = threads.submit(session.delete, "c", id=held["id"], receipt=held["receipt"])
        time.sleep(0.5 + too_long)
        daemon.signal(signal.SIGCONT)
        assert deleting.result() is False
        again = session.receive("other", wait=1)[0]
        assert (again["id"], again["receives"], again["lastFailure"]) == (held["id"], 2, "lease expired")


def test_a_lease_ends_in_time_though_the_server_was_dead_when_it_should(tmp_path: Path) -> None:
    with Daemon(tmp_path) as daemon:
        session = daemon.session()
        session.publish(b"x")
        held = session.receive("c", lease=0.2)[0]
        daemon.kill()
        time.sleep(0.2)
        daemon.start()
        session = daemon.session()
        assert session.receive("other")[0]["receives"] == 2
        assert session.delete("c", id=held["id"], receipt=held["receipt"]) is False
