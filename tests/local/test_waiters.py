"""Who waits: first come, first served; and a hang-up undoes the wait."""

from __future__ import annotations

from twisted.internet.defer import CancelledError
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from wonderq.errors import NoSuchQueue, StoreUnavailable
from wonderq.local.waiters import Waiter, Waiters


class WaitersTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.waiters = Waiters(self.clock)
        self.cancelled: list[Waiter] = []

    def wait(self, *queues: str, seconds: float = 20.0) -> Waiter:
        waiter = Waiter(queues, "alice", 10, None, self.hang_up)
        self.waiters.add(waiter, seconds)
        return waiter

    def hang_up(self, waiter: Waiter) -> None:
        self.cancelled.append(waiter)
        self.waiters.remove(waiter)

    def assert_nobody_waits(self) -> None:
        self.assertEqual((self.waiters._by_queue, self.clock.getDelayedCalls()), ({}, []))

    # -- in turn --

    def test_nobody_is_first_where_nobody_waits(self) -> None:
        self.assertEqual((self.waiters.first("a"), self.waiters.count("a")), (None, 0))

    def test_who_came_first_is_first(self) -> None:
        first, second = self.wait("a"), self.wait("a")
        self.assertIs(self.waiters.first("a"), first)
        self.waiters.remove(first)
        self.assertIs(self.waiters.first("a"), second)

    def test_one_who_leaves_from_the_middle_changes_nothing_for_the_others(self) -> None:
        first, middle, last = self.wait("a"), self.wait("a"), self.wait("a")
        self.waiters.remove(middle)
        self.assertEqual(self.waiters.count("a"), 2)
        self.waiters.remove(first)
        self.assertIs(self.waiters.first("a"), last)

    def test_who_waits_for_several_queues_has_a_place_in_each(self) -> None:
        both, only_b = self.wait("a", "b"), self.wait("b")
        self.assertEqual((self.waiters.count("a"), self.waiters.count("b")), (1, 2))
        self.assertIs(self.waiters.first("a"), both)
        self.assertIs(self.waiters.first("b"), both)
        self.waiters.remove(both)
        self.assertEqual((self.waiters.count("a"), self.waiters.count("b")), (0, 1))
        self.assertIs(self.waiters.first("b"), only_b)

    def test_who_was_removed_waits_for_nothing_and_no_timer_runs(self) -> None:
        waiter = self.wait("a", "b")
        self.waiters.remove(waiter)
        self.assert_nobody_waits()
        self.assertNoResult(waiter.answer)
        waiter.reply([])

    def test_removing_twice_or_what_never_waited_is_nothing(self) -> None:
        waiter = Waiter(["a"], "alice", 10, None, self.hang_up)
        self.waiters.remove(waiter)
        waiter = self.wait("a")
        self.waiters.remove(waiter)
        self.waiters.remove(waiter)
        self.assert_nobody_waits()

    # -- the end of a wait --

    def test_a_wait_ends_with_nothing_at_its_time(self) -> None:
        waiter = self.wait("a", "b", seconds=20.0)
        self.clock.advance(19.5)
        self.assertNoResult(waiter.answer)
        self.clock.advance(0.5)
        self.assertEqual(self.successResultOf(waiter.answer), [])
        self.assert_nobody_waits()

    def test_everybody_waits_as_long_as_they_said(self) -> None:
        long, short = self.wait("a", seconds=20.0), self.wait("a", seconds=5.0)
        self.clock.advance(5)
        self.assertEqual(self.successResultOf(short.answer), [])
        self.assertIs(self.waiters.first("a"), long)

    def test_a_hang_up_is_told_and_ends_the_wait(self) -> None:
        waiter, other = self.wait("a", "b"), self.wait("a")
        waiter.answer.cancel()
        self.failureResultOf(waiter.answer, CancelledError)
        self.assertEqual(self.cancelled, [waiter])
        self.assertIs(self.waiters.first("a"), other)
        self.assertEqual(self.waiters.count("b"), 0)

    def test_an_answer_after_a_hang_up_is_dropped(self) -> None:
        waiter = self.wait("a")
        waiter.answer.cancel()
        waiter.reply([])
        self.failureResultOf(waiter.answer, CancelledError)

    def test_everybody_dismissed_is_answered_with_nothing_and_once(self) -> None:
        waiters = [self.wait("a"), self.wait("a", "b"), self.wait("b")]
        self.waiters.dismiss()
        for waiter in waiters:
            self.assertEqual(self.successResultOf(waiter.answer), [])
        self.assert_nobody_waits()

    def test_answers_of_a_dismissal_are_lists_of_their_own(self) -> None:
        one, other = self.wait("a"), self.wait("a")
        self.waiters.dismiss()
        self.assertIsNot(self.successResultOf(one.answer), self.successResultOf(other.answer))

    def test_everybody_fails_when_the_store_has_failed(self) -> None:
        waiters = [self.wait("a"), self.wait("a", "b")]
        self.waiters.fail(StoreUnavailable())
        for waiter in waiters:
            self.failureResultOf(waiter.answer, StoreUnavailable)
        self.assert_nobody_waits()

    # -- a queue that is deleted --

    def test_who_waits_only_for_a_deleted_queue_is_told(self) -> None:
        waiter = self.wait("a")
        self.waiters.queue_deleted("a")
        self.failureResultOf(waiter.answer, NoSuchQueue)
        self.assert_nobody_waits()

    def test_who_waits_for_other_queues_too_goes_on(self) -> None:
        waiter = self.wait("a", "b", "c", seconds=20.0)
        self.waiters.queue_deleted("b")
        self.assertNoResult(waiter.answer)
        self.assertEqual(waiter.queues, ["a", "c"])
        self.assertEqual([self.waiters.count(queue) for queue in "abc"], [1, 0, 1])
        self.clock.advance(20)
        self.assertEqual(self.successResultOf(waiter.answer), [])
        self.assert_nobody_waits()

    def test_who_waited_for_several_queues_is_told_with_the_last(self) -> None:
        waiter = self.wait("a", "b")
        self.waiters.queue_deleted("b")
        self.assertNoResult(waiter.answer)
        self.waiters.queue_deleted("a")
        self.failureResultOf(waiter.answer, NoSuchQueue)
        self.assert_nobody_waits()

    def test_deleting_a_queue_that_nobody_waits_for_is_nothing(self) -> None:
        waiter = self.wait("a")
        self.waiters.queue_deleted("b")
        self.assertNoResult(waiter.answer)
        self.assertEqual(self.waiters.count("a"), 1)

    # -- whoever reads an answer may do anything --

    def test_nobody_waits_any_more_when_the_first_of_many_is_told(self) -> None:
        seen: list[int] = []
        for _ in range(3):
            self.wait("a").answer.addCallback(lambda _: seen.append(self.waiters.count("a")))
        self.waiters.dismiss()
        self.assertEqual(seen, [0, 0, 0])

    def test_who_comes_back_out_of_a_dismissal_waits(self) -> None:
        again: list[Waiter] = []
        self.wait("a").answer.addCallback(lambda _: again.append(self.wait("a")))
        self.waiters.dismiss()
        self.assertNoResult(again[0].answer)
        self.assertIs(self.waiters.first("a"), again[0])
