"""A store on the real reactor, in a process of its own, so that a shim can stand before its disk.

Run as C{disk_child.py PATH ROUNDS SIZE}: each round publishes a message of SIZE bytes and leases it.  Writes to stdout,
each moment in nanoseconds on CLOCK_MONOTONIC::

    opened MOMENT
    published ID NOTED ANSWERED
    leased ID NOTED ANSWERED
    refused ID
    failed FAULT
    closing MOMENT
"""

from __future__ import annotations

import sys
import time
from typing import Any

from twisted.internet.defer import Deferred, DeferredList
from twisted.internet.task import deferLater, react
from twisted.internet.threads import deferToThread

from wonderq.errors import StoreUnavailable
from wonderq.local.clock import StoreClock
from wonderq.local.journal import StoredLease
from wonderq.local.sqlite import SqliteJournal
from wonderq.model import Message, QueueSettings


def say(*words: object) -> None:
    """Tell the test."""
    sys.stdout.write(" ".join(map(str, words)) + "\n")
    sys.stdout.flush()


async def answered(what: str, message: int, answer: Deferred[None]) -> None:
    """Wait for an answer and tell when it came."""
    noted = time.monotonic_ns()
    try:
        await answer
    except StoreUnavailable:
        say("refused", message)
    else:
        say(what, message, noted, time.monotonic_ns())


async def run(reactor: Any, path: str, rounds: str, size: str) -> None:
    """Do what the test asked for."""
    clock = StoreClock(reactor.seconds, reactor.seconds, "boot")
    journal = SqliteJournal(path, clock, reactor, deferToThread)
    journal.on_failure = lambda fault: say("failed", repr(fault))
    journal.open()
    say("opened", time.monotonic_ns())
    journal.put_queue("jobs", QueueSettings())
    answers: list[Deferred[None]] = []
    for _ in range(int(rounds)):
        message = journal.next_id()
        journal.publish(Message(message, "jobs", b"x" * int(size), "text/plain", 0, 0.0, 0.0), False)
        published = answered("published", message, journal.commit(None, durable=True))
        journal.lease(message, StoredLease(journal.next_receipt(), "alice", 0.0, 30.0))
        leased = answered("leased", message, journal.commit(None, durable=False))
        answers += map(Deferred.fromCoroutine, (published, leased))
        await deferLater(reactor, 0.002)
    await DeferredList(answers)
    say("closing", time.monotonic_ns())
    await journal.close()


if __name__ == "__main__":
    react(run, sys.argv[1:])
