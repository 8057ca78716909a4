"""What is promised holds when the server is killed under load, at any moment."""

import secrets
from pathlib import Path

import pytest

from tests.kill import Run


@pytest.mark.timeout(400)
def test_fifty_kills_break_no_promise(tmp_path: Path) -> None:
    run = Run(tmp_path, secrets.token_hex(4), kills=50)
    assert run.run() == [], run.report()
    assert any(run.history.settled("delete")), run.report()
    assert run.history.unanswered, run.report()


@pytest.mark.parametrize("sync", ["strict", "interval:0.2", "never"])
def test_kills_break_no_promise_at_any_level_of_syncing(tmp_path: Path, sync: str) -> None:
    run = Run(tmp_path, secrets.token_hex(4), 4, "--sync", sync)
    assert run.run() == [], run.report()


def test_a_server_that_forgets_is_found_out(tmp_path: Path) -> None:
    run = Run(tmp_path, secrets.token_hex(4), 3, "--store", "memory:")
    assert {"lost", "ids_grow"} <= {violation.rule for violation in run.run()}
