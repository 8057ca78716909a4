"""The pure rules: what each verb does to a message, its queue's order, counts, totals and bytes."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wonderq.local.queue import LIFECYCLE, TOTALS, Entry, PriorityOrder, Queue, attempts_after
from wonderq.model import MAX_ATTEMPTS, PRIORITIES, Attempt, Claim, QueueSettings


def make_queue(max_receives: int = 20) -> Queue:
    return Queue("q", QueueSettings(max_receives=max_receives))


def leased(queue: Queue, message: int = 1, receives: int = 1, priority: int = 0, size: int = 5) -> Entry:
    """Publish a message of five bytes and lease it to alice, from second 100 to second 130."""
    queue.publish(message, priority, size, delayed=False)
    queue.receive(message, priority)
    return Entry(message, queue, priority, size, receives, (), 7, "alice", 100.0, 130.0)


def present(queue: Queue) -> dict[str, int]:
    return {state: count for state, count in queue.counts.items() if count}


def counted(queue: Queue) -> dict[str, int]:
    return {total: count for total, count in queue.totals.items() if count}


# -- each verb, in the order a message lives --


def test_a_published_message_is_ready_and_first_in_order() -> None:
    queue = make_queue()
    queue.publish(1, 0, 5, delayed=False)
    assert (present(queue), queue.bytes, queue.order.first()) == ({"ready": 1}, 5, 1)
    assert counted(queue) == {"messages_published": 1}


def test_a_message_published_with_a_delay_is_in_no_order_until_it_is_due() -> None:
    queue = make_queue()
    queue.publish(1, 0, 5, delayed=True)
    assert (present(queue), queue.bytes) == ({"delayed": 1}, 5)
    with pytest.raises(LookupError):
        queue.order.first()
    queue.due(1, 0)
    assert (present(queue), queue.bytes, queue.order.first()) == ({"ready": 1}, 5, 1)
    assert counted(queue) == {"messages_published": 1}


def test_a_receive_takes_the_first_message_out_of_the_order() -> None:
    queue = make_queue()
    queue.publish(1, 0, 5, delayed=False)
    queue.publish(2, 3, 5, delayed=False)
    queue.receive(2, 3)
    assert (present(queue), queue.bytes, queue.order.first()) == ({"ready": 1, "leased": 1}, 10, 1)
    assert counted(queue) == {"messages_published": 2, "messages_received": 1}


def test_a_deleted_message_weighs_and_counts_no_more() -> None:
    queue = make_queue()
    queue.delete(leased(queue))
    assert (present(queue), queue.bytes) == ({}, 0)
    assert counted(queue) == {"messages_published": 1, "messages_received": 1, "messages_deleted": 1}


def test_an_extended_lease_ends_when_it_was_told() -> None:
    queue = make_queue()
    entry = leased(queue)
    queue.extend(entry, 200.0)
    assert (entry.deadline, present(queue)) == (200.0, {"leased": 1})
    assert counted(queue) == {"messages_published": 1, "messages_received": 1}


def test_a_lease_given_back_is_no_event_of_its_own() -> None:
    queue = make_queue(max_receives=1)
    queue.give_back(leased(queue))
    assert (present(queue), queue.bytes, queue.order.first()) == ({"ready": 1}, 5, 1)
    assert counted(queue) == {"messages_published": 1, "messages_received": 1}


@pytest.mark.parametrize(("delayed", "state"), [(False, "ready"), (True, "delayed")])
def test_a_released_message_is_ready_or_delayed(delayed: bool, state: str) -> None:
    queue = make_queue()
    assert queue.release(leased(queue), delayed=delayed) == state
    assert (present(queue), queue.bytes) == ({state: 1}, 5)
    assert counted(queue) == {"messages_published": 1, "messages_received": 1, "messages_released": 1}


def test_an_expired_message_is_ready() -> None:
    queue = make_queue()
    assert queue.expire(leased(queue)) == "ready"
    assert (present(queue), queue.bytes, queue.order.first()) == ({"ready": 1}, 5, 1)
    assert counted(queue) == {"messages_published": 1, "messages_received": 1, "lease_expiries": 1}


def test_a_buried_message_is_dead_and_still_weighs() -> None:
    queue = make_queue()
    assert queue.bury(leased(queue)) == "dead"
    assert (present(queue), queue.bytes) == ({"dead": 1}, 5)
    assert counted(queue) == {
        "messages_published": 1,
        "messages_received": 1,
        "messages_buried": 1,
        "dead_lettered": 1,
    }


ENDS: list[Callable[[Entry], str]] = [
    lambda entry: entry.queue.expire(entry),
    lambda entry: entry.queue.release(entry, delayed=False),
    lambda entry: entry.queue.release(entry, delayed=True),
]


@pytest.mark.parametrize("end", ENDS, ids=["expire", "release", "release with a delay"])
def test_a_message_is_dead_when_its_last_lease_ends_and_not_before(end: Callable[[Entry], str]) -> None:
    queue = make_queue(max_receives=3)
    assert end(leased(queue, 1, receives=2)) != "dead"
    assert end(leased(queue, 2, receives=3)) == "dead"
    assert end(leased(queue, 3, receives=4)) == "dead"
    assert (queue.counts["dead"], queue.totals["dead_lettered"]) == (2, 2)


@pytest.mark.parametrize("end", ENDS, ids=["expire", "release", "release with a delay"])
def test_with_no_most_receives_a_message_never_dies_of_them(end: Callable[[Entry], str]) -> None:
    assert end(leased(make_queue(max_receives=0), receives=1_000_000)) != "dead"


def test_a_lowered_most_counts_for_leases_that_are_running() -> None:
    queue = make_queue(max_receives=20)
    entry = leased(queue, receives=2)
    queue.settings = QueueSettings(max_receives=2)
    assert queue.expire(entry) == "dead"


# -- the table --


def test_every_state_that_the_table_leads_to_is_in_it() -> None:
    reached = {state for verbs in LIFECYCLE.values() for states in verbs.values() for state in states}
    assert reached - {"gone"} == set(LIFECYCLE) - {"new"} == set(make_queue().counts)


def test_every_counted_verb_is_in_the_table() -> None:
    verbs = {verb for verbs in LIFECYCLE.values() for verb in verbs}
    assert set(TOTALS) - verbs == {"die"}
    assert set(make_queue().totals) == set(TOTALS.values())


def test_a_step_that_the_table_lacks_is_a_fault_of_the_program() -> None:
    queue = make_queue()
    entry = leased(queue)
    before = present(queue), counted(queue), queue.bytes
    with pytest.raises(AssertionError, match="bury does not lead from leased to ready"):
        queue._end(entry, "bury", "ready")
    assert (present(queue), counted(queue), queue.bytes) == before


# -- claims --


def test_a_claim_is_good_for_the_holder_in_time() -> None:
    entry = leased(make_queue())
    assert entry.held_by("alice", Claim(1), 129.999)
    assert entry.held_by("alice", Claim(1, 7), 129.999)


@pytest.mark.parametrize(
    ("consumer", "receipt", "now"),
    [("bob", None, 101.0), ("Alice", None, 101.0), ("alice", 6, 101.0), ("alice", 8, 101.0), ("bob", 7, 101.0)],
)
def test_a_claim_of_another_consumer_or_lease_is_refused(consumer: str, receipt: int | None, now: float) -> None:
    assert not leased(make_queue()).held_by(consumer, Claim(1, receipt), now)


@pytest.mark.parametrize("receipt", [None, 7])
@pytest.mark.parametrize("now", [130.0, 131.0])
def test_a_claim_at_or_after_the_deadline_is_refused(now: float, receipt: int | None) -> None:
    assert not leased(make_queue()).held_by("alice", Claim(1, receipt), now)


def test_a_claim_on_a_message_of_a_deleted_queue_is_refused() -> None:
    queue = make_queue()
    entry = leased(queue)
    queue.deleted = True
    assert not entry.held_by("alice", Claim(1, 7), 101.0)


# -- order --

messages = st.lists(st.tuples(st.integers(1, 50), st.integers(0, PRIORITIES - 1)), unique_by=lambda one: one[0])


@given(messages, st.integers(0, 50))
def test_the_order_is_by_priority_then_by_id(came: list[tuple[int, int]], returned: int) -> None:
    order = PriorityOrder()
    priorities = dict(came)
    for message, priority in came:
        order.push(message, priority)
    # Some leave and come back to their old place.
    left = [order.pop(priorities[order.first()]) for _ in range(min(returned, len(came)))]
    for message in reversed(left):
        order.push(message, priorities[message])
    out: list[int] = []
    while len(out) < len(came):
        assert order.oldest() == min(set(priorities) - set(out))
        first = order.first()
        assert order.pop(priorities[first]) == first
        out.append(first)
    assert out == sorted(priorities, key=lambda message: (-priorities[message], message))
    with pytest.raises(LookupError):
        order.first()


def test_a_message_that_comes_back_stands_at_its_old_place() -> None:
    queue = make_queue()
    entry = leased(queue, 1)
    queue.publish(2, 0, 5, delayed=False)
    queue.release(entry, delayed=False)
    assert queue.order.first() == 1


# -- after a restart --


@pytest.mark.parametrize("state", ["ready", "delayed", "leased", "dead"])
def test_a_restored_message_counts_and_weighs_and_is_no_event(state: str) -> None:
    queue = make_queue()
    queue.restore(1, 3, 5, state)
    assert (present(queue), queue.bytes, counted(queue)) == ({state: 1}, 5, {})


def test_only_ready_messages_are_restored_into_the_order() -> None:
    queue = make_queue()
    for message, state in enumerate(["delayed", "leased", "dead", "ready"]):
        queue.restore(message, 3, 5, state)
    assert queue.order.pop(3) == 3
    with pytest.raises(LookupError):
        queue.order.first()


# -- attempts --


def test_the_attempts_of_a_message_are_its_last_ones_oldest_first() -> None:
    entry = leased(make_queue())
    for number in range(MAX_ATTEMPTS + 5):
        entry.attempts = attempts_after(entry, Attempt("alice", float(number)))
    assert [attempt.start for attempt in entry.attempts] == [float(number) for number in range(5, MAX_ATTEMPTS + 5)]
