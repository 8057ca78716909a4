"""How many transactions and syncs there are, and who is answered when one of them goes wrong."""

from __future__ import annotations

from contextlib import nullcontext

import pytest
from twisted.internet.defer import Deferred

from tests.local.stores import Answer, Reactor
from wonderq.errors import StoreUnavailable
from wonderq.local.group_commit import GATHER, GroupCommit

INTERVAL = 2.0


class Group:
    """A group commit on a disk that does what the test says.

    @ivar writes: transactions so far.
    @ivar syncs: every sync so far, each of which ends when the test fires it.
    @ivar urgent: whether the next transaction is to be synced though nobody waits for that.
    @ivar fault: what the next transaction raises.
    """

    def __init__(self, interval: float | None = None) -> None:
        self.clock = Reactor()
        self.writes = 0
        self.syncs: list[Deferred[None]] = []
        self.urgent = False
        self.fault: BaseException | None = None
        self.faults: list[BaseException] = []
        self.commit = GroupCommit(self.clock, self._write, self._sync, self.faults.append, interval)

    def _write(self) -> bool:
        if self.fault is not None:
            raise self.fault
        self.writes += 1
        return self.urgent

    def _sync(self) -> Deferred[None]:
        self.syncs.append(Deferred())
        return self.syncs[-1]

    def note(self, *, synced: bool) -> Answer:
        """Note something and ask for an answer to it."""
        self.commit.note()
        return Answer(self.commit.answer(None, synced))


def test_a_turn_makes_one_write_and_one_sync() -> None:
    group = Group()
    answers = [group.note(synced=number % 2 == 0) for number in range(10)]
    assert (group.writes, len(group.syncs)) == (0, 0)
    group.clock.turn()
    assert (group.writes, len(group.syncs)) == (1, 1)
    group.syncs[0].callback(None)
    group.clock.turn()
    assert all(answers)
    assert (group.writes, len(group.syncs)) == (1, 1)
    assert group.clock.getDelayedCalls() == []


def test_the_turns_of_a_sync_make_one_write_and_one_sync_together() -> None:
    group = Group()
    group.note(synced=True)
    group.clock.turn()
    answers = []
    for _ in range(10):
        answers.append(group.note(synced=True))
        group.clock.turn()
    assert (group.writes, len(group.syncs)) == (1, 1)
    group.syncs[0].callback(None)
    group.clock.gather()
    assert (group.writes, len(group.syncs)) == (2, 2)
    group.syncs[1].callback(None)
    assert all(answers)


def test_what_was_written_when_the_interval_ended_during_a_sync_is_synced_after_it() -> None:
    group = Group(INTERVAL)
    group.urgent = True
    group.note(synced=False)
    group.clock.turn()
    group.urgent = False
    group.note(synced=False)
    group.clock.turn()
    assert (group.writes, len(group.syncs)) == (2, 1)
    group.clock.advance(INTERVAL)
    assert len(group.syncs) == 1
    group.syncs[0].callback(None)
    group.clock.gather()
    assert len(group.syncs) == 2


def test_an_interval_that_ends_when_all_is_safe_syncs_nothing() -> None:
    group = Group(INTERVAL)
    group.note(synced=False)
    group.clock.turn()
    group.note(synced=True)
    group.clock.turn()
    group.syncs[0].callback(None)
    group.clock.advance(INTERVAL)
    assert len(group.syncs) == 1


def test_whoever_needs_a_sync_does_not_wait_for_the_end_of_the_interval() -> None:
    group = Group(INTERVAL)
    group.note(synced=False)
    group.clock.turn()
    answer = Answer(group.commit.answer(None, True))
    group.clock.turn()
    group.syncs[0].callback(None)
    assert answer
    group.clock.advance(INTERVAL)
    assert len(group.syncs) == 1
    assert group.clock.getDelayedCalls() == []


def test_what_is_written_later_does_not_put_the_end_of_the_interval_off() -> None:
    group = Group(INTERVAL)
    group.note(synced=False)
    group.clock.turn()
    group.clock.advance(INTERVAL * 0.75)
    group.note(synced=False)
    group.clock.turn()
    group.clock.advance(INTERVAL * 0.25)
    assert len(group.syncs) == 1


def busy() -> Group:
    """Return a group with one note that a sync covers and one that came during it."""
    group = Group()
    group.note(synced=True)
    group.clock.turn()
    group.note(synced=True)
    group.clock.turn()
    return group


def test_what_came_during_a_sync_waits_for_those_who_come_in_the_turns_after_it() -> None:
    group = busy()
    group.syncs[0].callback(None)
    answers = []
    for _ in range(5):
        answers.append(group.note(synced=True))
        group.clock.turn()
    assert (group.writes, len(group.syncs)) == (1, 1)
    group.clock.turn()
    assert (group.writes, len(group.syncs)) == (2, 2)
    group.syncs[1].callback(None)
    assert all(answers)
    assert group.clock.getDelayedCalls() == []


def test_however_much_comes_nobody_waits_for_others_longer_than_a_moment() -> None:
    group = busy()
    group.syncs[0].callback(None)
    for _ in range(4):
        assert len(group.syncs) == 1
        group.note(synced=True)
        group.clock.rightNow += GATHER / 4
        group.clock.turn()
    assert (group.writes, len(group.syncs)) == (2, 2)


def test_whoever_waits_only_for_the_writing_does_not_wait_for_others_after_a_sync() -> None:
    group = busy()
    group.syncs[0].callback(None)
    received = group.note(synced=False)
    group.clock.turn()
    assert received
    assert (group.writes, len(group.syncs)) == (2, 1)
    group.clock.gather()
    assert (group.writes, len(group.syncs)) == (2, 2)


def test_after_a_sync_during_which_nothing_came_nobody_waits_for_others() -> None:
    group = Group()
    group.note(synced=True)
    group.clock.turn()
    group.syncs[0].callback(None)
    assert group.clock.getDelayedCalls() == []
    group.note(synced=True)
    group.clock.turn()
    assert (group.writes, len(group.syncs)) == (2, 2)


def test_who_waits_for_others_when_the_store_fails_is_told_and_nothing_is_written() -> None:
    group = Group()
    group.note(synced=True)
    group.clock.turn()
    waiting = group.note(synced=True)
    group.syncs[0].callback(None)
    group.commit.fail(OSError())
    assert waiting.failed(StoreUnavailable)
    assert group.clock.getDelayedCalls() == []
    assert (group.writes, len(group.syncs)) == (1, 1)


@pytest.mark.parametrize("fault", [OSError(), ZeroDivisionError()], ids=["the disk", "a mistake"])
def test_what_is_synced_is_answered_though_the_next_transaction_fails(fault: BaseException) -> None:
    group = Group()
    safe = group.note(synced=True)
    group.clock.turn()
    later = group.note(synced=True)
    group.fault = fault
    group.syncs[0].callback(None)
    assert safe.outcome == [None]
    with nullcontext() if isinstance(fault, OSError) else pytest.raises(ZeroDivisionError):
        group.clock.gather()
    assert later.failed(StoreUnavailable)
    assert group.faults == [fault]
