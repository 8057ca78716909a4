"""What one transaction changes."""

from __future__ import annotations

import apsw
import msgspec
from msgspec.structs import replace

from wonderq.local.journal import Fate, StoredLease

MessageRow = tuple[int, int, int, float, float, str, bytes]
"""A row of C{messages}: id, queue number, priority, published, since, content type, body."""

_ROW_BYTES = 200
"""About what a message takes on disk besides its body, side rows and B-trees included."""

_encode = msgspec.json.encode


class Changes:
    """The net effect of the notes of a turn: for each row its last state.

    So it matters neither in which order tables are written nor how often a row changed: a message that was published
    and deleted in one turn never gets to the disk.

    @ivar messages: new messages, by id.
    @ivar gone: messages on disk that are deleted; a trigger takes their other rows along.
    @ivar leases: leases that run now, by message.
    @ivar ended: messages whose lease on disk, if there is one, is over.
    @ivar histories: what became of messages, by id.
    @ivar delays: due times (store time) of messages that are delayed from now on.
    @ivar size: about how many bytes the new messages need.
    """

    def __init__(self) -> None:
        self.messages: dict[int, MessageRow] = {}
        self.gone: set[int] = set()
        self.leases: dict[int, StoredLease] = {}
        self.ended: set[int] = set()
        self.histories: dict[int, Fate] = {}
        self.delays: dict[int, float] = {}
        self.size = 0
        self._deadlines: dict[int, float] = {}
        self._queues: dict[int, tuple[int, str | None, str]] = {}
        self._emptied: set[int] = set()

    def clear(self) -> None:
        """Begin the next transaction."""
        for rows in (self.messages, self.leases, self.histories, self.delays, self._deadlines, self._queues):
            rows.clear()
        for members in (self.gone, self.ended, self._emptied):
            members.clear()
        self.size = 0

    def put_queue(self, number: int, name: str | None, settings: str) -> None:
        """A queue is made or changed; no name: it is deleted and has messages on disk yet."""
        self._queues[number] = (number, name, settings)

    def forget_queue(self, number: int) -> None:
        """A deleted queue has no messages on disk any more."""
        self._emptied.add(number)

    def publish(self, row: MessageRow, due: float | None) -> None:
        """A message is new."""
        message = row[0]
        self.messages[message] = row
        self.size += len(row[6]) + _ROW_BYTES
        if due is not None:
            self.delays[message] = due

    def lease(self, message: int, lease: StoredLease) -> None:
        """A message is leased."""
        self.leases[message] = lease

    def extend(self, message: int, deadline: float) -> None:
        """A lease ends at another time."""
        lease = self.leases.get(message)
        if lease is None:
            self._deadlines[message] = deadline
        else:
            self.leases[message] = replace(lease, deadline=deadline)

    def end_lease(self, message: int, fate: Fate | None) -> None:
        """A lease is over; C{None}: as if it had never been."""
        self.leases.pop(message, None)
        self.ended.add(message)
        if fate is not None:
            self.histories[message] = fate
            if fate.delayed:
                self.delays[message] = fate.since

    def delete(self, message: int) -> None:
        """A message is gone."""
        if self.messages.pop(message, None) is None:
            self.gone.add(message)
        for rows in (self.leases, self.histories, self.delays):
            rows.pop(message, None)

    def write(self, cursor: apsw.Cursor) -> None:
        """Apply everything inside the transaction that is open on the connection of a cursor.

        What ended comes before what began: the same message may be in both.
        """
        run = cursor.executemany
        if self.gone:
            run("DELETE FROM messages WHERE id = ?", zip(self.gone, strict=True))
        if self.ended:
            run("DELETE FROM leases WHERE id = ?", zip(self.ended, strict=True))
            # A message that was received was not delayed any more.
            run("DELETE FROM delays WHERE id = ?", zip(self.ended, strict=True))
        if self._deadlines:
            run("UPDATE leases SET deadline = ?2 WHERE id = ?1", self._deadlines.items())
        if self._queues or self._emptied:
            run("INSERT OR REPLACE INTO queues VALUES (?, ?, ?)", self._queues.values())
            run("DELETE FROM queues WHERE number = ?", zip(self._emptied, strict=True))
        if self.messages:
            run("INSERT INTO messages VALUES (?, ?, ?, ?, ?, ?, ?)", self.messages.values())
        if self.histories:
            run("INSERT OR REPLACE INTO history VALUES (?, ?, ?, ?, ?, ?)", map(_history_row, self.histories.items()))
        if self.delays:
            run("INSERT OR REPLACE INTO delays VALUES (?, ?)", self.delays.items())
        if self.leases:
            run(
                "INSERT OR REPLACE INTO leases VALUES (?, ?, ?, ?, ?)",
                [
                    (message, lease.receipt, lease.consumer, lease.granted, lease.deadline)
                    for message, lease in self.leases.items()
                ],
            )


def _history_row(item: tuple[int, Fate]) -> tuple[int, int, str | None, str, float, int]:
    message, fate = item
    return (message, fate.receives, fate.last_failure, _encode(fate.attempts).decode(), fate.since, fate.dead)
