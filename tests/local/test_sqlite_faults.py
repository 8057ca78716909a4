"""After a fault of the disk the SQLite store answers nothing, writes nothing and tries nothing again."""

from __future__ import annotations

import errno
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.local.stores import Store
from wonderq.errors import StoreUnavailable
from wonderq.local.checkpoint import LONG
from wonderq.local.journal import Fate

EIO = OSError(errno.EIO, "Input/output error")


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """Return a store whose threads do nothing before they are released."""
    store = Store(tmp_path / "store.sqlite")
    store.queue()
    store.written()
    store.threads.held = True
    return store


def fill_up(store: Store) -> None:
    """Let the database not get any larger: the next transaction that needs pages gets SQLITE_FULL."""
    connection: Any = store.journal._file.connection
    connection.pragma("max_page_count", connection.pragma("page_count"))


def big(store: Store) -> int:
    return store.publish(b"x" * 100_000)


def test_a_failed_sync_fails_every_answer_that_waits(store: Store) -> None:
    big(store)
    of_the_batch = [store.commit(), store.commit()]
    store.turn()
    big(store)
    written, only_written = store.commit(), store.commit(durable=False)
    store.turn()
    assert only_written.outcome == [None]
    big(store)
    noted, received = store.commit(), store.commit(durable=False)
    store.threads.fail(EIO)
    for answer in (*of_the_batch, written, noted, received):
        assert answer.failed(StoreUnavailable)
    assert store.faults == [EIO]


def test_after_a_failed_sync_every_answer_fails_and_nothing_is_synced_or_written(store: Store) -> None:
    before = big(store)
    store.commit()
    store.turn()
    store.threads.fail(EIO)
    big(store)
    assert store.commit().failed(StoreUnavailable)
    assert store.commit(durable=False).failed(StoreUnavailable)
    store.clock.advance(3600)
    assert store.threads.waiting == []
    assert store.clock.getDelayedCalls() == []
    assert [row[0] for row in store.rows("messages")] == [before]
    assert len(store.faults) == 1


def test_a_transaction_that_does_not_fit_fails_its_answers(store: Store) -> None:
    fill_up(store)
    big(store)
    answers = [store.commit(), store.commit(durable=False)]
    store.turn()
    assert all(answer.failed(StoreUnavailable) for answer in answers)
    assert len(store.faults) == 1
    assert store.rows("messages") == []


def test_a_failed_transaction_fails_the_answers_of_a_sync_that_runs(store: Store) -> None:
    store.publish()
    before = store.commit()
    store.turn()
    fill_up(store)
    big(store)
    store.commit(durable=False)
    store.turn()
    assert before.failed(StoreUnavailable)
    store.threads.release()
    store.turn()
    assert len(store.faults) == 1


def test_a_mistake_while_writing_is_a_fault_too(store: Store) -> None:
    store.lease(store.publish(), consumer="no text at all: \ud800")
    answer = store.commit()
    with pytest.raises(UnicodeEncodeError):
        store.turn()
    assert answer.failed(StoreUnavailable)
    assert len(store.faults) == 1


def test_a_fault_while_the_log_begins_anew_lets_nothing_be_written_afterwards(store: Store) -> None:
    store.publish(b"x" * 4096 * LONG)
    store.commit()
    store.turn()
    store.threads.release()
    noted = store.publish()
    store.commit()
    store.threads.fail(EIO)
    assert store.faults == [EIO]
    store.threads.release()
    assert store.threads.waiting == []
    assert noted not in [row[0] for row in store.rows("messages")]


def test_a_failed_checkpoint_is_a_fault(store: Store) -> None:
    while not store.threads.waiting:
        store.publish(b"x" * 4096 * LONG)
        store.turn()
    store.publish()
    answer = store.commit()
    store.threads.fail(EIO)
    assert answer.failed(StoreUnavailable)
    assert store.faults == [EIO]


