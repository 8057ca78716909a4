"""What the store still holds after a restart, read in slices."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

import apsw

from wonderq.local.journal import StoredLease, Survivor
from wonderq.local.schema import rows
from wonderq.local.stored import decode_attempts

SLICE: Final = 2000
"""Messages in a slice: some 3 ms."""

_MESSAGES = "SELECT id, queue, priority, length(body) FROM messages WHERE id > ? ORDER BY id LIMIT ?"
_SIDES = (
    "SELECT id, due FROM delays WHERE id BETWEEN ?1 AND ?2 AND due > ?3",
    "SELECT id, receipt, consumer, granted, deadline FROM leases WHERE id BETWEEN ?1 AND ?2",
    "SELECT id, receives, dead, attempts FROM history WHERE id BETWEEN ?1 AND ?2",
)


def survivors(connection: apsw.Connection, queues: Mapping[int, str], now: float) -> Iterator[list[Survivor]]:
    """Read every message of the queues, ascending by id, L{SLICE} rows at a time.

    The attempts of messages that are not leased stay on disk: a million messages that failed once would fill the
    memory with what nobody asks for.

    @param queues: names by number.
    @param now: store time; delays that ended by then are over.
    """
    last = 0
    while found := rows(connection, _MESSAGES, (last, SLICE)):
        last = found[-1][0]
        delays, leases, histories = (
            {row[0]: row for row in rows(connection, sql, _span(sql, found[0][0], last, now))} for sql in _SIDES
        )
        if delays or leases or histories:
            yield [
                _survivor(row, queues[row[1]], delays.get(row[0]), leases.get(row[0]), histories.get(row[0]))
                for row in found
                if row[1] in queues
            ]
        else:
            yield [
                Survivor(message, queues[queue], priority, size, None, False, None, 0, ())
                for message, queue, priority, size in found
                if queue in queues
            ]


def _survivor(
    row: tuple[Any, ...],
    queue: str,
    delay: tuple[Any, ...] | None,
    lease: tuple[Any, ...] | None,
    history: tuple[Any, ...] | None,
) -> Survivor:
    message, _, priority, size = row
    _, receives, dead, attempts = history or (message, 0, 0, "[]")
    return Survivor(
        message,
        queue,
        priority,
        size,
        delay[1] if delay else None,
        bool(dead),
        StoredLease(*lease[1:]) if lease else None,
        receives,
        decode_attempts(attempts) if lease else (),
    )


def _span(sql: str, first: int, last: int, now: float) -> tuple[float, ...]:
    return (first, last, now) if "?3" in sql else (first, last)
