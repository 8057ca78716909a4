"""The process we run in: what it asks of the operating system, and what it tells whoever started it."""

from __future__ import annotations

import atexit
import gc
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Final
from uuid import uuid4

STORE_FAILED: Final = 74
"""The exit status after the store, or its disk, has failed: EX_IOERR of sysexits.h.  Starting again may help."""

REFUSED: Final = 1
"""The exit status of a start that is refused for another reason.  Starting again does not help."""


class Refused(SystemExit, Exception):
    """The server does not start; the text is one line for whoever tried.

    It is a C{SystemExit}: the process ends, without a traceback, with 1, and Python writes the text to C{sys.stderr}.
    And it is an C{Exception}: that is what makes twistd take its pid file away before it lets it pass.

    @ivar status: the exit status; another one than 1 only for who is L{told <Process.refused>} of the refusal.
    """

    def __init__(self, reason: str, status: int = REFUSED) -> None:
        super().__init__("wonderq: " + " ".join(reason.split()))
        self.status = status


class Process:
    """A process in the foreground: whoever started it sees its stderr and its exit status."""

    def started(self) -> None:
        """Tell that the server has started."""

    def refused(self, refusal: Refused) -> None:
        """Tell that it has not, once logging has begun: C{sys.stderr} leads to the log then."""
        tell(str(refusal))
        refusal.code = refusal.status

    def settle(self) -> None:
        """Spare the garbage collector all that is here to stay: to walk through it takes tens of milliseconds."""
        gc.collect()
        gc.freeze()

    def ignore(self, *signals: signal.Signals) -> None:
        """Let signals do nothing from now on."""
        for number in signals:
            signal.signal(number, signal.SIG_IGN)

    def exit_with(self, status: int) -> None:
        """Let the process end with C{status} once the reactor has stopped; twistd knows but 0 and signals."""
        atexit.register(self.leave, status)

    def leave(self, status: int) -> None:
        """End the process now, whatever hangs in it."""
        try:
            sys.stdout.flush()
        finally:
            os._exit(status)


class Daemon(Process):
    """A process that twistd puts in the background, while whoever started it waits for its first word.

    twistd forks twice after the service is made and before it is started.  The daemon's stderr is then /dev/null, and
    what twistd itself tells the process that waits is cut off at 100 bytes and sends people to a log file.  So a
    refusal goes through a pipe of our own, which that process reads, before twistd's, as soon as it has forked: a byte
    with the exit status, then the line.
    """

    def __init__(self) -> None:
        self._parent = os.getpid()
        self._read, self._write = os.pipe()
        os.register_at_fork(after_in_parent=self._wait)

    def started(self) -> None:
        """See L{Process.started}."""
        os.close(self._read)
        os.close(self._write)

    def refused(self, refusal: Refused) -> None:
        """See L{Process.refused}."""
        # Not closed: the other end reads on until this process has ended, with its pid file gone.
        os.write(self._write, bytes([refusal.status]) + str(refusal).encode())

    def _wait(self) -> None:
        if os.getpid() != self._parent:
            return
        os.close(self._write)
        with open(self._read, "rb") as pipe:
            told = pipe.read()
        if told:
            tell(told[1:].decode())
            self.leave(told[0])


def tell(line: str) -> None:
    """Write a line to the stderr that the process began with."""
    if sys.__stderr__ is not None:
        sys.__stderr__.write(line + "\n")
        sys.__stderr__.flush()


def monotonic_clock() -> Callable[[], float]:
    """Return a clock, in seconds, that nobody sets, and that goes on while the machine sleeps where there is one."""
    if hasattr(time, "CLOCK_BOOTTIME"):
        return partial(time.clock_gettime, time.CLOCK_BOOTTIME)
    return time.monotonic


def boot_id() -> str:
    """Return what tells this boot of the machine, and so this run of its monotonic clock, from every other."""
    path = Path("/proc/sys/kernel/random/boot_id")
    if path.exists():
        return path.read_text(encoding="ascii").strip()
    if sys.platform == "darwin":
        return subprocess.run(
            ["/usr/sbin/sysctl", "-n", "kern.bootsessionuuid"], check=True, capture_output=True, text=True
        ).stdout.strip()
    # Nobody knows here: then each run of the server is a boot of its own, and wall time counts in between.
    return uuid4().hex
