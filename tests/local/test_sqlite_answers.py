"""When the answers of the SQLite store leave, for every level of --sync."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.local.stores import Store
from wonderq.local.journal import Sync
from wonderq.local.sequence import FIRST_BLOCK

ALWAYS, STRICT, NEVER, INTERVAL = Sync("always"), Sync("strict"), Sync("never"), Sync("interval", 2.0)


@pytest.fixture
def store(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Store]:
    """Return a store, with the level of the test if it names one, whose threads do nothing before they are released."""
    store = Store(tmp_path / "store.sqlite", sync=getattr(request, "param", ALWAYS))
    store.queue()
    store.written()
    store.turn()
    store.syncs.clear()
    store.threads.held = True
    yield store
    store.threads.held = False
    while store.threads.waiting:
        store.threads.release()
    store.stop()
    assert store.clock.getDelayedCalls() == []


def level(sync: Sync) -> pytest.MarkDecorator:
    """Run the test at this level."""
    return pytest.mark.parametrize("store", [sync], indirect=True)


def test_an_answer_leaves_after_its_transaction_and_the_sync_of_it(store: Store) -> None:
    message = store.publish()
    answer = store.commit("done")
    assert not answer
    assert store.rows("messages") == []
    store.turn()
    assert [row[0] for row in store.rows("messages")] == [message]
    assert not answer
    store.threads.release()
    assert answer.outcome == ["done"]


def test_everything_noted_in_a_turn_shares_one_transaction_and_one_sync(store: Store) -> None:
    answers = []
    for _ in range(3):
        store.publish()
        answers.append(store.commit())
    store.turn()
    assert len(store.threads.waiting) == 1
    store.threads.release()
    assert all(answers)
    assert len(store.threads.waiting) == 0


def test_what_is_noted_during_a_sync_shares_the_next_one(store: Store) -> None:
    store.publish()
    first = store.commit()
    store.turn()
    later = []
    for _ in range(3):
        store.publish()
        later.append(store.commit())
        store.turn()
    assert len(store.threads.waiting) == 1
    store.threads.release()
    assert first
    store.gather()
    assert not any(later)
    assert len(store.threads.waiting) == 1
    store.threads.release()
    assert all(later)
    assert len(store.syncs) == 2


def test_a_sync_that_has_begun_does_not_cover_what_is_written_after(store: Store) -> None:
    store.publish()
    store.commit()
    store.turn()
    message = store.publish()
    late = store.commit()
    received = store.commit(durable=False)
    store.turn()
    assert received
    assert message in [row[0] for row in store.rows("messages")]
    store.threads.release()
    store.gather()
    assert not late
    store.threads.release()
    assert late


def test_nothing_is_written_during_a_sync_unless_somebody_waits_only_for_that(store: Store) -> None:
    store.publish()
    store.commit()
    store.turn()
    message = store.publish()
    store.commit()
    store.turn()
    assert message not in [row[0] for row in store.rows("messages")]
    seen = store.commit(durable=False)
    store.turn()
    assert seen
    assert message in [row[0] for row in store.rows("messages")]


def test_answers_leave_in_the_order_in_which_they_were_asked_for(store: Store) -> None:
    order: list[int] = []
    for number in range(5):
        store.publish()
        store.journal.commit(number, durable=True).addCallback(order.append)
    store.turn()
    store.threads.release()
    assert order == [0, 1, 2, 3, 4]


def test_a_receive_is_answered_when_its_lease_is_written_without_a_sync(store: Store) -> None:
    message = store.publish()
    store.lease(message)
    answer = store.commit(durable=False)
    assert not answer
    store.turn()
    assert answer
    assert [row[0] for row in store.rows("leases")] == [message]
    assert store.syncs == []


def test_a_receive_does_not_wait_for_a_sync_that_runs(store: Store) -> None:
    message = store.publish()
    store.commit()
    store.turn()
    store.lease(message)
    answer = store.commit(durable=False)
    store.turn()
    assert answer
    assert len(store.threads.waiting) == 1


def test_with_nothing_to_wait_for_the_answer_is_there_at_once(store: Store) -> None:
    assert store.commit("nothing").outcome == ["nothing"]
    assert store.commit("nothing", durable=False).outcome == ["nothing"]


def test_an_answer_that_notes_nothing_waits_for_what_others_noted(store: Store) -> None:
    store.publish()
    store.commit()
    same_turn = store.commit("seen")
    store.turn()
    during_the_sync = store.commit("seen")
    assert not same_turn
    assert not during_the_sync
    store.threads.release()
    assert same_turn
    assert during_the_sync


def test_a_durable_answer_waits_for_leases_that_were_only_written(store: Store) -> None:
    store.lease(store.publish())
    store.commit(durable=False)
    store.turn()
    answer = store.commit()
    store.turn()
    assert not answer
    store.threads.release()
    assert answer


@level(STRICT)
def test_strict_syncs_before_a_receive_is_answered_too(store: Store) -> None:
    store.lease(store.publish())
    answer = store.commit(durable=False)
    store.turn()
    assert not answer
    store.threads.release()
    assert answer


@level(INTERVAL)
def test_interval_answers_when_it_is_written_and_syncs_once_when_the_interval_is_over(store: Store) -> None:
    for _ in range(3):
        store.publish()
        answer = store.commit()
        store.turn()
        assert answer
    store.clock.advance(1.9)
    assert store.threads.waiting == []
    store.clock.advance(0.1)
    assert len(store.threads.waiting) == 1
    store.threads.release()
    store.clock.advance(60)
    assert store.threads.waiting == []


@level(INTERVAL)
def test_interval_syncs_again_what_was_written_during_a_sync(store: Store) -> None:
    store.publish()
    store.turn()
    store.clock.advance(2)
    store.publish()
    answer = store.commit()
    store.turn()
    assert answer
    store.threads.release()
    store.clock.advance(2)
    assert len(store.threads.waiting) == 1


@level(INTERVAL)
def test_interval_syncs_a_limit_that_was_raised_during_a_sync_when_that_ends(store: Store) -> None:
    store.publish()
    store.turn()
    store.clock.advance(2)
    for _ in range(FIRST_BLOCK // 2 + 1):
        store.publish()
    store.commit(durable=False)
    store.turn()
    assert len(store.threads.waiting) == 1
    store.threads.release()
    store.gather()
    assert len(store.threads.waiting) == 1
    store.threads.release()
    assert store.threads.waiting == []


@level(NEVER)
def test_never_answers_when_it_is_written_and_does_not_sync(store: Store) -> None:
    message = store.publish()
    answer = store.commit()
    assert not answer
    store.turn()
    assert answer
    assert [row[0] for row in store.rows("messages")] == [message]
    store.clock.advance(3600)
    assert store.syncs == []


@pytest.mark.parametrize("store", [NEVER, INTERVAL], indirect=True)
def test_an_id_beyond_what_is_reserved_waits_for_a_sync_at_every_level(store: Store) -> None:
    for _ in range(2 * FIRST_BLOCK):
        store.publish()
    answer = store.commit()
    store.turn()
    assert not answer
    store.threads.release()
    assert answer


@pytest.mark.parametrize("store", [NEVER, INTERVAL], indirect=True)
def test_a_receipt_beyond_what_is_reserved_waits_for_a_sync_at_every_level(store: Store) -> None:
    message = store.publish()
    for _ in range(2 * FIRST_BLOCK):
        store.lease(message)
    answer = store.commit(durable=False)
    store.turn()
    assert not answer
    store.threads.release()
    assert answer


@level(NEVER)
def test_a_limit_is_raised_and_synced_while_nobody_waits_for_it_yet(store: Store) -> None:
    for _ in range(FIRST_BLOCK // 2 + 1):
        store.publish()
    answer = store.commit()
    store.turn()
    assert answer
    assert len(store.threads.waiting) == 1


@level(NEVER)
def test_a_limit_that_was_raised_during_a_sync_is_not_taken_for_synced(store: Store) -> None:
    for _ in range(FIRST_BLOCK // 2 + 1):
        store.publish()
    store.turn()
    for _ in range(2 * FIRST_BLOCK):
        store.publish()
    answer = store.commit()
    store.turn()
    store.threads.release()
    store.gather()
    assert not answer
    store.threads.release()
    assert answer


@pytest.mark.parametrize(
    ("sync", "durability"), [(ALWAYS, "fsync"), (STRICT, "fsync"), (INTERVAL, "interval"), (NEVER, "commit")]
)
def test_durability_names_what_an_answer_has_reached(tmp_path: Path, sync: Sync, durability: str) -> None:
    store = Store(tmp_path / "store.sqlite", sync=sync)
    assert store.journal.durability == durability
    store.stop()


def test_the_end_of_the_store_waits_for_what_was_noted(store: Store) -> None:
    message = store.publish()
    answer = store.commit()
    stopped = store.journal.close()
    store.turn()
    assert not answer
    while store.threads.waiting:
        assert not stopped.called
        store.threads.release()
    assert answer
    assert stopped.called
    assert [row[0] for row in store.rows("messages")] == [message]