def test_a_store_that_failed_is_closed_without_another_try_and_left_to_the_next_start(store: Store) -> None:
    message = store.publish()
    store.commit()
    store.turn()
    store.threads.fail(EIO)
    log = store.log.read_bytes()
    store.threads.held = False
    store.stop()
    assert store.log.read_bytes() == log
    again = Store(store.path)
    assert [survivor.id for survivor in again.survivors()] == [message]
    again.stop()


def test_what_a_failed_run_left_in_the_log_is_written_anew_by_the_next(store: Store) -> None:
    """The log on the disk may have a hole where a sync failed; what the next run writes must not stand behind it."""
    message = store.publish()
    store.commit()
    store.turn()
    store.threads.fail(EIO)
    store.threads.held = False
    store.stop()
    again = Store(store.path)
    later = again.publish()
    again.written()
    power_failure = Store(again.killed(log=0))
    assert [survivor.id for survivor in power_failure.survivors()] == [message]
    assert later not in [survivor.id for survivor in power_failure.survivors()]
    power_failure.stop()
    again.stop()


def test_a_store_that_was_removed_takes_nothing_more(store: Store) -> None:
    before = store.publish()
    answer = store.commit()
    store.turn()
    shutil.rmtree(store.path.parent)
    with pytest.raises(StoreUnavailable):
        store.journal.has_room(1)
    assert answer.failed(StoreUnavailable)
    assert [type(fault) for fault in store.faults] == [FileNotFoundError]
    assert store.commit().failed(StoreUnavailable)
    with pytest.raises(StoreUnavailable):
        store.journal.has_room(before)
    assert len(store.faults) == 1


def test_what_is_written_to_a_log_that_was_removed_is_not_answered(store: Store) -> None:
    store.publish()
    answer = store.commit()
    store.turn()
    for suffix in ("", "-wal", "-shm", ".lock"):
        Path(f"{store.path}{suffix}").unlink()
    store.threads.release()
    assert answer.failed(StoreUnavailable)
    [fault] = store.faults
    assert str(fault) == f"[Errno 2] the log was removed while it was in use: '{store.log}'"


def test_a_lease_that_ends_when_the_disk_cannot_be_asked_raises_nothing(store: Store) -> None:
    message = store.publish()
    store.lease(message)
    store.turn()
    shutil.rmtree(store.path.parent)
    store.journal.end_lease(message, Fate(1, None, (), 0.0, False, False))
    assert len(store.faults) == 1
    assert store.commit().failed(StoreUnavailable)


def spoil(path: Path) -> None:
    """Overwrite the store's pages, but for the first ones."""
    data = bytearray(path.read_bytes())
    data[16 * 4096 :] = b"\xff" * (len(data) - 16 * 4096)
    path.write_bytes(data)


def test_a_damaged_page_that_is_read_is_a_fault(tmp_path: Path) -> None:
    store = Store(tmp_path / "store.sqlite")
    store.queue()
    ids = [store.publish(b"x" * 1000) for _ in range(1000)]
    store.stop()
    spoil(store.path)
    store = Store(store.path)
    with pytest.raises(StoreUnavailable):
        store.journal.read(ids[500])
    assert len(store.faults) == 1
    assert store.commit().failed(StoreUnavailable)
    store.stop()


def test_a_damaged_page_that_recovery_reads_is_a_fault(tmp_path: Path) -> None:
    store = Store(tmp_path / "store.sqlite")
    store.queue()
    for _ in range(1000):
        store.publish(b"x" * 1000)
    store.stop()
    spoil(store.path)
    store = Store(store.path)
    with pytest.raises(StoreUnavailable):
        store.survivors()
    assert len(store.faults) == 1
    store.stop()


def test_a_damaged_page_that_the_reaper_reads_is_a_fault_and_raises_nothing(tmp_path: Path) -> None:
    store = Store(tmp_path / "store.sqlite")
    store.queue("old")
    for _ in range(1000):
        store.publish(b"x" * 1000, "old")
    store.stop()
    spoil(store.path)
    store = Store(store.path)
    store.journal.delete_queue("old")
    while store.clock.getDelayedCalls():
        store.turn()
    assert len(store.faults) == 1
    assert store.commit().failed(StoreUnavailable)
    store.stop()
