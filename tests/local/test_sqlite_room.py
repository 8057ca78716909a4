"""Publishing leaves the disk that everything else needs."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import msgspec

from tests.local.stores import Store
from wonderq.local.checkpoint import LONG
from wonderq.local.journal import Fate
from wonderq.local.room import MARGIN, Room
from wonderq.model import Attempt, Message


class Disk:
    """A disk with so many bytes free, and a store on it."""

    def __init__(self, free: int, pending: int = 0, reusable: int = 0) -> None:
        self.free = free
        self.pending = pending
        self.reusable = reusable
        self.told: list[bool] = []
        self.room = Room(1000, lambda: self.free, lambda: self.pending, lambda: self.reusable, self.told.append)

    def fits(self, size: int, noted: int = 0) -> bool:
        return self.room.has(size, noted)


def test_a_message_fits_if_the_reserve_is_left_when_the_log_and_the_database_have_it() -> None:
    disk = Disk(free=1200)
    assert disk.fits(100)
    assert not disk.fits(101)


def test_less_than_the_reserve_is_no_room_for_anything() -> None:
    assert Disk(free=1000).fits(0)
    assert not Disk(free=999).fits(0)


def test_what_is_in_the_log_is_counted_once_more() -> None:
    disk = Disk(free=1300, pending=100)
    assert disk.fits(100)
    assert not disk.fits(101)


def test_what_is_noted_in_this_turn_counts_and_the_disk_is_asked_in_the_next() -> None:
    disk = Disk(free=1200)
    assert disk.fits(60)
    disk.free = 5000
    assert disk.fits(40, noted=60)
    assert not disk.fits(41, noted=60)
    assert disk.fits(41)


def test_the_disk_is_asked_once_more_for_what_is_noted_after_a_transaction() -> None:
    disk = Disk(free=1200)
    assert disk.fits(60)
    disk.room.written()
    disk.free = 1100
    assert not disk.fits(40, noted=60)
    disk.free = 5000
    assert not disk.fits(40, noted=60)


def test_room_within_the_file_counts_while_half_of_the_reserve_is_there() -> None:
    assert Disk(free=500, reusable=201).fits(100)
    assert not Disk(free=500, reusable=201).fits(101)
    assert not Disk(free=499, reusable=201).fits(100)


# -- a shortage, and its end --


def test_whoever_is_refused_again_and_again_makes_one_shortage() -> None:
    disk = Disk(free=1200)
    assert [disk.fits(size) for size in (100, 101, 102, 100, 200)] == [True, False, False, True, False]
    assert disk.told == [False]


def test_a_shortage_is_over_when_the_largest_that_was_refused_fits_with_some_to_spare() -> None:
    disk = Disk(free=1000)
    assert [disk.fits(size) for size in (200, 300, 100)] == [False] * 3
    disk.free = 1000 + 2 * 300 + MARGIN - 1
    assert disk.fits(0)
    assert disk.told == [False]
    disk.free += 1
    assert disk.fits(0)
    assert disk.told == [False, True]


def test_a_store_that_is_emptied_as_fast_as_it_is_filled_stays_short() -> None:
    disk = Disk(free=999)
    for _ in range(3):
        assert not disk.fits(100)
        disk.reusable = 201
        assert disk.fits(100)
        disk.reusable = 0
    assert disk.told == [False]
    disk.reusable = 2 * 100 + MARGIN + 1
    assert disk.fits(0)
    assert disk.told == [False, True]


def test_the_end_of_a_shortage_is_found_by_whatever_is_written() -> None:
    disk = Disk(free=999)
    assert not disk.fits(0)
    disk.free = 5000 + MARGIN
    disk.room.written()
    assert disk.told == [False, True]


def test_the_next_shortage_is_told_like_the_first() -> None:
    disk = Disk(free=999)
    assert not disk.fits(10_000)
    disk.free = 50_000 + MARGIN
    assert disk.fits(0)
    disk.free = 999
    assert not disk.fits(0)
    disk.free = 1000 + MARGIN
    assert disk.fits(0)
    assert disk.told == [False, True, False, True]


# -- the same on a real disk --


def free_on(path: Path) -> int:
    disk = os.statvfs(path)
    return disk.f_bavail * disk.f_frsize


def test_a_store_asks_its_disk(tmp_path: Path) -> None:
    store = Store(tmp_path / "store.sqlite", min_free=0)
    assert store.journal.has_room(1000)
    assert not store.journal.has_room(free_on(tmp_path))
    store.stop()
    store = Store(tmp_path / "store.sqlite", min_free=2**62)
    assert not store.journal.has_room(0)
    store.stop()


def test_a_store_that_opens_without_room_says_so_at_once(tmp_path: Path) -> None:
    store = Store(tmp_path / "store.sqlite", min_free=2**62)
    assert store.room == [False]
    store.stop()
    store = Store(tmp_path / "store.sqlite", min_free=0)
    assert store.room == []
    store.stop()


def test_a_store_that_consumers_empty_says_when_it_has_room_again(tmp_path: Path) -> None:
    store = Store(tmp_path / "store.sqlite")
    store.queue()
    ids = [store.publish(b"x" * 100_000) for _ in range(100)]
    store.written()
    store.stop()
    store = Store(store.path, min_free=free_on(tmp_path) * 3 // 2)
    assert not store.journal.has_room(1_000_000)
    for message in ids:
        store.journal.delete(message)
    store.written()
    assert store.room == [False, True]
    store.stop()


def test_a_store_counts_what_it_has_noted(tmp_path: Path) -> None:
    store = Store(tmp_path / "store.sqlite", min_free=0)
    store.queue()
    half = free_on(tmp_path) // 2
    assert store.journal.has_room(half - 10_000_000)
    store.publish(b"x" * 30_000_000)
    assert not store.journal.has_room(half - 10_000_000)
    store.stop()


def test_a_store_asks_its_disk_again_when_something_is_written(tmp_path: Path) -> None:
    store = Store(tmp_path / "store.sqlite", min_free=0)
    store.queue()
    half = free_on(tmp_path) // 2
    assert store.journal.has_room(half - 10_000_000)
    store.publish(b"x" * 30_000_000)
    store.written()
    store.publish(b"")
    assert not store.journal.has_room(half - 10_000_000)
    store.stop()


def test_a_store_counts_what_is_in_its_log(tmp_path: Path) -> None:
    store = Store(tmp_path / "store.sqlite", min_free=0)
    store.queue()
    store.threads.held = True
    store.publish(b"x" * 4096 * LONG)
    store.turn()
    half = free_on(tmp_path) // 2
    assert not store.journal.has_room(half - 4096 * LONG // 4)
    store.threads.release_all()
    store.turn()
    assert store.journal.has_room(free_on(tmp_path) // 2 - 4096 * LONG // 4)
    store.stop()


def test_a_store_that_was_emptied_has_room_within(tmp_path: Path) -> None:
    store = Store(tmp_path / "store.sqlite")
    store.queue()
    ids = [store.publish(b"x" * 100_000) for _ in range(100)]
    store.written()
    store.stop()
    store = Store(store.path, min_free=free_on(tmp_path) * 3 // 2)
    assert not store.journal.has_room(1_000_000)
    for message in ids:
        store.journal.delete(message)
    store.written()
    assert store.journal.has_room(1_000_000)
    assert not store.journal.has_room(100_000_000)
    store.stop()


LONG_REASON = "because \N{SNOWMAN} " * 100
ATTEMPTS = tuple(Attempt("alice", 1.0, 2.0, "released", LONG_REASON[:200]) for _ in range(20))


def history(tmp_path: Path, min_free: int) -> tuple[Message, list[Any]]:
    """Publish a message, let its lease end on a disk of which so much is to be left; return how it is kept."""
    store = Store(tmp_path / "store.sqlite", min_free=min_free)
    store.queue()
    message = store.publish()
    store.lease(message)
    store.written()
    store.journal.end_lease(message, Fate(7, LONG_REASON, ATTEMPTS, 3.0, True, False))
    noted = store.journal.read(message)
    assert noted is not None
    store.written()
    [row] = store.rows("history")
    store.stop()
    return noted, list(row)


def test_with_room_all_that_became_of_a_message_is_kept(tmp_path: Path) -> None:
    noted, row = history(tmp_path, min_free=0)
    assert (noted.last_failure, noted.attempts) == (LONG_REASON, ATTEMPTS)
    assert (row[2], msgspec.json.decode(row[3], type=tuple[Attempt, ...])) == (LONG_REASON, ATTEMPTS)


def test_without_room_what_became_of_a_message_is_kept_in_a_few_bytes(tmp_path: Path) -> None:
    noted, row = history(tmp_path, min_free=2**62)
    assert (noted.receives, noted.last_failure, noted.attempts, noted.since) == (7, LONG_REASON[:100], (), 3.0)
    assert row[1:] == [7, LONG_REASON[:100], "[]", 3.0, 0]
