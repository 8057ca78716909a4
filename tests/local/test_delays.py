"""Delays knows the messages that are due soonest, and when to ask the store for more."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from wonderq.local.delays import Delays, Due
from wonderq.local.queue import Queue
from wonderq.model import QueueSettings

QUEUE = Queue("q", QueueSettings())


def row(due: float, message: int) -> Due:
    return due, message, message % 10, QUEUE


def ids(rows: list[Due]) -> list[int]:
    return [message for _, message, _, _ in rows]


def added(window: int, *dues: float) -> Delays:
    """Delay messages 1, 2, 3… until the times given."""
    delays = Delays(window)
    for message, due in enumerate(dues, 1):
        delays.add(*row(due, message))
    return delays


def test_nothing_is_due_of_nothing() -> None:
    delays = Delays(10)
    assert (delays.next_due(), list(delays.pop(1e9)), delays.exhausted()) == (None, [], False)


def test_what_is_due_is_taken_out_once_in_the_order_of_times() -> None:
    delays = added(10, 5.0, 3.0, 4.0, 9.0)
    assert delays.next_due() == 3.0
    assert ids(list(delays.pop(5.0))) == [2, 3, 1]
    assert (list(delays.pop(5.0)), delays.next_due()) == ([], 9.0)


def test_what_is_due_at_one_time_is_in_the_order_of_ids() -> None:
    delays = Delays(10)
    for message in (3, 1, 2):
        delays.add(*row(5.0, message))
    assert ids(list(delays.pop(5.0))) == [1, 2, 3]


def test_a_message_is_due_at_its_time_and_not_before() -> None:
    delays = added(10, 5.0)
    assert list(delays.pop(4.999999)) == []
    assert list(delays.pop(5.0)) == [row(5.0, 1)]


def test_up_to_twice_the_window_is_kept_without_asking_the_store() -> None:
    delays = added(2, 1.0, 2.0, 3.0, 4.0)
    assert ids(list(delays.pop(9.0))) == [1, 2, 3, 4]
    assert not delays.exhausted()


def test_beyond_twice_the_window_only_the_soonest_are_kept() -> None:
    delays = added(2, 5.0, 4.0, 3.0, 2.0, 1.0)
    assert delays.horizon == (2.0, 4)
    assert ids(list(delays.pop(9.0))) == [5, 4]
    assert delays.exhausted()


def test_what_is_due_beyond_the_horizon_is_left_to_the_store() -> None:
    delays = added(2, 1.0, 2.0, 3.0, 4.0, 5.0)
    delays.add(*row(2.0, 3000))
    delays.add(*row(2.5, 6))
    delays.add(*row(1.5, 7))
    assert ids(list(delays.pop(9.0))) == [1, 7, 2]


def test_a_full_load_has_a_horizon_and_less_has_none() -> None:
    delays = Delays(2)
    delays.load([row(1.0, 1), row(2.0, 2)])
    assert (delays.next_due(), delays.horizon) == (1.0, (2.0, 2))
    delays.load([row(3.0, 3)])
    assert ids(list(delays.pop(9.0))) == [3]
    assert not delays.exhausted()
    delays.load([row(1.0, 1), row(2.0, 2)])
    delays.load([])
    assert not delays.exhausted()
    delays.add(*row(50.0, 5))
    assert delays.next_due() == 50.0


@given(
    st.integers(1, 3),
    st.lists(st.tuples(st.sampled_from(["add", "add", "add", "pop"]), st.integers(1, 20)), max_size=60),
)
def test_with_the_store_behind_it_every_message_is_due_once_and_in_time(
    window: int, steps: list[tuple[str, int]]
) -> None:
    delays = Delays(window)
    # The store keeps the rows of what has long been due, as the real one does for a while.
    store: list[Due] = []
    waiting: list[Due] = []
    now = 0.0
    for what, number in steps:
        if what == "add":
            new = row(now + number, len(store) + 1)
            store.append(new)
            waiting.append(new)
            delays.add(*new)
        else:
            now += number
            due = [one for one in sorted(waiting) if one[0] <= now]
            waiting = [one for one in waiting if one[0] > now]
            assert popped(delays, store, window, now) == due
        assert delays.next_due() == min((one[0] for one in waiting), default=None)
        assert len(delays._heap) <= 2 * window


def popped(delays: Delays, store: list[Due], window: int, now: float) -> list[Due]:
    """Take out all that is due, asking the store as often as it takes."""
    out = list(delays.pop(now))
    while delays.exhausted():
        delays.load([one for one in sorted(store) if one[:2] > delays.horizon][:window])
        out += delays.pop(now)
    return out
