"""A lock file is held by one at a time, and by nobody who could not take it whole."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from wonderq.broker import StoreRefused
from wonderq.local.lockfile import LockFile


def test_a_lock_is_held_until_it_is_let_go(tmp_path: Path) -> None:
    path = str(tmp_path / "lock")
    lock = LockFile(path, "the store")
    with pytest.raises(StoreRefused, match=f"^the store is in use by process {os.getpid()}$"):
        LockFile(path, "the store")
    lock.release()
    LockFile(path, "the store").release()


def test_a_lock_stays_when_it_is_let_go(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    LockFile(str(path), "the store").release()
    assert path.exists()


def test_a_lock_that_cannot_be_written_is_let_go(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    os.mkfifo(path)
    for _ in range(2):
        with pytest.raises(OSError, match="Invalid argument"):
            LockFile(str(path), "the store")
