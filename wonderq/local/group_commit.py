"""When is an answer safe: one transaction for a turn of the reactor, one sync for everybody who waits for the disk."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, TypeVar, cast

from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.python.failure import Failure

from wonderq import errors
from wonderq.local.schema import FAULTS

T = TypeVar("T")
_Answer = tuple[Deferred[Any], object]

GATHER: Final = 0.001
"""Seconds for which what came during a sync may wait for more to come, so that there are fewer syncs: each takes as
much of the processor as a request."""


class GroupCommit:
    """Writes at the end of the turn what was noted in it, and lets the answers go when they may.

    What was noted is written in the next turn.  While a sync runs, nothing is written unless somebody waits only for
    the writing; then the next sync covers everything that came together, and whatever those say who are answered after
    the sync, as long as each turn brings something.

    A fault is final: all answers that wait, and all that are asked for later, fail; nothing is written or synced again.
    After a failed sync nobody knows what the disk holds, so a second try that succeeds would prove nothing.

    @ivar failure: what failed, or C{None}.
    """

    def __init__(
        self,
        reactor: IReactorTime,
        write: Callable[[], bool],
        sync: Callable[[], Deferred[None]],
        failed: Callable[[BaseException], object],
        interval: float | None = None,
    ) -> None:
        """Start with nothing noted.

        @param write: writes everything noted as one transaction; returns whether it should be synced soon.
        @param sync: makes everything written so far safe, in a thread.
        @param failed: called once, with the fault.
        @param interval: seconds after which what was written is synced though nobody waits; C{None}: never.
        """
        self.failure: BaseException | None = None
        self._reactor = reactor
        self._write = write
        self._sync = sync
        self._failed = failed
        self._interval = interval
        self._held = False
        # What is due to be written, and to be synced.
        self._noted = False
        self._unsynced = False
        self._wanted = False
        self._next_write: IDelayedCall | None = None
        self._next_sync: IDelayedCall | None = None
        # Between two syncs, while more comes in each turn.
        self._gathering: IDelayedCall | None = None
        self._gather_until = 0.0
        self._more = False
        # The answers: to be written (some for no more than that, some to be synced too), to be synced, being synced.
        self._to_write: list[_Answer] = []
        self._to_write_and_sync: list[_Answer] = []
        self._to_sync: list[_Answer] = []
        self._syncing: list[_Answer] | None = None

    def note(self) -> None:
        """Something was noted: write it at the end of this turn."""
        self._more = True
        if not self._noted:
            self._noted = True
            self._write_soon()

    def answer(self, value: T, synced: bool) -> Deferred[T]:
        """Return a Deferred that fires with C{value} when all that was noted is written, or C{synced} too.

        @raise errors.StoreUnavailable: it could not be.
        """
        if self.failure is not None:
            return fail(_unavailable())
        waiting = self._waiting(synced)
        if waiting is None:
            return succeed(value)
        answer: Deferred[T] = Deferred()
        waiting.append((answer, value))
        return answer

    def hold(self) -> None:
        """Write nothing until L{go_on}."""
        self._held = True

    def go_on(self) -> None:
        """Write again, beginning with what was noted meanwhile."""
        self._held = False
        if self._noted:
            self._flush()

    def fail(self, fault: BaseException) -> None:
        """Stop for good."""
        if self.failure is None:
            self._stop(fault)
            self._failed(fault)

    def close(self) -> None:
        """Stop; what is not yet written or answered is given up."""
        if self.failure is None:
            self._stop(ValueError("closed"))

    def _waiting(self, synced: bool) -> list[_Answer] | None:
        """Return the list in which an answer has to wait, if it has to."""
        if self._noted:
            if synced:
                return self._to_write_and_sync
            self._write_soon()
            return self._to_write
        if synced and self._unsynced:
            if self._syncing is None and not self._to_sync:
                self._sync_later(0)
            return self._to_sync
        return self._syncing if synced else None

    def _write_soon(self) -> None:
        if self._next_write is None and not self._held and self.failure is None:
            self._next_write = self._reactor.callLater(0, self._turn_ended)

    def _turn_ended(self) -> None:
        self._next_write = None
        if self._to_write or (self._syncing is None and self._gathering is None):
            self._flush()

    def _flush(self) -> None:
        """Write, let those go who waited for no more, and sync if anybody waits for that."""
        if self._held or not self._noted or self.failure is not None:
            return
        self._noted = False
        try:
            self._wanted |= self._write()
        except FAULTS as fault:
            self.fail(fault)
            return
        except BaseException as fault:
            # A mistake of ours; all the same the disk has not got what the memory has.
            self.fail(fault)
            raise
        self._unsynced = True
        written, self._to_write = self._to_write, []
        self._to_sync += self._to_write_and_sync
        self._to_write_and_sync = []
        if self._to_sync or self._wanted:
            self._begin_sync()
        elif self._interval is not None:
            self._sync_later(self._interval)
        _fire(written)

    def _sync_later(self, seconds: float) -> None:
        """Sync in so many seconds at the latest."""
        if self._next_sync is None:
            self._next_sync = self._reactor.callLater(seconds, self._sync_due)
        elif self._next_sync.getTime() > self._reactor.seconds() + seconds:
            self._next_sync.reset(seconds)

    def _sync_due(self) -> None:
        self._next_sync = None
        if self._unsynced:
            # A sync that runs does not cover what was written since it began: then another one follows it.
            self._wanted = True
            self._begin_sync()

    def _begin_sync(self) -> None:
        if self._syncing is None and self._gathering is None and self.failure is None:
            self._syncing, self._to_sync = self._to_sync, []
            self._unsynced = self._wanted = False
            self._sync().addCallbacks(self._synced, self._sync_failed)

    def _synced(self, _: object) -> None:
        if self._syncing is None:
            # It failed meanwhile in another way.
            return
        answers, self._syncing = self._syncing, None
        if self._noted or self._to_sync or self._wanted:
            self._more = True
            self._gather_until = self._reactor.seconds() + GATHER
            self._gathering = self._reactor.callLater(0, self._gather)
        _fire(answers)

    def _gather(self) -> None:
        """Wait as long as each turn brings something new; then write and sync it together."""
        if self._more and self._reactor.seconds() < self._gather_until:
            self._more = False
            self._gathering = self._reactor.callLater(0, self._gather)
            return
        self._gathering = None
        self._flush()
        if self._to_sync or self._wanted:
            self._begin_sync()

    def _sync_failed(self, failure: Failure) -> None:
        self.fail(cast("BaseException", failure.value))

    def _stop(self, fault: BaseException) -> None:
        self.failure = fault
        for call in (self._next_write, self._next_sync, self._gathering):
            if call is not None and call.active():
                call.cancel()
        answers = [*(self._syncing or ()), *self._to_sync, *self._to_write_and_sync, *self._to_write]
        self._syncing = None
        self._to_sync, self._to_write_and_sync, self._to_write = [], [], []
        for answer, _ in answers:
            answer.errback(_unavailable())


def _fire(answers: list[_Answer]) -> None:
    for answer, value in answers:
        answer.callback(value)


def _unavailable() -> errors.StoreUnavailable:
    return errors.StoreUnavailable(retry_after=1)
