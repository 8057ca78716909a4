"""What every chapter of the contract has in common: a harness for each test, and the verbs in short."""

from __future__ import annotations

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from tests.harness import Harness
from wonderq.errors import NoSuchMessage
from wonderq.model import Claim, Delivery, Draft, MessageView, QueueSettings, QueueView


class Chapter(SynchronousTestCase):
    """Rules that hold for every broker."""

    def make_harness(self) -> Harness:
        """Make the broker to test; what a backend's subclass is there for."""
        raise NotImplementedError

    def setUp(self) -> None:
        self.harness = self.make_harness()

    def tearDown(self) -> None:
        self.harness.close()
        self.assertEqual(self.harness.clock.getDelayedCalls(), [], "a timer outlived its broker")

    # -- the verbs, done at once --

    def publish(
        self,
        body: bytes = b"hello",
        queue: str = "default",
        *,
        content_type: str = "application/octet-stream",
        delay: float | None = None,
        priority: int = 0,
    ) -> int:
        """Publish one message and return its id."""
        [message] = self.publish_all(Draft(body, content_type, queue, delay, priority))
        return message

    def publish_all(self, *drafts: Draft) -> list[int]:
        """Publish in one transaction and return the ids."""
        return [published.id for published in self.harness.result(self.harness.broker.publish(drafts))]

    def receive(
        self, consumer: str = "alice", *queues: str, limit: int = 10, lease: float | None = None
    ) -> list[Delivery]:
        """Receive without waiting."""
        return self.harness.result(
            self.harness.broker.receive(queues or ["default"], consumer, limit=limit, lease=lease)
        )

    def receive_one(self, consumer: str = "alice", *queues: str, lease: float | None = None) -> Delivery:
        """Receive the one message there is."""
        [delivery] = self.receive(consumer, *queues, lease=lease)
        return delivery

    def ids(self, consumer: str = "alice", *queues: str, limit: int = 10) -> list[int]:
        """Receive without waiting and return the ids."""
        return [delivery.id for delivery in self.receive(consumer, *queues, limit=limit)]

    def wait(self, consumer: str = "alice", *queues: str, seconds: float = 20.0, limit: int = 10) -> Waiting:
        """Begin a receive that waits."""
        waiting = Waiting(self.harness.broker.receive(queues or ["default"], consumer, limit=limit, wait=seconds))
        self.harness.settle()
        return waiting

    def delete(self, consumer: str, *claims: Claim) -> list[bool]:
        return self.harness.result(self.harness.broker.delete(consumer, claims))

    def extend(self, consumer: str, *claims: Claim, lease: float) -> list[bool]:
        return self.harness.result(self.harness.broker.extend(consumer, claims, lease))

    def release(self, consumer: str, *claims: Claim, delay: float = 0.0, reason: str | None = None) -> list[bool]:
        return self.harness.result(self.harness.broker.release(consumer, claims, delay, reason))

    def bury(self, consumer: str, *claims: Claim, reason: str | None = None) -> list[bool]:
        return self.harness.result(self.harness.broker.bury(consumer, claims, reason))

    def show(self, message: int) -> MessageView:
        return self.harness.result(self.harness.broker.show_message(message))

    def put_queue(self, queue: str = "default", **settings: float) -> QueueView:
        """Make a queue, or replace its settings, named as in Python."""
        view, _ = self.harness.result(self.harness.broker.put_queue(queue, QueueSettings(**settings)))  # type: ignore[arg-type]
        return view

    def show_queue(self, queue: str = "default") -> QueueView:
        return self.harness.result(self.harness.broker.show_queue(queue))

    def delete_queue(self, queue: str) -> None:
        self.harness.result(self.harness.broker.delete_queue(queue))

    def counts(self, queue: str = "default") -> dict[str, int]:
        """Return how many messages of the queue are in which state, states without any left out."""
        counts = self.show_queue(queue).counts
        states = {"ready": counts.ready, "delayed": counts.delayed, "leased": counts.leased, "dead": counts.dead}
        return {state: count for state, count in states.items() if count}

    def state(self, message: int) -> str:
        return self.show(message).state

    def assertMissing(self, message: int) -> None:
        """The message is gone, or never was."""
        with self.assertRaises(NoSuchMessage):
            self.show(message)


class Waiting:
    """A receive under way.

    @ivar answers: what it has been answered, or failed, with: nothing yet, or one thing.
    """

    def __init__(self, deferred: Deferred[list[Delivery]]) -> None:
        self.deferred = deferred
        self.answers: list[object] = []
        deferred.addBoth(self.answers.append)

    @property
    def ids(self) -> list[int] | None:
        """The ids of the messages it got; C{None} while it waits."""
        if not self.answers:
            return None
        [answer] = self.answers
        if not isinstance(answer, list):
            raise AssertionError(f"failed with {answer!r}")
        return [delivery.id for delivery in answer]


def claim(delivery: Delivery) -> Claim:
    """Name a message by id and receipt, as its holder does."""
    return Claim(delivery.id, delivery.receipt)
