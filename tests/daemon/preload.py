"""Disks and wall clocks that do as a test says: small C libraries that a server is started with."""

from __future__ import annotations

import mmap
import shutil
import struct
import subprocess
from pathlib import Path
from typing import Literal

import pytest

SOURCES = Path(__file__).parent.parent / "shims"


def library(name: str, directory: Path) -> Path:
    """Compile a library of C{tests/shims/} into C{directory}."""
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("there is no C compiler (package gcc)")
    made = directory / f"{name}.so"
    flags = ["-std=gnu11", "-O1", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC"]
    subprocess.run([compiler, *flags, "-o", str(made), str(SOURCES / f"{name}.c"), "-ldl"], check=True)
    return made


class Shim:
    """A library, and the numbers that it shares with the test.

    @ivar environment: what a server must be started with.
    @ivar numbers: as the library describes them.
    """

    def __init__(self, name: str, directory: Path, form: Literal["i", "q"], count: int) -> None:
        """Compile it.

        @param form: the type of the numbers, as L{struct} writes it.
        """
        shared = directory / f"{name}.numbers"
        shared.write_bytes(bytes(struct.calcsize(form) * count))
        with shared.open("r+b") as file:
            self.numbers = memoryview(mmap.mmap(file.fileno(), 0)).cast(form)
        self.environment = {"LD_PRELOAD": str(library(name, directory)), f"WONDERQ_{name.upper()}": str(shared)}


class Disk(Shim):
    """The disk of a server."""

    def __init__(self, directory: Path) -> None:
        super().__init__("disk", directory, "i", 4)

    def slow(self, seconds: float) -> None:
        """Let every sync take this much longer."""
        self.numbers[0] = round(seconds * 1000)

    def fail(self, code: int) -> None:
        """Let every sync fail with an errno; 0: let it work again."""
        self.numbers[1] = code

    @property
    def begun(self) -> int:
        """How many syncs have begun."""
        return self.numbers[2]

    @property
    def synced(self) -> int:
        """How many syncs have come back."""
        return self.numbers[3]


class WallClock(Shim):
    """The wall clock of a server."""

    def __init__(self, directory: Path) -> None:
        super().__init__("wall", directory, "q", 1)

    def jump(self, seconds: int) -> None:
        """Set it forward or back."""
        self.numbers[0] += seconds
