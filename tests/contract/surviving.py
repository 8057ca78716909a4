"""What a store promises that outlives its server: nothing that was answered is lost, and no promise gets longer."""

from __future__ import annotations

from tests.contract.answered import Answered
from tests.contract.chapter import claim
from wonderq.model import MAX_ATTEMPTS, Claim, Counts, Draft, QueueSettings


class Surviving(Answered):
    """However the server ended."""

    # -- messages --

    def test_messages_survive_as_they_were(self) -> None:
        self.put_queue("other")
        ids = self.publish_all(
            Draft(bytes(range(256)), "image/x-made-up"),
            Draft(b"", "text/plain", priority=9),
            Draft(b'{"a": 1} ', "application/json", "other", priority=3),
        )
        before = [self.show(message) for message in ids]
        self.harness.restart()
        self.assertEqual([self.show(message) for message in ids], before)
        self.assertEqual(self.ids("alice", "default", "other"), [ids[1], ids[0], ids[2]])

    def test_order_survives(self) -> None:
        ids = self.publish_all(*(Draft(b"", priority=number % 3) for number in range(30)))
        self.harness.restart()
        self.assertEqual(self.ids(limit=100), ids[2::3] + ids[1::3] + ids[0::3])

    def test_many_messages_in_every_state_survive(self) -> None:
        dead = self.publish_all(*[Draft(b"", priority=3)] * 700)
        leased = self.publish_all(*[Draft(b"", priority=2)] * 700)
        for limit in (1000, 400):
            self.receive("alice", limit=limit, lease=3600.0)
        self.bury("alice", *map(Claim, dead))
        ready = [message for _ in range(4) for message in self.publish_all(*[Draft(b"")] * 1000)]
        delayed = [message for _ in range(5) for message in self.publish_all(*[Draft(b"", delay=50.0)] * 1000)]
        self.harness.restart()
        self.assertEqual(self.counts(), {"ready": 4000, "delayed": 5000, "leased": 700, "dead": 700})
        self.assertEqual(
            [self.state(message) for message in dead[::50] + leased[::50]], ["dead"] * 14 + ["leased"] * 14
        )
        self.assertEqual(self.drain(4), ready)
        self.harness.advance(50)
        self.assertEqual(self.drain(5), delayed)

    def test_deleted_messages_stay_deleted(self) -> None:
        first, second, third = self.publish_all(Draft(b"1"), Draft(b"2"), Draft(b"3"))
        self.receive("alice", limit=2)
        self.delete("alice", Claim(first), Claim(second))
        self.harness.restart()
        self.assertMissing(first)
        self.assertEqual(self.ids("bob"), [third])

    def test_counts_and_bytes_survive(self) -> None:
        self.publish(b"x" * 1, delay=50.0)
        self.publish_all(*(Draft(b"x" * size) for size in (10, 100, 1000, 10000)))
        dead, deleted, _ = self.receive("alice", limit=3)
        self.bury("alice", claim(dead))
        self.delete("alice", claim(deleted))
        before = self.show_queue()
        self.assertEqual((before.counts, before.bytes), (Counts(1, 1, 1, 1), 11011))
        self.harness.restart()
        self.assertEqual(self.show_queue(), before)

    def test_the_oldest_age_goes_on(self) -> None:
        self.publish()
        self.harness.advance(3)
        self.harness.restart(away=4.0)
        self.assertAlmostEqual(self.show_queue().oldest_age or 0.0, 7.0, delta=0.001)

    def test_a_batch_that_was_not_answered_is_there_as_a_whole_or_not_at_all(self) -> None:
        self.harness.broker.publish([Draft(b"1"), Draft(b"2"), Draft(b"3")])
        self.harness.restart()
        self.assertIn(len(self.receive()), (0, 3))

    # -- numbers --

    def test_ids_are_never_used_again(self) -> None:
        ids = self.publish_all(Draft(b""), Draft(b""))
        for _ in range(3):
            self.harness.restart()
            ids.append(self.publish())
        self.assertEqual(ids, sorted(set(ids)))

    def test_the_id_of_the_newest_message_is_not_used_again_though_it_is_gone(self) -> None:
        self.publish()
        newest = self.publish()
        self.receive("alice")
        self.delete("alice", Claim(newest))
        self.harness.restart()
        self.assertGreater(self.publish(), newest)

    def test_ids_of_a_deleted_queue_are_not_used_again(self) -> None:
        self.put_queue("other")
        newest = self.publish(queue="other")
        self.delete_queue("other")
        self.harness.restart()
        self.assertGreater(self.publish(), newest)

    def test_receipts_are_never_used_again(self) -> None:
        self.put_queue(max_receives=0)
        self.publish()
        receipts = []
        for _ in range(4):
            got = self.receive_one()
            receipts.append(got.receipt)
            self.release("alice", claim(got))
            self.harness.restart()
        self.assertEqual(receipts, sorted(set(receipts)))

    def test_the_newest_receipt_is_not_used_again_though_its_message_is_gone(self) -> None:
        self.publish_all(Draft(b""), Draft(b""))
        _, newest = self.receive()
        self.delete("alice", claim(newest))
        self.harness.restart()
        self.harness.advance(30)
        self.assertGreater(self.receive_one().receipt, newest.receipt)

    # -- leases --

    def test_a_lease_is_still_held_by_the_same_consumer_under_the_same_receipt(self) -> None:
        self.publish()
        got = self.receive_one("alice")
        before = self.show(got.id)
        self.harness.restart()
        self.assertEqual(self.show(got.id), before)
        self.assertEqual(self.receive("bob"), [])
        self.assertEqual(self.delete("bob", claim(got)), [False])
        self.assertEqual(self.delete("alice", Claim(got.id, got.receipt + 1)), [False])
        self.assertEqual(self.delete("alice", claim(got)), [True])
        self.assertMissing(got.id)

    def test_a_lease_ends_at_its_deadline_and_not_before(self) -> None:
        message = self.publish()
        self.receive("alice", lease=20.0)
        self.harness.advance(5)
        self.harness.restart(away=5.0)
        self.harness.advance(9.5)
        self.assertEqual(self.ids("bob"), [])
        self.harness.advance(0.5)
        self.assertEqual(self.ids("bob"), [message])

    def test_the_end_of_a_lease_wakes_who_waits_after_a_restart(self) -> None:
        message = self.publish()
        self.receive("alice", lease=10.0)
        self.harness.restart()
        waiting = self.wait("bob")
        self.harness.advance(10)
        self.assertEqual(waiting.ids, [message])

    def test_a_lease_that_ended_while_the_server_was_away_has_expired(self) -> None:
        first, _ = self.publish_all(Draft(b""), Draft(b""))
        [got] = self.receive("alice", limit=1)
        self.harness.restart(away=31.0)
        self.assertEqual(self.delete("alice", claim(got)), [False])
        self.assertEqual(self.counts(), {"ready": 2})
        [again, _] = self.receive("bob")
        self.assertEqual((again.id, again.receives, again.last_failure), (first, 2, "lease expired"))
        self.assertEqual([attempt.outcome for attempt in self.show(first).attempts], ["expired", None])

    def test_an_extended_deadline_survives(self) -> None:
        message = self.publish()
        got = self.receive_one("alice")
        self.extend("alice", claim(got), lease=100.0)
        self.harness.restart()
        self.harness.advance(99.5)
        self.assertEqual(self.ids("bob"), [])
        self.harness.advance(0.5)
        self.assertEqual(self.ids("bob"), [message])

    def test_a_lease_can_be_extended_after_a_restart(self) -> None:
        message = self.publish()
        got = self.receive_one("alice")
        self.harness.restart()
        self.assertEqual(self.extend("alice", claim(got), lease=60.0), [True])
        self.harness.advance(59.5)
        self.assertEqual(self.ids("bob"), [])
        self.harness.advance(0.5)
        self.assertEqual(self.ids("bob"), [message])

    def test_a_released_message_stays_released(self) -> None:
        message = self.publish()
        got = self.receive_one("alice")
        self.release("alice", claim(got), reason="busy")
        self.harness.restart()
        self.assertEqual(self.delete("alice", claim(got)), [False])
        again = self.receive_one("bob")
        self.assertEqual((again.id, again.receives, again.last_failure), (message, 2, "busy"))

    def test_a_lease_given_back_does_not_count(self) -> None:
        self.publish()
        self.harness.broker.give_back("alice", self.receive())
        self.harness.settle()
        self.harness.restart()
        got = self.receive_one("bob")
        self.assertEqual((got.receives, got.last_failure), (1, None))

    # -- delays --

    def test_a_delay_ends_at_its_moment_and_not_before(self) -> None:
        message = self.publish(delay=20.0)
        self.harness.advance(5)
        self.harness.restart(away=5.0)
        self.harness.advance(9.5)
        self.assertEqual(self.ids(), [])
        self.harness.advance(0.5)
        self.assertEqual(self.ids(), [message])

    def test_a_delay_that_ended_while_the_server_was_away_has_ended(self) -> None:
        late, early = self.publish(delay=20.0), self.publish()
        self.harness.restart(away=20.0)
        self.assertEqual(self.counts(), {"ready": 2})
        self.assertEqual(self.ids(), [late, early])

    def test_the_delay_of_a_release_survives(self) -> None:
        message = self.publish()
        self.release("alice", claim(self.receive_one("alice")), delay=20.0)
        self.harness.restart(away=10.0)
        self.harness.advance(9.5)
        self.assertEqual(self.ids(), [])
        self.harness.advance(0.5)
        self.assertEqual(self.ids(), [message])

    def test_the_order_of_delays_survives(self) -> None:
        ids = self.publish_all(*(Draft(b"", delay=60.0 - number) for number in range(40)))
        self.harness.restart(away=20.5)
        for message in reversed(ids):
            self.harness.advance(1)
            self.assertEqual(self.ids(), [message])
            self.delete("alice", Claim(message))

    # -- failures --

    def test_dead_messages_stay_dead(self) -> None:
        buried, worn = self.publish(), self.publish()
        self.bury("alice", claim(self.receive("alice", limit=1)[0]), reason="made of glass")
        self.put_queue(max_receives=1)
        self.receive("alice")
        self.harness.advance(30)
        before = [self.show(buried), self.show(worn)]
        self.harness.restart()
        self.assertEqual([self.show(buried), self.show(worn)], before)
        self.assertEqual(self.counts(), {"dead": 2})
        self.harness.advance(3600)
        self.assertEqual(self.receive("bob"), [])

    def test_receives_are_counted_on(self) -> None:
        self.put_queue(max_receives=3)
        message = self.publish()
        for receives in (1, 2, 3):
            got = self.receive_one("alice")
            self.assertEqual(got.receives, receives)
            self.harness.restart(away=31.0)
        self.assertEqual(self.state(message), "dead")

    def test_attempts_survive(self) -> None:
        self.put_queue(max_receives=0)
        message = self.publish()
        for number in range(MAX_ATTEMPTS + 2):
            self.release(f"consumer-{number}", claim(self.receive_one(f"consumer-{number}")), reason=f"reason {number}")
            self.harness.advance(1)
        self.receive("alice")
        before = self.show(message)
        self.assertEqual(before.message.receives, MAX_ATTEMPTS + 2)
        self.harness.restart()
        self.assertEqual(self.show(message), before)

    # -- queues --

    def test_queues_survive_with_their_settings(self) -> None:
        settings = {
            "default": QueueSettings(lease=7.0),
            "other": QueueSettings(lease=0.5, delay=2.25, max_receives=0, max_message_bytes=77),
            "Other": QueueSettings(),
        }
        for name, those in settings.items():
            self.harness.result(self.harness.broker.put_queue(name, those))
        self.put_queue("changed", lease=5.0, delay=1.0)
        settings["changed"] = self.put_queue("changed", lease=6.0).settings
        self.harness.restart()
        views = self.harness.result(self.harness.broker.stats()).queues
        self.assertEqual({view.name: view.settings for view in views}, settings)

    def test_a_deleted_queue_stays_deleted_and_one_made_again_is_empty(self) -> None:
        for name in ("gone", "again"):
            self.put_queue(name, lease=5.0)
            self.publish(b"old", name)
            self.publish(b"old", name, delay=5.0)
            self.publish(b"old", name)
            self.receive("alice", name, limit=1)
            self.delete_queue(name)
        self.put_queue("again")
        message = self.publish(b"new", "again")
        for _ in range(2):
            self.harness.restart()
            views = self.harness.result(self.harness.broker.stats()).queues
            self.assertEqual(sorted(view.name for view in views), ["again", "default"])
            self.assertEqual(self.show_queue("again").bytes, 3)
            self.harness.advance(10)
        self.assertEqual(self.ids("bob", "again"), [message])

    # -- what the tests above say in short --

    def drain(self, times: int) -> list[int]:
        """Receive and delete a thousand messages, so many times."""
        gone = []
        for _ in range(times):
            ids = self.ids("bob", limit=1000)
            self.delete("bob", *map(Claim, ids))
            gone += ids
        return gone
