"""What a look promises: the state a thing is in, and counts that are always right."""

from __future__ import annotations

from tests.contract.chapter import Chapter, claim
from wonderq.errors import WonderQError
from wonderq.model import MAX_ATTEMPTS, Attempt, Claim, Counts, Draft


class Looking(Chapter):
    """Looking changes nothing and tells the truth."""

    # -- at a message --

    def test_a_message_that_never_was_is_not_found(self) -> None:
        self.assertMissing(self.publish() + 1)

    def test_a_ready_message_is_shown_as_it_was_published(self) -> None:
        self.put_queue("other")
        message = self.publish(b"body", "other", content_type="text/x", priority=7)
        view = self.show(message)
        shown = view.message
        self.assertEqual(
            (shown.id, shown.queue, shown.body, shown.content_type, shown.priority, shown.receives, shown.last_failure),
            (message, "other", b"body", "text/x", 7, 0, None),
        )
        self.assertEqual(
            (view.state, view.attempts, view.consumer, view.lease_until, view.due), ("ready", (), None, None, None)
        )
        self.assertFalse(shown.dead)
        self.assertNotEqual(view.why, "")

    def test_a_delayed_message_tells_when_it_is_due(self) -> None:
        view = self.show(self.publish(delay=90.0))
        self.assertEqual((view.state, view.consumer, view.lease_until), ("delayed", None, None))
        self.assertAlmostEqual(view.due or 0.0, self.harness.wall() + 90, delta=0.001)
        self.assertNotEqual(view.why, "")

    def test_a_leased_message_tells_who_holds_it_until_when(self) -> None:
        message = self.publish()
        self.harness.advance(5)
        start = self.harness.wall()
        self.receive("alice", lease=12.0)
        self.harness.advance(2)
        view = self.show(message)
        self.assertEqual((view.state, view.consumer, view.due), ("leased", "alice", None))
        self.assertAlmostEqual(view.lease_until or 0.0, start + 12, delta=0.001)
        self.assertIn("alice", view.why)
        self.assertAttempts(view.attempts, Attempt("alice", start))

    def test_a_running_lease_is_not_yet_a_part_of_the_message(self) -> None:
        message = self.publish()
        for receives in range(3):
            got = self.receive_one("alice")
            shown = self.show(message).message
            self.assertEqual((shown.receives, len(shown.attempts)), (receives, receives))
            self.release("alice", claim(got))

    def test_a_dead_message_tells_why(self) -> None:
        message = self.publish()
        start = self.harness.wall()
        self.bury("alice", claim(self.receive_one("alice")), reason="made of glass")
        view = self.show(message)
        self.assertEqual((view.state, view.consumer, view.lease_until, view.due), ("dead", None, None, None))
        self.assertIn("made of glass", view.why)
        self.assertTrue(view.message.dead)
        self.assertAttempts(view.attempts, Attempt("alice", start, start, "buried", "made of glass"))

    def test_every_attempt_is_told_with_its_outcome(self) -> None:
        message = self.publish()
        start = self.harness.wall()
        self.receive("alice")
        self.harness.advance(30)
        got = self.receive_one("bob")
        self.harness.advance(4)
        self.release("bob", claim(got), delay=6.0)
        self.harness.advance(6)
        got = self.receive_one("carol")
        self.release("carol", claim(got), reason="busy")
        self.receive("dave")
        self.assertAttempts(
            self.show(message).attempts,
            Attempt("alice", start, start + 30, "expired"),
            Attempt("bob", start + 30, start + 34, "released"),
            Attempt("carol", start + 40, start + 40, "released", "busy"),
            Attempt("dave", start + 40),
        )

    def test_the_last_attempts_are_told(self) -> None:
        self.put_queue(max_receives=0)
        message = self.publish()
        for number in range(MAX_ATTEMPTS + 5):
            self.release(f"consumer-{number}", claim(self.receive_one(f"consumer-{number}")))
        attempts = self.show(message).attempts
        self.assertEqual(
            [attempt.consumer for attempt in attempts], [f"consumer-{number}" for number in range(5, MAX_ATTEMPTS + 5)]
        )

    def test_a_look_changes_nothing(self) -> None:
        message = self.publish()
        before = self.show(message)
        self.assertEqual(self.show(message), before)
        self.assertEqual(self.receive_one().receives, 1)

    # -- at a queue --

    def test_counts_follow_a_message_through_all_its_states(self) -> None:
        steps = []
        message = self.publish(delay=1)
        steps.append(self.counts())
        self.harness.advance(1)
        steps.append(self.counts())
        self.receive("alice")
        steps.append(self.counts())
        self.release("alice", Claim(message), delay=1)
        steps.append(self.counts())
        self.harness.advance(1)
        self.receive("alice", lease=1.0)
        self.harness.advance(1)
        steps.append(self.counts())
        self.bury("alice", claim(self.receive_one("alice")))
        steps.append(self.counts())
        states = ["delayed", "ready", "leased", "delayed", "ready", "dead"]
        self.assertEqual(steps, [{state: 1} for state in states])

    def test_bytes_are_those_of_the_bodies_in_every_state(self) -> None:
        for size, delay in ((1, None), (10, None), (100, None), (1000, None), (10000, 50.0)):
            self.publish(b"x" * size, delay=delay)
        one, ten, hundred = self.receive("alice", limit=3)
        self.bury("alice", claim(one))
        self.assertEqual(self.counts(), {"ready": 1, "delayed": 1, "leased": 2, "dead": 1})
        self.assertEqual(self.show_queue().bytes, 11111)
        self.delete("alice", claim(hundred))
        self.assertEqual(self.show_queue().bytes, 11011)
        self.release("alice", claim(ten))
        self.harness.advance(50)
        self.assertEqual(self.show_queue().bytes, 11011)

    def test_a_refused_batch_counts_for_nothing(self) -> None:
        self.put_queue(max_message_bytes=5)
        with self.assertRaises(WonderQError):
            self.publish_all(Draft(b"12345"), Draft(b"123456"))
        view = self.show_queue()
        self.assertEqual((view.counts, view.bytes), (Counts(), 0))

    def test_the_oldest_age_is_since_the_oldest_ready_message_became_ready(self) -> None:
        self.assertIsNone(self.show_queue().oldest_age)
        self.publish(delay=2.0)
        self.harness.advance(1)
        self.assertIsNone(self.show_queue().oldest_age)
        self.harness.advance(4)
        self.publish(priority=9)
        self.assertAge(3.0)
        self.harness.advance(2)
        self.assertAge(5.0)

    def test_the_oldest_age_begins_anew_when_a_message_comes_back(self) -> None:
        self.publish()
        self.harness.advance(7)
        got = self.receive_one("alice")
        self.assertIsNone(self.show_queue().oldest_age)
        self.harness.advance(1)
        self.release("alice", claim(got))
        self.harness.advance(2)
        self.assertAge(2.0)
        self.receive("alice")
        self.harness.advance(30)
        self.harness.advance(3)
        self.assertAge(3.0)

    def test_a_jump_of_the_wall_clock_makes_nothing_older(self) -> None:
        self.publish()
        self.harness.jump_wall(86400.0)
        self.harness.advance(2)
        self.assertAge(2.0)

    # -- at everything --

    def test_stats_hold_every_queue_and_all_the_leases(self) -> None:
        self.put_queue("other")
        self.publish_all(*[Draft(b"", queue="other")] * 3, Draft(b""))
        self.receive("alice", "other", "default", limit=2)
        stats = self.harness.result(self.harness.broker.stats())
        self.assertEqual(
            {view.name: view.counts for view in stats.queues},
            {"default": Counts(ready=1), "other": Counts(ready=1, leased=2)},
        )
        self.assertEqual(stats.leases, 2)

    def test_totals_count_what_happened_in_each_queue(self) -> None:
        self.put_queue("other", max_receives=3)
        self.publish_all(*[Draft(b"", queue="other")] * 3, Draft(b""))
        first, second, third = self.receive("alice", "other")
        self.delete("alice", claim(first))
        self.release("alice", claim(second))
        self.bury("alice", claim(third))
        self.receive("bob", "other")
        self.harness.advance(30)
        self.receive("bob", "other")
        self.harness.advance(30)
        self.delete("alice", claim(first))
        self.assertEqual(
            {name: self.total(name, "other") for name in TOTALS},
            {
                "messages_published": 3,
                "messages_received": 5,
                "messages_deleted": 1,
                "messages_released": 1,
                "messages_buried": 1,
                "lease_expiries": 2,
                "dead_lettered": 2,
            },
        )
        self.assertEqual(
            {name: self.total(name, "default") for name in TOTALS},
            {**dict.fromkeys(TOTALS, 0), "messages_published": 1},
        )

    # -- what the tests above say in short --

    def total(self, name: str, queue: str) -> int:
        return self.harness.result(self.harness.broker.stats()).totals.get(name, {}).get(queue, 0)

    def assertAge(self, seconds: float) -> None:
        self.assertAlmostEqual(self.show_queue().oldest_age or 0.0, seconds, delta=0.001)

    def assertAttempts(self, attempts: tuple[Attempt, ...], *expected: Attempt) -> None:
        """They are those, to the millisecond."""
        self.assertEqual([told(attempt) for attempt in attempts], [told(attempt) for attempt in expected])


TOTALS = [
    "messages_published",
    "messages_received",
    "messages_deleted",
    "messages_released",
    "messages_buried",
    "lease_expiries",
    "dead_lettered",
]


def told(attempt: Attempt) -> tuple[object, ...]:
    """Return an attempt as somebody reads it."""
    end = None if attempt.end is None else round(attempt.end, 3)
    return attempt.consumer, round(attempt.start, 3), end, attempt.outcome, attempt.reason
