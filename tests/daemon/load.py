"""Publishers and consumers that work a server hard, and write down what they see of it."""

from __future__ import annotations

import time
from base64 import b64decode, b64encode
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import datetime
from random import Random
from threading import Event as Flag
from typing import Any, Generic, Literal, NamedTuple, TypeVar

import msgspec
from msgspec import Raw, Struct

from tests.daemon.client import NoAnswer, NotSent, Refused, Session
from tests.history import Delivery, Event, History, Look, Outcome, Publish, Receive, Settle, Verb

LEASES = (0.3, 1.0, 3.0)
"""Seconds: some end under load, some outlive a restart, none makes the end of a run long."""

T = TypeVar("T")


class Asked(NamedTuple, Generic[T]):
    """How one call went.

    @ivar start, end: monotonic seconds.
    @ivar value: the answer, if there was one.
    """

    start: float
    end: float
    outcome: Outcome
    value: T | None


class Worker:
    """One client: lives as long as the server does, again and again, and remembers all of it.

    @ivar events: what it saw.
    """

    def __init__(self, name: str, seed: str) -> None:
        self.name = name
        self.random = Random(f"{seed} {name}")
        self.events: list[Event] = []
        self.session = Session(0)

    def live(self, port: int, stopping: Callable[[], bool]) -> None:
        """Work until the server is gone, or C{stopping} says so."""
        self.session = Session(port)
        while not stopping() and self.step():
            pass
        self.session.close()

    def step(self) -> bool:
        """Do one thing; return whether the server is still there."""
        raise NotImplementedError

    def ask(self, call: Callable[[], T]) -> Asked[T]:
        """Call the server and see how it goes.

        @raise Refused: it found a fault with what was asked.
        """
        start = time.monotonic()
        value: T | None = None
        outcome: Outcome = "ok"
        try:
            value = call()
        except NotSent:
            outcome = "refused"
        except NoAnswer:
            outcome = "unknown"
        except Refused as error:
            if error.answer.status not in (503, 507):
                raise
            outcome = "unknown" if error.answer.value["code"] == "store-unavailable" else "refused"
        return Asked(start, time.monotonic(), outcome, value)


class Draft(NamedTuple):
    """A message that is published alone or in a batch.

    @ivar envelope: the start of its envelope in JSON.
    """

    body: bytes
    content_type: str
    envelope: bytes


class Publisher(Worker):
    """Publishes bodies of every kind, alone and in batches, some with a delay."""

    _count = 0

    def step(self) -> bool:
        """See L{Worker.step}."""
        delay = round(self.random.uniform(0.05, 0.5), 3) if self.random.random() < 0.1 else 0.0
        batch = self.random.random() < 0.3
        drafts = [self._draft() for _ in range(self.random.randint(2, 20) if batch else 1)]
        asked = self.ask(lambda: self._publish_batch(drafts, delay) if batch else self._publish(drafts[0], delay))
        bodies = tuple(draft.body for draft in drafts)
        self.events.append(Publish(asked.start, asked.end, asked.outcome, bodies, tuple(asked.value or ()), delay))
        return asked.outcome == "ok"

    def _publish(self, draft: Draft, delay: float) -> list[int]:
        return [self.session.publish(draft.body, draft.content_type, delay=delay)]

    def _publish_batch(self, drafts: Sequence[Draft], delay: float) -> list[int]:
        # Joined by hand: the bytes of a body in JSON shall be ours.
        entries = b",".join(b'%s, "delay": %s}' % (draft.envelope, str(delay).encode()) for draft in drafts)
        answer = self.session.succeed("POST", "/v1/publish/batch", b"[%s]" % entries, "application/json")
        ids: list[int] = answer.value["messageIds"]
        return ids

    def _draft(self) -> Draft:
        self._count += 1
        key = f"{self.name}-{self._count} "
        size = self.random.choice((0, 10, 200, 200, 200, 5000))
        match self.random.choice(("bytes", "text", "json")):
            case "bytes":
                body = key.encode() + self.random.randbytes(size)
                return Draft(body, "application/octet-stream", b'{"base64": "%s"' % b64encode(body))
            case "text":
                text = key + "".join(self.random.choices('a\n\t"\\\u0000\u00e9\u20ac\U0001f600', k=size))
                envelope = b'{"text": %s' % msgspec.json.encode(text)
                return Draft(text.encode(), "text/plain; charset=utf-8", envelope)
            case _:
                body = b'{ "key":"%s","n" :[1.0e2,12345678901234567890,"\\u00e9"],"pad":"%s"}' % (
                    key.encode(),
                    b"p" * size,
                )
                return Draft(body, "application/json", b'{"body": ' + body)


class _Received(Struct):
    """A message as a receive answers it, its body as it stands there."""

    id: int
    receipt: int
    body: Raw
    encoding: Literal["json", "text", "base64"]
    receives: int
    leaseUntil: datetime

    def content(self) -> bytes:
        """Return the bytes of the body."""
        if self.encoding == "json":
            return bytes(self.body)
        text = msgspec.json.decode(self.body, type=str)
        return text.encode() if self.encoding == "text" else b64decode(text)


