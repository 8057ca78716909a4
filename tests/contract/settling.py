"""What becomes of a leased message: delete, extend, release, bury, and the end of a lease."""

from __future__ import annotations

from collections.abc import Callable

from tests.contract.chapter import Chapter, claim
from wonderq.model import Claim, Draft


class Settling(Chapter):
    """Only the holder of a lease can settle its message, once, and in time."""

    # -- delete --

    def test_a_deleted_message_is_gone(self) -> None:
        message = self.publish()
        self.assertEqual(self.delete("alice", claim(self.receive_one("alice"))), [True])
        self.assertEqual(self.counts(), {})
        self.harness.advance(1000)
        self.assertEqual(self.ids(), [])
        self.assertMissing(message)

    def test_a_message_can_be_deleted_without_naming_the_receipt(self) -> None:
        message = self.publish()
        self.receive("alice")
        self.assertEqual(self.delete("alice", Claim(message)), [True])
        self.assertMissing(message)

    def test_many_deletes_are_answered_one_by_one(self) -> None:
        held = self.publish_all(Draft(b""), Draft(b""), Draft(b""))
        self.receive("alice")
        claims = [Claim(held[2]), Claim(10**15), Claim(held[0])]
        self.assertEqual(self.delete("alice", *claims), [True, False, True])
        self.assertEqual(self.counts(), {"leased": 1})

    def test_many_deletes_can_name_their_receipts(self) -> None:
        self.publish_all(Draft(b""), Draft(b""), Draft(b""))
        first, second, third = self.receive("alice")
        claims = [claim(first), Claim(second.id, first.receipt), claim(third)]
        self.assertEqual(self.delete("alice", *claims), [True, False, True])
        self.assertEqual(self.state(second.id), "leased")

    def test_some_of_many_deletes_can_name_their_receipts(self) -> None:
        self.publish_all(Draft(b""), Draft(b""), Draft(b""), Draft(b""))
        first, second, third, fourth = self.receive("alice")
        claims = [claim(first), Claim(second.id), Claim(third.id), Claim(fourth.id, third.receipt)]
        self.assertEqual(self.delete("alice", *claims), [True, True, True, False])
        self.assertEqual(self.state(fourth.id), "leased")

    def test_the_same_message_is_deleted_once(self) -> None:
        message = self.publish()
        self.receive("alice")
        self.assertEqual(self.delete("alice", Claim(message), Claim(message)), [True, False])

    def test_naming_no_message_deletes_none(self) -> None:
        message = self.publish()
        self.receive("alice")
        self.assertEqual(self.delete("alice"), [])
        self.assertEqual(self.state(message), "leased")

    def test_only_a_leased_message_can_be_settled(self) -> None:
        ready, delayed = self.publish(), self.publish(delay=50)
        for message in (ready, delayed):
            self.assertRefused("alice", Claim(message))
        self.bury("alice", claim(self.receive_one("alice")))
        self.assertRefused("alice", Claim(ready))

    # -- who holds it --

    def test_another_consumer_cannot_settle_it(self) -> None:
        self.publish()
        got = self.receive_one("alice")
        self.assertRefused("bob", claim(got))
        self.assertRefused("bob", Claim(got.id))

    def test_consumers_are_told_apart_by_the_letter(self) -> None:
        self.publish()
        got = self.receive_one("7")
        for other in ("07", "70", "7.", "a7"):
            self.assertRefused(other, claim(got))
        self.assertEqual(self.delete("7", claim(got)), [True])

    def test_a_wrong_receipt_settles_nothing(self) -> None:
        self.publish()
        got = self.receive_one("alice")
        self.assertRefused("alice", Claim(got.id, got.receipt + 1))

    def test_an_old_receipt_settles_nothing_when_the_same_consumer_holds_it_again(self) -> None:
        self.publish()
        old = self.receive_one("alice")
        self.harness.advance(30)
        new = self.receive_one("alice")
        self.assertRefused("alice", claim(old))
        self.assertEqual(self.delete("alice", claim(new)), [True])

    def test_who_held_it_before_settles_nothing(self) -> None:
        self.publish()
        old = self.receive_one("alice")
        self.release("alice", claim(old))
        new = self.receive_one("bob")
        self.assertRefused("alice", claim(old))
        self.assertRefused("alice", Claim(old.id))
        self.assertEqual(self.delete("bob", claim(new)), [True])

    def test_a_lease_that_ended_settles_nothing(self) -> None:
        self.publish()
        got = self.receive_one("alice")
        self.harness.advance(30)
        self.assertRefused("alice", claim(got))
        self.assertEqual(self.counts(), {"ready": 1})

    def test_a_lease_past_its_deadline_settles_nothing_though_no_timer_has_run(self) -> None:
        # At the deadline, just past it, and long past it.
        for late in (0.0, 0.03125, 5.0):
            for settle in self.each_way_to_settle():
                self.publish()
                got = self.receive_one("alice", lease=30.03125)
                self.harness.stall(30.03125 + late)
                self.assertEqual(settle("alice", claim(got)), [False])
                self.assertEqual(self.state(got.id), "ready")
                self.assertEqual(self.show(got.id).message.last_failure, "lease expired")
                self.delete("bob", claim(self.receive_one("bob")))

    def test_a_lease_can_be_settled_up_to_its_deadline(self) -> None:
        for number, settle in enumerate(self.each_way_to_settle()):
            self.put_queue(f"queue-{number}")
            self.publish(queue=f"queue-{number}")
            got = self.receive_one("alice", f"queue-{number}")
            self.harness.advance(29.984375)
            self.assertEqual(settle("alice", claim(got)), [True])

    # -- extend --

    def test_an_extended_lease_ends_so_many_seconds_from_now(self) -> None:
        message = self.publish()
        got = self.receive_one("alice")
        self.harness.advance(20)
        self.assertEqual(self.extend("alice", claim(got), lease=15), [True])
        self.assertAlmostEqual(self.show(message).lease_until or 0.0, self.harness.wall() + 15, delta=0.001)
        self.harness.advance(14.5)
        self.assertEqual(self.ids("bob"), [])
        self.harness.advance(0.5)
        self.assertEqual(self.ids("bob"), [message])

    def test_a_lease_can_be_made_shorter(self) -> None:
        message = self.publish()
        got = self.receive_one("alice")
        self.extend("alice", claim(got), lease=2)
        self.harness.advance(1.5)
        self.assertEqual(self.ids("bob"), [])
        self.harness.advance(0.5)
        self.assertEqual(self.ids("bob"), [message])

    def test_a_lease_can_be_extended_again_and_again(self) -> None:
        self.publish()
        got = self.receive_one("alice")
        for _ in range(5):
            self.harness.advance(20)
            self.assertEqual(self.extend("alice", claim(got), lease=30), [True])
        self.assertEqual(self.delete("alice", claim(got)), [True])

    def test_an_extended_lease_is_the_same_lease(self) -> None:
        message = self.publish()
        got = self.receive_one("alice")
        self.extend("alice", claim(got), lease=60)
        self.assertEqual(len(self.show(message).attempts), 1)
        self.harness.advance(60)
        self.assertEqual(self.receive_one("bob").receives, 2)

    def test_many_leases_can_be_extended_at_once(self) -> None:
        first, second = self.publish_all(Draft(b""), Draft(b""))
        self.receive("alice")
        self.assertEqual(
            self.extend("alice", Claim(first), Claim(10**15), Claim(second), lease=60), [True, False, True]
        )
        self.harness.advance(59.5)
        self.assertEqual(self.ids("bob"), [])

    # -- release --

    def test_a_released_message_is_back_at_its_old_place_at_once(self) -> None:
        high, first, second = self.publish(priority=5), self.publish(), self.publish()
        self.receive("alice", limit=2)
        self.assertEqual(self.release("alice", Claim(first), Claim(high)), [True, True])
        self.assertEqual(self.ids("bob"), [high, first, second])

    def test_a_message_released_with_a_delay_comes_back_at_its_moment(self) -> None:
        first, second = self.publish(), self.publish()
        self.receive("alice", limit=1)
        self.release("alice", Claim(first), delay=3.5)
        self.assertEqual(self.counts(), {"ready": 1, "delayed": 1})
        self.harness.advance(3.25)
        self.assertEqual(self.counts(), {"ready": 1, "delayed": 1})
        self.harness.advance(0.25)
        self.assertEqual(self.ids("bob"), [first, second])

    def test_a_release_is_not_delayed_by_the_queue(self) -> None:
        self.put_queue(delay=60.0)
        message = self.publish(delay=0.0)
        self.release("alice", claim(self.receive_one("alice")))
        self.assertEqual(self.ids("bob"), [message])

    def test_the_last_failure_of_a_released_message_is_the_reason(self) -> None:
        message = self.publish()
        self.assertIsNone(self.receive_one("alice").last_failure)
        for reason, said in ((None, "released"), ("no such host: 50% + é&=#;\u20ac", None), (None, "released")):
            self.release("alice", Claim(message), reason=reason)
            self.assertEqual(self.receive_one("alice").last_failure, said or reason)

    def test_a_released_message_counts_its_receives(self) -> None:
        self.publish()
        self.release("alice", claim(self.receive_one("alice")))
        self.assertEqual(self.receive_one("bob").receives, 2)

    # -- bury, and being received too often --

    def test_a_buried_message_is_dead(self) -> None:
        message = self.publish()
        got = self.receive_one("alice")
        self.assertEqual(self.bury("alice", claim(got), reason="cannot be read"), [True])
        self.assertEqual(self.counts(), {"dead": 1})
        self.assertEqual(self.show(message).message.last_failure, "cannot be read")
        self.assertStaysDead(message)

    def test_a_message_buried_without_a_reason_was_released(self) -> None:
        message = self.publish()
        self.bury("alice", claim(self.receive_one("alice")))
        self.assertEqual(self.show(message).message.last_failure, "released")

    def test_a_message_whose_lease_expired_too_often_is_dead(self) -> None:
        self.put_queue(max_receives=2)
        message = self.publish()
        self.receive("alice")
        self.harness.advance(30)
        self.assertEqual(self.state(message), "ready")
        self.receive("alice")
        self.harness.advance(30)
        self.assertEqual(self.show(message).message.last_failure, "lease expired")
        self.assertStaysDead(message)

    def test_a_message_released_too_often_is_dead(self) -> None:
        self.put_queue(max_receives=2)
        message = self.publish()
        for _ in range(2):
            self.assertEqual(self.state(message), "ready")
            self.release("alice", claim(self.receive_one("alice")), delay=5, reason="again")
            self.harness.advance(5)
        self.assertEqual(self.show(message).message.last_failure, "again")
        self.assertStaysDead(message)

    def test_a_message_may_still_be_deleted_in_its_last_lease(self) -> None:
        self.put_queue(max_receives=1)
        message = self.publish()
        self.assertEqual(self.delete("alice", claim(self.receive_one("alice"))), [True])
        self.assertMissing(message)

    def test_without_a_limit_a_message_is_received_for_ever(self) -> None:
        self.put_queue(max_receives=0)
        self.publish()
        for receives in range(1, 41):
            got = self.receive_one("alice")
            self.assertEqual(got.receives, receives)
            self.release("alice", claim(got))

    def test_twenty_receives_are_enough_if_the_queue_does_not_say(self) -> None:
        message = self.publish()
        for _ in range(20):
            self.release("alice", claim(self.receive_one("alice")))
        self.assertStaysDead(message)

    def test_another_limit_of_receives_counts_from_the_next_end_of_a_lease(self) -> None:
        message = self.publish()
        for _ in range(3):
            self.release("alice", claim(self.receive_one("alice")))
        self.put_queue(max_receives=2)
        self.assertEqual(self.state(message), "ready")
        self.release("alice", claim(self.receive_one("alice")))
        self.assertStaysDead(message)

    # -- what the tests above say in short --

    def each_way_to_settle(self) -> list[Callable[[str, Claim], list[bool]]]:
        return [
            self.delete,
            lambda consumer, claim: self.extend(consumer, claim, lease=60.0),
            self.release,
            lambda consumer, claim: self.release(consumer, claim, delay=60.0, reason="no"),
            self.bury,
        ]

    def assertRefused(self, consumer: str, claim: Claim) -> None:
        """No verb settles it under that name, and none changes anything."""
        before, counts = self.show(claim.id), self.counts()
        for settle in self.each_way_to_settle():
            self.assertEqual(settle(consumer, claim), [False])
            self.assertEqual(self.show(claim.id), before)
            self.assertEqual(self.counts(), counts)

    def assertStaysDead(self, message: int) -> None:
        for _ in range(3):
            self.assertEqual(self.state(message), "dead")
            self.assertEqual(self.receive("carol"), [])
            self.harness.advance(3600)
