"""What a receive promises: order, leases, limits."""

from __future__ import annotations

from tests.contract.chapter import Chapter, claim
from wonderq import errors
from wonderq.model import MAX_RECEIVE_BYTES, Draft


class Receiving(Chapter):
    """Receive: the next messages in order, to one consumer at a time, until a deadline."""

    def test_a_queue_without_messages_gives_none(self) -> None:
        self.assertEqual(self.receive(), [])

    def test_the_older_message_comes_first(self) -> None:
        ids = [self.publish() for _ in range(5)]
        self.assertEqual(self.ids(limit=2) + self.ids(limit=2) + self.ids(limit=2), ids)

    def test_the_higher_priority_comes_first_and_then_the_older(self) -> None:
        drafts = [Draft(b"", priority=priority) for priority in (0, 9, 4, 9, 0, 5)]
        low, top, middle, top_2, low_2, high = self.publish_all(*drafts)
        in_order = [top, top_2, high, middle, low, low_2]
        self.assertEqual(self.ids(limit=4) + self.ids(limit=1) + self.ids(limit=9), in_order)

    def test_a_receive_gives_no_more_than_its_limit(self) -> None:
        self.publish_all(*[Draft(b"")] * 12)
        self.assertEqual([len(self.receive(limit=limit)) for limit in (1, 10, 10)], [1, 10, 1])

    def test_several_queues_are_served_in_the_order_named(self) -> None:
        self.put_queue("other")
        first, second = self.publish(), self.publish()
        other, other_2 = self.publish(queue="other"), self.publish(queue="other", priority=9)
        self.assertEqual(self.ids("alice", "other", "default", limit=3), [other_2, other, first])
        self.assertEqual(self.ids("alice", "other", "default", limit=3), [second])

    def test_a_receive_from_a_queue_that_does_not_exist_leases_nothing(self) -> None:
        message = self.publish()
        with self.assertRaises(errors.NoSuchQueue):
            self.receive("alice", "default", "nowhere")
        self.assertEqual(self.state(message), "ready")

    def test_a_delivery_tells_what_it_is(self) -> None:
        self.put_queue("other", lease=12.5)
        message = self.publish(b"body", "other", content_type="text/x", priority=3)
        self.harness.advance(2.0)
        got = self.receive_one("alice", "other")
        self.assertEqual(
            (got.id, got.queue, got.body, got.content_type, got.receives, got.priority, got.last_failure),
            (message, "other", b"body", "text/x", 1, 3, None),
        )
        self.assertAlmostEqual(got.lease_until, self.harness.wall() + 12.5, delta=0.001)

    def test_a_jump_of_the_wall_clock_moves_no_deadline_but_its_date(self) -> None:
        message = self.publish()
        self.harness.jump_wall(86400.0)
        got = self.receive_one(lease=10.0)
        self.assertAlmostEqual(got.lease_until, self.harness.wall() + 10, delta=0.001)
        self.harness.jump_wall(-2 * 86400.0)
        self.assertAlmostEqual(self.show(message).lease_until or 0.0, self.harness.wall() + 10, delta=0.001)
        self.harness.advance(9.5)
        self.harness.jump_wall(86400.0)
        self.assertEqual(self.ids("bob"), [])
        self.harness.advance(0.5)
        self.assertEqual(self.ids("bob"), [message])

    # -- leases --

    def test_a_leased_message_goes_to_nobody_else(self) -> None:
        message = self.publish()
        self.receive("alice")
        self.assertEqual(self.receive("bob"), [])
        self.assertEqual(self.receive("alice"), [])
        self.assertEqual(self.show(message).consumer, "alice")

    def test_a_lease_ends_by_itself_at_its_deadline_and_not_before(self) -> None:
        message = self.publish()
        self.receive("alice")
        self.harness.advance(29.5)
        self.assertEqual(self.ids("bob"), [])
        self.harness.advance(0.5)
        self.assertEqual(self.counts(), {"ready": 1})
        self.assertEqual(self.ids("bob"), [message])

    def test_a_message_whose_lease_ended_is_back_at_its_old_place(self) -> None:
        high, first, second, third = (self.publish(priority=priority) for priority in (5, 0, 0, 0))
        self.assertEqual(self.ids("alice", limit=2), [high, first])
        self.harness.advance(30)
        self.assertEqual(self.ids("bob"), [high, first, second, third])

    def test_a_lease_that_ended_while_the_reactor_was_busy_has_ended(self) -> None:
        message = self.publish()
        self.receive("alice")
        self.harness.stall(31)
        self.assertEqual(self.ids("bob"), [message])

    def test_the_leases_of_one_receive_end_together(self) -> None:
        ids = self.publish_all(*[Draft(b"")] * 5)
        self.receive("alice")
        self.harness.advance(30)
        self.assertEqual(self.ids("bob"), ids)

    def test_receives_counts_the_leases(self) -> None:
        self.publish()
        counted = []
        for consumer in ("alice", "bob", "alice"):
            counted.append(self.receive_one(consumer).receives)
            self.harness.advance(30)
        self.assertEqual(counted, [1, 2, 3])

    def test_receipts_grow_strictly(self) -> None:
        self.put_queue("other")
        self.publish_all(Draft(b""), Draft(b""), Draft(b"", queue="other"))
        receipts = [got.receipt for got in self.receive()] + [got.receipt for got in self.receive("bob", "other")]
        self.harness.advance(30)
        receipts += [got.receipt for got in self.receive("bob", "other", "default")]
        self.assertEqual(len(receipts), 6)
        self.assertEqual(receipts, sorted(set(receipts)))

    def test_a_queue_says_how_long_leases_last(self) -> None:
        self.put_queue("short", lease=2.0)
        message = self.publish(queue="short")
        self.receive("alice", "short")
        self.harness.advance(1.5)
        self.assertEqual(self.ids("bob", "short"), [])
        self.harness.advance(0.5)
        self.assertEqual(self.ids("bob", "short"), [message])

    def test_a_receive_says_how_long_its_own_leases_last(self) -> None:
        self.put_queue("short", lease=2.0)
        default, short = self.publish(), self.publish(queue="short")
        self.receive("alice", "default", "short", lease=5.0)
        self.harness.advance(4.5)
        self.assertEqual(self.ids("bob", "default", "short"), [])
        self.harness.advance(0.5)
        self.assertEqual(self.ids("bob", "default", "short"), [default, short])

    def test_another_lease_of_the_queue_does_not_touch_those_that_run(self) -> None:
        message = self.publish()
        self.receive("alice")
        self.put_queue(lease=1.0)
        self.harness.advance(29.5)
        self.assertEqual(self.ids("bob"), [])
        self.harness.advance(0.5)
        self.assertEqual(self.ids("bob"), [message])
        self.harness.advance(1)
        self.assertEqual(self.ids("alice"), [message])

    def test_the_last_failure_tells_that_a_lease_expired(self) -> None:
        self.publish()
        self.receive("alice")
        self.harness.advance(30)
        self.assertEqual(self.receive_one("bob").last_failure, "lease expired")

    # -- size --

    def test_a_receive_stops_growing_at_four_mebibytes(self) -> None:
        quarter = b"x" * (MAX_RECEIVE_BYTES // 4)
        ids = self.publish_all(*[Draft(quarter)] * 6)
        self.assertEqual(self.ids(), ids[:4])
        self.assertEqual(self.ids(), ids[4:])

    def test_a_message_that_would_make_a_receive_too_large_keeps_its_place(self) -> None:
        self.put_queue(max_message_bytes=MAX_RECEIVE_BYTES)
        small, large, small_2 = self.publish(b"x"), self.publish(b"x" * MAX_RECEIVE_BYTES), self.publish(b"x")
        self.assertEqual([self.ids(), self.ids(), self.ids()], [[small], [large], [small_2]])

    def test_a_first_message_is_received_however_large(self) -> None:
        self.put_queue(max_message_bytes=2 * MAX_RECEIVE_BYTES)
        large, small = self.publish(b"x" * (MAX_RECEIVE_BYTES + 1)), self.publish(b"x")
        self.assertEqual(self.ids(), [large])
        self.assertEqual(self.ids(), [small])

    # -- give_back is only local: over HTTP a delivery has reached somebody --

    def test_what_is_given_back_is_ready_at_its_old_place(self) -> None:
        first, second = self.publish(), self.publish()
        [got] = self.receive("alice", limit=1)
        self.harness.broker.give_back("alice", [got])
        self.harness.settle()
        self.assertEqual(self.ids("bob"), [first, second])

    def test_a_lease_given_back_is_no_longer_held(self) -> None:
        self.publish()
        got = self.receive_one("alice")
        self.harness.broker.give_back("alice", [got])
        self.harness.settle()
        self.assertEqual(self.delete("alice", claim(got)), [False])

    def test_giving_back_a_lease_that_ended_does_nothing(self) -> None:
        self.publish()
        got = self.receive_one("alice")
        self.harness.advance(30)
        again = self.receive_one("alice")
        self.harness.broker.give_back("alice", [got])
        self.harness.settle()
        self.assertEqual(self.delete("alice", claim(again)), [True])
