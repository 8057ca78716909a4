"""What is stored of a message: the disk and what is noted but not yet written, seen as one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import apsw
import msgspec

from wonderq.local.changes import Changes
from wonderq.local.journal import Delayed
from wonderq.local.recent import RecentMessages
from wonderq.local.schema import rows
from wonderq.model import Attempt, Message

WINDOW: Final = 2000
"""Delayed messages that are read at a time: some 5 ms, and some 400 KB while the rules know them."""

_AHEAD_ROWS: Final = 64
_AHEAD_BYTES: Final = 256 * 1024

_MESSAGE = """
    SELECT m.id, m.queue, m.priority, m.published, m.since, m.content_type, m.body,
           h.receives, h.last_failure, h.attempts, h.since, h.dead
    FROM messages AS m LEFT JOIN history AS h USING (id)
    WHERE m.id >= ? ORDER BY m.id LIMIT ?"""

_SINCE = "SELECT coalesce(h.since, m.since) FROM messages AS m LEFT JOIN history AS h USING (id) WHERE m.id = ?"

_DELAYED = """
    SELECT d.due, d.id, m.priority, m.queue FROM delays AS d JOIN messages AS m USING (id)
    WHERE d.due >= ?1 AND (d.due > ?1 OR d.id > ?2) ORDER BY d.due, d.id"""

decode_attempts = msgspec.json.Decoder(tuple[Attempt, ...]).decode


class StoredMessages:
    """Reads messages.

    Messages that are consumed in the order of their ids are read many at a time.
    """

    def __init__(
        self, connection: apsw.Connection, queues: Mapping[int, str], changes: Changes, recent: RecentMessages
    ) -> None:
        """Read through a connection.

        @param queues: the names, by number, of the queues that exist; it changes with them.
        @param changes: what is noted; it changes too.
        @param recent: messages as they are now.
        """
        self._connection = connection
        self._queues = queues
        self._changes = changes
        self._recent = recent
        self._expected = 0

    def read(self, message: int) -> Message | None:
        """Return a message as it is now, if it is there."""
        found = self._recent.get(message)
        if found is not None:
            return found
        noted = self._changes.messages.get(message)
        if noted is not None:
            return self._message((*noted, None, None, None, None, None))
        limit = 1 if message != self._expected else _AHEAD_ROWS
        self._expected = message + 1
        return self._read(message, limit)

    def since(self, message: int) -> float:
        """Return the C{since} of a message that is there."""
        found = self._recent.get(message)
        if found is not None:
            return found.since
        fate = self._changes.histories.get(message)
        if fate is not None:
            return fate.since
        noted = self._changes.messages.get(message)
        if noted is not None:
            return noted[4]
        return float(rows(self._connection, _SINCE, (message,))[0][0])

    def delayed_after(self, due: float, message: int) -> Sequence[Delayed]:
        """Return the next L{WINDOW} delayed messages after (due, id)."""
        changes = self._changes
        found = []
        cursor = self._connection.execute(_DELAYED, (due, message))
        for row in cursor:
            queue, delayed = self._queues.get(row[3]), row[1]
            if queue is not None and not (delayed in changes.delays or delayed in changes.gone):
                found.append(Delayed(row[0], delayed, row[2], queue))
                if len(found) == WINDOW:
                    break
        cursor.close()
        for delayed, its_due in changes.delays.items():
            if (its_due, delayed) > (due, message) and (noted := self.read(delayed)) is not None:
                found.append(Delayed(its_due, delayed, noted.priority, noted.queue))
        return sorted(found)[:WINDOW]

    def _read(self, message: int, limit: int) -> Message | None:
        """Read a message, and some that follow it."""
        wanted = None
        size = 0
        cursor = self._connection.execute(_MESSAGE, (message, limit))
        for row in cursor:
            self._expected = row[0] + 1
            size += len(row[6])
            if row[0] in self._recent or row[0] in self._changes.gone:
                continue
            found = self._message(row)
            if found is not None:
                self._recent.add(found)
                if found.id == message:
                    wanted = found
            if size > _AHEAD_BYTES:
                break
        cursor.close()
        return wanted

    def _message(self, row: tuple[Any, ...]) -> Message | None:
        """Make a message of its row and its fate, of which the noted one is newer."""
        number, queue, priority, published, since, content_type, body, receives, last_failure, attempts, again, dead = (
            row
        )
        name = self._queues.get(queue)
        if name is None:
            return None
        message = Message(number, name, body, content_type, priority, published, since)
        fate = self._changes.histories.get(number)
        if fate is not None:
            return fate.applied_to(message)
        if receives is None:
            return message
        return msgspec.structs.replace(
            message,
            receives=receives,
            last_failure=last_failure,
            attempts=decode_attempts(attempts),
            since=again,
            dead=bool(dead),
        )
