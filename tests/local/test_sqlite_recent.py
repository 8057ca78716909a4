"""Messages that need not be read from the disk take a bounded part of the memory."""

from __future__ import annotations

from wonderq.local.recent import RecentMessages
from wonderq.model import Message


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
