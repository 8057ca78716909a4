"""After a restart the shelf is as it was: slice by slice, with time passing between the slices."""

from __future__ import annotations

from collections.abc import Iterator

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from tests.model.notebook import Notebook, Paper
from wonderq.local import recovery
from wonderq.local.clock import StoreClock
from wonderq.local.journal import StoredLease
from wonderq.local.queue import Queue
from wonderq.local.recovery import recover
from wonderq.local.shelf import Shelf
from wonderq.model import Attempt, Claim, Message, QueueSettings


class RecoveryTests(SynchronousTestCase):
    """The paper says what was written; every test writes it, and recovers."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.clock.rightNow = 100.0
        self.ready: list[str] = []
        self.paper = Paper()
        self.paper.settings = {"default": QueueSettings(), "q": QueueSettings(lease=7.0, max_receives=3)}

    def write(
        self,
        message: int,
        *,
        queue: str = "q",
        priority: int = 0,
        due: float | None = None,
        lease: StoredLease | None = None,
        receives: int = 0,
        attempts: tuple[Attempt, ...] = (),
        dead: bool = False,
    ) -> None:
        self.paper.messages[message] = Message(
            message, queue, b"12345", "", priority, 0.0, due or 50.0, receives, None, attempts, dead
        )
        if due is not None:
            self.paper.delays[message] = due
        if lease is not None:
            self.paper.leases[message] = lease

    def make_shelf(self, slice: int = 1000, window: int = 1000) -> Shelf:
        clock = StoreClock(self.clock.seconds, self.clock.seconds, "boot")
        self.journal = Notebook(self.paper, clock, self.clock, window)
        self.journal.slice = slice
        self.journal.open()
        return Shelf(self.journal, self.clock, clock, lambda queue: self.ready.append(queue.name))

    def recovered(self, slice: int = 1000, window: int = 1000) -> Shelf:
        shelf = self.make_shelf(slice, window)
        for _ in recover(shelf):
            pass
        return shelf

    def counts(self, shelf: Shelf, queue: str = "q") -> dict[str, int]:
        return {state: count for state, count in shelf.queues[queue].counts.items() if count}

    # -- queues --

    def test_queues_have_their_settings(self) -> None:
        shelf = self.recovered()
        self.assertEqual({name: queue.settings for name, queue in shelf.queues.items()}, self.paper.settings)

    def test_the_default_queue_is_made_where_there_is_none(self) -> None:
        self.paper.settings.clear()
        shelf = self.recovered()
        self.assertEqual(list(shelf.queues), ["default"])
        self.clock.advance(0)
        self.assertEqual(self.paper.settings, {"default": QueueSettings()})

    def test_the_default_queue_that_is_there_keeps_its_settings(self) -> None:
        self.paper.settings["default"] = QueueSettings(lease=5.0)
        self.recovered()
        self.clock.advance(0)
        self.assertEqual(self.paper.settings["default"], QueueSettings(lease=5.0))

    # -- messages in every state --

    def test_every_message_is_counted_and_weighed_in_its_state(self) -> None:
        self.write(1)
        self.write(2, due=150.0)
        self.write(3, lease=StoredLease(9, "alice", 90.0, 120.0))
        self.write(4, dead=True)
        self.write(5, queue="default")
        shelf = self.recovered(slice=2)
        self.assertEqual(self.counts(shelf), {"ready": 1, "delayed": 1, "leased": 1, "dead": 1})
        self.assertEqual(self.counts(shelf, "default"), {"ready": 1})
        self.assertEqual((shelf.queues["q"].bytes, shelf.queues["default"].bytes), (20, 5))

    def test_ready_messages_stand_in_their_order(self) -> None:
        for message, priority in [(1, 0), (2, 9), (3, 9), (4, 0)]:
            self.write(message, priority=priority)
        queue = self.recovered(slice=1).queues["q"]
        self.assertEqual([queue.order.pop(9), queue.order.pop(9), queue.order.pop(0), queue.order.pop(0)], [2, 3, 1, 4])

    # -- leases --

    def test_a_lease_is_held_by_who_held_it_until_its_deadline(self) -> None:
        self.write(1, lease=StoredLease(9, "alice", 90.0, 120.0))
        shelf = self.recovered()
        for claim in (Claim(1), Claim(1, 9)):
            self.assertIsNotNone(shelf.held("alice", claim, 119.9))
            self.assertIsNone(shelf.held("alice", claim, 120.0))
            self.assertIsNone(shelf.held("bob", claim, 110.0))
        self.assertIsNone(shelf.held("alice", Claim(1, 8), 110.0))
        self.assertEqual([call.getTime() for call in self.clock.getDelayedCalls()], [120.0])

    def test_the_end_of_a_lease_is_told_after_the_restart(self) -> None:
        self.write(1, lease=StoredLease(9, "alice", 90.0, 120.0), receives=1, attempts=(Attempt("bob", 1.0, 2.0),))
        shelf = self.recovered()
        self.clock.advance(19.5)
        self.assertEqual((self.ready, self.counts(shelf)), ([], {"leased": 1}))
        self.clock.advance(0.5)
        self.assertEqual((self.ready, self.counts(shelf)), (["q"], {"ready": 1}))
        message = shelf.first(shelf.queues["q"])
        self.assertEqual((message.receives, message.last_failure), (2, "lease expired"))
        self.assertEqual(message.attempts[0], Attempt("bob", 1.0, 2.0))
        self.assertEqual(message.attempts[1:], (Attempt("alice", 90.0, 120.0, "expired"),))

    def test_a_lease_that_ended_meanwhile_ends_in_the_first_turn(self) -> None:
        self.write(1, lease=StoredLease(9, "alice", 50.0, 80.0))
        shelf = self.recovered()
        self.assertIsNone(shelf.held("alice", Claim(1), shelf.clock.now()))
        self.clock.advance(0)
        self.assertEqual((self.ready, self.counts(shelf)), (["q"], {"ready": 1}))

    def test_a_verb_before_that_turn_finds_it_ended(self) -> None:
        self.write(1, lease=StoredLease(9, "alice", 50.0, 80.0))
        shelf = self.recovered()
        shelf.catch_up(shelf.clock.now())
        self.assertEqual(self.counts(shelf), {"ready": 1})

    def test_a_running_lease_counts_among_the_receives(self) -> None:
        self.write(1, lease=StoredLease(9, "alice", 90.0, 120.0), receives=2)
        shelf = self.recovered()
        self.clock.advance(20)
        self.assertEqual(self.counts(shelf), {"dead": 1})

    # -- delays --

    def test_a_delay_ends_at_its_moment(self) -> None:
        self.write(1, due=150.0)
        shelf = self.recovered()
        self.clock.advance(49.5)
        self.assertEqual((self.ready, self.counts(shelf)), ([], {"delayed": 1}))
        self.clock.advance(0.5)
        self.assertEqual((self.ready, self.counts(shelf)), (["q"], {"ready": 1}))

    def test_a_delay_that_ended_by_now_is_over(self) -> None:
        self.write(1, due=100.0)
        self.write(2, due=99.0)
        shelf = self.recovered()
        self.assertEqual(self.counts(shelf), {"ready": 2})
        self.clock.advance(1000)
        self.assertEqual((self.ready, self.counts(shelf)), ([], {"ready": 2}))

    def test_more_delays_than_are_kept_in_memory_end_once_each(self) -> None:
        for message in range(1, 12):
            self.write(message, due=101.0 + message // 3)
        shelf = self.recovered(window=2)
        for second in range(1, 6):
            self.clock.advance(1)
            ended = sum(message // 3 < second for message in range(1, 12))
            self.assertEqual(shelf.queues["q"].counts["ready"], ended)
        self.assertEqual(self.counts(shelf), {"ready": 11})

    # -- slices --

    def slices(self, slice: int) -> tuple[Shelf, Iterator[None]]:
        shelf = self.make_shelf(slice)
        return shelf, recover(shelf)

    def test_one_step_takes_up_one_slice(self) -> None:
        for message in range(1, 6):
            self.write(message)
        shelf, steps = self.slices(2)
        for taken in (2, 4, 5):
            next(steps)
            self.assertEqual(self.counts(shelf), {"ready": taken})

    def test_timers_are_started_slice_by_slice(self) -> None:
        for message in range(1, 2 * recovery._TIMERS_PER_SLICE + 2):
            self.write(message, lease=StoredLease(message, "alice", 90.0, 120.0))
        shelf, steps = self.slices(10_000)
        for started in (0, recovery._TIMERS_PER_SLICE, 2 * recovery._TIMERS_PER_SLICE, len(self.paper.leases)):
            next(steps)
            self.assertEqual(len(shelf.timers), started)

    def test_what_ends_between_two_slices_ends_once(self) -> None:
        self.write(1, due=105.0)
        self.write(2, lease=StoredLease(9, "alice", 90.0, 105.0))
        self.write(3)
        shelf, steps = self.slices(1)
        for _ in steps:
            self.clock.advance(10)
        self.clock.advance(0)
        self.assertEqual(self.counts(shelf), {"ready": 3})
        self.assertEqual((shelf.leases, self.clock.getDelayedCalls()), ({}, []))

    def test_messages_published_after_a_recovery_go_on_with_the_ids(self) -> None:
        self.write(1)
        self.paper.reserved_id, self.paper.reserved_receipt = 11, 21
        shelf = self.recovered()
        queue: Queue = shelf.queues["q"]
        message = Message(self.journal.next_id(), "q", b"", "", 0, 0.0, 100.0)
        shelf.publish(queue, message, 100.0)
        entry = shelf.receive(queue, shelf.first(queue), "alice", 5.0, 100.0)
        self.assertEqual((message.id, entry.id, entry.receipt), (11, 1, 21))
