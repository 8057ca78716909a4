"""Messages that need not be read from the disk take a bounded part of the memory."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable

import pytest
from msgspec.structs import replace

from wonderq.local.recent import LIMIT, RecentMessages
from wonderq.model import Attempt, Message


def message(number: int, size: int = 600, queue: str = "jobs") -> Message:
    return Message(number, queue, b"x" * size, "text/plain", 0, 0.0, 0.0)


def kept(recent: RecentMessages) -> list[int]:
    return [number for number in range(100) if number in recent]


def test_those_that_came_first_leave_when_it_gets_too_much() -> None:
    recent = RecentMessages(limit=10_000)
    for number in range(20):
        recent.add(message(number))
    assert kept(recent) == list(range(10, 20))


def test_those_that_were_dropped_make_room() -> None:
    recent = RecentMessages(limit=10_000)
    for number in range(10):
        recent.add(message(number))
    for number in (3, 4, 99):
        recent.drop(number)
    recent.add(message(20))
    recent.add(message(21))
    assert kept(recent) == [0, 1, 2, 5, 6, 7, 8, 9, 20, 21]
    assert recent.get(3) is None


def test_a_large_one_does_not_drive_the_others_out() -> None:
    recent = RecentMessages(limit=10_000)
    for number in range(10):
        recent.add(message(number))
    recent.add(message(50, size=2000))
    assert kept(recent) == list(range(10))


def test_a_changed_one_takes_no_more_room() -> None:
    recent = RecentMessages(limit=10_000)
    for number in range(10):
        recent.add(message(number))
    changed = message(5, queue="others")
    for _ in range(10):
        recent.change(changed)
    assert kept(recent) == list(range(10))
    assert recent.get(5) is changed


def test_those_of_a_queue_are_dropped_together() -> None:
    recent = RecentMessages(limit=10_000)
    for number in range(10):
        recent.add(message(number, queue="odd" if number % 2 else "even"))
    recent.drop_queue("odd")
    assert kept(recent) == [0, 2, 4, 6, 8]


def unlucky(number: int) -> Message:
    """Return a message that has failed twenty times, each time with other long words."""
    reasons = [f"\N{PILE OF POO} {number} {attempt} ".ljust(200, "!") for attempt in range(20)]
    attempts = tuple(
        Attempt(f"consumer {number} {attempt}", attempt + 0.5, attempt + 1.5, "released", reason)
        for attempt, reason in enumerate(reasons)
    )
    return replace(message(number, size=0), receives=20, last_failure=f"{reasons[-1]}{'?' * 800}", attempts=attempts)


def add_them_unlucky(recent: RecentMessages, number: int) -> None:
    recent.add(unlucky(number))


def let_them_become_unlucky(recent: RecentMessages, number: int) -> None:
    recent.add(message(number, size=0))
    recent.change(unlucky(number))


@pytest.mark.parametrize("come", [add_them_unlucky, let_them_become_unlucky])
def test_what_became_of_messages_counts(come: Callable[[RecentMessages, int], None]) -> None:
    recent = RecentMessages()
    tracemalloc.start()
    try:
        for number in range(2000):
            come(recent, number)
        memory, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert LIMIT / 2 < memory < LIMIT


def test_those_that_grew_give_back_all_that_they_took() -> None:
    recent = RecentMessages(limit=100_000)
    for number in range(100):
        recent.add(message(number))
    recent.change(unlucky(50))
    assert 0 < len(kept(recent)) < 100
    for number in kept(recent):
        recent.drop(number)
    for number in range(100):
        recent.add(message(number))
    assert kept(recent) == list(range(100))
