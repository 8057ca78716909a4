"""Every message and every lease of this process.

Each change is made here in one order: the rules decide (and count), the journal notes it, the timers follow.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from typing import Final

from twisted.internet.interfaces import IDelayedCall, IReactorTime

from wonderq.errors import NoSuchQueue, StoreUnavailable
from wonderq.local.clock import StoreClock
from wonderq.local.delays import Delays
from wonderq.local.journal import Fate, IJournal, StoredLease
from wonderq.local.queue import EXPIRED, RELEASED, Entry, Queue, attempts_after
from wonderq.local.timers import ROUNDING, DueTimer, LeaseTimers
from wonderq.model import MAX_ATTEMPT_REASON, Attempt, Claim, Message, Outcome, QueueSettings

EXPIRIES: Final = 500
"""Leases that end in one turn: some 5 ms.  Nobody can settle those that are left for the next."""


class Shelf:
    """Queues, leases and delays, with the journal and the timers in step.

    @ivar queues: by name.
    @ivar leases: by message.
    """

    def __init__(
        self, journal: IJournal, reactor: IReactorTime, clock: StoreClock, on_ready: Callable[[Queue], object]
    ) -> None:
        """Start empty.

        @param on_ready: called with a queue that got a ready message by the passing of time.
        """
        self.queues: dict[str, Queue] = {}
        self.leases: dict[int, Entry] = {}
        self.delays = Delays(journal.window)
        self.timers = LeaseTimers(reactor, self._lease_due)
        self.journal = journal
        self.clock = clock
        self._reactor = reactor
        # Leases that are over and have not been ended yet.
        self._over: deque[Entry] = deque()
        self._next_turn: IDelayedCall | None = None
        self._due_timer = DueTimer(reactor, self._delay_due)
        self._on_ready = on_ready

    # -- queues --

    def find(self, name: str) -> Queue:
        """Return the queue of that name.

        @raise NoSuchQueue: there is none.
        """
        queue = self.queues.get(name)
        if queue is None:
            raise NoSuchQueue(f"There is no queue {name}.")
        return queue

    def put_queue(self, name: str, settings: QueueSettings) -> Queue:
        """Make a queue, or give it new settings."""
        queue = self.queues.get(name)
        if queue is None:
            queue = self.queues[name] = Queue(name, settings)
        queue.settings = settings
        self.journal.put_queue(name, settings)
        return queue

    def delete_queue(self, name: str) -> None:
        """Drop a queue with its messages at once; what still refers to it is dropped when its time comes."""
        self.find(name).deleted = True
        del self.queues[name]
        self.journal.delete_queue(name)

    # -- the life of a message --

    def publish(self, queue: Queue, message: Message, now: float) -> None:
        """Take in a new message, delayed if its C{since} is still to come."""
        delayed = message.since > now
        queue.publish(message.id, message.priority, len(message.body), delayed)
        self.journal.publish(message, delayed)
        if delayed:
            self._delay(message.since, message.id, message.priority, queue, now)

    def first(self, queue: Queue) -> Message:
        """Return the next ready message of a queue that has one."""
        message = self.journal.read(queue.order.first())
        if message is None:
            raise AssertionError("a ready message is not in the store")
        return message

    def receive(self, queue: Queue, message: Message, consumer: str, seconds: float, now: float) -> Entry:
        """Lease the L{first} message."""
        queue.receive(message.id, message.priority)
        entry = Entry(
            message.id,
            queue,
            message.priority,
            len(message.body),
            message.receives + 1,
            message.attempts,
            self.journal.next_receipt(),
            consumer,
            now,
            now + seconds,
        )
        self.leases[message.id] = entry
        self.journal.lease(message.id, StoredLease(entry.receipt, consumer, now, entry.deadline))
        self.timers.arm(message.id, entry.deadline, now)
        return entry

    def held(self, consumer: str, claim: Claim, now: float) -> Entry | None:
        """Return the lease that a claim names, if the claim is good."""
        entry = self.leases.get(claim.id)
        return entry if entry is not None and entry.held_by(consumer, claim, now) else None

    def delete(self, entry: Entry) -> None:
        """The message is settled."""
        entry.queue.delete(entry)
        self.journal.delete(entry.id)
        self._drop(entry)

    def extend(self, entry: Entry, seconds: float, now: float) -> None:
        """The lease ends C{seconds} from now."""
        entry.queue.extend(entry, now + seconds)
        self.journal.extend(entry.id, entry.deadline)
        self.timers.disarm(entry.id)
        self.timers.arm(entry.id, entry.deadline, now)

    def give_back(self, entry: Entry) -> None:
        """The lease is undone."""
        entry.queue.give_back(entry)
        self.journal.give_back(entry.id)
        self._drop(entry)

    def release(self, entry: Entry, delay: float, reason: str | None, now: float) -> None:
        """The message is given back, ready in C{delay} seconds."""
        state = entry.queue.release(entry, delayed=delay > 0)
        self._end(entry, "released", reason, reason or RELEASED, state, now, now + delay)

    def bury(self, entry: Entry, reason: str | None, now: float) -> None:
        """The message is dead."""
        state = entry.queue.bury(entry)
        self._end(entry, "buried", reason, reason or RELEASED, state, now, now)

    # -- the passing of time --

    def catch_up(self, now: float) -> None:
        """Do now what late timers would do after the requests that were read before them."""
        if now < self.timers.look_at and now < self._due_timer.at and not self._over:
            return
        self._over.extend(self.leases[message] for message in self.timers.late(now))
        self._tell(self._expire_some(now) + self._due(now))

    def resume(self, entries: Iterable[Entry]) -> None:
        """Start the timers of leases that outlived a restart."""
        now = self.clock.now()
        for entry in entries:
            self.timers.arm(entry.id, entry.deadline, now)

    def load_delays(self, due: float, message: int) -> None:
        """Ask the store for the delayed messages after (due, message), and set the timer for the first of them."""
        rows = self.journal.delayed_after(due, message)
        self.delays.load([(row.due, row.id, row.priority, self.queues[row.queue]) for row in rows])
        self._due_timer.aim(self.delays.next_due(), self.clock.now())

    def stop(self) -> None:
        """Stop every timer."""
        self.timers.clear()
        self._due_timer.aim(None, 0)
        if self._next_turn is not None:
            self._next_turn.cancel()
            self._next_turn = None

    def _lease_due(self, message: int) -> None:
        entry = self.leases[message]
        now = self.clock.now()
        if now + ROUNDING < entry.deadline:
            # The reactor's clock was moved; ours was not.
            self.timers.arm(message, entry.deadline, now)
            return
        self._over.append(entry)
        if self._next_turn is None:
            # The first of this turn ends at once; with it may come a hundred thousand.
            self._next_turn = self._reactor.callLater(0, self._turn_began)
            self._tell(self._expire_some(now))

    def _turn_began(self) -> None:
        self._next_turn = None
        if self._over:
            self._next_turn = self._reactor.callLater(0, self._turn_began)
            self._tell(self._expire_some(self.clock.now()))

    def _expire_some(self, now: float) -> list[Queue]:
        """End leases that are over, as many as one turn bears; return the queue of each message that is ready now.

        What is ready is told when all of it is: whoever gets the first message may call any verb at once.
        """
        ready = []
        for _ in range(min(len(self._over), EXPIRIES)):
            entry = self._over.popleft()
            # It may have been given back meanwhile.
            if self.leases.get(entry.id) is entry and self._expire(entry, now):
                ready.append(entry.queue)
        if self._over and self._next_turn is None:
            self._next_turn = self._reactor.callLater(0, self._turn_began)
        return ready

    def _delay_due(self) -> None:
        self._tell(self._due(self.clock.now() + ROUNDING))

    def _tell(self, queues: Iterable[Queue]) -> None:
        for queue in dict.fromkeys(queues):
            self._on_ready(queue)

    def _due(self, now: float) -> list[Queue]:
        """End the delays that are over; return the queue of each message that is ready now."""
        ready = []
        for _, message, priority, queue in self.delays.pop(now):
            if not queue.deleted:
                queue.due(message, priority)
                ready.append(queue)
        if self.delays.exhausted():
            try:
                self.load_delays(*self.delays.horizon)
            except StoreUnavailable:
                # The journal has failed and told whom it concerns; this may be a timer's turn, which nobody hears.
                return ready
        self._due_timer.aim(self.delays.next_due(), now)
        return ready

    def _delay(self, due: float, message: int, priority: int, queue: Queue, now: float) -> None:
        self.delays.add(due, message, priority, queue)
        self._due_timer.aim(self.delays.next_due(), now)

    # -- the end of a lease --

    def _expire(self, entry: Entry, now: float) -> bool:
        """End a lease that was not settled in time; return whether the message is ready again."""
        if entry.queue.deleted:
            del self.leases[entry.id]
            return False
        state = entry.queue.expire(entry)
        self._end(entry, "expired", None, EXPIRED, state, now, now)
        return state == "ready"

    def _end(
        self, entry: Entry, outcome: Outcome, reason: str | None, failure: str, state: str, now: float, since: float
    ) -> None:
        attempt = Attempt(
            entry.consumer,
            self.clock.wall_at(entry.granted),
            self.clock.wall_at(now),
            outcome,
            reason and reason[:MAX_ATTEMPT_REASON],
        )
        delayed = state == "delayed"
        fate = Fate(
            entry.receives,
            failure,
            attempts_after(entry, attempt),
            since if delayed else now,
            delayed,
            state == "dead",
        )
        self.journal.end_lease(entry.id, fate)
        self._drop(entry)
        if delayed:
            self._delay(since, entry.id, entry.priority, entry.queue, now)

    def _drop(self, entry: Entry) -> None:
        del self.leases[entry.id]
        self.timers.disarm(entry.id)
