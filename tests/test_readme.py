"""The README's tour does what it says, as printed."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.daemon.process import Daemon

README = Path(__file__).parent.parent / "README.md"
ADDRESS = "http://127.0.0.1:8080"
CHANGING = "…"
"""Stands in the README for whatever may stand there, on one line."""


class Step(NamedTuple):
    """A command, and what the README says that it prints."""

    command: str
    printed: str


def steps(text: str) -> list[Step]:
    """Read the C{console} blocks of a page: a command stands behind C{$}, what it prints below."""
    found = []
    for block in re.findall(r"^```console\n(.*?)^```$", text, re.M | re.S):
        for part in re.split(r"^\$ ", block, flags=re.M)[1:]:
            command, _, printed = part.partition("\n")
            found.append(Step(command, printed.rstrip("\n")))
    return found


def agrees(printed: str, promised: str) -> bool:
    """Tell whether what was printed is what was promised."""
    return re.fullmatch(".+?".join(re.escape(piece) for piece in promised.split(CHANGING)), printed) is not None


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Daemon]:
    with Daemon(tmp_path) as daemon:
        yield daemon


def test_every_command_of_the_tour_prints_what_the_readme_says(server: Daemon) -> None:
    tour = steps(README.read_text(encoding="utf-8"))
    assert len(tour) > 10
    for step in tour:
        assert step.command.count(ADDRESS) == 1, step.command
        command = step.command.replace(ADDRESS, f"http://127.0.0.1:{server.port}").replace("curl ", "curl -sS ", 1)
        done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=False, timeout=30)
        assert (done.returncode, done.stderr) == (0, "")
        assert agrees(done.stdout, step.printed), f"$ {step.command}\n{done.stdout}\nis not\n{step.printed}"


def test_the_comparison_would_notice_a_difference() -> None:
    assert agrees('{"a":1,"b":"x"}', '{"a":1,"b":"…"}')
    assert not agrees('{"a":1,"b":"x"}', '{"a":2,"b":"…"}')
    assert not agrees('{"a":1}', '{"a":1…}')
    assert not agrees('{"a":1}\n', '{"a":1}')


def test_the_two_commands_stand_on_the_first_screen() -> None:
    screen = README.read_text(encoding="utf-8").split("\n")[:40]
    assert "python3 -m venv .venv && .venv/bin/pip install . && .venv/bin/twistd -n wonderq" in screen
    assert "sh tests/run.sh" in screen
