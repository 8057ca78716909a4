"""Which servers are compared, and how is each started, watched and ended?"""

from __future__ import annotations

import ctypes
import http.client
import os
import re
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType

from bench.load import Usage

__all__ = ["KINDS", "Kind", "Peer", "PeerFailed", "get"]

ROOT = Path(__file__).resolve().parent.parent
START_SECONDS = 30.0
STOP_SECONDS = 15.0

_ADDRESS = re.compile(rb"http://127\.0\.0\.1:([1-9][0-9]*)")
_TICKS = os.sysconf("SC_CLK_TCK")
_PR_SET_PDEATHSIG = 1


class PeerFailed(Exception):
    """A server could not be started, or ended by itself."""


@dataclass(frozen=True)
class Kind:
    """One kind of server.

    @ivar name: what it is called on the command line.
    @ivar title: what it is called in a report.
    @ivar command: makes the command that starts it, from a directory of its own.  It prints where it listens.
    @ivar wonderq: whether it is WonderQ: has batches, says when it is ready, and shows metrics.
    @ivar environment: more than this process has.
    """

    name: str
    title: str
    command: Callable[[Path], list[str]]
    wonderq: bool = False
    environment: Mapping[str, str] = field(default_factory=dict)


class Peer:
    """A server in a process group, a directory and on a processor of its own, from C{with} to its end.

    @ivar port: where it listens.
    @ivar kind: what it is.
    """

    def __init__(self, kind: Kind, core: int, source: Path, scratch: Path | None) -> None:
        """Prepare it.

        @param core: the processor it may use.
        @param source: the tree whose C{wonderq} it is.
        @param scratch: where its directory is made; none for the system's place for such.
        """
        self.kind = kind
        self.port = 0
        self._core = core
        self._source = source
        self._directory = Path(tempfile.mkdtemp(prefix="bench-", dir=scratch))
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Peer:
        try:
            self._start()
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop()

    def usage(self) -> Usage:
        """Return the processor time it has taken, in steps of a hundredth of a second.

        @raise PeerFailed: it has ended.
        """
        assert self._process is not None
        if self._process.poll() is not None:
            raise PeerFailed(self._last_words())
        stat = Path(f"/proc/{self._process.pid}/stat").read_text(encoding="ascii", errors="replace")
        # After the name, which may hold anything: utime and stime, the 14th and 15th of all (proc_pid_stat(5)).
        taken = sum(map(int, stat.rpartition(")")[2].split()[11:13]))
        return Usage(taken / _TICKS, _busy(self._core) / _TICKS)

    def _start(self) -> None:
        command = self.kind.command(self._directory)
        paths = [str(self._source), *filter(None, [os.environ.get("PYTHONPATH")])]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths), **self.kind.environment}
        with (self._directory / "log").open("wb") as log:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=self._directory,
                env=environment,
                start_new_session=True,
                preexec_fn=_bound_to(self._core),
            )
        end = time.monotonic() + START_SECONDS
        while not (found := _ADDRESS.search(self._log())):
            self._wait(end)
        self.port = int(found.group(1))
        while self.kind.wonderq and get(self.port, "/readyz")[0] != http.client.OK:
            self._wait(end)

    def _wait(self, end: float) -> None:
        assert self._process is not None
        if self._process.poll() is not None or time.monotonic() > end:
            raise PeerFailed(self._last_words())
        time.sleep(0.02)

    def _log(self) -> bytes:
        return (self._directory / "log").read_bytes()

    def _last_words(self) -> str:
        return f"{self.kind.title} does not run: {self._log()[-2000:].decode(errors='replace')}"

    def _stop(self) -> None:
        """End its whole group, and leave nothing behind."""
        if self._process is not None:
            try:
                if self._process.poll() is None:
                    os.killpg(self._process.pid, signal.SIGTERM)
                self._process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                pass
            finally:
                try:
                    os.killpg(self._process.pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass
                self._process.wait()
        shutil.rmtree(self._directory, ignore_errors=True)


def _busy(core: int) -> int:
    """Return the ticks that a processor has not been idle."""
    for line in Path("/proc/stat").read_text(encoding="ascii").splitlines():
        name, *ticks = line.split()
        if name == f"cpu{core}":
            # user nice system idle iowait irq softirq steal (proc_stat(5)); what follows is part of user and nice.
            user, nice, system, _, _, irq, softirq, steal = map(int, ticks[:8])
            return user + nice + system + irq + softirq + steal
    raise PeerFailed(f"there is no processor {core}")


def get(port: int, path: str) -> tuple[int, bytes]:
    """Ask a server on the loopback interface once.

    @return: status and body.
    @raise PeerFailed: it does not answer.
    """
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read()
    except (OSError, http.client.HTTPException) as error:
        raise PeerFailed(f"no answer to GET {path}: {error!r}") from error
    finally:
        connection.close()


def _bound_to(core: int) -> Callable[[], None]:
    """Make what a new process does first: keep to its processor, take many connections, and not outlive us."""
    prctl = ctypes.CDLL(None, use_errno=True).prctl
    files = resource.getrlimit(resource.RLIMIT_NOFILE)[1]

    def bind() -> None:
        prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        os.sched_setaffinity(0, {core})
        resource.setrlimit(resource.RLIMIT_NOFILE, (files, files))

    return bind


def _constant(directory: Path) -> list[str]:
    return [sys.executable, "-m", "bench.constant"]


def _express(directory: Path) -> list[str]:
    return ["node", str(installed_express() / "server.js")]


def _wonderq(*options: str) -> Callable[[Path], list[str]]:
    twistd = str(Path(sys.executable).with_name("twistd"))
    start = [twistd, "-n", "--pidfile=", "wonderq", "--listen", "tcp:0:interface=127.0.0.1", *options]

    def command(directory: Path) -> list[str]:
        return start if "memory:" in options else [*start, "--data", str(directory / "data")]

    return command


def installed_express() -> Path:
    """Return a folder of the user's cache that holds the peer with its dependencies, installed if need be.

    @raise PeerFailed: npm is missing, or could not install them.
    """
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "wonderq-bench" / "express"
    wanted = (ROOT / "bench/express/package.json").read_bytes()
    cache.mkdir(parents=True, exist_ok=True)
    shutil.copy(ROOT / "bench/express/server.js", cache)
    done = cache / "installed.json"
    if not done.exists() or done.read_bytes() != wanted:
        (cache / "package.json").write_bytes(wanted)
        install = ["npm", "install", "--omit=dev", "--no-audit", "--no-fund", "--no-package-lock"]
        try:
            subprocess.run(install, cwd=cache, check=True, stdout=sys.stderr, timeout=300)
        except (OSError, subprocess.SubprocessError) as error:
            raise PeerFailed(f"the peer on Express needs node and npm: {error}") from error
        done.write_bytes(wanted)
    return cache


KINDS = {
    kind.name: kind
    for kind in [
        Kind("constant", "constant answer", _constant),
        Kind("express", "Express, memory", _express, environment={"NODE_ENV": "production"}),
        Kind("memory", "WonderQ, memory", _wonderq("--store", "memory:"), wonderq=True),
        Kind("fsync", "WonderQ, fsync", _wonderq("--sync", "always"), wonderq=True),
        Kind("never", "WonderQ, no fsync", _wonderq("--sync", "never"), wonderq=True),
    ]
}
"""Every kind of server, by its name."""
