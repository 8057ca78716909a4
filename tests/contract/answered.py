"""What an answer promises in the moment it is given: the server may end right then, and it is done all the same."""

from __future__ import annotations

from tests.contract.chapter import Chapter, claim
from tests.durable import DurableHarness
from wonderq.model import Counts, Draft, QueueSettings


class Answered(Chapter):
    """Every verb that changes something."""

    harness: DurableHarness

    def make_harness(self) -> DurableHarness:
        raise NotImplementedError

    def test_an_answered_publish_is_there(self) -> None:
        [published] = self.harness.end_at(self.harness.broker.publish([Draft(b"body", "a/b", priority=3)]))
        [got] = self.receive()
        self.assertEqual((got.id, got.body, got.content_type, got.priority), (published.id, b"body", "a/b", 3))

    def test_an_answered_batch_is_there_as_a_whole(self) -> None:
        published = self.harness.end_at(self.harness.broker.publish([Draft(b""), Draft(b"", delay=5.0), Draft(b"")]))
        self.assertEqual(self.counts(), {"ready": 2, "delayed": 1})
        self.harness.advance(5)
        self.assertEqual(self.ids(), [one.id for one in published])

    def test_an_answered_receive_holds_its_messages(self) -> None:
        self.publish()
        [got] = self.harness.end_at(self.harness.broker.receive(["default"], "alice"))
        self.assertEqual(self.receive("bob"), [])
        self.assertEqual(self.delete("alice", claim(got)), [True])

    def test_an_answered_delete_is_final(self) -> None:
        message = self.publish()
        got = self.receive_one("alice")
        self.assertEqual(self.harness.end_at(self.harness.broker.delete("alice", [claim(got)])), [True])
        self.assertMissing(message)
        self.harness.advance(60)
        self.assertEqual(self.receive("bob"), [])

    def test_an_answered_extend_holds(self) -> None:
        self.publish()
        got = self.receive_one("alice")
        self.assertEqual(self.harness.end_at(self.harness.broker.extend("alice", [claim(got)], 90.0)), [True])
        self.harness.advance(89.5)
        self.assertEqual(self.receive("bob"), [])
        self.assertEqual(self.delete("alice", claim(got)), [True])

    def test_an_answered_release_is_done(self) -> None:
        message = self.publish()
        got = self.receive_one("alice")
        release = self.harness.broker.release("alice", [claim(got)], 5.0, "busy")
        self.assertEqual(self.harness.end_at(release), [True])
        self.assertEqual(self.delete("alice", claim(got)), [False])
        self.assertEqual((self.state(message), self.show(message).message.last_failure), ("delayed", "busy"))

    def test_an_answered_burial_is_done(self) -> None:
        message = self.publish()
        got = self.receive_one("alice")
        self.assertEqual(self.harness.end_at(self.harness.broker.bury("alice", [claim(got)])), [True])
        self.assertEqual(self.state(message), "dead")

    def test_a_queue_is_there_when_that_is_answered(self) -> None:
        settings = QueueSettings(lease=5.0)
        view, _ = self.harness.end_at(self.harness.broker.put_queue("other", settings))
        self.assertEqual(self.show_queue("other"), view)

    def test_a_queue_is_gone_with_its_messages_when_that_is_answered(self) -> None:
        self.put_queue("other")
        messages = [self.publish(queue="other") for _ in range(3)] + [self.publish(queue="other", delay=5.0)]
        self.receive("alice", "other", limit=1, lease=5.0)
        self.harness.end_at(self.harness.broker.delete_queue("other"))
        self.put_queue("other")
        for _ in range(2):
            for message in messages:
                self.assertMissing(message)
            self.assertEqual((self.show_queue("other").counts, self.show_queue("other").bytes), (Counts(), 0))
            self.harness.advance(5)
        self.assertGreater(self.publish(queue="other"), messages[-1])
