"""The state machine: does the same to a broker and to the simple model."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import ceil
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import initialize, precondition, rule
from twisted.internet.defer import Deferred

from tests.model import drawn
from tests.model.simple import Asker, Item
from tests.model.watched import Disagreement, Watched
from tests.model.worlds import World
from wonderq import errors
from wonderq.model import Claim, Draft, QueueSettings


class BrokerMachine(Watched):
    """All that can be done to a broker."""

    @initialize(
        default=drawn.settings,
        a=drawn.settings,
        batch=st.lists(drawn.ready, min_size=2, max_size=6),
        lease=drawn.leases,
    )
    def begin(self, default: QueueSettings, a: QueueSettings, batch: list[Draft], lease: float) -> None:
        """Begin with something to do, whichever rules are tried then."""
        self.put_queue("default", default, create_only=False)
        self.put_queue("a", a, create_only=True)
        self.publish_batch(batch)
        self.receive(["default"], "alice", 10, 0.0, lease)
        self.receive(["a"], "bob", 1, 0.0, None)

    # -- rules: messages --

    @rule(draft=drawn.drafts)
    def publish(self, draft: Draft) -> None:
        self.publish_batch([draft])

    @rule(batch=st.lists(drawn.drafts, min_size=2, max_size=4))
    def publish_batch(self, batch: list[Draft]) -> None:
        self.model.catch_up()
        refused = self.refusal(batch)
        outcome = self.call(self.world.broker.publish(batch))
        if refused is not None:
            self.agree("refusal of a publish", type(outcome), refused)
        else:
            ids = [published.id for published in outcome]
            highest = max(self.published, default=0)
            if ids != sorted(set(ids)) or ids[0] <= highest:
                raise Disagreement(f"ids {ids} do not grow after {highest}")
            self.published += ids
            self.model.publish(batch, ids)
        self.settle()

    def refusal(self, batch: Sequence[Draft]) -> type[Exception] | None:
        for draft in batch:
            if draft.queue not in self.model.queues:
                return errors.NoSuchQueue
            if len(draft.body) > self.model.queues[draft.queue].max_message_bytes:
                return errors.MessageTooLarge
        return None

    @rule(names=drawn.names, consumer=drawn.consumers, limit=drawn.limits, wait=drawn.waits, lease=drawn.own_leases)
    def receive(self, names: list[str], consumer: str, limit: int, wait: float, lease: float | None) -> None:
        self.model.catch_up()
        wait = wait if self.world.exact else 0.0
        answer = self.world.broker.receive(names, consumer, limit, wait, lease)
        if not set(names) <= set(self.model.queues):
            self.agree("receive from no queue", type(self.call(answer)), errors.NoSuchQueue)
        else:
            asker = Asker(list(names), consumer, limit, lease, self.model.now + wait)
            self.model.receive(asker)
            outcome: list[Any] = []
            answer.addBoth(outcome.append)
            self.asked.append((asker, outcome, answer))
        self.settle()

    @precondition(lambda self: self.world.exact and self.empty_queues())
    @rule(consumer=drawn.consumers, limit=drawn.limits, wait=drawn.long_waits, lease=drawn.own_leases)
    def wait(self, consumer: str, limit: int, wait: float, lease: float | None) -> None:
        """Receive where there is nothing yet."""
        self.receive(self.empty_queues(), consumer, limit, wait, lease)

    def empty_queues(self) -> list[str]:
        return [name for name in self.model.queues if not self.model.ready(name)]

    @precondition(lambda self: self.asked)
    @rule(back=drawn.small)
    def hang_up(self, back: int) -> None:
        asker, _, answer = self.asked.pop(back % len(self.asked))
        # The wait ends first; then, as with every verb, what is overdue is done.
        self.model.hang_up(asker)
        self.model.catch_up()
        answer.cancel()
        self.settle()

    @rule(names=drawn.names, consumer=drawn.consumers, limit=drawn.limits, lease=drawn.own_leases)
    def hang_up_too_late(self, names: list[str], consumer: str, limit: int, lease: float | None) -> None:
        """Cancel a receive that was granted something, or give it back if the answer was faster."""
        if not set(names) <= set(self.model.queues):
            return
        self.model.catch_up()
        asker = Asker(list(names), consumer, limit, lease, self.model.now)
        self.model.receive(asker)
        assert isinstance(asker.answer, list)
        outcome: list[Any] = []
        answer = self.world.broker.receive(names, consumer, limit, 0.0, lease).addBoth(outcome.append)
        answer.cancel()
        if isinstance(outcome[0], list):
            self.compare_answer(asker, outcome)
            self.world.broker.give_back(consumer, outcome[0])
        self.model.give_back(asker.answer)
        self.settle()

    @precondition(lambda self: self.delivered)
    @rule(back=drawn.small)
    def give_back(self, back: int) -> None:
        self.model.catch_up()
        grant, delivery = self.delivered[-1 - back % len(self.delivered)]
        self.call(self.world.broker.give_back(grant.consumer, [delivery]))
        self.model.give_back([grant])
        self.settle()

    @precondition(lambda self: self.delivered)
    @rule(named=st.lists(drawn.claims, min_size=1, max_size=3), honest=drawn.honesty)
    def delete(self, named: list[drawn.Named], honest: bool) -> None:
        broker, model = self.world.broker, self.model
        self.settle_claims(*self.say(named, honest), broker.delete, model.delete)

    @precondition(lambda self: self.delivered)
    @rule(consumer=drawn.consumers)
    def delete_everything(self, consumer: str) -> None:
        """Delete all that a consumer holds."""
        held = [grant for grant, _ in self.delivered if grant.item.grant is grant and grant.consumer == consumer]
        said = [Claim(grant.item.id, grant.receipt) for grant in held]
        self.settle_claims(consumer, said, self.world.broker.delete, self.model.delete)

    @precondition(lambda self: self.delivered)
    @rule(named=st.lists(drawn.claims, min_size=1, max_size=2), honest=drawn.honesty, lease=drawn.leases)
    def extend(self, named: list[drawn.Named], honest: bool, lease: float) -> None:
        broker, model = self.world.broker, self.model
        self.settle_claims(
            *self.say(named, honest),
            lambda consumer, claims: broker.extend(consumer, claims, lease),
            lambda item: model.extend(item, lease),
        )

    @precondition(lambda self: self.delivered)
    @rule(
        named=st.lists(drawn.claims, min_size=1, max_size=3),
        honest=drawn.honesty,
        delay=drawn.delays,
        reason=drawn.reasons,
    )
    def release(self, named: list[drawn.Named], honest: bool, delay: float, reason: str | None) -> None:
        broker, model = self.world.broker, self.model
        self.settle_claims(
            *self.say(named, honest),
            lambda consumer, claims: broker.release(consumer, claims, delay, reason),
            lambda item: model.release(item, delay, reason),
        )

    @precondition(lambda self: self.delivered)
    @rule(named=st.lists(drawn.claims, min_size=1, max_size=2), honest=drawn.honesty, reason=drawn.reasons)
    def bury(self, named: list[drawn.Named], honest: bool, reason: str | None) -> None:
        broker, model = self.world.broker, self.model
        self.settle_claims(
            *self.say(named, honest),
            lambda consumer, claims: broker.bury(consumer, claims, reason),
            lambda item: model.bury(item, reason),
        )

    def settle_claims(
        self,
        consumer: str,
        said: Sequence[Claim],
        real: Callable[[str, Sequence[Claim]], Deferred[list[bool]]],
        simple: Callable[[Item], object],
    ) -> None:
        """Settle on both sides, and compare what was granted."""
        self.model.catch_up()
        expected, touched = [], []
        for claim in said:
            item = self.model.held(consumer, claim.id, claim.receipt)
            if item is not None:
                simple(item)
                touched.append(item)
            expected.append(item is not None)
        self.model.settled(item for item in touched if item.state == "ready")
        self.agree(f"claims {said} of {consumer}", self.call(real(consumer, said)), expected)
        self.settle()

    def say(self, named: Sequence[drawn.Named], honest: bool) -> tuple[str, list[Claim]]:
        """Return claims, and in whose name: of the first of those who got it, or of somebody else."""
        holders, said = [], []
        for live, back, off in named:
            grants = [grant for grant, _ in self.delivered if not live or grant.item.grant is grant]
            if not grants:
                said.append(Claim(drawn.NEVER_PUBLISHED))
                continue
            grant = grants[-1 - back % len(grants)]
            assert grant.receipt is not None
            holders.append(grant.consumer)
            said.append(Claim(grant.item.id, None if off is None else grant.receipt + off))
        holder = holders[0] if holders else drawn.CONSUMERS[0]
        return (holder if honest else next(name for name in drawn.CONSUMERS if name != holder)), said

    # -- rules: queues --

    @rule(name=drawn.queues, settings=drawn.settings, create_only=st.booleans())
    def put_queue(self, name: str, settings: QueueSettings, create_only: bool) -> None:
        self.model.catch_up()
        created = name not in self.model.queues
        outcome = self.call(self.world.broker.put_queue(name, settings, create_only))
        if create_only and not created:
            self.agree("a queue made twice", type(outcome), errors.QueueExists)
        else:
            self.model.put_queue(name, settings)
            self.agree("the answer to put_queue", (outcome[0].settings, outcome[1]), (settings, created))
        self.settle()

    @precondition(lambda self: len(self.model.queues) > 1)
    @rule(name=st.sampled_from(drawn.QUEUES))
    def delete_queue(self, name: str) -> None:
        self.model.catch_up()
        outcome = self.call(self.world.broker.delete_queue(name))
        if name not in self.model.queues:
            self.agree("deleting no queue", type(outcome), errors.NoSuchQueue)
        elif name == "default":
            self.agree("deleting the default queue", type(outcome), errors.DefaultQueue)
        else:
            self.agree("deleting a queue", outcome, None)
            self.model.delete_queue(name)
        self.settle()

    # -- rules: time --

    @rule(seconds=drawn.steps)
    def tick(self, seconds: float | None) -> None:
        """Let time pass from one moment at which something ends to the next."""
        end = self.model.now + self.until_something_ends(seconds)
        while (moments := self.model.moments()) and moments[0] <= end:
            self.advance(moments[0])
        self.advance(end)

    @precondition(lambda self: self.world.exact and not self.stalled)
    @rule(seconds=drawn.steps)
    def stall(self, seconds: float | None) -> None:
        """Let time pass with a busy reactor, so that the next verb comes before the timers."""
        # With somebody waiting, no further than one thing of each kind can end: who gets what then has one answer.
        seconds = 0.5 if self.model.waiting else self.until_something_ends(seconds)
        self.world.stall(seconds)
        self.model.now += seconds
        self.stalled = True

    def until_something_ends(self, seconds: float | None) -> float:
        """Return C{seconds}; without any, what it takes to the half second in or after which the next thing ends."""
        if seconds is None:
            ends = min(self.model.moments(), default=self.model.now)
            seconds = ceil(max(0.0, ends - self.model.now) * 2) / 2
        return seconds

    def advance(self, moment: float) -> None:
        self.world.clock.advance(max(0.0, moment - self.model.now))
        self.model.now = max(self.model.now, moment)
        self.settle()

    @precondition(lambda self: self.world.survives)
    @rule(how=st.sampled_from(["crash", "stop", "crash before the answer"]), away=drawn.away, reboot=st.booleans())
    def restart(self, how: str, away: float, reboot: bool) -> None:
        if how == "stop":
            self.world.stop()
            for _, outcome, _ in self.asked:
                self.agree("the answer to a wait at the stop", outcome, [[]])
        else:
            if how == "crash before the answer":
                self.change_without_an_answer()
            self.world.crash()
        self.asked.clear()
        self.model.restart()
        self.model.now += away
        self.world.come_back(away, reboot)
        self.settle()

    def change_without_an_answer(self) -> None:
        """Begin what leaves nothing behind when the turn of the reactor does not end."""
        broker = self.world.broker
        broker.receive(["default"], "alice", wait=60.0)
        answers: list[Deferred[Any]] = [broker.publish([Draft(b""), Draft(b"")])]
        for consumer in drawn.CONSUMERS:
            held = [Claim(grant.item.id) for grant, _ in self.delivered if grant.consumer == consumer]
            answers += [broker.delete(consumer, held[::2]), broker.release(consumer, held[1::2])]
        if any(answer.called for answer in answers):
            raise Disagreement("an answer came before anything was written")


def machine(world: type[World]) -> type[BrokerMachine]:
    """Return the state machine of a world."""

    class Machine(BrokerMachine):
        make_world = world

    return Machine
