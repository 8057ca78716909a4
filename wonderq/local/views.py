"""What a look at a message or a queue shows."""

from __future__ import annotations

from wonderq.errors import NoSuchMessage
from wonderq.local.queue import Queue
from wonderq.local.shelf import Shelf
from wonderq.local.waiters import Waiters
from wonderq.model import Attempt, Counts, MessageView, QueueView


def message_view(shelf: Shelf, message_id: int) -> MessageView:
    """Show a message with its state and the cause of it.

    @raise NoSuchMessage: it is gone or never was.
    """
    message = shelf.journal.read(message_id)
    if message is None:
        raise NoSuchMessage
    now, clock = shelf.clock.now(), shelf.clock
    entry = shelf.leases.get(message_id)
    if entry is not None:
        start = clock.wall_at(entry.granted)
        return MessageView(
            message,
            "leased",
            f"It is leased to {entry.consumer} for {entry.deadline - now:.3f} s more.",
            (*entry.attempts, Attempt(entry.consumer, start)),
            consumer=entry.consumer,
            lease_until=clock.wall_at(entry.deadline),
        )
    if message.dead:
        times = "once" if message.receives == 1 else f"{message.receives} times"
        why = f"It is dead: received {times}, and the last lease ended with: {message.last_failure}."
        return MessageView(message, "dead", why, message.attempts)
    if message.since > now:
        due = clock.wall_at(message.since)
        return MessageView(message, "delayed", f"It is due in {message.since - now:.3f} s.", message.attempts, due=due)
    return MessageView(message, "ready", "It is ready for the next consumer whose turn it is.", message.attempts)


def queue_view(shelf: Shelf, waiters: Waiters, queue: Queue) -> QueueView:
    """Show a queue with its counts."""
    oldest_age = None
    if queue.counts["ready"]:
        oldest_age = max(0.0, shelf.clock.now() - shelf.journal.since(queue.order.oldest()))
    return QueueView(
        queue.name, queue.settings, Counts(**queue.counts), queue.bytes, oldest_age, waiters.count(queue.name)
    )
