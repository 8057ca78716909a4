"""The real server as a process of its own: started, asked, killed, and started again on the same data."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType

from tests.daemon.client import Answer, NoAnswer, NotSent, Session

START_SECONDS = 30.0
"""A start takes well under a second; a machine that is busy with other things may take long."""

_PORT = re.compile(rb"127\.0\.0\.1:([1-9][0-9]*)")


def eventually(true: Callable[[], bool], seconds: float = 10.0) -> bool:
    """Ask until something is true; return whether it was so in time."""
    deadline = time.monotonic() + seconds
    while not true():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.005)
    return True


class Daemon:
    """C{twistd -n wonderq} on a port that the system chose, in a process group of its own.

    @ivar directory: holds the data in C{data}, and what the server wrote in C{stdout} and C{stderr}.
    @ivar port: where it listens, once it does.
    """

    def __init__(
        self, directory: Path, *options: str, environment: Mapping[str, str] | None = None, data: Path | None = None
    ) -> None:
        """Prepare a server; L{start}, or C{with}, starts it.

        @param options: more of C{twistd wonderq}'s.
        @param environment: more than this process has.
        @param data: another data directory.
        """
        self.directory = directory
        self.port = 0
        self._options = options
        self._environment = environment or {}
        self._data = data or directory / "data"
        self._process: subprocess.Popen[bytes] | None = None
        self._read = 0

    def __enter__(self) -> Daemon:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()

    # -- life and death --

    @property
    def process(self) -> subprocess.Popen[bytes]:
        """The process as it was started last."""
        assert self._process is not None
        return self._process

    def spawn(self) -> None:
        """Start it and wait for nothing."""
        self.directory.mkdir(parents=True, exist_ok=True)
        command = [str(Path(sys.executable).with_name("twistd")), "-n", "--pidfile=", "wonderq"]
        command += ["--listen", "tcp:0:interface=127.0.0.1"]
        if not any(option.startswith("--store") for option in self._options):
            command += ["--data", str(self._data)]
        stdout = self.directory / "stdout"
        self._read = stdout.stat().st_size if stdout.exists() else 0
        with stdout.open("ab") as out, (self.directory / "stderr").open("ab") as err:
            self._process = subprocess.Popen(
                [*command, *self._options],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                cwd=self.directory,
                env={**os.environ, **self._environment},
                start_new_session=True,
            )

    def start(self) -> None:
        """Start it and wait until it is ready."""
        self.spawn()
        try:
            self.wait_listening()
            self.wait_ready()
        except BaseException:
            self.kill()
            raise

    def spawn_for(self, seconds: float) -> int:
        """Start it, kill it if it has not ended by then, and return its exit status, negative for a signal."""
        self.spawn()
        try:
            return self.wait_gone(seconds)
        except subprocess.TimeoutExpired:
            return -signal.SIGKILL
        finally:
            self.kill()

    def kill(self) -> None:
        """Kill it as C{kill -9} does, if it is there."""
        if self.process.poll() is None:
            self.signal(signal.SIGKILL)
            self.process.wait()

    def stop(self) -> int:
        """Ask it to stop, and return its exit status, negative for a signal."""
        self.signal(signal.SIGTERM)
        return self.wait_gone()

    def signal(self, number: signal.Signals) -> None:
        """Send its process group a signal."""
        os.killpg(self.process.pid, number)

    # -- what it does --

    def wait_listening(self) -> None:
        """Wait until it has said where it listens."""

        def listening() -> bool:
            with (self.directory / "stdout").open("rb") as file:
                file.seek(self._read)
                found = _PORT.search(file.read())
            self.port = int(found[1]) if found else 0
            return found is not None

        self._wait(listening, "listen")

    def wait_ready(self) -> None:
        """Wait until C{/readyz} says so."""
        self._wait(lambda: self.probe("/readyz") == 200, "get ready")

    def wait_gone(self, seconds: float = START_SECONDS) -> int:
        """Wait for its end and return its exit status, negative for a signal."""
        return self.process.wait(seconds)

    def probe(self, path: str) -> int | None:
        """Return the status of a GET on a fresh connection; C{None}: no answer."""
        session = self.session(timeout=START_SECONDS)
        try:
            return session.call("GET", path).status
        except (NotSent, NoAnswer):
            return None
        finally:
            session.close()

    def session(self, timeout: float = START_SECONDS) -> Session:
        """Make a client."""
        return Session(self.port, timeout)

    def get(self, path: str) -> Answer:
        """Return the answer to a GET on a fresh connection."""
        session = self.session()
        try:
            return session.call("GET", path)
        finally:
            session.close()

    def output(self) -> str:
        """Return all that it wrote, for people who wonder what happened."""
        texts = [(self.directory / name).read_text(errors="replace") for name in ("stdout", "stderr")]
        return "\n-- stderr --\n".join(texts)

    def resident(self) -> int:
        """Return the bytes of memory it occupies now."""
        status = Path(f"/proc/{self.process.pid}/status").read_text(encoding="ascii")
        found = re.search(r"^VmRSS:\s+(\d+) kB$", status, re.M)
        assert found is not None
        return int(found[1]) * 1024

    def _wait(self, done: Callable[[], bool], what: str) -> None:
        if not eventually(lambda: self.process.poll() is not None or done(), START_SECONDS):
            raise AssertionError(f"the server did not {what} in {START_SECONDS:g} s:\n{self.output()}")
        if self.process.returncode is not None:
            raise AssertionError(f"the server ended with {self.process.returncode}:\n{self.output()}")
