"""How the messages of deleted queues leave the disk: bit by bit, between the turns."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime

from wonderq import errors

SLICE: Final = 1000
"""Messages that are looked at in one step: some milliseconds with their deletes."""

SLICE_BYTES: Final = 4 * 1024 * 1024
"""Bytes of bodies that are deleted in one step, unless a single one has more: every page of a body is looked up."""


class Reaper:
    """Sweeps through all messages, from the first to the last, as long as a deleted queue may have some."""

    def __init__(
        self,
        reactor: IReactorTime,
        look: Callable[[int, int], list[tuple[int, int, int]]],
        delete: Callable[[int], object],
        forget: Callable[[int], object],
        written: Callable[[], Deferred[None]],
    ) -> None:
        """Do nothing until there is something to do.

        @param look: returns (id, queue number, bytes of the body) of the first messages on disk after an id; at most so
            many.
        @param delete: notes that a message is gone.
        @param forget: notes that a queue has no messages on disk any more.
        @param written: returns a Deferred that fires when what was noted is written.
        """
        self._reactor = reactor
        self._look = look
        self._delete = delete
        self._forget = forget
        self._written = written
        self._next: frozenset[int] = frozenset()
        self._now: frozenset[int] = frozenset()
        self._last = 0
        self._stopped = False
        self._call: IDelayedCall | None = None

    def add(self, *queues: int) -> None:
        """Queues, by number, are deleted; their messages are all noted, and no more will come."""
        self._next |= set(queues)
        if not self._now and self._next:
            self._sweep()

    def stop(self) -> None:
        """Stop; the next start of the store goes on."""
        self._stopped = True
        if self._call is not None and self._call.active():
            self._call.cancel()

    def _sweep(self) -> None:
        self._now, self._next, self._last = self._next, frozenset(), 0
        self._later()

    def _later(self) -> None:
        """Take the next step when everything noted is on disk, where it will be found."""

        def written(_: object) -> None:
            if not self._stopped:
                self._call = self._reactor.callLater(0, self._step)

        self._written().addCallbacks(written, lambda failure: failure.trap(errors.StoreUnavailable))

    def _step(self) -> None:
        try:
            rows = self._look(self._last, SLICE)
        except errors.StoreUnavailable:
            # Whoever reads the store has told of it; the next start goes on.
            return
        if not self._delete_some(rows) or len(rows) == SLICE:
            self._later()
            return
        for queue in self._now:
            self._forget(queue)
        self._now = frozenset()
        if self._next:
            self._sweep()

    def _delete_some(self, rows: list[tuple[int, int, int]]) -> bool:
        """Delete what is to go of these messages, and return whether that was all."""
        left = SLICE_BYTES
        for message, queue, size in rows:
            if queue in self._now:
                if size > left < SLICE_BYTES:
                    return False
                left -= size
                self._delete(message)
            self._last = message
        return True
