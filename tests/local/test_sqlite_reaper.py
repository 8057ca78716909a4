"""The messages of a deleted queue leave the disk bit by bit."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from tests.local.stores import Store
from wonderq.local.reaper import SLICE, SLICE_BYTES


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """Return a store with messages in two queues, one of which has several slices of them."""
    store = Store(tmp_path / "store.sqlite")
    store.queue("kept")
    store.queue("old")
    for number in range(3 * SLICE):
        store.publish(b"", "kept" if number % 100 == 0 else "old")
    store.lease(1)
    store.written()
    yield store
    store.stop()
    assert store.clock.getDelayedCalls() == []


def count(store: Store, table: str = "messages") -> int:
    return len(store.rows(table))


def finish(store: Store) -> None:
    """Let the reactor turn until nothing is left to do."""
    while store.clock.getDelayedCalls():
        store.turn()


def test_a_deleted_queue_and_its_messages_are_gone_at_once_for_everybody(store: Store) -> None:
    noted = store.publish(b"", "old")
    store.journal.delete_queue("old")
    assert [store.journal.read(message) is None for message in (1, 2, noted)] == [False, True, True]
    store.written()
    killed = Store(store.killed())
    assert set(killed.journal.queues()) == {"kept"}
    assert {survivor.queue for survivor in killed.survivors()} == {"kept"}
    assert [killed.journal.read(message) is None for message in (1, 2, noted)] == [False, True, True]
    killed.stop()


def test_its_rows_leave_in_slices(store: Store) -> None:
    before = count(store)
    store.journal.delete_queue("old")
    counts = [before]
    while store.clock.getDelayedCalls():
        store.turn()
        counts.append(count(store))
    assert counts[-1] == 30
    assert max(earlier - later for earlier, later in pairwise(counts)) <= SLICE
    assert [row[1] for row in store.rows("queues")] == ["kept"]
    assert count(store, "leases") == 1


def test_large_messages_leave_a_few_at_a_time_and_all_of_them(tmp_path: Path) -> None:
    store = Store(tmp_path / "large.sqlite")
    store.queue("large")
    sizes = [0, 1_000_000, 3_000_000, 1_500_000, 0, 16_000_000, 16_000_000, 2_000_000, 2_000_000, 2_000_000]
    numbers = {store.publish(bytes(size), "large"): size for size in sizes}
    store.written()
    store.journal.delete_queue("large")
    left = [set(numbers)]
    while store.clock.getDelayedCalls():
        store.turn()
        left.append({row[0] for row in store.rows("messages")})
    steps = [sorted(numbers[number] for number in before - after) for before, after in pairwise(left)]
    assert sorted(size for step in steps for size in step) == sorted(sizes)
    assert all(len(step) <= 1 or sum(step) <= SLICE_BYTES for step in steps), steps
    assert count(store) == 0
    assert store.rows("queues") == []
    store.stop()


def test_large_messages_of_other_queues_do_not_make_it_slower(tmp_path: Path) -> None:
    store = Store(tmp_path / "large.sqlite")
    store.queue("old")
    store.queue("kept")
    for _ in range(3):
        store.publish(bytes(3_000_000), "kept")
        store.publish(b"", "old")
    store.written()
    store.journal.delete_queue("old")
    store.written()
    store.turn()
    store.turn()
    assert count(store) == 3
    store.stop()


def test_what_was_noted_in_the_turn_of_the_deletion_leaves_too(store: Store) -> None:
    noted = store.publish(b"", "old")
    store.lease(noted)
    store.publish(b"", "old", due=60.0)
    store.journal.delete_queue("old")
    finish(store)
    assert (count(store), count(store, "delays"), count(store, "leases")) == (30, 0, 1)


def test_the_rows_leave_after_a_restart_too(store: Store) -> None:
    store.journal.delete_queue("old")
    store.written()
    store.turn()
    killed = Store(store.killed())
    assert count(killed) > 30
    assert len(killed.survivors()) == 30
    finish(killed)
    assert count(killed) == 30
    assert [row[1] for row in killed.rows("queues")] == ["kept"]
    killed.stop()


def test_a_stop_in_the_middle_goes_on_at_the_next_start(store: Store) -> None:
    store.journal.delete_queue("old")
    store.written()
    store.turn()
    store.stop()
    again = Store(store.path)
    assert 30 < count(again) < 3 * SLICE
    again.survivors()
    finish(again)
    assert count(again) == 30
    again.stop()


def test_a_new_queue_of_the_same_name_has_none_of_the_old_messages(store: Store) -> None:
    store.journal.delete_queue("old")
    store.queue("old")
    new = store.publish(b"new", "old")
    store.written()
    killed = Store(store.killed())
    assert [survivor.id for survivor in killed.survivors() if survivor.queue == "old"] == [new]
    killed.stop()
    finish(store)
    assert count(store) == 31
    assert store.journal.read(new) is not None
    assert [row[1] for row in store.rows("queues")] == ["kept", "old"]


def test_a_queue_that_is_deleted_during_a_sweep_is_swept_too(store: Store) -> None:
    store.journal.delete_queue("old")
    store.written()
    store.turn()
    store.journal.delete_queue("kept")
    finish(store)
    assert count(store) == 0
    assert store.rows("queues") == []


def test_the_number_of_a_queue_is_never_used_again(store: Store) -> None:
    numbers = []
    for _ in range(3):
        store.queue("temporary")
        store.written()
        numbers += [row[0] for row in store.rows("queues") if row[1] == "temporary"]
        store.journal.delete_queue("temporary")
        finish(store)
        store.stop()
        store = Store(store.path)
    assert len(set(numbers)) == 3
    store.stop()


def test_a_store_that_fails_is_swept_no_more(store: Store) -> None:
    store.journal.delete_queue("old")
    store.written()
    store.threads.held = True
    store.publish(b"", "kept")
    store.commit()
    store.turn()
    left = count(store)
    store.threads.fail(OSError())
    finish(store)
    assert count(store) == left
    store.threads.held = False
