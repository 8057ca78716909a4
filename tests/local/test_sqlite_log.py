"""The write-ahead log stays short, and it is not the reactor's thread that waits for that."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import apsw
import pytest

from tests.local.stores import Store
from wonderq.local.checkpoint import LONG, TOO_LONG
from wonderq.local.journal import Sync
from wonderq.local.sequence import FIRST_BLOCK

PAGE = 4096


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = Store(tmp_path / "store.sqlite")
    store.queue()
    store.written()
    yield store
    store.stop()


def fill(store: Store, pages: int = LONG) -> None:
    """Write so many pages."""
    store.publish(b"x" * PAGE * pages)
    store.turn()


def log(store: Store) -> int:
    """Return the pages that the log has."""
    return int(store.journal._file.log)


def test_a_hundred_thousand_writes_leave_a_short_log(tmp_path: Path) -> None:
    store = Store(tmp_path / "busy.sqlite", sync=Sync("never"))
    store.queue()
    longest = 0
    for _ in range(1000):
        ids = [store.publish(b"x" * 100) for _ in range(50)]
        store.written()
        for message in ids:
            store.journal.delete(message)
        store.written()
        longest = max(longest, os.path.getsize(store.log))
    assert LONG * PAGE < longest < 1.1 * LONG * PAGE
    assert os.path.getsize(store.path) < 1.1 * LONG * PAGE
    store.stop()


def test_a_checkpoint_runs_in_a_thread_and_transactions_go_on_meanwhile(store: Store) -> None:
    store.threads.held = True
    fill(store)
    checkpoint, *_ = store.threads.waiting
    message = store.publish()
    received = store.commit(durable=False)
    store.turn()
    assert received
    assert checkpoint in store.threads.waiting
    assert message in [row[0] for row in store.rows("messages")]
    store.threads.release_all()


def test_transactions_wait_while_the_log_begins_anew_and_then_are_written_at_once(store: Store) -> None:
    store.threads.held = True
    fill(store)
    store.threads.release()
    assert len(store.threads.waiting) == 1, "the rest of the checkpoint"
    message = store.publish()
    answer, received = store.commit(), store.commit(durable=False)
    store.turn()
    assert not received
    assert message not in [row[0] for row in store.rows("messages")]
    store.threads.release()
    assert received
    assert message in [row[0] for row in store.rows("messages")]
    assert not answer
    store.threads.release()
    assert answer
    store.threads.held = False


def test_what_is_to_be_written_when_the_log_begins_anew_waits_too(store: Store) -> None:
    store.threads.held = True
    fill(store)
    message = store.publish()
    received = store.commit(durable=False)
    store.threads.release()
    store.turn()
    assert not received
    assert message not in [row[0] for row in store.rows("messages")]
    store.threads.release()
    assert received
    store.threads.release_all()


def test_a_limit_that_could_not_be_written_while_the_log_begins_anew_is_not_taken_for_synced(store: Store) -> None:
    store.threads.held = True
    message = store.publish(b"x" * PAGE * LONG)
    store.commit()
    store.turn()
    assert len(store.threads.waiting) == 2
    store.publish()
    store.commit()
    store.commit(durable=False)
    store.turn()
    store.threads.release()
    assert len(store.threads.waiting) == 2, "the sync, and the rest of the checkpoint"
    for _ in range(2 * FIRST_BLOCK):
        store.lease(message)
    # The sync ends and the next begins, before the limit that was raised is written.
    store.threads.release()
    store.gather()
    store.threads.release()
    store.threads.release()
    store.lease(message)
    received = store.commit(durable=False)
    store.turn()
    assert not received
    store.threads.release_all()
    store.gather()
    assert received


def test_the_log_begins_anew_after_each_checkpoint(store: Store) -> None:
    fill(store)
    assert log(store) > LONG
    store.publish()
    store.written()
    assert 1 < log(store) < 10


def test_until_then_the_reactors_transactions_do_not_begin_it_anew(store: Store) -> None:
    """They would have to sync on the reactor's thread."""
    store.threads.held = True
    fill(store)
    before = log(store)

    def everything_is_copied() -> None:
        store.publish()
        received = store.commit(durable=False)
        store.turn()
        assert received
        assert log(store) > before

    store.threads.release(everything_is_copied)
    store.threads.release_all()


