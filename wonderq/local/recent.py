"""Which messages need not be read from the disk: those that were published or read lately."""

from __future__ import annotations

from collections import OrderedDict
from typing import Final

from wonderq.model import Message

LIMIT: Final = 8 * 1024 * 1024
_OBJECT_BYTES: Final = 400
"""About what a message, and each attempt, takes in memory besides its texts."""

_CHARACTER_BYTES: Final = 4


class RecentMessages:
    """Messages as they are now; those that came first leave when all together get too large."""

    def __init__(self, limit: int = LIMIT) -> None:
        """Hold up to C{limit} bytes."""
        self._limit = limit
        self._size = 0
        # Ordered, so that the oldest is found at once; a dict would look through all that have left.
        self._messages: OrderedDict[int, Message] = OrderedDict()

    def __contains__(self, message: int) -> bool:
        return message in self._messages

    def get(self, message: int) -> Message | None:
        """Return a message, if it is here."""
        return self._messages.get(message)

    def add(self, message: Message) -> None:
        """Take in a message that is not here, unless it is so large that many others would have to leave."""
        size = _size(message)
        if size > self._limit // 8:
            return
        self._messages[message.id] = message
        self._size += size
        self._shrink()

    def change(self, message: Message) -> None:
        """Replace a message that is here."""
        self._size += _size(message) - _size(self._messages[message.id])
        self._messages[message.id] = message
        self._shrink()

    def drop(self, message: int) -> None:
        """Let go of a message, if it is here."""
        dropped = self._messages.pop(message, None)
        if dropped is not None:
            self._size -= _size(dropped)

    def drop_queue(self, queue: str) -> None:
        """Let go of all messages of a queue."""
        for message in [each.id for each in self._messages.values() if each.queue == queue]:
            self.drop(message)

    def _shrink(self) -> None:
        while self._size > self._limit:
            self.drop(next(iter(self._messages)))


def _size(message: Message) -> int:
    """Return about how many bytes a message takes in memory."""
    size = len(message.body) + _OBJECT_BYTES
    if message.last_failure is not None:
        # Most messages never have a lease that ends without a delete.
        reasons = len(message.last_failure) + sum(len(attempt.reason or "") for attempt in message.attempts)
        size += _CHARACTER_BYTES * reasons + _OBJECT_BYTES * len(message.attempts)
    return size
