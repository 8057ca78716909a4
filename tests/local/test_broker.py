"""What LocalBroker promises of its own: phases, the order of rules, journal and answers, and calls out of answers."""

from __future__ import annotations

import gc
from typing import Any, NoReturn, TypeVar

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from tests.model.notebook import Notebook, Paper
from wonderq import errors
from wonderq.local.broker import LocalBroker
from wonderq.local.clock import StoreClock
from wonderq.local.journal import MemoryJournal
from wonderq.local.shelf import EXPIRIES
from wonderq.model import MAX_RECEIVE_BYTES, Claim, Counts, Delivery, Draft, Published, QueueSettings

T = TypeVar("T")


class Case(SynchronousTestCase):
    """A broker on a notebook, whose answers come when the turn of the reactor is over."""

    def setUp(self) -> None:
        self.paper = Paper()
        self.clock = Clock()
        self.broker = self.make_broker()
        self.result(self.broker.start())

    def make_broker(self) -> LocalBroker:
        clock = StoreClock(self.clock.seconds, self.clock.seconds, "boot")
        self.journal = Notebook(self.paper, clock, self.clock)
        self.journal.open()
        return LocalBroker(self.journal, self.clock, clock)

    def result(self, deferred: Deferred[T]) -> T:
        self.clock.advance(0)
        return self.successResultOf(deferred)

    def publish(self, *drafts: Draft) -> list[int]:
        answer = self.broker.publish(drafts)
        self.clock.advance(0)
        return [published.id for published in self.successResultOf(answer)]

    def receive(self, consumer: str = "alice", limit: int = 10, lease: float | None = None) -> list[Delivery]:
        answer = self.broker.receive(["default"], consumer, limit=limit, lease=lease)
        self.clock.advance(0)
        return self.successResultOf(answer)


class PhaseTests(Case):
    """Recovering, ready, stopped; or failed."""

    def verbs(self, broker: LocalBroker) -> list[Deferred[Any]]:
        claims = [Claim(1)]
        return [
            broker.publish([Draft(b"")]),
            broker.receive(["default"], "alice"),
            broker.delete("alice", claims),
            broker.extend("alice", claims, 30.0),
            broker.release("alice", claims),
            broker.bury("alice", claims),
            broker.show_message(1),
            broker.put_queue("q", QueueSettings()),
            broker.show_queue("default"),
            broker.delete_queue("q"),
            broker.stats(),
        ]

    def test_every_verb_is_refused_until_the_recovery_is_done(self) -> None:
        broker = self.make_broker()
        started = broker.start()
        for answer in self.verbs(broker):
            error = self.failureResultOf(answer, errors.NotReady).value
            self.assertEqual(error.retry_after, 1)
        self.assertEqual(broker.trouble(), "The store is being read.")
        self.result(started)
        self.assertIsNone(broker.trouble())
        self.result(broker.stats())

    def test_every_verb_is_refused_after_the_stop(self) -> None:
        self.result(self.broker.stop())
        for answer in self.verbs(self.broker):
            self.failureResultOf(answer, errors.NotReady)
        self.assertEqual(self.broker.trouble(), "The server has stopped.")

    def test_who_waits_is_answered_with_nothing_when_the_broker_stops(self) -> None:
        waiting = self.broker.receive(["default"], "alice", wait=60.0)
        self.assertNoResult(waiting)
        self.result(self.broker.stop())
        self.assertEqual(self.successResultOf(waiting), [])

    def test_a_stop_ends_the_recovery(self) -> None:
        self.publish(*[Draft(b"")] * 3)
        broker = self.make_broker()
        self.journal.slice = 1
        started = broker.start()
        self.assertNoResult(started)
        self.result(broker.stop())
        self.assertIsNone(self.successResultOf(started))
        self.assertEqual(broker.trouble(), "The server has stopped.")

    def test_a_stop_lets_what_was_noted_be_written_and_leaves_no_timer(self) -> None:
        self.publish(Draft(b""), Draft(b"", delay=5.0))
        waiting = self.broker.receive(["default"], "alice", limit=1)
        late = self.broker.publish([Draft(b"last")])
        self.broker.receive(["default"], "bob", wait=60.0)
        stopped = self.broker.stop()
        self.assertNoResult(stopped)
        self.clock.advance(0)
        self.successResultOf(stopped)
        [delivery] = self.successResultOf(waiting)
        [published] = self.successResultOf(late)
        self.assertIn(published.id, self.paper.messages)
        self.assertEqual(set(self.paper.leases), {delivery.id, published.id})
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_who_asks_again_when_the_stop_answers_it_does_not_wait(self) -> None:
        again: list[Deferred[list[Delivery]]] = []
        waiting = self.broker.receive(["default"], "alice", wait=60.0)
        waiting.addCallback(lambda _: again.append(self.broker.receive(["default"], "alice", wait=60.0)))
        self.broker.stop()
        self.failureResultOf(again[0], errors.NotReady)
        self.clock.advance(0)
        self.assertEqual(self.clock.getDelayedCalls(), [])


