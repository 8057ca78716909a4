"""A broker and the simple model side by side, and the comparison of all that can be seen of them."""

from __future__ import annotations

from typing import Any

from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition
from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from tests.model.simple import Asker, Grant, Simple
from tests.model.worlds import WALL, World
from wonderq import errors
from wonderq.local.queue import TOTALS
from wonderq.model import Delivery


class Disagreement(AssertionError):
    """The broker did something else than the model."""


class Watched(RuleBasedStateMachine):
    """One broker in its world, and the model; the rules come in a subclass."""

    make_world: type[World]

    def __init__(self) -> None:
        super().__init__()
        self.world = self.make_world()
        self.model = Simple()
        # Receives that have not been answered, or whose answers have not been compared.
        self.asked: list[tuple[Asker, list[Any], Deferred[Any]]] = []
        # In the order of the answers; a grant without a receipt never reached its consumer.
        self.delivered: list[tuple[Grant, Delivery]] = []
        self.published: list[int] = []
        self.receipt = 0
        self.stalled = False

    def teardown(self) -> None:
        self.world.close()

    # -- what can be seen --

    def call(self, deferred: Deferred[Any]) -> Any:
        """Return what a verb answers, or the error it fails with."""
        outcome: list[Any] = []
        deferred.addBoth(outcome.append)
        self.world.settle()
        if not outcome:
            raise Disagreement("no answer has come")
        return outcome[0].value if isinstance(outcome[0], Failure) else outcome[0]

    def settle(self) -> None:
        """Let both sides finish what is due, and compare the answers to receives."""
        self.world.settle()
        self.model.run_timers()
        self.stalled = False
        for asker, outcome, _ in self.asked:
            self.compare_answer(asker, outcome)
        self.asked = [one for one in self.asked if not one[1]]
        self.receipt = max([self.receipt, *(delivery.receipt for _, delivery in self.delivered[-50:])])

    def compare_answer(self, asker: Asker, outcome: list[Any]) -> None:
        name = f"the answer to {asker.consumer}"
        if asker.answer is None or not outcome:
            self.agree(name, outcome, [] if asker.answer is None else [asker.answer])
        elif isinstance(asker.answer, str):
            self.agree(name, isinstance(outcome[0], Failure) and type(outcome[0].value), errors.NoSuchQueue)
        else:
            self.agree(name, [self.seen(delivery) for delivery in outcome[0]], list(map(self.expected, asker.answer)))
            for grant, delivery in zip(asker.answer, outcome[0], strict=True):
                if delivery.receipt <= self.receipt:
                    raise Disagreement(f"receipt {delivery.receipt} is not above {self.receipt}")
                grant.receipt = delivery.receipt
                self.delivered.append((grant, delivery))

    def seen(self, got: Delivery) -> tuple[object, ...]:
        return got.id, got.queue, got.body, got.priority, got.receives, got.published, got.lease_until, got.last_failure

    def expected(self, grant: Grant) -> tuple[object, ...]:
        item = grant.item
        return (
            item.id,
            item.queue,
            item.body,
            item.priority,
            grant.receives,
            WALL + item.published,
            WALL + grant.promised,
            grant.failure,
        )

    @precondition(lambda self: not self.stalled)
    @invariant()
    def queues_agree(self) -> None:
        stats = self.call(self.world.broker.stats())
        self.agree("the queues", {view.name for view in stats.queues}, set(self.model.queues))
        for view in stats.queues:
            items = [item for item in self.model.items.values() if item.queue == view.name]
            states = [item.state for item in items]
            for state in ("ready", "delayed", "leased", "dead"):
                self.agree(f"{state} in {view.name}", getattr(view.counts, state), states.count(state))
            ready = self.model.ready(view.name)
            oldest = min(ready, key=lambda item: item.id) if ready else None
            waiting = sum(view.name in asker.queues for asker in self.model.waiting)
            self.agree(
                f"the view of {view.name}",
                (view.settings, view.bytes, view.oldest_age, view.waiting),
                (
                    self.model.queues[view.name],
                    sum(len(item.body) for item in items),
                    None if oldest is None else self.model.now - oldest.since,
                    waiting,
                ),
            )
            for total in TOTALS.values():
                self.agree(
                    f"{total} of {view.name}",
                    stats.totals[total][view.name],
                    self.model.totals.get((total, view.name), 0),
                )
        self.agree("leases", stats.leases, sum(item.state == "leased" for item in self.model.items.values()))

    @precondition(lambda self: not self.stalled)
    @invariant()
    def messages_agree(self) -> None:
        for item in self.model.items.values():
            view = self.call(self.world.broker.show_message(item.id))
            if isinstance(view, Exception):
                raise Disagreement(f"message {item.id} is not there: {view!r}")
            attempts = [(one.consumer, one.start, one.end, one.outcome, one.reason) for one in view.attempts]
            message = view.message
            self.agree(
                f"message {item.id}",
                (view.state, message.queue, message.body, message.priority, message.receives, message.last_failure),
                (item.state, item.queue, item.body, item.priority, item.receives, item.failure),
            )
            held = item.grant
            ended = [(who, WALL + start, WALL + end, how, why) for who, start, end, how, why in item.attempts]
            self.agree(
                f"attempts of {item.id}",
                attempts,
                [*ended, (held.consumer, WALL + held.start, None, None, None)] if held else ended,
            )
            self.agree(
                f"times of {item.id}",
                (view.consumer, view.lease_until, view.due),
                (
                    held and held.consumer,
                    held and WALL + held.deadline,
                    WALL + item.since if item.state == "delayed" else None,
                ),
            )
        for gone in [number for number in self.published if number not in self.model.items][-3:]:
            self.agree(f"message {gone}", type(self.call(self.world.broker.show_message(gone))), errors.NoSuchMessage)

    def agree(self, what: str, real: object, model: object) -> None:
        if real != model:
            raise Disagreement(f"{what}: the broker says {real!r}, the model {model!r}")
