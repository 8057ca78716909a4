"""Whatever is noted in whatever order and turns, the disk then holds what a dictionary would."""

from __future__ import annotations

import tempfile
from pathlib import Path

from hypothesis import settings, strategies
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from msgspec.structs import replace

from tests.local.stores import Reactor, Store
from wonderq.local.journal import Fate, StoredLease, Survivor
from wonderq.model import Attempt, Message

QUEUES = ("red", "blue")


class Row:
    """What a message is in the model."""

    def __init__(self, message: Message, due: float | None) -> None:
        self.message = message
        self.due = due
        self.lease: StoredLease | None = None

    def survivor(self) -> Survivor:
        message = self.message
        return Survivor(
            message.id,
            message.queue,
            message.priority,
            len(message.body),
            self.due,
            message.dead,
            self.lease,
            message.receives,
            message.attempts if self.lease else (),
        )


class Journal(RuleBasedStateMachine):
    """Random notes, turns, kills and stops."""

    def __init__(self) -> None:
        super().__init__()
        self.directory = tempfile.TemporaryDirectory()
        self.clock = Reactor()
        self.stores: list[Store] = []
        self.rows: dict[int, Row] = {}
        self.queues: set[str] = set()
        self.drawn = 0

    @initialize()
    def begin(self) -> None:
        self.take_up(Path(self.directory.name) / "first" / "store.sqlite")
        self.put_queue("red")

    def take_up(self, path: Path) -> None:
        """Open a store and compare all that it holds."""
        self.store: Store = Store(path, self.clock)
        self.stores.append(self.store)
        assert set(self.store.journal.queues()) == self.queues
        # Delays that are over are as good as none.
        now = self.store.time.now()
        for row in self.rows.values():
            if row.due is not None and row.due <= now:
                row.due = None
        assert self.store.survivors() == [row.survivor() for _, row in sorted(self.rows.items())]

    def teardown(self) -> None:
        for store in self.stores:
            store.stop()
        self.directory.cleanup()

    def pick(self, number: int, leased: bool) -> Row | None:
        """Return one of the messages that are leased, or that may be."""
        now = self.store.time.now()
        rows = [
            row
            for row in self.rows.values()
            if (row.lease is not None if leased else row.lease is None and (row.due is None or row.due <= now))
        ]
        return rows[number % len(rows)] if rows else None

    # -- notes --

    @rule(queue=strategies.sampled_from(QUEUES))
    def put_queue(self, queue: str) -> None:
        self.store.queue(queue)
        self.queues.add(queue)

    @rule(queue=strategies.sampled_from(QUEUES))
    def delete_queue(self, queue: str) -> None:
        if queue in self.queues:
            self.store.journal.delete_queue(queue)
            self.queues.remove(queue)
            self.rows = {message: row for message, row in self.rows.items() if row.message.queue != queue}

    @rule(
        queue=strategies.sampled_from(QUEUES),
        body=strategies.binary(max_size=20),
        delay=strategies.sampled_from([None, 1.0, 3.0, 100.0]),
        priority=strategies.integers(0, 9),
    )
    def publish(self, queue: str, body: bytes, delay: float | None, priority: int) -> None:
        if queue in self.queues:
            now = self.store.time.now()
            due = None if delay is None else now + delay
            message = self.store.publish(body, queue, due=due, priority=priority)
            assert message > self.drawn
            self.drawn = message
            stored = Message(message, queue, body, "text/plain", priority, 17.5, now if due is None else due)
            self.rows[message] = Row(stored, due)

    @rule(number=strategies.integers(0, 100), consumer=strategies.sampled_from(["alice", "bob"]))
    def lease(self, number: int, consumer: str) -> None:
        row = self.pick(number, leased=False)
        if row is not None:
            row.lease = self.store.lease(row.message.id, consumer)
            row.due = None

    @rule(number=strategies.integers(0, 100))
    def extend(self, number: int) -> None:
        row = self.pick(number, leased=True)
        if row is not None and row.lease is not None:
            row.lease = replace(row.lease, deadline=row.lease.deadline + 10)
            self.store.journal.extend(row.message.id, row.lease.deadline)

    @rule(number=strategies.integers(0, 100))
    def give_back(self, number: int) -> None:
        row = self.pick(number, leased=True)
        if row is not None:
            row.lease = None
            self.store.journal.give_back(row.message.id)

    @rule(
        number=strategies.integers(0, 100), delay=strategies.sampled_from([None, 1.0, 50.0]), dead=strategies.booleans()
    )
    def end_lease(self, number: int, delay: float | None, dead: bool) -> None:
        row = self.pick(number, leased=True)
        if row is not None and row.lease is not None:
            now = self.store.time.now()
            before = row.message
            attempts = (*before.attempts, Attempt(row.lease.consumer, row.lease.granted, now, "released"))[-20:]
            delayed = delay is not None and not dead
            since = now + (delay or 0) if delayed else now
            fate = Fate(before.receives + 1, f"reason {number}", attempts, since, delayed, dead)
            self.store.journal.end_lease(before.id, fate)
            row.message = replace(
                before,
                receives=before.receives + 1,
                last_failure=f"reason {number}",
                attempts=attempts,
                since=since,
                dead=dead,
            )
            row.lease, row.due = None, since if delayed else None

    @rule(number=strategies.integers(0, 100), leased=strategies.booleans())
    def delete(self, number: int, leased: bool) -> None:
        row = self.pick(number, leased)
        if row is not None:
            self.store.journal.delete(row.message.id)
            del self.rows[row.message.id]

    # -- the passing of turns and time --

    @rule()
    def turn(self) -> None:
        self.store.turn()

    @rule(seconds=strategies.sampled_from([0.5, 1.0, 5.0]))
    def advance(self, seconds: float) -> None:
        self.store.clock.advance(seconds)

    @precondition(lambda self: len(self.stores) < 5)
    @rule(kill=strategies.booleans())
    def restart(self, kill: bool) -> None:
        self.store.written()
        if kill:
            self.take_up(self.store.killed())
        else:
            self.store.stop()
            self.take_up(self.store.path)

    # -- what always holds --

    @invariant()
    def every_message_is_read_as_it_is_now(self) -> None:
        for message, row in self.rows.items():
            assert self.store.journal.read(message) == row.message
            assert self.store.journal.since(message) == row.message.since
        for message in range(max(1, self.drawn - 20), self.drawn + 2):
            if message not in self.rows:
                assert self.store.journal.read(message) is None

    @invariant()
    def the_delayed_ones_are_listed(self) -> None:
        if self.stores:
            now = self.store.time.now()
            expected = sorted(
                (row.due, row.message.id, row.message.priority, row.message.queue)
                for row in self.rows.values()
                if row.due is not None and row.due > now
            )
            assert self.store.journal.delayed_after(now, 2**53) == expected


TestJournal = Journal.TestCase
TestJournal.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
