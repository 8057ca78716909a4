"""What queues promise: made, changed, deleted, and made again."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred

from tests.contract.chapter import Chapter, claim
from wonderq import errors
from wonderq.model import Claim, Counts, Draft, QueueSettings


class Queues(Chapter):
    """A queue is a name with settings; what is not named has its default."""

    def test_the_default_queue_always_exists(self) -> None:
        view = self.show_queue("default")
        self.assertEqual((view.name, view.settings, view.paused), ("default", QueueSettings(), False))

    def test_a_new_queue_has_the_settings_it_was_given(self) -> None:
        settings = QueueSettings(lease=0.5, delay=2.25, max_receives=0, max_message_bytes=77)
        view, created = self.harness.result(self.harness.broker.put_queue("other", settings))
        self.assertTrue(created)
        self.assertEqual((view.name, view.settings, view.counts, view.bytes), ("other", settings, Counts(), 0))
        self.assertEqual(self.show_queue("other"), view)

    def test_replacing_settings_resets_what_is_not_named(self) -> None:
        self.put_queue("other", lease=5.0, delay=2.0)
        settings = QueueSettings(lease=6.0)
        view, created = self.harness.result(self.harness.broker.put_queue("other", settings))
        self.assertFalse(created)
        self.assertEqual(view.settings, settings)
        self.assertEqual(self.show_queue("other").settings, settings)

    def test_replacing_settings_keeps_the_messages(self) -> None:
        self.put_queue("other")
        message = self.publish(queue="other")
        self.assertEqual(self.put_queue("other", lease=5.0).counts, Counts(ready=1))
        self.assertEqual(self.ids("alice", "other"), [message])

    def test_the_default_queue_can_have_other_settings(self) -> None:
        self.put_queue("default", lease=5.0)
        self.publish()
        self.assertAlmostEqual(self.receive_one().lease_until, self.harness.wall() + 5, delta=0.001)

    def test_create_only_creates(self) -> None:
        put = self.harness.broker.put_queue("other", QueueSettings(lease=5.0), create_only=True)
        _, created = self.harness.result(put)
        self.assertTrue(created)

    def test_create_only_refuses_a_queue_that_exists_and_leaves_it_alone(self) -> None:
        self.put_queue("other", lease=5.0)
        for name in ("other", "default"):
            before = self.show_queue(name)
            with self.assertRaises(errors.QueueExists):
                self.harness.result(self.harness.broker.put_queue(name, QueueSettings(lease=9.0), create_only=True))
            self.assertEqual(self.show_queue(name), before)

    def test_names_are_told_apart_by_the_letter(self) -> None:
        self.put_queue("Other")
        with self.assertRaises(errors.NoSuchQueue):
            self.show_queue("other")
        message = self.publish(queue="Other")
        self.put_queue("other")
        self.assertEqual(self.ids("alice", "other"), [])
        self.assertEqual(self.ids("alice", "Other"), [message])

    def test_a_name_may_have_every_character_that_names_have(self) -> None:
        name = "_" + "aZ09_.-" * 11 + "zz"
        self.assertEqual(len(name), 80)
        self.assertEqual(self.put_queue(name).name, name)
        message = self.publish(queue=name)
        self.assertEqual(self.ids("alice", name), [message])
        self.delete_queue(name)

    def test_a_queue_that_does_not_exist_is_refused_by_every_verb(self) -> None:
        broker = self.harness.broker
        verbs: list[Deferred[Any]] = [
            broker.publish([Draft(b"", queue="nowhere")]),
            broker.receive(["nowhere"], "alice"),
            broker.receive(["nowhere"], "alice", wait=20.0),
            broker.show_queue("nowhere"),
            broker.delete_queue("nowhere"),
        ]
        for deferred in verbs:
            with self.assertRaises(errors.NoSuchQueue):
                self.harness.result(deferred)

    # -- deleting --

    def test_the_default_queue_cannot_be_deleted(self) -> None:
        message = self.publish()
        with self.assertRaises(errors.DefaultQueue):
            self.delete_queue("default")
        self.assertEqual(self.ids(), [message])

    def test_a_queue_is_deleted_with_all_its_messages(self) -> None:
        self.put_queue("other")
        messages = self.fill("other")
        self.delete_queue("other")
        for message in messages:
            self.assertMissing(message)
        with self.assertRaises(errors.NoSuchQueue):
            self.show_queue("other")

    def test_what_was_in_a_deleted_queue_is_gone_before_anything_else_happens(self) -> None:
        self.put_queue("other")
        messages = self.fill("other")
        deleted = self.harness.broker.delete_queue("other")
        made = self.harness.broker.put_queue("other", QueueSettings())
        looks = [self.harness.broker.show_message(message) for message in messages]
        self.harness.result(deleted)
        self.assertEqual(self.harness.result(made)[0].counts, Counts())
        for look in looks:
            with self.assertRaises(errors.NoSuchMessage):
                self.harness.result(look)

    def test_deleting_a_queue_touches_no_other(self) -> None:
        self.put_queue("other")
        messages = self.fill("default")
        self.fill("other")
        before = self.show_queue("default")
        self.delete_queue("other")
        self.assertEqual(self.show_queue("default"), before)
        self.assertEqual([self.state(message) for message in messages], ["dead", "leased", "ready", "delayed"])

    def test_deleting_a_queue_ends_its_leases(self) -> None:
        self.put_queue("other")
        self.publish(queue="other")
        got = self.receive_one("alice", "other")
        self.delete_queue("other")
        self.assertLost(claim(got))
        self.assertEqual(self.harness.result(self.harness.broker.stats()).leases, 0)
        self.harness.advance(60)
        self.assertLost(claim(got))

    def test_delayed_messages_of_a_deleted_queue_hold_up_no_others(self) -> None:
        self.put_queue("other")
        expected = []
        for start in range(0, 5000, 500):
            drafts = [Draft(b"", queue="other", delay=1.0 + number / 512) for number in range(start, start + 500)]
            drafts[100] = Draft(b"", delay=1.0 + start / 512)
            expected.append(self.publish_all(*drafts)[100])
        self.delete_queue("other")
        self.put_queue("other")
        self.harness.advance(1)
        got = self.ids()
        for _ in range(10):
            self.harness.advance(1)
            got += self.ids("alice", "default", "other")
        self.assertEqual(got, expected)

    def test_a_queue_made_again_is_empty_and_stays_so(self) -> None:
        self.put_queue("other", lease=5.0)
        messages = self.fill("other")
        self.delete_queue("other")
        self.put_queue("other")
        for _ in range(3):
            view = self.show_queue("other")
            self.assertEqual((view.counts, view.bytes, view.oldest_age), (Counts(), 0, None))
            self.assertEqual(view.settings, QueueSettings())
            self.assertEqual(self.ids("bob", "other"), [])
            # Past the leases and delays of the old one.
            self.harness.advance(50)
        for message in messages:
            self.assertMissing(message)

    def test_old_leases_do_not_touch_a_queue_made_again(self) -> None:
        self.put_queue("other")
        self.publish(queue="other")
        old = self.receive_one("alice", "other")
        self.delete_queue("other")
        self.put_queue("other")
        message = self.publish(queue="other")
        self.assertGreater(message, old.id)
        new = self.receive_one("alice", "other")
        self.assertGreater(new.receipt, old.receipt)
        self.assertLost(claim(old))
        self.harness.broker.give_back("alice", [old])
        self.harness.advance(29.5)
        self.assertEqual(self.counts("other"), {"leased": 1})
        self.assertEqual(self.delete("alice", claim(new)), [True])

    # -- what the tests above say in short --

    def fill(self, queue: str) -> list[int]:
        """Put a dead, a leased, a ready and a delayed message into a queue."""
        dead, leased, ready = self.publish_all(*[Draft(b"12345", queue=queue)] * 3)
        delayed = self.publish(b"12345", queue, delay=40.0)
        got, _ = self.receive("alice", queue, limit=2)
        self.bury("alice", claim(got))
        return [dead, leased, ready, delayed]

    def assertLost(self, claim: Claim) -> None:
        self.assertEqual(self.delete("alice", claim), [False])
        self.assertEqual(self.extend("alice", claim, lease=60.0), [False])
        self.assertEqual(self.release("alice", claim), [False])
        self.assertEqual(self.bury("alice", claim), [False])