def test_much_that_is_written_during_a_checkpoint_is_copied_before_anybody_waits(store: Store) -> None:
    store.threads.held = True
    fill(store)
    store.threads.release(lambda: fill(store, LONG // 5))
    store.publish()
    received = store.commit(durable=False)
    store.turn()
    assert received, "it was not held"
    store.threads.release_all()
    store.publish()
    store.written()
    assert log(store) < 10


def test_a_log_that_gets_far_too_long_makes_everybody_wait(store: Store) -> None:
    store.threads.held = True
    for _ in range(2 * TOO_LONG):
        fill(store)
    assert TOO_LONG * LONG < log(store) < (TOO_LONG + 1) * LONG
    store.threads.release_all()
    assert len(store.rows("messages")) == 2 * TOO_LONG


def test_a_log_that_was_very_long_gives_the_disk_back(store: Store) -> None:
    fill(store, 4 * LONG)
    assert os.path.getsize(store.log) <= 2 * LONG * PAGE * 1.1
    assert len(store.rows("messages")) == 1


def test_somebody_who_reads_an_old_state_only_makes_the_log_longer(store: Store) -> None:
    reader = apsw.Connection(str(store.path), flags=apsw.SQLITE_OPEN_READONLY)
    reader.execute("BEGIN")
    assert reader.execute("SELECT count(*) FROM messages").fetchall() == [(0,)]
    fill(store)
    fill(store)
    assert log(store) > 2 * LONG
    store.threads.held = True
    store.publish()
    store.turn()
    assert store.threads.waiting == [], "it is not tried again at once"
    store.threads.held = False
    assert reader.execute("SELECT count(*) FROM messages").fetchall() == [(0,)]
    reader.close()
    fill(store)
    fill(store)
    store.publish()
    store.written()
    assert log(store) < 10
    assert len(store.rows("messages")) == 6
    assert store.faults == []


def test_somebody_who_writes_while_the_log_begins_anew_is_no_fault(store: Store) -> None:
    store.threads.held = True
    fill(store)
    store.threads.release()
    writer = apsw.Connection(str(store.path))
    writer.execute("BEGIN IMMEDIATE")
    store.threads.release()
    writer.close()
    assert store.faults == []
    store.threads.held = False
    store.publish()
    store.written()
    assert len(store.rows("messages")) == 2


def test_a_store_that_is_closed_during_a_checkpoint_lets_it_end(store: Store) -> None:
    store.threads.held = True
    fill(store)
    message = store.publish()
    closed = store.journal.close()
    store.turn()
    assert len(store.threads.waiting) == 1, "the checkpoint, and nothing else before it has ended"
    while store.threads.waiting:
        assert not closed.called
        store.threads.release()
        store.turn()
    assert closed.called
    assert not store.log.exists()
    store = Store(store.path)
    assert message in [survivor.id for survivor in store.survivors()]
    store.stop()


def test_killed_in_the_middle_of_a_checkpoint_nothing_is_lost(store: Store) -> None:
    store.threads.held = True
    ids = []
    for pages in (LONG, 1):
        ids.append(store.publish(b"x" * PAGE * pages))
        store.turn()
    while store.threads.waiting:
        killed = Store(store.killed())
        assert [survivor.id for survivor in killed.survivors()] == ids
        killed.stop()
        store.threads.release()
        store.turn()
    store.threads.held = False


def test_the_log_is_the_shorter_the_less_disk_is_kept_for_it(tmp_path: Path) -> None:
    store = Store(tmp_path / "small.sqlite", min_free=4 * 1024 * 1024)
    store.queue()
    longest = 0
    for _ in range(1000):
        store.publish(b"x" * 10_000)
        store.turn()
        longest = max(longest, os.path.getsize(store.log))
    assert longest < 1.5 * 1024 * 1024
    store.stop()
