"""What a publish promises: ids, bodies, batches, delays."""

from __future__ import annotations

from tests.contract.chapter import Chapter
from wonderq import errors
from wonderq.model import Claim, Draft

BODIES = [
    (b"", "application/octet-stream"),
    (b"\x00", "application/octet-stream"),
    (bytes(range(256)), "image/x-made-up"),
    (b"plain", "text/plain"),
    ("grüße \u2028 \U0001f600".encode(), "text/plain; charset=utf-8"),
    (b"\xff\xfe not UTF-8", "text/plain"),
    (b"", "text/plain"),
    (b'quotes " \\ and \n lines', "text/csv"),
    (b'{"b": 1,  "a":[ 1.0, 1e2, 12345678901234567890123 ], "b": 2}', "application/json"),
    (b' \r\n\t{"body": "}, {\\"body\\":" } \n', "application/json"),
    (b"null", "application/json"),
    (b' "\\u00fc\\/" ', "application/vnd.made-up+json"),
    (b"12 ", "application/json"),
    (b"<b>{markup}</b>%s", "text/html"),
]
"""Bodies that are easily changed on the way, with their content types."""


class Publishing(Chapter):
    """Publish: all or nothing, in order, byte for byte, and not before it is due."""

    def test_ids_grow_strictly(self) -> None:
        self.put_queue("other")
        ids = [self.publish(), self.publish(queue="other"), self.publish(priority=9), self.publish(delay=5)]
        self.assertEqual(ids, sorted(set(ids)))

    def test_ids_of_messages_that_are_gone_are_not_used_again(self) -> None:
        first = self.publish()
        self.receive()
        self.delete("alice", Claim(first))
        self.assertGreater(self.publish(), first)

    def test_a_body_comes_back_byte_for_byte(self) -> None:
        for body, content_type in BODIES:
            with self.subTest(body=body, content_type=content_type):
                message = self.publish(body, content_type=content_type)
                shown = self.show(message).message
                self.assertEqual((shown.body, shown.content_type), (body, content_type))
                [delivery] = self.receive()
                self.assertEqual((delivery.body, delivery.content_type), (body, content_type))

    def test_the_bodies_of_a_batch_come_back_byte_for_byte(self) -> None:
        self.publish_all(*(Draft(body, content_type) for body, content_type in BODIES))
        self.assertEqual([(got.body, got.content_type) for got in self.receive(limit=100)], BODIES)

    def test_a_publish_to_a_queue_that_does_not_exist_is_refused(self) -> None:
        with self.assertRaises(errors.NoSuchQueue):
            self.publish(queue="nowhere")

    def test_a_body_may_be_as_large_as_its_queue_allows_and_no_larger(self) -> None:
        self.put_queue(max_message_bytes=10)
        self.publish(b"x" * 10)
        with self.assertRaises(errors.MessageTooLarge):
            self.publish(b"x" * 11)
        self.assertEqual(self.counts(), {"ready": 1})

    def test_a_smaller_limit_does_not_touch_what_is_published(self) -> None:
        message = self.publish(b"x" * 10)
        self.put_queue(max_message_bytes=1)
        self.assertEqual(self.ids(), [message])

    def test_a_message_has_the_wall_time_of_its_publish(self) -> None:
        self.harness.advance(7.25)
        published = self.harness.wall()
        message = self.publish()
        self.harness.advance(3.0)
        self.assertAlmostEqual(self.show(message).message.published, published, delta=0.001)
        self.assertAlmostEqual(self.receive_one().published, published, delta=0.001)

    # -- batches --

    def test_a_batch_gets_its_ids_in_its_own_order(self) -> None:
        ids = self.publish_all(Draft(b"1"), Draft(b"2"), Draft(b"3"))
        self.assertEqual(ids, sorted(ids))
        self.assertEqual(
            [(got.id, got.body) for got in self.receive()], list(zip(ids, [b"1", b"2", b"3"], strict=True))
        )

    def test_a_batch_may_go_to_several_queues(self) -> None:
        self.put_queue("other")
        first, second, third = self.publish_all(Draft(b"1"), Draft(b"2", queue="other"), Draft(b"3"))
        self.assertEqual(self.ids("alice", "default"), [first, third])
        self.assertEqual(self.ids("alice", "other"), [second])

    def test_a_batch_with_a_queue_that_does_not_exist_publishes_nothing(self) -> None:
        with self.assertRaises(errors.NoSuchQueue) as refused:
            self.publish_all(Draft(b"1"), Draft(b"2"), Draft(b"3", queue="nowhere"), Draft(b"4"))
        self.assertEqual(refused.exception.pointer, "/2")
        self.assertEqual(self.counts(), {})
        self.assertEqual(self.receive(), [])

    def test_a_batch_with_a_message_that_is_too_large_publishes_nothing(self) -> None:
        self.put_queue("small", max_message_bytes=3)
        with self.assertRaises(errors.MessageTooLarge) as refused:
            self.publish_all(Draft(b"1"), Draft(b"1234", queue="small"))
        self.assertEqual(refused.exception.pointer, "/1")
        self.assertEqual(self.receive("alice", "default", "small"), [])

    # -- delays --

    def test_a_delayed_message_is_ready_at_its_moment_and_not_before(self) -> None:
        message = self.publish(delay=2.5)
        self.harness.advance(2.25)
        self.assertEqual(self.ids(), [])
        self.assertEqual(self.state(message), "delayed")
        self.harness.advance(0.25)
        self.assertEqual(self.state(message), "ready")
        self.assertEqual(self.ids(), [message])

    def test_a_delay_that_ended_while_the_reactor_was_busy_has_ended(self) -> None:
        message = self.publish(delay=2.5)
        self.harness.stall(2.5)
        self.assertEqual(self.ids(), [message])

    def test_a_queue_delays_what_names_no_delay_of_its_own(self) -> None:
        self.put_queue(delay=4.0)
        default, none, longer = self.publish_all(Draft(b""), Draft(b"", delay=0.0), Draft(b"", delay=8.0))
        self.assertEqual(self.ids(), [none])
        self.harness.advance(4.0)
        self.assertEqual(self.ids(), [default])
        self.harness.advance(4.0)
        self.assertEqual(self.ids(), [longer])

    def test_another_delay_of_the_queue_does_not_touch_what_is_published(self) -> None:
        self.put_queue(delay=4.0)
        message = self.publish()
        self.put_queue(delay=1000.0)
        self.harness.advance(4.0)
        self.assertEqual(self.ids(), [message])

    def test_a_message_that_was_delayed_is_ready_at_its_place(self) -> None:
        late, early, high = self.publish(delay=1), self.publish(), self.publish(delay=1, priority=1)
        self.harness.advance(1)
        self.assertEqual(self.ids(), [high, late, early])

    def test_messages_become_ready_in_the_order_of_their_delays(self) -> None:
        # More of them, and in a worse order, than a store that looks ahead would keep in mind.
        delays = [1 + index * 1237 % 4500 / 512 for index in range(4500)]
        ids = []
        for start in range(0, 4500, 500):
            ids += self.publish_all(*(Draft(b"", delay=delay) for delay in delays[start : start + 500]))
        for second in range(1, 11):
            self.harness.advance(1)
            due = [message for message, delay in zip(ids, delays, strict=True) if second - 1 < delay <= second]
            self.assertEqual(self.ids(limit=1000), due, f"at {second} s")
            self.delete("alice", *map(Claim, due))
        self.assertEqual(self.counts(), {})

    def test_messages_due_at_the_same_moment_are_ready_together(self) -> None:
        ids = self.publish_all(*(Draft(b"", delay=5.0) for _ in range(40)))
        self.harness.advance(5)
        self.assertEqual(self.ids(limit=100), ids)

    def test_a_short_delay_after_many_long_ones_is_due_first(self) -> None:
        self.publish_all(*(Draft(b"", delay=100.0 + index) for index in range(40)))
        message = self.publish(delay=1)
        self.harness.advance(1)
        self.assertEqual(self.ids(), [message])

    def test_a_jump_of_the_wall_clock_does_not_move_a_delay(self) -> None:
        message = self.publish(delay=10)
        for jump in (3600.0, -7200.0):
            self.harness.jump_wall(jump)
            self.harness.advance(4.5)
            self.assertEqual(self.ids(), [])
        self.harness.advance(1)
        self.assertEqual(self.ids(), [message])
