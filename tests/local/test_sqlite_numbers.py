"""No id and no receipt is drawn twice, whatever the disk forgets."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.local.stores import Store
from wonderq.local.journal import Sync
from wonderq.local.sequence import FIRST_BLOCK

LEVELS = [Sync("always"), Sync("strict"), Sync("interval", 1.0), Sync("never")]


def test_ids_and_receipts_begin_with_one(tmp_path: Path) -> None:
    store = Store(tmp_path / "store.sqlite")
    assert (store.journal.next_id(), store.journal.next_receipt()) == (1, 1)
    store.stop()


def test_after_a_clean_stop_they_go_on_without_a_gap(tmp_path: Path) -> None:
    store = Store(tmp_path / "store.sqlite")
    assert [store.journal.next_id() for _ in range(5000)][-1] == 5000
    assert [store.journal.next_receipt() for _ in range(10)][-1] == 10
    store.stop()
    store = Store(store.path)
    assert (store.journal.next_id(), store.journal.next_receipt()) == (5001, 11)
    store.stop()


def test_after_a_kill_they_go_on_a_block_further(tmp_path: Path) -> None:
    store = Store(tmp_path / "store.sqlite")
    store.journal.next_id()
    killed = Store(store.killed())
    assert killed.journal.next_id() == FIRST_BLOCK + 1
    assert killed.journal.next_receipt() == FIRST_BLOCK + 1
    store.stop()
    killed.stop()


def test_starts_that_draw_nothing_use_up_no_more_than_a_block_each(tmp_path: Path) -> None:
    store = Store(tmp_path / "store.sqlite")
    for _ in range(3):
        killed = Store(store.killed())
        store.stop()
        store = killed
    assert store.journal.next_id() == 3 * FIRST_BLOCK + 1
    store.stop()


@pytest.mark.parametrize("sync", LEVELS, ids=lambda sync: sync.mode)
def test_none_that_was_answered_is_drawn_again_when_a_power_failure_takes_all_that_was_not_synced(
    tmp_path: Path, sync: Sync
) -> None:
    store = Store(tmp_path / "store.sqlite", sync=sync)
    store.queue()
    store.written()
    for turn in range(1, 30):
        drawn = [(store.publish(), store.lease(1).receipt) for _ in range(turn * 20)]
        answer = store.commit(durable=False)
        store.turn()
        assert answer
        # Nobody has synced on purpose since: only what a raised limit forced is on the disk.
        failed = Store(store.killed(log=store.syncs[-1]), sync=sync)
        assert failed.journal.next_id() > max(message for message, _ in drawn)
        assert failed.journal.next_receipt() > max(receipt for _, receipt in drawn)
        failed.stop()
    store.stop()
