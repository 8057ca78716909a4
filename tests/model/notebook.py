"""Notebook: a journal of a few dictionaries that outlives its broker.

It promises what L{wonderq.local.sqlite} promises, in the fewest words: what was noted in one turn of the reactor is
written in one piece, at the end of the turn; answers wait for that; a crash takes what was not yet written.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TypeVar

from msgspec.structs import replace
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from zope.interface import implementer

from wonderq.errors import StoreUnavailable
from wonderq.local.clock import Mark, StoreClock
from wonderq.local.journal import Delayed, Fate, IJournal, MemoryJournal, StoredLease, Survivor
from wonderq.model import Message, QueueSettings

T = TypeVar("T")

RESERVED = 10
"""Ids and receipts reserved at a time; a crash skips the rest of them."""


class Paper:
    """What is written: all that a crash leaves."""

    def __init__(self) -> None:
        self.settings: dict[str, QueueSettings] = {}
        self.messages: dict[int, Message] = {}
        self.delays: dict[int, float] = {}
        self.leases: dict[int, StoredLease] = {}
        self.mark: Mark | None = None
        self.reserved_id = 1
        self.reserved_receipt = 1


@implementer(IJournal)
class Notebook(MemoryJournal):
    """Keeps everything on a L{Paper}.

    @ivar fails: whether the next write shall fail.
    @ivar room: what C{has_room} says.
    @ivar slice: messages in one step of the recovery.
    """

    durability = "commit"

    def __init__(self, paper: Paper, clock: StoreClock, reactor: IReactorTime, window: int = 1000) -> None:
        super().__init__()
        self.paper = paper
        self.window = window
        self.fails = False
        self.room = True
        self.slice = 1000
        self.next_id = self._next_id
        self.next_receipt = self._next_receipt
        self._clock = clock
        self._reactor = reactor
        self._noted = False
        self._failed = False
        self._answers: list[tuple[Deferred[object], object]] = []

    def open(self) -> None:
        paper = self.paper
        self._settings = dict(paper.settings)
        self._messages = dict(paper.messages)
        self._queues = {name: set() for name in paper.settings}
        for message in paper.messages.values():
            self._queues[message.queue].add(message.id)
        self._delays = dict(paper.delays)
        self._leases = dict(paper.leases)
        self._id, self._receipt = paper.reserved_id, paper.reserved_receipt
        if paper.mark is not None:
            self._clock.resume(paper.mark)

    def queues(self) -> Mapping[str, QueueSettings]:
        return dict(self._settings)

    def recover(self, now: float) -> Iterator[Sequence[Survivor]]:
        survivors = []
        for message in sorted(self._messages.values(), key=lambda message: message.id):
            due = self._delays.get(message.id)
            survivors.append(
                Survivor(
                    message.id,
                    message.queue,
                    message.priority,
                    len(message.body),
                    due if due is not None and due > now else None,
                    message.dead,
                    self._leases.get(message.id),
                    message.receives,
                    message.attempts,
                )
            )
        for start in range(0, len(survivors), self.slice):
            yield survivors[start : start + self.slice]

    def has_room(self, size: int) -> bool:
        return self.room

    # -- what happened --

    def put_queue(self, name: str, settings: QueueSettings) -> None:
        super().put_queue(name, settings)
        self._settings[name] = settings
        self._note()

    def delete_queue(self, name: str) -> None:
        for message in self._queues[name]:
            self._leases.pop(message, None)
            self._delays.pop(message, None)
        super().delete_queue(name)
        del self._settings[name]
        self._note()

    def publish(self, message: Message, delayed: bool) -> None:
        super().publish(message, delayed)
        if delayed:
            self._delays[message.id] = message.since
        self._note()

    def lease(self, message: int, lease: StoredLease) -> None:
        self._delays.pop(message, None)
        self._leases[message] = lease
        self._note()

    def extend(self, message: int, deadline: float) -> None:
        self._leases[message] = replace(self._leases[message], deadline=deadline)
        self._note()

    def give_back(self, message: int) -> None:
        del self._leases[message]
        self._note()

    def end_lease(self, message: int, fate: Fate) -> None:
        super().end_lease(message, fate)
        del self._leases[message]
        if fate.delayed:
            self._delays[message] = fate.since
        self._note()

    def delete(self, message: int) -> None:
        super().delete(message)
        del self._leases[message]
        self._note()

    def delayed_after(self, due: float, message: int) -> Sequence[Delayed]:
        rows = sorted(
            Delayed(since, number, self._messages[number].priority, self._messages[number].queue)
            for number, since in self._delays.items()
            if (since, number) > (due, message)
        )
        return rows[: self.window]

    # -- writing --

    def commit(self, value: T, durable: bool) -> Deferred[T]:
        answer: Deferred[T] = Deferred()
        if self._failed:
            answer.errback(StoreUnavailable())
        else:
            self._answers.append((answer, value))  # type: ignore[arg-type]
            self._note()
        return answer

    def close(self) -> Deferred[None]:
        return self.commit(None, durable=True)

    def _note(self) -> None:
        if not self._noted:
            self._noted = True
            self._reactor.callLater(0, self._write)

    def _write(self) -> None:
        self._noted = False
        answers, self._answers = self._answers, []
        if self.fails:
            self._failed = True
            for answer, _ in answers:
                answer.errback(StoreUnavailable())
            self.on_failure(OSError("the notebook burns"))
            return
        paper = self.paper
        paper.settings, paper.messages = dict(self._settings), dict(self._messages)
        paper.delays, paper.leases = dict(self._delays), dict(self._leases)
        paper.mark = self._clock.mark()
        for answer, value in answers:
            answer.callback(value)

    def _next_id(self) -> int:
        drawn = self._id
        self._id += 1
        self.paper.reserved_id = max(self.paper.reserved_id, drawn + RESERVED - drawn % RESERVED)
        return drawn

    def _next_receipt(self) -> int:
        drawn = self._receipt
        self._receipt += 1
        self.paper.reserved_receipt = max(self.paper.reserved_receipt, drawn + RESERVED - drawn % RESERVED)
        return drawn