class FailureTests(Case):
    """When the store fails nothing is claimed, and nothing more is done."""

    def setUp(self) -> None:
        super().setUp()
        self.errors: list[BaseException] = []
        self.broker.on_failure = self.errors.append

    def test_a_failed_write_fails_every_answer_that_waited_for_it(self) -> None:
        self.publish(Draft(b"one"))
        self.journal.fails = True
        answers: list[Deferred[Any]] = [
            self.broker.publish([Draft(b"two")]),
            self.broker.receive(["default"], "alice", limit=1),
            self.broker.delete("alice", [Claim(1)]),
        ]
        self.clock.advance(0)
        for answer in answers:
            self.failureResultOf(answer, errors.StoreUnavailable)

    def test_a_failed_write_is_told_once_and_refuses_every_later_verb(self) -> None:
        self.journal.fails = True
        self.failureResultOf(self.failed_publish(), errors.StoreUnavailable)
        self.assertEqual([str(error) for error in self.errors], ["the notebook burns"])
        self.failureResultOf(self.broker.stats(), errors.StoreUnavailable)
        self.failureResultOf(self.broker.publish([Draft(b"")]), errors.StoreUnavailable)
        self.assertEqual(self.broker.trouble(), "The store has failed.")
        self.clock.advance(60)
        self.assertEqual(len(self.errors), 1)

    def test_a_failed_write_ends_every_wait_and_every_timer(self) -> None:
        self.publish(Draft(b""), Draft(b"", delay=5.0))
        self.receive()
        waiting = self.broker.receive(["default"], "bob", wait=60.0)
        self.journal.fails = True
        self.failureResultOf(self.failed_publish(), errors.StoreUnavailable)
        self.failureResultOf(waiting, errors.StoreUnavailable)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_who_is_being_served_when_a_read_fails_is_told_too(self) -> None:
        waiting = [self.broker.receive(["default"], name, wait=60.0) for name in ("alice", "bob")]

        def read(message: int) -> NoReturn:
            self.journal.on_failure(OSError("the disk is gone"))
            raise errors.StoreUnavailable

        self.journal.read = read  # type: ignore[method-assign]
        published = self.broker.publish([Draft(b"")])
        for answer in waiting:
            self.failureResultOf(answer, errors.StoreUnavailable)
        self.clock.advance(0)
        self.assertIsNotNone(published.result)
        self.assertEqual(len(self.errors), 1)
        self.assertEqual(self.flushLoggedErrors(), [])

    def test_a_store_that_failed_during_the_recovery_does_not_become_ready(self) -> None:
        broker = self.make_broker()
        broker.on_failure = self.errors.append
        started = broker.start()
        self.journal.on_failure(OSError("the disk is gone"))
        self.result(started)
        self.assertEqual(broker.trouble(), "The store has failed.")

    def failed_publish(self) -> Deferred[list[Published]]:
        answer = self.broker.publish([Draft(b"")])
        self.clock.advance(0)
        return answer


