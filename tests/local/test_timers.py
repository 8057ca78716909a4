"""One delayed call for each lease, and one for the first of many due times."""

from __future__ import annotations

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from wonderq.local.timers import DueTimer, LeaseTimers


class LeaseTimersTests(SynchronousTestCase):
    """Store time and the reactor's time differ by a thousand seconds, to tell one from the other."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.fired: list[tuple[int, float]] = []
        self.timers = LeaseTimers(self.clock, lambda message: self.fired.append((message, self.now())))

    def now(self) -> float:
        return 1000.0 + self.clock.seconds()

    def arm(self, message: int, seconds: float) -> None:
        self.timers.arm(message, self.now() + seconds, self.now())

    def late(self) -> list[int]:
        return list(self.timers.late(self.now()))

    def test_every_lease_has_one_delayed_call_at_its_deadline(self) -> None:
        self.arm(1, 30)
        self.arm(2, 5)
        self.assertEqual([call.getTime() for call in self.clock.getDelayedCalls()], [5, 30])
        self.assertEqual(len(self.timers), 2)
        self.clock.advance(4.5)
        self.assertEqual(self.fired, [])
        self.clock.advance(0.5)
        self.clock.advance(25)
        self.assertEqual(self.fired, [(2, 1005.0), (1, 1030.0)])
        self.assertEqual((len(self.timers), self.clock.getDelayedCalls()), (0, []))

    def test_a_deadline_that_has_passed_fires_in_the_next_turn(self) -> None:
        self.arm(1, -5)
        self.assertEqual(self.fired, [])
        self.clock.advance(0)
        self.assertEqual(self.fired, [(1, 1000.0)])

    def test_a_disarmed_timer_does_not_fire(self) -> None:
        self.arm(1, 5)
        self.arm(2, 5)
        self.timers.disarm(1)
        self.assertEqual(len(self.clock.getDelayedCalls()), 1)
        self.clock.advance(5)
        self.assertEqual(self.fired, [(2, 1005.0)])

    def test_disarming_what_does_not_run_is_nothing(self) -> None:
        self.timers.disarm(1)
        self.arm(2, 5)
        self.clock.advance(5)
        self.timers.disarm(2)
        self.assertEqual(len(self.timers), 0)

    def test_a_lease_can_be_armed_again_when_its_timer_fires(self) -> None:
        timers = LeaseTimers(self.clock, lambda message: timers.arm(message, self.now() + 5, self.now()))
        timers.arm(1, self.now() + 5, self.now())
        self.clock.advance(5)
        self.assertEqual([call.getTime() for call in self.clock.getDelayedCalls()], [10])

    # -- after a stall --

    def test_after_a_stall_the_ended_leases_are_found_once_in_the_order_of_ends_then_ids(self) -> None:
        for message, seconds in [(4, 1.0), (3, 1.0), (2, 2.0), (1, 3.0), (5, 9.0)]:
            self.arm(message, seconds)
        self.clock.rightNow += 3
        self.assertEqual(self.late(), [3, 4, 2, 1])
        self.assertEqual(self.late(), [])
        self.clock.advance(0)
        self.assertEqual((self.fired, len(self.timers)), ([], 1))

    def test_a_lease_is_late_at_its_deadline_and_not_before(self) -> None:
        self.arm(1, 0.5)
        self.clock.rightNow += 0.4
        self.assertEqual(self.late(), [])
        self.clock.rightNow += 0.1
        self.assertEqual(self.late(), [1])

    def test_a_lease_that_ended_between_two_tenths_is_late_at_the_next(self) -> None:
        self.arm(1, 0.53125)
        self.clock.rightNow += 0.5625
        self.assertEqual(self.late(), [])
        self.clock.rightNow += 0.0625
        self.assertEqual(self.late(), [1])

    def test_what_was_disarmed_extended_or_fired_is_not_late(self) -> None:
        for message in (1, 2, 3):
            self.arm(message, 1.0)
        self.assertEqual(self.late(), [])
        self.timers.disarm(1)
        self.timers.disarm(2)
        self.arm(2, 5.0)
        self.clock.advance(1)
        self.assertEqual((self.late(), self.fired), ([], [(3, 1001.0)]))

    def test_ended_leases_are_found_again_and_again(self) -> None:
        for second in range(1, 40):
            self.arm(second, 1.0)
            self.arm(1000 + second, 500.0 + second)
            self.clock.rightNow += 1
            self.assertEqual(self.late(), [second])

    def test_a_long_time_without_a_look_loses_no_lease(self) -> None:
        self.assertEqual(self.late(), [])
        self.arm(1, 43200.0)
        self.arm(2, 10.0)
        self.clock.rightNow += 43200
        self.assertEqual(self.late(), [2, 1])

    def test_what_ended_leases_leave_behind_does_not_grow(self) -> None:
        for _ in range(100):
            self.arm(1, 1.0)
            self.timers.disarm(1)
            self.arm(2, 1.0)
            self.clock.advance(1)
            self.arm(3, 1.0)
            self.clock.rightNow += 1
            self.late()
        self.assertEqual((self.timers._calls, self.timers._ticks), ({}, {}))

    def test_clear_stops_every_timer(self) -> None:
        self.arm(1, 5)
        self.arm(2, 6)
        self.timers.clear()
        self.assertEqual((len(self.timers), self.clock.getDelayedCalls()), (0, []))
        self.clock.rightNow += 10
        self.assertEqual(self.late(), [])


class DueTimerTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.fired: list[float] = []
        self.timer = DueTimer(self.clock, lambda: self.fired.append(self.now()))

    def now(self) -> float:
        return 1000.0 + self.clock.seconds()

    def aim(self, at: float | None) -> None:
        self.timer.aim(at, self.now())

    def times(self) -> list[float]:
        return [1000.0 + call.getTime() for call in self.clock.getDelayedCalls()]

    def test_it_fires_once_at_its_time(self) -> None:
        self.aim(1005.0)
        self.clock.advance(4.5)
        self.assertEqual(self.fired, [])
        self.clock.advance(0.5)
        self.clock.advance(60)
        self.assertEqual(self.fired, [1005.0])

    def test_it_is_one_call_however_often_it_is_aimed(self) -> None:
        for at in (1009.0, 1005.0, 1005.0, 1007.0):
            self.aim(at)
            self.assertEqual(self.times(), [at])

    def test_aimed_at_the_same_time_it_keeps_its_call(self) -> None:
        self.aim(1005.0)
        [before] = self.clock.getDelayedCalls()
        self.clock.advance(1)
        self.aim(1005.0)
        self.assertIs(self.clock.getDelayedCalls()[0], before)

    def test_aimed_at_nothing_it_does_not_fire(self) -> None:
        self.aim(1005.0)
        self.aim(None)
        self.assertEqual(self.times(), [])
        self.aim(None)
        self.aim(1006.0)
        self.assertEqual(self.times(), [1006.0])

    def test_a_time_that_has_passed_fires_in_the_next_turn(self) -> None:
        self.aim(995.0)
        self.assertEqual(self.fired, [])
        self.clock.advance(0)
        self.assertEqual(self.fired, [1000.0])

    def test_when_it_fired_it_can_be_aimed_at_the_same_time_again(self) -> None:
        self.aim(1005.0)
        self.clock.advance(5)
        self.aim(1005.0)
        self.clock.advance(0)
        self.assertEqual(self.fired, [1005.0, 1005.0])
