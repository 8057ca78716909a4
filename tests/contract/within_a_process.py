"""What holds only where nothing lies between the broker and whoever calls it, so that an answer cannot be lost."""

from __future__ import annotations

from tests.contract.chapter import Chapter
from wonderq.model import Draft


class WithinAProcess(Chapter):
    """Leases that reached nobody have not been."""

    def test_a_lease_given_back_does_not_count_as_received(self) -> None:
        message = self.publish()
        for _ in range(3):
            got = self.receive_one("alice")
            self.assertEqual((got.receives, got.last_failure), (1, None))
            self.harness.broker.give_back("alice", [got])
            self.harness.settle()
        view = self.show(message)
        self.assertEqual((view.message.receives, view.attempts, view.message.last_failure), (0, (), None))

    def test_a_message_given_back_in_its_last_lease_is_not_dead(self) -> None:
        self.put_queue(max_receives=1)
        message = self.publish()
        self.harness.broker.give_back("alice", self.receive("alice"))
        self.harness.settle()
        self.assertEqual(self.ids("bob"), [message])

    def test_some_of_what_was_received_can_be_given_back(self) -> None:
        first, second, third = self.publish_all(Draft(b""), Draft(b""), Draft(b""))
        deliveries = self.receive("alice")
        self.harness.broker.give_back("alice", deliveries[1:])
        self.harness.settle()
        self.assertEqual(self.ids("bob"), [second, third])
        self.assertEqual(self.state(first), "leased")

    def test_a_receive_cancelled_before_its_answer_leaves_nothing_leased(self) -> None:
        message = self.publish()
        deferred = self.harness.broker.receive(["default"], "alice")
        answered = deferred.called
        deferred.cancel()
        deferred.addErrback(lambda _: None)
        self.harness.settle()
        if answered:
            self.assertEqual(self.state(message), "leased")
        else:
            got = self.receive_one("bob")
            self.assertEqual((got.id, got.receives), (message, 1))

    def test_a_waiting_receive_cancelled_between_lease_and_answer_lets_the_next_have_it(self) -> None:
        cancelled, other = self.wait("alice"), self.wait("bob")
        publish = self.harness.broker.publish([Draft(b"")])
        answered = cancelled.deferred.called
        cancelled.deferred.cancel()
        [published] = self.harness.result(publish)
        self.assertEqual(other.ids, None if answered else [published.id])
        self.assertEqual(self.show(published.id).consumer, "alice" if answered else "bob")
