"""What the SQLite store gives back: at a restart, and between two transactions."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from tests.local.stores import Reactor, Store
from wonderq.local import survivors
from wonderq.local.journal import Delayed, Fate
from wonderq.local.recent import LIMIT
from wonderq.local.stored import WINDOW
from wonderq.model import Attempt, Message, QueueSettings

ATTEMPT = Attempt("alice", 1.0, 2.0, "released", "too hard: é \x00 \U0001f600")
RELEASED = Fate(1, "too hard", (ATTEMPT,), since=0.0, delayed=False, dead=False)
DEAD = Fate(2, "lease expired", (ATTEMPT, ATTEMPT), since=3.0, delayed=False, dead=True)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = Store(tmp_path / "store.sqlite")
    store.queue()
    yield store
    store.stop()


@pytest.fixture(params=["kill", "stop"])
def restart(store: Store, request: pytest.FixtureRequest) -> Iterator[Restart]:
    """Return what restarts the store, after a kill or after a clean stop."""
    restart = Restart(store, kill=request.param == "kill")
    yield restart
    for each in restart.stores:
        each.stop()


class Restart:
    def __init__(self, store: Store, kill: bool) -> None:
        self.store = store
        self.kill = kill
        self.stores: list[Store] = []

    def __call__(self) -> Store:
        store = self.store
        store.written()
        path = store.killed() if self.kill else store.path
        if not self.kill:
            store.stop()
        self.stores.append(Store(path, store.clock))
        return self.stores[-1]


def delayed(due: float, since: float | None = None) -> Fate:
    return Fate(1, "later", (ATTEMPT,), due if since is None else since, delayed=True, dead=False)


# -- recovery --


def test_a_ready_message_survives(store: Store, restart: Restart) -> None:
    message = store.publish(b"12345", priority=7)
    [survivor] = restart().survivors()
    assert survivor == (message, "jobs", 7, 5, None, False, None, 0, ())


def test_a_message_comes_back_byte_for_byte(store: Store, restart: Restart) -> None:
    bodies = [b"", b"\x00", bytes(range(256)), b"x" * 100_000]
    ids = [store.publish(body) for body in bodies]
    before = [store.journal.read(message) for message in ids]
    restarted = restart()
    after = [restarted.journal.read(message) for message in ids]
    assert after == before
    assert [message.body for message in after if message is not None] == bodies


def test_a_delayed_message_survives_with_its_due_time(store: Store, restart: Restart) -> None:
    message = store.publish(due=100.0)
    [survivor] = restart().survivors()
    assert (survivor.id, survivor.due) == (message, 100.0)


def test_a_delay_that_ends_before_the_restart_is_over(store: Store, restart: Restart) -> None:
    store.publish(due=100.0)
    store.publish(due=100.5)
    assert [survivor.due for survivor in restart().survivors(now=100.0)] == [None, 100.5]


def test_a_lease_survives(store: Store, restart: Restart) -> None:
    lease = store.lease(store.publish(), "bob", 12.0)
    [survivor] = restart().survivors()
    assert survivor.lease == lease
    assert survivor.receives == 0


def test_an_extended_lease_survives_with_its_last_deadline(store: Store, restart: Restart) -> None:
    at_once, later = store.publish(), store.publish()
    lease = store.lease(later)
    store.written()
    store.lease(at_once)
    store.journal.extend(at_once, 77.0)
    store.journal.extend(later, 88.0)
    store.journal.extend(later, 99.0)
    survivors = restart().survivors()
    assert [survivor.lease.deadline for survivor in survivors if survivor.lease] == [77.0, 99.0]
    assert survivors[1].lease == replace(lease, deadline=99.0)


@pytest.mark.parametrize("turns", [True, False])
def test_a_lease_that_was_given_back_leaves_nothing(store: Store, restart: Restart, turns: bool) -> None:
    message = store.publish()
    store.lease(message)
    if turns:
        store.written()
    store.journal.give_back(message)
    [survivor] = restart().survivors()
    assert (survivor.lease, survivor.receives) == (None, 0)


@pytest.mark.parametrize("turns", [True, False])
def test_a_message_given_back_has_its_past(store: Store, restart: Restart, turns: bool) -> None:
    message = store.publish()
    store.lease(message)
    if turns:
        store.written()
    store.journal.end_lease(message, RELEASED)
    restarted = restart()
    [survivor] = restarted.survivors()
    assert (survivor.lease, survivor.due, survivor.receives, survivor.dead) == (None, None, 1, False)
    assert restarted.rows("delays") == []
    read = restarted.journal.read(message)
    assert read is not None
    assert (read.receives, read.last_failure, read.attempts, read.dead) == (1, "too hard", (ATTEMPT,), False)


def test_a_leased_message_has_the_attempts_before_the_lease(store: Store, restart: Restart) -> None:
    message = store.publish()
    store.lease(message)
    store.journal.end_lease(message, RELEASED)
    store.written()
    lease = store.lease(message)
    [survivor] = restart().survivors()
    assert (survivor.lease, survivor.receives, survivor.attempts) == (lease, 1, (ATTEMPT,))


def test_a_dead_message_survives(store: Store, restart: Restart) -> None:
    message = store.publish()
    store.lease(message)
    store.journal.end_lease(message, DEAD)
    restarted = restart()
    [survivor] = restarted.survivors()
    assert (survivor.dead, survivor.receives) == (True, 2)
    read = restarted.journal.read(message)
    assert read is not None
    assert read.dead
    assert read.since == 3.0


@pytest.mark.parametrize("turns", [True, False])
def test_a_message_released_with_a_delay_is_delayed(store: Store, restart: Restart, turns: bool) -> None:
    message = store.publish()
    store.lease(message)
    if turns:
        store.written()
    store.journal.end_lease(message, delayed(60.0))
    restarted = restart()
    [survivor] = restarted.survivors()
    assert (survivor.lease, survivor.due, survivor.receives) == (None, 60.0, 1)
    assert restarted.journal.since(message) == 60.0


@pytest.mark.parametrize("turns", [True, False])
def test_a_message_that_was_delayed_and_then_leased_is_not_delayed_any_more(
    store: Store, restart: Restart, turns: bool
) -> None:
    message = store.publish(due=10.0)
    if turns:
        store.written()
    store.clock.advance(10)
    store.lease(message)
    if turns:
        store.written()
    store.journal.give_back(message)
    [survivor] = restart().survivors(now=0.0)
    assert survivor.due is None


@pytest.mark.parametrize("turns", [True, False])
def test_a_deleted_message_is_gone_with_everything_about_it(store: Store, restart: Restart, turns: bool) -> None:
    messages = [store.publish(due=5.0), store.publish()]
    for message in messages:
        store.lease(message)
        store.journal.end_lease(message, delayed(60.0))
        store.lease(message)
        if turns:
            store.written()
        store.journal.delete(message)
    restarted = restart()
    assert restarted.survivors() == []
    for table in ("messages", "leases", "delays", "history"):
        assert restarted.rows(table) == []
    assert restarted.journal.read(messages[0]) is None


def test_a_message_published_and_deleted_in_one_turn_never_gets_to_the_disk(store: Store) -> None:
    message = store.publish()
    store.lease(message)
    store.journal.delete(message)
    store.written()
    assert store.rows("messages") == store.rows("leases") == []


def test_recovery_comes_in_slices_ascending_by_id(store: Store, restart: Restart) -> None:
    ids = [store.publish(b"", due=50.0 if number % 7 == 0 else None) for number in range(2 * survivors.SLICE + 3)]
    for message in ids[::5]:
        store.lease(message)
    for message in ids[::10]:
        store.journal.end_lease(message, RELEASED)
    slices = list(restart().journal.recover(0.0))
    assert [len(each) for each in slices] == [survivors.SLICE, survivors.SLICE, 3]
    found = [survivor for each in slices for survivor in each]
    assert [survivor.id for survivor in found] == ids
    assert [survivor.id for survivor in found if survivor.lease] == ids[5::10]
    assert [survivor.id for survivor in found if survivor.receives] == ids[::10]


def test_time_goes_on_over_a_restart(store: Store) -> None:
    store.clock.advance(10)
    store.publish()
    store.written()
    before = store.time.now()
    killed = store.killed()
    store.clock.advance(5)
    restarted = Store(killed, store.clock)
    assert restarted.time.now() == before + 5
    restarted.stop()


def test_after_a_reboot_time_goes_on_from_the_last_transaction_by_the_wall_clock(store: Store) -> None:
    store.clock.advance(1000)
    store.publish()
    store.written()
    before = store.time.now()
    killed = store.killed()
    rebooted = Store(killed, Reactor(), boot="another", wall=lambda: 1005.0)
    assert rebooted.time.now() == before + 5
    rebooted.stop()
    set_back = Store(killed, Reactor(), boot="a third", wall=lambda: 0.0)
    assert set_back.time.now() == before + 5
    set_back.stop()


# -- reading between transactions --


def test_a_message_is_read_before_and_after_it_is_written(store: Store) -> None:
    message = store.publish(b"hello", priority=3)
    noted = store.journal.read(message)
    assert noted == Message(message, "jobs", b"hello", "text/plain", 3, 17.5, 0.0)
    store.written()
    assert store.journal.read(message) == noted


def test_a_message_too_large_to_be_kept_in_memory_is_read_before_and_after_it_is_written(store: Store) -> None:
    message = store.publish(b"x" * (LIMIT + 1))
    noted = store.journal.read(message)
    store.written()
    assert noted is not None
    assert store.journal.read(message) == noted
    store.journal.end_lease(message, DEAD)
    assert store.journal.read(message) == DEAD.applied_to(noted)


def test_messages_that_memory_has_let_go_of_are_read_from_the_disk(store: Store) -> None:
    ids = [store.publish(bytes([number]) * 100_000) for number in range(2 * LIMIT // 100_000)]
    assert [read.body[0] for message in ids if (read := store.journal.read(message))] == list(range(len(ids)))
    store.written()
    assert [read.body[0] for message in ids if (read := store.journal.read(message))] == list(range(len(ids)))


def test_messages_read_in_order_are_as_they_are_now(store: Store) -> None:
    ids = [store.publish(b"%d" % number) for number in range(200)]
    store.stop()
    store = Store(store.path)
    assert store.journal.read(ids[0]) is not None
    store.journal.delete(ids[3])
    store.journal.end_lease(ids[4], DEAD)
    read = {message: store.journal.read(message) for message in ids}
    assert [message for message, found in read.items() if found is None] == [ids[3]]
    assert [message for message, found in read.items() if found and found.dead] == [ids[4]]
    assert all(found.body == b"%d" % number for number, found in enumerate(read.values()) if found)
    store.stop()


def test_what_became_of_a_message_is_seen_at_once(store: Store, restart: Restart) -> None:
    message = store.publish()
    store = restart()
    before = store.journal.read(message)
    assert before is not None
    store.lease(message)
    assert store.journal.read(message) == before
    store.journal.end_lease(message, delayed(60.0))
    assert store.journal.read(message) == delayed(60.0).applied_to(before)
    assert store.journal.since(message) == 60.0
    store.written()
    assert store.journal.read(message) == delayed(60.0).applied_to(before)
    store.journal.delete(message)
    assert store.journal.read(message) is None
    store.written()
    assert store.journal.read(message) is None


def test_since_is_found_wherever_it_is(store: Store, restart: Restart) -> None:
    ids = [store.publish(due=10.0), store.publish(due=20.0), store.publish(b"x" * LIMIT, due=30.0)]
    store.journal.end_lease(ids[1], delayed(40.0))
    assert [store.journal.since(message) for message in ids] == [10.0, 40.0, 30.0]
    store = restart()
    assert [store.journal.since(message) for message in ids] == [10.0, 40.0, 30.0]
    store.journal.end_lease(ids[2], RELEASED)
    assert store.journal.since(ids[2]) == 0.0


def test_what_never_was_is_not_read(store: Store) -> None:
    assert store.journal.read(12345) is None


# -- the delayed ones --


def test_delayed_messages_come_by_due_time_then_id(store: Store) -> None:
    a, b, c = store.publish(due=20.0, priority=2), store.publish(due=10.0), store.publish(due=20.0)
    store.publish()
    expected = [Delayed(10.0, b, 0, "jobs"), Delayed(20.0, a, 2, "jobs"), Delayed(20.0, c, 0, "jobs")]
    assert store.journal.delayed_after(0.0, 0) == expected
    store.written()
    assert store.journal.delayed_after(0.0, 0) == expected
    assert store.journal.delayed_after(10.0, b) == expected[1:]
    assert store.journal.delayed_after(20.0, a) == expected[2:]
    assert store.journal.delayed_after(20.0, c) == []


def test_delayed_messages_on_disk_and_noted_ones_are_one_list(store: Store) -> None:
    on_disk = [store.publish(due=10.0 + number) for number in range(6)]
    store.written()
    noted = store.publish(due=12.5)
    store.journal.delete(on_disk[1])
    store.journal.end_lease(on_disk[2], delayed(100.0))
    found = [(row.due, row.id) for row in store.journal.delayed_after(0.0, 0)]
    assert found == [
        (10.0, on_disk[0]),
        (12.5, noted),
        (13.0, on_disk[3]),
        (14.0, on_disk[4]),
        (15.0, on_disk[5]),
        (100.0, on_disk[2]),
    ]


def test_delayed_messages_come_a_window_at_a_time(store: Store) -> None:
    ids = [store.publish(due=10_000.0 - number) for number in range(WINDOW + 10)]
    for written in (False, True):
        if written:
            store.written()
        first = store.journal.delayed_after(0.0, 0)
        assert store.journal.window == len(first) == WINDOW
        rest = store.journal.delayed_after(first[-1].due, first[-1].id)
        assert [row.id for row in (*first, *rest)] == ids[::-1]


def test_delayed_messages_of_a_deleted_queue_leave_no_gap(store: Store) -> None:
    store.journal.put_queue("old", QueueSettings())
    for number in range(WINDOW):
        store.publish(b"", "old", due=5.0 + number / WINDOW)
    ids = [store.publish(b"", due=50.0 + number) for number in range(10)]
    store.written()
    store.journal.delete_queue("old")
    assert [row.id for row in store.journal.delayed_after(0.0, 0)] == ids
