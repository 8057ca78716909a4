"""The real server, started by the real twistd: what people and supervisors see of it."""

from __future__ import annotations

import errno
import os
import resource
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from twisted.internet.testing import MemoryReactor

from tests.daemon.client import Answer, NoAnswer, NotSent, Refused, Session
from tests.daemon.preload import Disk
from tests.daemon.process import Daemon
from wonderq.config import Config
from wonderq.local.journal import Sync
from wonderq.process import STORE_FAILED
from wonderq.tap import endpoints

TWISTD = Path(sys.executable).with_name("twistd")
LOOPBACK = "tcp:0:interface=127.0.0.1"


def twistd(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run twistd until it ends, or has put a daemon in the background."""
    return subprocess.run(
        [TWISTD, *arguments],
        cwd=folder,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def eventually(what: str, done: Callable[[], bool]) -> None:
    """Wait until something is so; another process makes it so."""
    deadline = time.monotonic() + 30
    while not done():
        assert time.monotonic() < deadline, what
        time.sleep(0.01)


class Refusals:
    """How twistd ends when the server cannot start.

    @ivar mode: C{-n} or nothing: in the foreground or as a daemon.
    """

    def __init__(self, folder: Path, *mode: str) -> None:
        self.folder = folder
        self._mode = mode

    def refused(self, *options: str, status: int = 1) -> str:
        """Return the one line of a start that is refused as it should be."""
        done = twistd(self.folder, *self._mode, "wonderq", *options)
        assert done.returncode == status, (done.stdout, done.stderr)
        assert done.stderr.startswith("wonderq: "), (done.stdout, done.stderr)
        assert done.stderr.count("\n") == 1, done.stderr
        log = self.folder / "twistd.log"
        told = done.stdout + (log.read_text() if log.exists() else "")
        assert "Usage" not in told
        assert "Traceback" not in told
        assert not (self.folder / "twistd.pid").exists()
        return done.stderr


@pytest.fixture(params=[["-n"], []], ids=["foreground", "daemon"])
def start(request: pytest.FixtureRequest, tmp_path: Path) -> Refusals:
    return Refusals(tmp_path, *request.param)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Daemon]:
    with Daemon(tmp_path / "server") as daemon:
        yield daemon


# -- what is refused --


@pytest.mark.parametrize(
    "options",
    [
        ["--colour=blue"],
        ["start"],
        ["--store=postgresql://localhost/wonderq"],
        ["--data=a", "--store=sqlite:b"],
        ["--listen=nonsense"],
        ["--listen=tcp:eighty"],
        ["--listen=tcp:0:interface=127.0.0.1:speed=9"],
        ["--listen=systemd:domain=INET:index=0"],
        ["--listen=ssl:0:interface=127.0.0.1:privateKey=missing.pem"],
    ],
    ids=" ".join,
)
def test_what_cannot_be_meant_is_refused_in_one_line(options: list[str], tmp_path: Path) -> None:
    Refusals(tmp_path, "-n").refused(*options)


@pytest.mark.parametrize(
    ("description", "hint"),
    [
        ("tcp:0:interface=::1", r"colons in a value are written \:, as in tcp:8080:interface=\:\:1."),
        ("tcp6:0:interface=::1", r"colons in a value are written \:, as in tcp:8080:interface=\:\:1."),
        ("tcp:0:50:::1", r"colons in a value are written \:, as in tcp:8080:interface=\:\:1."),
        ("tcp", "ports and backlogs are numbers, as in tcp:8080:interface=127.0.0.1."),
        ("tcp:", "ports and backlogs are numbers, as in tcp:8080:interface=127.0.0.1."),
        ("tcp:eighty", "ports and backlogs are numbers, as in tcp:8080:interface=127.0.0.1."),
        ("unix:socket:mode=rw", "a mode is an octal number, as in unix:socket:mode=660."),
        (
            "systemd:domain=INET:index=0",
            "systemd has handed over no such socket (it does to the service of a .socket unit).",
        ),
        (
            "systemd:domain=INET:name=web",
            "systemd has handed over no such socket (it does to the service of a .socket unit).",
        ),
        ("systemd:domain=INET", "Specify exactly one of descriptor index or name."),
        ("onion:1", "Unknown endpoint type: 'onion'."),
    ],
)
def test_a_description_that_is_no_endpoint_is_refused_with_what_to_do(description: str, hint: str) -> None:
    with pytest.raises(SystemExit) as refused:
        endpoints(Config((description,), None, Sync(), 0, 0.0, False), MemoryReactor())
    assert str(refused.value) == f"wonderq: {description!r} is no Twisted endpoint: {hint}"


@pytest.mark.parametrize(
    "options",
    [
        ["--sync=sometimes"],
        ["--listen=tcp:99999:interface=127.0.0.1"],
        ["--listen=unix:missing/wonderq.sock"],
        ["--listen=tcp:0"],
        ["--listen=tcp:0:interface=127.0.0.1", "--listen=tcp:0:interface=\\:\\:"],
    ],
    ids=" ".join,
)
def test_what_cannot_be_had_is_refused_in_one_line(options: list[str], start: Refusals) -> None:
    start.refused(*options)
    assert not (start.folder / "wonderq-data").exists()


def test_a_taken_port_is_refused(start: Refusals) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        description = f"tcp:{taken.getsockname()[1]}:interface=127.0.0.1"
        line = start.refused("--listen", description)
    assert line == f"wonderq: Cannot listen on {description}: Address already in use.\n"


def test_a_pid_file_that_a_kill_left_behind_keeps_nobody_from_starting(tmp_path: Path) -> None:
    (tmp_path / "twistd.pid").write_text(str(os.getpid()))
    with socket.create_server(("127.0.0.1", 0)) as taken:
        description = f"tcp:{taken.getsockname()[1]}:interface=127.0.0.1"
        done = twistd(tmp_path, "-n", "wonderq", "--listen", description)
    assert done.stderr == f"wonderq: Cannot listen on {description}: Address already in use.\n"
    assert (tmp_path / "twistd.pid").read_text() == str(os.getpid())


def test_a_data_directory_in_use_is_refused_and_goes_on_being_used(start: Refusals, server: Daemon) -> None:
    line = start.refused("--listen", LOOPBACK, "--data", str(server.directory / "data"))
    assert f"in use by process {server.process.pid}" in line
    assert server.session().publish(b"still here") == 1


def test_a_store_of_a_newer_version_is_refused_and_left_alone(start: Refusals, tmp_path: Path) -> None:
    with Daemon(tmp_path / "server", data=tmp_path / "data") as server:
        server.session().publish(b"kept")
        server.stop()
    path = tmp_path / "data" / "wonderq.sqlite"
    with sqlite3.connect(path) as store:
        store.execute("PRAGMA user_version = 1000")
    store.close()
    before = path.read_bytes()
    assert "newer" in start.refused("--listen", LOOPBACK, "--data", str(tmp_path / "data"))
    assert path.read_bytes() == before


def test_a_file_that_is_no_store_is_refused_and_left_alone(start: Refusals, tmp_path: Path) -> None:
    path = tmp_path / "letter.txt"
    path.write_text("Dear Ada, " * 100)
    start.refused("--listen", LOOPBACK, f"--store=sqlite:{path}")
    assert path.read_text() == "Dear Ada, " * 100


def test_a_data_directory_that_cannot_be_made_is_refused(start: Refusals, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    start.refused("--listen", LOOPBACK, "--data", str(tmp_path / "file" / "data"))


@pytest.mark.parametrize(
    ("fault", "reason"), [(errno.ENOSPC, "its disk is full; free "), (errno.EIO, "[Errno 5] Input/output error")]
)
def test_a_disk_that_is_full_or_broken_has_a_status_of_its_own_since_it_may_be_well_again(
    fault: int, reason: str, start: Refusals, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = Disk(tmp_path)
    for name, value in disk.environment.items():
        monkeypatch.setenv(name, value)
    disk.fail(fault)
    line = start.refused("--listen", LOOPBACK, "--data=data", status=STORE_FAILED)
    assert line.startswith(f"wonderq: data/wonderq.sqlite cannot be opened: {reason}")


def test_a_variable_can_be_wrong_too(start: Refusals, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WONDERQ_MIN_FREE", "plenty")
    assert "WONDERQ_MIN_FREE" in start.refused()


# -- a daemon --


def test_a_daemon_starts_serves_and_stops_and_takes_its_pid_file_away(tmp_path: Path) -> None:
    done = twistd(tmp_path, "wonderq", "--listen", f"unix:{tmp_path}/socket")
    assert (done.returncode, done.stderr) == (0, "")
    pid = int((tmp_path / "twistd.pid").read_text())
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(tmp_path / "socket"))
        client.sendall(b"GET /livez HTTP/1.0\r\n\r\n")
        assert client.recv(100).startswith(b"HTTP/1.0 200 OK\r\n")
    os.kill(pid, signal.SIGTERM)
    eventually("the daemon stops", lambda: not (tmp_path / "twistd.pid").exists())
    assert "Stopped." in (tmp_path / "twistd.log").read_text()
    assert (tmp_path / "wonderq-data" / "wonderq.sqlite").exists()


# -- signals --


def waiting(server: Daemon) -> int:
    """Return how many receives wait."""
    counts: int = server.get("/v1/queues/default").value["waiting"]
    return counts


def test_sigterm_answers_whoever_waits_and_is_gone_in_ten_seconds(server: Daemon) -> None:
    answers: list[Answer] = []
    poll = threading.Thread(
        target=lambda: answers.append(server.session().call("GET", "/v1/consumer", cid="1", wait="60"))
    )
    poll.start()
    eventually("the poll waits", lambda: waiting(server) == 1)
    began = time.monotonic()
    assert server.stop() in (0, -signal.SIGTERM)
    assert time.monotonic() - began < 10
    poll.join()
    assert [(answer.status, answer.value) for answer in answers] == [(200, [])]


def test_two_sigterms_are_as_good_as_one(tmp_path: Path) -> None:
    with Daemon(tmp_path, "--drain=1") as server:
        server.signal(signal.SIGTERM)
        eventually("it drains", lambda: server.probe("/readyz") == 503)
        server.signal(signal.SIGTERM)
        assert server.session().publish(b"while it drains") == 1
        assert server.wait_gone() in (0, -signal.SIGTERM)
        assert "Traceback" not in server.output()


def test_sighup_changes_nothing(server: Daemon) -> None:
    server.signal(signal.SIGHUP)
    assert server.session().publish(b"still here") == 1
    assert server.get("/readyz").status == 200


# -- a store that fails --


def publish_on(session: Session) -> tuple[int, int | None]:
    """Publish until that fails; return how often it did not, and the status of the answer to the last one, if any."""
    confirmed = 0
    while True:
        try:
            confirmed = session.publish(os.urandom(100_000))
        except Refused as refused:
            return confirmed, refused.answer.status
        except (NoAnswer, NotSent):
            return confirmed, None


def test_a_store_that_cannot_be_written_ends_the_process_with_a_status_of_its_own(tmp_path: Path) -> None:
    """A limit on the size of files stands in for a broken disk: there is room, and writes fail."""
    with Daemon(tmp_path, "--min-free=0") as server:
        limit = 2 * 1024 * 1024
        resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, (limit, limit))
        confirmed, end = publish_on(server.session())
        assert end in (503, None)
        assert server.wait_gone() == STORE_FAILED
        assert server.output().count("The store has failed, so the server stops") == 1
        assert "Traceback" not in server.output()
        server.start()
        # The last one, of which nobody knows, may be there.
        assert server.get("/v1/queues/default").value["counts"]["ready"] in (confirmed, confirmed + 1)


# -- the log, and clocks --


def test_the_log_of_a_quiet_life_is_short_and_says_where_and_what(tmp_path: Path) -> None:
    with Daemon(tmp_path) as server:
        server.session().publish(b"hello")
        server.stop()
        server.start()
        server.stop()
        ours = [line.split("] ", 1)[1] for line in server.output().splitlines() if "[wonderq." in line]
        store = tmp_path / "data" / "wonderq.sqlite"
        assert ours[3] == f"Serving http://127.0.0.1:{server.port}; messages are kept in {store}."
        assert ours[4].startswith("Ready: 1 messages recovered in 0.")
        assert ours[5] == "Stopped."
        assert len(ours) == 6


def test_a_server_that_starts_without_room_to_publish_says_so_once(tmp_path: Path) -> None:
    with Daemon(tmp_path, "--min-free=900000G") as server:
        for _ in range(2):
            with pytest.raises(Refused):
                server.session().publish(b"too much")
        assert server.get("/v1/status").value["diskFull"] is True
        assert server.output().count("publishing is refused") == 1


def test_timers_run_on_the_clock_that_nobody_sets() -> None:
    program = """
import time
from wonderq.tap import Options, makeService
options = Options()
options.parseOptions(["--store=memory:"])
makeService(options)
from twisted.internet import reactor
now = time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))
assert 0 <= now - reactor.seconds() < 1 or 0 <= reactor.seconds() - now < 1
assert abs(reactor.callLater(5, print).getTime() - now - 5) < 1
"""
    subprocess.run([sys.executable, "-c", program], check=True, timeout=30)


def test_status_tells_the_kind_of_store(server: Daemon) -> None:
    status = server.get("/v1/status").value
    assert (status["store"], status["sync"], status["ready"]) == ("sqlite", "always", True)
    assert status["diskFull"] is False
