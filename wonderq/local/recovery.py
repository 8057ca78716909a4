"""How the shelf is filled again after a restart, slice by slice, so that the reactor turns meanwhile."""

from __future__ import annotations

from collections.abc import Iterator

from wonderq.local.journal import Survivor
from wonderq.local.queue import Entry, Queue
from wonderq.local.shelf import Shelf
from wonderq.model import DEFAULT_QUEUE, MAX_ID, QueueSettings

_TIMERS_PER_SLICE = 1000
"""A timer costs some 6 µs, so a slice some 6 ms."""


def recover(shelf: Shelf) -> Iterator[None]:
    """Take up all that the journal holds; one step is one slice of some milliseconds."""
    for name, settings in shelf.journal.queues().items():
        shelf.queues[name] = Queue(name, settings)
    started = shelf.clock.now()
    leased: list[Entry] = []
    for survivors in shelf.journal.recover(started):
        for survivor in survivors:
            entry = _restore(shelf, survivor)
            if entry is not None:
                leased.append(entry)
        yield
    shelf.load_delays(started, MAX_ID)
    for start in range(0, len(leased), _TIMERS_PER_SLICE):
        shelf.resume(leased[start : start + _TIMERS_PER_SLICE])
        yield
    if DEFAULT_QUEUE not in shelf.queues:
        shelf.put_queue(DEFAULT_QUEUE, QueueSettings())


def _restore(shelf: Shelf, survivor: Survivor) -> Entry | None:
    queue = shelf.queues[survivor.queue]
    lease = survivor.lease
    if lease is not None:
        state = "leased"
    elif survivor.dead:
        state = "dead"
    else:
        state = "ready" if survivor.due is None else "delayed"
    queue.restore(survivor.id, survivor.priority, survivor.size, state)
    if lease is None:
        return None
    entry = Entry(
        survivor.id,
        queue,
        survivor.priority,
        survivor.size,
        survivor.receives + 1,
        survivor.attempts,
        lease.receipt,
        lease.consumer,
        lease.granted,
        lease.deadline,
    )
    shelf.leases[survivor.id] = entry
    return entry
