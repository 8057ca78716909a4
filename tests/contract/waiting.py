"""What a receive that waits promises: woken at once, in turn, and never in vain."""

from __future__ import annotations

from twisted.internet.defer import CancelledError
from twisted.python.failure import Failure

from tests.contract.chapter import Chapter, claim
from wonderq.errors import NoSuchQueue
from wonderq.model import Delivery, Draft


class WaitingForMessages(Chapter):
    """A message that becomes ready goes at once to the one who has waited longest for it."""

    def test_a_receive_with_something_to_give_does_not_wait(self) -> None:
        message = self.publish()
        self.assertEqual(self.wait().ids, [message])

    def test_a_publish_wakes_a_waiting_receive(self) -> None:
        waiting = self.wait("alice")
        self.assertIsNone(waiting.ids)
        message = self.publish()
        self.assertEqual(waiting.ids, [message])
        self.assertEqual(self.show(message).consumer, "alice")

    def test_a_release_wakes_a_waiting_receive(self) -> None:
        message = self.publish()
        got = self.receive_one("alice")
        waiting = self.wait("bob")
        self.release("alice", claim(got))
        self.assertEqual(waiting.ids, [message])

    def test_the_end_of_a_lease_wakes_a_waiting_receive(self) -> None:
        message = self.publish()
        self.receive("alice", lease=5.0)
        waiting = self.wait("bob")
        self.harness.advance(4.5)
        self.assertIsNone(waiting.ids)
        self.harness.advance(0.5)
        self.assertEqual(waiting.ids, [message])

    def test_the_end_of_a_delay_wakes_a_waiting_receive(self) -> None:
        waiting = self.wait()
        message = self.publish(delay=5.0)
        self.harness.advance(4.5)
        self.assertIsNone(waiting.ids)
        self.harness.advance(0.5)
        self.assertEqual(waiting.ids, [message])

    def test_the_end_of_a_release_delay_wakes_a_waiting_receive(self) -> None:
        message = self.publish()
        got = self.receive_one("alice")
        waiting = self.wait("bob")
        self.release("alice", claim(got), delay=5.0)
        self.assertIsNone(waiting.ids)
        self.harness.advance(5)
        self.assertEqual(waiting.ids, [message])

    def test_a_lease_given_back_wakes_a_waiting_receive(self) -> None:
        message = self.publish()
        got = self.receive_one("alice")
        waiting = self.wait("bob")
        self.harness.broker.give_back("alice", [got])
        self.harness.settle()
        self.assertEqual(waiting.ids, [message])

    def test_a_delete_or_a_burial_wakes_nobody(self) -> None:
        self.publish_all(Draft(b""), Draft(b""))
        first, second = self.receive("alice")
        waiting = self.wait("bob")
        self.delete("alice", claim(first))
        self.bury("alice", claim(second))
        self.harness.advance(10)
        self.assertIsNone(waiting.ids)

    def test_a_waiting_receive_leases_for_as_long_as_it_said(self) -> None:
        deferred = self.harness.broker.receive(["default"], "alice", wait=20.0, lease=5.0)
        self.harness.advance(10)
        message = self.publish()
        self.assertEqual([got.id for got in self.harness.result(deferred)], [message])
        self.harness.advance(4.5)
        self.assertEqual(self.ids("bob"), [])
        self.harness.advance(0.5)
        self.assertEqual(self.ids("bob"), [message])

    # -- in turn --

    def test_who_has_waited_longest_is_served_first(self) -> None:
        waiting = [self.wait(consumer) for consumer in ("alice", "bob", "carol")]
        for served in range(3):
            message = self.publish()
            self.assertEqual(waiting[served].ids, [message])
            self.assertEqual([other.ids for other in waiting[served + 1 :]], [None] * (2 - served))

    def test_a_message_goes_to_one_of_those_who_wait(self) -> None:
        waiting = [self.wait(f"consumer-{number}", limit=2) for number in range(4)]
        ids = self.publish_all(*[Draft(b"")] * 5)
        self.assertEqual([one.ids for one in waiting], [ids[0:2], ids[2:4], ids[4:], None])

    def test_who_waits_gets_messages_in_order(self) -> None:
        waiting = self.wait()
        low, high, low_2 = self.publish_all(Draft(b""), Draft(b"", priority=1), Draft(b""))
        self.assertEqual(waiting.ids, [high, low, low_2])

    def test_who_is_answered_may_ask_again_at_once(self) -> None:
        got: dict[str, list[int]] = {"alice": [], "bob": []}

        def work(consumer: str) -> None:
            self.harness.broker.receive(["default"], consumer, limit=1, wait=20.0).addCallback(done, consumer)

        def done(deliveries: list[Delivery], consumer: str) -> None:
            if deliveries:
                got[consumer].append(deliveries[0].id)
                self.harness.broker.delete(consumer, [claim(deliveries[0])])
                work(consumer)

        for consumer in got:
            work(consumer)
        self.harness.settle()
        ids = self.publish_all(*[Draft(b"")] * 50)
        self.harness.settle()
        self.assertEqual(sorted(got["alice"] + got["bob"]), ids)
        self.assertEqual(got, {consumer: sorted(those) for consumer, those in got.items()})
        self.assertEqual((self.counts(), self.show_queue().waiting), ({}, 2))
        self.harness.advance(20)

    def test_a_receive_can_wait_for_several_queues(self) -> None:
        self.put_queue("other")
        both, other = self.wait("alice", "default", "other"), self.wait("bob", "other")
        message = self.publish(queue="other")
        self.assertEqual(both.ids, [message])
        self.assertIsNone(other.ids)
        self.publish()
        self.assertIsNone(other.ids)
        self.assertEqual(self.counts(), {"ready": 1})

    def test_a_queue_tells_how_many_wait_for_it(self) -> None:
        self.put_queue("other")
        self.wait("alice", "default", "other", seconds=20.0)
        self.wait("bob", "other", seconds=10.0)
        self.assertEqual((self.show_queue().waiting, self.show_queue("other").waiting), (1, 2))
        self.harness.advance(10)
        self.assertEqual((self.show_queue().waiting, self.show_queue("other").waiting), (1, 1))
        self.publish()
        self.assertEqual((self.show_queue().waiting, self.show_queue("other").waiting), (0, 0))

    # -- not for ever --

    def test_a_wait_ends_with_nothing_at_its_time(self) -> None:
        waiting = self.wait(seconds=20.0)
        self.harness.advance(19.5)
        self.assertIsNone(waiting.ids)
        self.harness.advance(0.5)
        self.assertEqual(waiting.ids, [])

    def test_a_wait_that_ended_takes_nothing(self) -> None:
        self.wait("alice", seconds=5.0)
        self.harness.advance(5)
        message = self.publish()
        self.assertEqual(self.ids("bob"), [message])

    def test_a_wait_that_is_cancelled_takes_nothing(self) -> None:
        cancelled, other = self.wait("alice"), self.wait("bob")
        cancelled.deferred.cancel()
        self.harness.settle()
        [answer] = cancelled.answers
        self.assertIsInstance(answer, Failure)
        self.assertIsInstance(getattr(answer, "value", None), CancelledError)
        self.assertEqual(self.show_queue().waiting, 1)
        message = self.publish()
        self.assertEqual(other.ids, [message])
        self.assertEqual(self.show(message).attempts[0].consumer, "bob")

    def test_a_wait_that_is_cancelled_leaves_nothing_leased(self) -> None:
        cancelled = self.wait("alice")
        cancelled.deferred.cancel()
        message = self.publish()
        self.assertEqual(self.state(message), "ready")
        self.assertEqual(self.receive_one("bob").receives, 1)

    # -- queues that go away --

    def test_who_waits_for_a_queue_that_is_deleted_is_told(self) -> None:
        self.put_queue("other")
        waiting = self.wait("alice", "other")
        self.delete_queue("other")
        [answer] = waiting.answers
        self.assertIsInstance(getattr(answer, "value", None), NoSuchQueue)

    def test_who_waits_for_other_queues_too_goes_on_waiting(self) -> None:
        self.put_queue("other")
        waiting = self.wait("alice", "other", "default")
        self.delete_queue("other")
        self.assertIsNone(waiting.ids)
        message = self.publish()
        self.assertEqual(waiting.ids, [message])

    def test_who_waited_for_a_queue_that_was_deleted_gets_nothing_of_its_successor(self) -> None:
        self.put_queue("other")
        waiting = self.wait("alice", "other", "default")
        self.delete_queue("other")
        self.put_queue("other")
        message = self.publish(queue="other")
        self.assertIsNone(waiting.ids)
        self.assertEqual(self.ids("bob", "other"), [message])