class AnswerTests(Case):
    """Answers wait for the journal; hang-ups undo what was not yet answered."""

    def test_no_answer_to_a_change_or_a_receive_comes_before_the_journal_has_written(self) -> None:
        published = self.broker.publish([Draft(b"hello")])
        received = self.broker.receive(["default"], "alice")
        made = self.broker.put_queue("q", QueueSettings())
        answers: list[Deferred[Any]] = [published, received, made]
        for answer in answers:
            self.assertNoResult(answer)
        self.assertEqual(self.paper.messages, {})
        self.clock.advance(0)
        for answer in answers:
            self.successResultOf(answer)
        self.assertEqual(len(self.paper.leases), 1)

    def test_a_receive_that_is_cancelled_before_its_lease_is_written_gives_the_message_back(self) -> None:
        [message] = self.publish(Draft(b"hello"))
        answer = self.broker.receive(["default"], "alice")
        answer.cancel()
        self.failureResultOf(answer, CancelledError)
        self.clock.advance(0)
        self.assert_no_unhandled_errors()
        [delivery] = self.receive("bob")
        self.assertEqual((delivery.id, delivery.receives), (message, 1))

    def test_a_receive_that_is_cancelled_before_the_store_failed_hears_nothing_of_it(self) -> None:
        self.publish(Draft(b"hello"))
        answer = self.broker.receive(["default"], "alice")
        answer.cancel()
        self.failureResultOf(answer, CancelledError)
        self.journal.fails = True
        self.clock.advance(0)
        self.assert_no_unhandled_errors()

    def assert_no_unhandled_errors(self) -> None:
        gc.collect()
        self.assertEqual(self.flushLoggedErrors(), [])

    def test_a_message_given_back_goes_to_who_waits(self) -> None:
        self.publish(Draft(b"hello"))
        cancelled = self.broker.receive(["default"], "alice")
        waiting = self.broker.receive(["default"], "bob", wait=60.0)
        cancelled.addErrback(lambda failure: failure.trap(CancelledError))
        cancelled.cancel()
        self.clock.advance(0)
        self.assertEqual([delivery.receives for delivery in self.successResultOf(waiting)], [1])

    def test_cancelling_a_change_does_not_undo_it(self) -> None:
        answer = self.broker.publish([Draft(b"hello")])
        answer.addErrback(lambda failure: failure.trap(CancelledError))
        answer.cancel()
        self.clock.advance(0)
        self.assertEqual(len(self.receive()), 1)

    def test_giving_back_what_somebody_else_holds_now_changes_nothing(self) -> None:
        self.publish(Draft(b"hello"))
        old = self.receive("alice", lease=5.0)
        self.clock.advance(5)
        [new] = self.receive("bob")
        self.broker.give_back("alice", old)
        self.assertEqual(self.result(self.broker.delete("bob", [Claim(new.id, new.receipt)])), [True])

    def test_giving_back_a_lease_that_has_ended_counts_as_its_end(self) -> None:
        self.publish(Draft(b"hello"))
        old = self.receive("alice", lease=5.0)
        self.clock.rightNow += 5
        self.broker.give_back("alice", old)
        [delivery] = self.receive("bob")
        self.assertEqual((delivery.receives, delivery.last_failure), (2, "lease expired"))

    def test_giving_back_to_a_broker_that_has_stopped_is_harmless(self) -> None:
        self.publish(Draft(b"hello"))
        deliveries = self.receive()
        self.result(self.broker.stop())
        self.broker.give_back("alice", deliveries)
        self.clock.advance(0)
        self.assertEqual(set(self.paper.leases), {deliveries[0].id})

    def test_an_answer_stops_growing_at_its_most_bytes(self) -> None:
        large = QueueSettings(max_message_bytes=MAX_RECEIVE_BYTES)
        self.result(self.broker.put_queue("default", large))
        half = b"x" * (MAX_RECEIVE_BYTES // 2)
        first, second, _ = self.publish(Draft(half), Draft(half), Draft(b"y"))
        self.assertEqual([delivery.id for delivery in self.receive()], [first, second])

    def test_a_message_larger_than_an_answer_comes_alone(self) -> None:
        large = QueueSettings(max_message_bytes=2 * MAX_RECEIVE_BYTES)
        self.result(self.broker.put_queue("default", large))
        first, _ = self.publish(Draft(b"x" * (MAX_RECEIVE_BYTES + 1)), Draft(b"y"))
        self.assertEqual([delivery.id for delivery in self.receive()], [first])


class RefusalTests(Case):
    """A refused verb has changed nothing."""

    def test_without_room_nothing_is_published_and_everything_else_works(self) -> None:
        self.publish(Draft(b"before"))
        self.journal.room = False
        error = self.failureResultOf(self.broker.publish([Draft(b"after")]), errors.DiskFull).value
        self.assertEqual(error.retry_after, 60)
        [delivery] = self.receive()
        self.assertEqual(self.result(self.broker.delete("alice", [Claim(delivery.id)])), [True])
        self.assertEqual(self.receive(), [])

    def test_a_missing_queue_wins_over_a_full_disk(self) -> None:
        self.journal.room = False
        self.failureResultOf(self.broker.publish([Draft(b"", queue="nowhere")]), errors.NoSuchQueue)

    def test_a_receive_from_a_queue_that_does_not_exist_leases_nothing_from_the_others(self) -> None:
        self.publish(Draft(b"hello"))
        self.failureResultOf(self.broker.receive(["default", "nowhere"], "alice"), errors.NoSuchQueue)
        self.assertEqual(len(self.receive()), 1)


class StallTests(Case):
    """A verb that comes before the timers of a busy reactor finds done what was due."""

    def test_settings_are_answered_with_the_counts_of_now(self) -> None:
        self.publish(Draft(b"", delay=1.0), Draft(b""))
        self.receive(lease=5.0)
        self.clock.rightNow += 5
        view, _ = self.result(self.broker.put_queue("default", QueueSettings()))
        self.assertEqual((view.counts.ready, view.counts.leased, view.counts.delayed), (2, 0, 0))

    def test_a_message_whose_lease_ended_goes_to_who_waits_before_a_later_one(self) -> None:
        old, _ = self.publish(Draft(b""), Draft(b""))
        self.receive(lease=5.0, limit=1)
        self.receive(lease=60.0, limit=1)
        waiting = self.broker.receive(["default"], "bob", limit=1, wait=60.0)
        self.clock.rightNow += 5
        self.publish(Draft(b"new"))
        [delivery] = self.successResultOf(waiting)
        self.assertEqual(delivery.id, old)


class CrowdTests(Case):
    """However many leases end at once, one turn of the reactor ends so many of them only."""

    def lease(self, count: int) -> None:
        for _ in range(0, count, 100):
            self.publish(*[Draft(b"")] * 100)
            self.receive(lease=5.0, limit=100)

    def test_leases_beyond_what_a_turn_bears_end_in_later_turns(self) -> None:
        self.lease(EXPIRIES + 200)
        self.clock.rightNow += 5
        self.assertEqual(self.successResultOf(self.broker.stats()).leases, 200)
        self.clock.advance(0)
        self.assertEqual(self.successResultOf(self.broker.stats()).queues[0].counts, Counts(ready=EXPIRIES + 200))

    def test_a_crowd_of_timers_ends_in_turns_too(self) -> None:
        self.lease(EXPIRIES + 200)
        waiting = self.broker.receive(["default"], "bob", limit=1000, wait=60.0)
        self.clock.advance(5)
        # The first of them ended in the turn of its timer, and was served at once.
        self.assertEqual(len(self.successResultOf(waiting)), 1)
        self.assertEqual(self.successResultOf(self.broker.stats()).queues[0].counts.ready, EXPIRIES + 199)

    def test_what_a_verb_leaves_of_a_crowd_waits_for_no_other_verb(self) -> None:
        self.lease(EXPIRIES)
        self.result(self.broker.put_queue("q", QueueSettings()))
        self.publish(Draft(b"", queue="q"))
        self.result(self.broker.receive(["q"], "alice", lease=5.0))
        waiting = self.broker.receive(["q"], "bob", wait=60.0)
        self.clock.rightNow += 5
        self.broker.show_queue("q")
        self.assertNoResult(waiting)
        self.clock.advance(0)
        self.assertEqual(len(self.successResultOf(waiting)), 1)

    def test_a_lease_that_is_over_but_not_ended_yet_is_nobodys_and_can_be_given_back(self) -> None:
        self.publish(*[Draft(b"")] * 1000)
        deliveries = self.receive(lease=5.0, limit=1000)
        self.clock.rightNow += 5
        self.successResultOf(self.broker.stats())
        last = deliveries[-1]
        answer = self.broker.delete("alice", [Claim(last.id, last.receipt)])
        self.successResultOf(self.broker.give_back("alice", [last]))
        self.clock.advance(0)
        self.assertEqual(self.successResultOf(answer), [False])
        view = self.successResultOf(self.broker.show_message(last.id))
        self.assertEqual((view.state, view.message.receives), ("ready", 1))
        self.assertEqual(self.successResultOf(self.broker.stats()).queues[0].counts, Counts(ready=1000))

    def test_a_stop_leaves_nothing_of_a_crowd_behind(self) -> None:
        self.lease(EXPIRIES + 200)
        self.clock.rightNow += 5
        self.clock.calls[0].func(*self.clock.calls[0].args)
        self.clock.calls.pop(0)
        self.result(self.broker.stop())
        self.assertEqual(self.clock.getDelayedCalls(), [])


class ClockTests(SynchronousTestCase):
    """The reactor's clock only wakes; the store's clock decides."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.store_time = 1000.0
        clock = StoreClock(lambda: self.store_time, lambda: 0.0, "boot")
        self.broker = LocalBroker(MemoryJournal(), self.clock, clock)
        self.broker.start()
        self.clock.advance(0)

    def publish(self, delay: float = 0.0) -> None:
        self.successResultOf(self.broker.publish([Draft(b"", delay=delay)]))

    def receive(self) -> list[Delivery]:
        return self.successResultOf(self.broker.receive(["default"], "alice", lease=30.0))

    def counts(self) -> Counts:
        return self.successResultOf(self.broker.show_queue("default")).counts

    def advance(self, store: float, reactor: float) -> None:
        self.store_time += store
        self.clock.advance(reactor)

    def test_a_lease_does_not_end_early_when_the_clock_of_the_reactor_is_set_forward(self) -> None:
        self.publish()
        self.receive()
        self.advance(store=10, reactor=3600)
        self.assertEqual(self.counts(), Counts(leased=1))
        self.advance(store=19.5, reactor=19.5)
        self.assertEqual(self.counts(), Counts(leased=1))
        self.assertEqual(len(self.clock.getDelayedCalls()), 1)
        self.advance(store=0.5, reactor=0.5)
        self.assertEqual(self.clock.getDelayedCalls(), [])
        self.assertEqual(self.counts(), Counts(ready=1))

    def test_a_delay_does_not_end_early_when_the_clock_of_the_reactor_is_set_forward(self) -> None:
        self.publish(delay=30.0)
        self.advance(store=10, reactor=3600)
        self.assertEqual(self.counts(), Counts(delayed=1))
        self.advance(store=20, reactor=20)
        self.assertEqual(self.clock.getDelayedCalls(), [])
        self.assertEqual(self.counts(), Counts(ready=1))

    def test_a_timer_early_by_the_rounding_of_floats_does_what_it_was_set_for(self) -> None:
        self.publish(delay=30.0)
        self.publish()
        self.receive()
        self.advance(store=29.9999995, reactor=30)
        # Otherwise it would be set again, for less than the reactor can tell from nothing.
        self.assertEqual(self.clock.getDelayedCalls(), [])
        self.assertEqual(self.counts(), Counts(ready=2))


class StatsTests(Case):
    def test_leases_of_a_deleted_queue_are_live_no_more(self) -> None:
        self.result(self.broker.put_queue("q", QueueSettings()))
        self.publish(Draft(b"", queue="q"), Draft(b""))
        self.receive("alice")
        self.result(self.broker.receive(["q"], "alice"))
        self.assertEqual(self.successResultOf(self.broker.stats()).leases, 2)
        self.result(self.broker.delete_queue("q"))
        self.assertEqual(self.successResultOf(self.broker.stats()).leases, 1)


class ReentrancyTests(SynchronousTestCase):
    """In memory an answer leaves inside the verb that made it, and its reader may call the next verb at once."""

    def setUp(self) -> None:
        self.clock = Clock()
        clock = StoreClock(self.clock.seconds, self.clock.seconds, "boot")
        self.broker = LocalBroker(MemoryJournal(), self.clock, clock)
        self.broker.start()
        self.clock.advance(0)

    def publish(self, *drafts: Draft) -> list[int]:
        return [published.id for published in self.successResultOf(self.broker.publish(drafts))]

    def late_pair(self) -> list[Delivery]:
        """Let two leases of alice end while the reactor is busy, and carol and then dave wait."""
        self.publish(Draft(b"first"), Draft(b"second"))
        return self.successResultOf(self.broker.receive(["default"], "alice", lease=5.0))

    def test_a_receive_out_of_an_answer_keeps_what_it_gets(self) -> None:
        self.late_pair()
        carol = self.broker.receive(["default"], "carol", limit=1, wait=60.0)
        dave = carol.addCallback(lambda got: self.broker.receive(["default"], "dave", limit=1))
        self.clock.rightNow += 5
        self.successResultOf(self.broker.stats())
        [second] = self.successResultOf(dave)
        self.assertEqual(self.successResultOf(self.broker.receive(["default"], "eve")), [])
        self.assertEqual(self.successResultOf(self.broker.delete("dave", [Claim(second.id, second.receipt)])), [True])

    def test_a_lease_given_back_out_of_an_answer_is_given_back_once(self) -> None:
        pair = self.late_pair()
        carol = self.broker.receive(["default"], "carol", limit=1, wait=60.0)
        carol.addCallback(lambda got: self.broker.give_back("alice", pair))
        self.clock.rightNow += 5
        stats = self.successResultOf(self.broker.stats())
        self.assertEqual((stats.leases, stats.queues[0].counts.ready), (1, 1))

    def test_a_delete_out_of_an_answer_works(self) -> None:
        carol = self.broker.receive(["default"], "carol", wait=60.0)
        deleted = carol.addCallback(lambda got: self.broker.delete("carol", [Claim(got[0].id, got[0].receipt)]))
        self.publish(Draft(b"hello"))
        self.assertEqual(self.successResultOf(deleted), [True])
        self.assertEqual(self.successResultOf(self.broker.show_queue("default")).bytes, 0)

    def test_a_queue_deleted_out_of_an_answer_takes_no_more_messages(self) -> None:
        self.successResultOf(self.broker.put_queue("q", QueueSettings()))
        self.publish(Draft(b""))
        self.successResultOf(self.broker.receive(["default"], "alice", lease=5.0))
        carol = self.broker.receive(["default"], "carol", wait=60.0)
        carol.addCallback(lambda got: self.broker.delete_queue("q"))
        self.clock.rightNow += 5
        self.failureResultOf(self.broker.publish([Draft(b"", queue="q")]), errors.NoSuchQueue)

    def test_a_queue_made_anew_out_of_an_answer_keeps_who_waits_for_it(self) -> None:
        self.successResultOf(self.broker.put_queue("q", QueueSettings()))
        waiting: list[Deferred[list[Delivery]]] = []

        def make_anew(_: object) -> None:
            self.broker.delete_queue("q")
            self.broker.put_queue("q", QueueSettings())
            waiting.append(self.broker.receive(["q"], "dave", wait=60.0))

        self.broker.receive(["default"], "carol", wait=60.0).addCallback(make_anew)
        self.publish(Draft(b""), Draft(b"gone with its queue", queue="q"))
        self.assertNoResult(waiting[0])
        [message] = self.publish(Draft(b"", queue="q"))
        self.assertEqual([delivery.id for delivery in self.successResultOf(waiting[0])], [message])

    def test_a_receive_cancelled_out_of_the_answer_to_another_hears_nothing(self) -> None:
        first = self.broker.receive(["default"], "carol", wait=60.0)
        second = self.broker.receive(["default"], "carol", wait=60.0)
        first.addCallback(lambda got: second.cancel())
        self.successResultOf(self.broker.stop())
        self.successResultOf(first)
        self.failureResultOf(second, CancelledError)

    def test_who_waits_for_a_deleted_queue_and_another_may_be_served_by_who_is_told(self) -> None:
        self.successResultOf(self.broker.put_queue("q", QueueSettings()))
        told = self.broker.receive(["q"], "carol", wait=60.0)
        both = self.broker.receive(["q", "default"], "dave", wait=60.0)
        told.addErrback(lambda failure: self.broker.publish([Draft(b"")]))
        self.successResultOf(self.broker.delete_queue("q"))
        self.assertEqual(len(self.successResultOf(both)), 1)