class Consumer(Worker):
    """Receives, holds on, deletes, extends, gives back, buries, and forgets.

    @ivar held: the leases it means to settle, id and receipt; it keeps them when the server dies.
    """

    def __init__(self, name: str, seed: str) -> None:
        super().__init__(name, seed)
        self.held: list[tuple[int, int]] = []

    def step(self) -> bool:
        """See L{Worker.step}."""
        if not self.held or self.random.random() < 0.4:
            wait = self.random.choice((0, 0, 0.2))
            return self.receive(self.random.randint(1, 10), self.random.choice(LEASES), wait)
        self.random.shuffle(self.held)
        chosen = [self.held.pop() for _ in range(min(len(self.held), self.random.randint(1, 5)))]
        match self.random.choices(("delete", "release", "extend", "bury", "forget"), (70, 10, 10, 1, 9))[0]:
            case "delete" | "bury" as verb:
                return self.settle(verb, chosen)
            case "release":
                return self.settle("release", chosen, self.random.choice((0.0, 0.2)))
            case "extend":
                return self.settle("extend", chosen, self.random.choice(LEASES))
        return True

    def receive(self, limit: int, lease: float, wait: float) -> bool:
        """Receive messages and hold them; return whether the server is still there."""
        asked = self.ask(lambda: self._receive(limit, lease, wait))
        deliveries = tuple(asked.value or ())
        self.events.append(Receive(asked.start, asked.end, asked.outcome, self.name, deliveries))
        self.held += [(delivery.id, delivery.receipt) for delivery in deliveries]
        return asked.outcome == "ok"

    def _receive(self, limit: int, lease: float, wait: float) -> list[Delivery]:
        answer = self.session.succeed("POST", "/v1/consumer", cid=self.name, limit=limit, lease=lease, wait=wait)
        offset = time.time() - time.monotonic()
        deliveries = []
        for message in msgspec.json.decode(answer.body, type=list[_Received]):
            deadline = message.leaseUntil.timestamp() - offset
            deliveries.append(
                Delivery(message.id, message.receipt, message.content(), message.receives, deadline - lease, deadline)
            )
        return deliveries

    def settle(self, verb: Verb, leases: Sequence[tuple[int, int]], seconds: float = 0.0) -> bool:
        """Settle leases; return whether the server is still there."""
        asked = self.ask(lambda: self._settle(verb, leases, seconds))
        answers = asked.value or [False] * len(leases)
        for (id, receipt), held in zip(leases, answers, strict=True):
            self.events.append(Settle(asked.start, asked.end, asked.outcome, verb, id, receipt, seconds, held))
            # A lease that was renewed is held on; one that was not answered is tried again.
            if asked.outcome != "ok" or (held and verb == "extend"):
                self.held.append((id, receipt))
        return asked.outcome == "ok"

    def _settle(self, verb: Verb, leases: Sequence[tuple[int, int]], seconds: float) -> list[bool]:
        names: dict[str, Any] = {
            "id": ",".join(str(id) for id, _ in leases),
            "receipt": ",".join(str(receipt) for _, receipt in leases),
        }
        extra: dict[Verb, dict[str, Any]] = {
            "delete": {},
            "extend": {"lease": seconds},
            "release": {"delay": seconds},
            "bury": {"bury": "true"},
        }
        method = "DELETE" if verb == "delete" else "PATCH"
        answer = self.session.succeed(method, "/v1/consumer", cid=self.name, **names, **extra[verb]).value
        return answer if isinstance(answer, list) else [answer]


class Load:
    """Clients that work together, through all the lives of a server."""

    def __init__(self, seed: str, publishers: int = 2, consumers: int = 3) -> None:
        self._consumers = [Consumer(f"consumer-{number}", seed) for number in range(consumers)]
        self._workers = [*(Publisher(f"publisher-{number}", seed) for number in range(publishers)), *self._consumers]
        self._last = Consumer("last", seed)
        self._looks: list[Look] = []
        self._threads = ThreadPoolExecutor(len(self._workers))
        self._running: list[Future[None]] = []
        self._stopping = Flag()

    def begin(self, port: int) -> None:
        """Let everybody work."""
        self._stopping.clear()
        self._running = [self._threads.submit(worker.live, port, self._stopping.is_set) for worker in self._workers]

    def end(self) -> None:
        """Wait until nobody works any more, the server being dead or not.

        @raise Exception: whatever a worker failed with.
        """
        self._stopping.set()
        for future in self._running:
            future.result()

    def close(self) -> None:
        """Let go of the threads."""
        self._stopping.set()
        self._threads.shutdown()

    def finish(self, port: int) -> None:
        """Delete everything that is left, and look where the rest is."""
        session = Session(port)
        for consumer in (*self._consumers, self._last):
            consumer.session = session
        for consumer in self._consumers:
            self._settle_all(consumer)
        while any(count for state, count in session.counts().items() if state != "dead"):
            self._last.receive(1000, 60.0, 0.5)
            self._settle_all(self._last)
        for id in sorted(self.history().acknowledged):
            answer = session.call("GET", f"/v1/messages/{id}")
            assert answer.status in (200, 404), answer
            self._looks.append(Look(id, answer.value["state"] if answer.status == 200 else None))
        session.close()

    def history(self) -> History:
        """Return what happened so far."""
        workers = (*self._workers, self._last)
        return History([*(event for worker in workers for event in worker.events), *self._looks])

    def _settle_all(self, consumer: Consumer) -> None:
        while consumer.held:
            leases = [consumer.held.pop() for _ in range(min(len(consumer.held), 500))]
            consumer.settle("delete", leases)
