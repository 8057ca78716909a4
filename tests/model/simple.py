"""The simple model: what a broker does, in plain fields and loops over all messages.  Slow, and obviously right.

Time is store time in seconds, moved by whoever drives the model.  Everything that a verb finds overdue is done before
it (L{Simple.catch_up}); timers do it one by one, in the order of their times (L{Simple.run_timers}).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import count

from wonderq.model import Draft, QueueSettings

RELEASED, EXPIRED = "released", "lease expired"


@dataclass(eq=False)
class Grant:
    """One lease, while it lasts and after.

    @ivar promised: its deadline as it was granted; C{deadline} moves when it is extended.
    @ivar receipt: what the broker under test called it; C{None} until its answer has come.
    @ivar turn: when its timer was set, counted in timers.
    """

    item: Item
    consumer: str
    receives: int
    start: float
    promised: float
    turn: int
    failure: str | None
    receipt: int | None = None
    deadline: float = field(init=False)

    def __post_init__(self) -> None:
        self.deadline = self.promised


@dataclass(eq=False)
class Item:
    """A message.

    @ivar since: when it became ready, or will.
    @ivar grant: the lease it is under, when leased.
    @ivar attempts: consumer, start, end, outcome and reason of each lease that ended.
    """

    id: int
    queue: str
    body: bytes
    priority: int
    published: float
    since: float
    state: str
    receives: int = 0
    failure: str | None = None
    grant: Grant | None = None
    attempts: list[tuple[str, float, float, str, str | None]] = field(default_factory=list)


@dataclass(eq=False)
class Asker:
    """One receive.

    @ivar until: when its wait ends.
    @ivar answer: the leases it got, C{"deleted"} if what it waited for is, C{None} while it waits.
    """

    queues: list[str]
    consumer: str
    limit: int
    lease: float | None
    until: float
    answer: list[Grant] | str | None = None


class Simple:
    """The queues, messages, leases and waiting receives of one server."""

    def __init__(self) -> None:
        self.now = 0.0
        self.queues = {"default": QueueSettings()}
        self.items: dict[int, Item] = {}
        self.waiting: list[Asker] = []
        # Leases of deleted queues: their timers run, and do nothing.
        self.ghosts: list[Grant] = []
        self.totals: dict[tuple[str, str], int] = {}
        self._turns = count()

    # -- messages --

    def publish(self, drafts: Sequence[Draft], ids: Sequence[int]) -> None:
        for draft, number in zip(drafts, ids, strict=True):
            delay = self.queues[draft.queue].delay if draft.delay is None else draft.delay
            state = "delayed" if delay else "ready"
            self.items[number] = Item(
                number, draft.queue, draft.body, draft.priority, self.now, self.now + delay, state
            )
            self._count("messages_published", draft.queue)
        self._serve(draft.queue for draft in drafts)

    def receive(self, asker: Asker) -> None:
        self._grant(asker)
        if not asker.answer and asker.until > self.now:
            asker.answer = None
            self.waiting.append(asker)

    def hang_up(self, asker: Asker) -> None:
        if asker in self.waiting:
            self.waiting.remove(asker)

    def held(self, consumer: str, number: int, receipt: int | None) -> Item | None:
        """Return the message if the consumer holds it, under that receipt if it names one."""
        item = self.items.get(number)
        if item is None or item.grant is None or item.grant.consumer != consumer:
            return None
        return item if receipt is None or receipt == item.grant.receipt else None

    def delete(self, item: Item) -> None:
        self._count("messages_deleted", item.queue)
        del self.items[item.id]

    def extend(self, item: Item, seconds: float) -> None:
        assert item.grant is not None
        item.grant.deadline = self.now + seconds
        item.grant.turn = next(self._turns)

    def release(self, item: Item, delay: float, reason: str | None) -> None:
        self._count("messages_released", item.queue)
        self._end(item, "released", reason, reason or RELEASED, delay)

    def bury(self, item: Item, reason: str | None) -> None:
        self._count("messages_buried", item.queue)
        self._end(item, "buried", reason, reason or RELEASED, 0, dead=True)

    def settled(self, items: Iterable[Item]) -> None:
        """A verb that settles has done all its claims: who waits gets what came back."""
        self._serve(item.queue for item in items)

    def give_back(self, grants: Sequence[Grant]) -> None:
        live = [grant.item for grant in grants if grant.item.grant is grant and grant.item.id in self.items]
        for item in live:
            item.grant, item.state = None, "ready"
        self._serve(item.queue for item in live)

    # -- queues --

    def put_queue(self, name: str, settings: QueueSettings) -> None:
        self.queues[name] = settings

    def delete_queue(self, name: str) -> None:
        del self.queues[name]
        self.ghosts += [item.grant for item in self.items.values() if item.grant and item.queue == name]
        self.items = {number: item for number, item in self.items.items() if item.queue != name}
        self.totals = {key: total for key, total in self.totals.items() if key[1] != name}
        for asker in list(self.waiting):
            if asker.queues == [name]:
                asker.answer = "deleted"
                self.waiting.remove(asker)
            elif name in asker.queues:
                asker.queues.remove(name)

    # -- time --

    def moments(self) -> list[float]:
        """Return when something ends, in order."""
        leases = [grant.deadline for grant in self._timed()]
        delays = [item.since for item in self.items.values() if item.state == "delayed"]
        return sorted(leases + delays + [asker.until for asker in self.waiting])

    def catch_up(self) -> None:
        """Do all that is overdue, then let who waits have it."""
        late = [grant for grant in self._timed() if grant.deadline <= self.now]
        late.sort(key=lambda grant: (grant.deadline, grant.item.id))
        for grant in late:
            self._expire(grant)
        ended = [grant.item for grant in late] + self._due()
        self._serve(item.queue for item in ended if item.state == "ready")

    def run_timers(self) -> None:
        """Do what is due, one timer after the other."""
        while (moments := self.moments()) and moments[0] <= self.now:
            ending = [grant for grant in self._timed() if grant.deadline == moments[0]]
            ending.sort(key=lambda grant: grant.turn)
            # The first of many that end at one moment does so at once, the others in the next turn.
            for together in (ending[:1], ending[1:]):
                for grant in together:
                    self._expire(grant)
                self._serve(grant.item.queue for grant in together if grant.item.state == "ready")
            self._serve(item.queue for item in self._due())
            for asker in [asker for asker in self.waiting if asker.until == moments[0]]:
                asker.answer = []
                self.waiting.remove(asker)

    def restart(self) -> None:
        """Forget what only a running server knows."""
        self.waiting.clear()
        self.ghosts.clear()
        self.totals.clear()
        for _, item in sorted(self.items.items()):
            if item.grant:
                item.grant.turn = next(self._turns)

    # -- the rules --

    def ready(self, queue: str) -> list[Item]:
        """Return the ready messages of a queue in their order."""
        ready = [item for item in self.items.values() if item.queue == queue and item.state == "ready"]
        return sorted(ready, key=lambda item: (-item.priority, item.id))

    def _grant(self, asker: Asker) -> None:
        taken = [item for queue in asker.queues for item in self.ready(queue)][: asker.limit]
        asker.answer = []
        for item in taken:
            seconds = self.queues[item.queue].lease if asker.lease is None else asker.lease
            grant = Grant(
                item, asker.consumer, item.receives + 1, self.now, self.now + seconds, next(self._turns), item.failure
            )
            item.grant, item.state = grant, "leased"
            asker.answer.append(grant)
            self._count("messages_received", item.queue)

    def _serve(self, queues: Iterable[str]) -> None:
        for queue in dict.fromkeys(queues):
            for asker in list(self.waiting):
                if queue in asker.queues and self.ready(queue):
                    self.waiting.remove(asker)
                    self._grant(asker)

    def _due(self) -> list[Item]:
        due = [item for item in self.items.values() if item.state == "delayed" and item.since <= self.now]
        for item in due:
            item.state = "ready"
        return sorted(due, key=lambda item: (item.since, item.id))

    def _timed(self) -> list[Grant]:
        return [item.grant for item in self.items.values() if item.grant] + self.ghosts

    def _expire(self, grant: Grant) -> None:
        if grant in self.ghosts:
            self.ghosts.remove(grant)
        else:
            self._count("lease_expiries", grant.item.queue)
            self._end(grant.item, "expired", None, EXPIRED, 0)

    def _end(
        self, item: Item, outcome: str, reason: str | None, failure: str, delay: float, dead: bool = False
    ) -> None:
        assert item.grant is not None
        item.attempts = [*item.attempts, (item.grant.consumer, item.grant.start, self.now, outcome, reason)][-20:]
        item.receives, item.failure, item.grant = item.receives + 1, failure, None
        most = self.queues[item.queue].max_receives
        item.since = self.now
        if dead or (most and item.receives >= most):
            item.state = "dead"
            self._count("dead_lettered", item.queue)
        elif delay:
            item.state, item.since = "delayed", self.now + delay
        else:
            item.state = "ready"

    def _count(self, total: str, queue: str) -> None:
        self.totals[total, queue] = self.totals.get((total, queue), 0) + 1
