"""The threads of a store: all they are asked for is done, and whoever asked hears of it on the reactor's thread."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from functools import partial
from queue import SimpleQueue
from typing import Any

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from tests.local.stores import Answer
from wonderq.local.threads import StoreThreads, SyncThread

SECONDS = 30.0
"""After which a thread that does not get on fails the test."""


class Reactor(Clock):
    """A reactor that does what threads ask of it when the test says so."""

    def __init__(self) -> None:
        super().__init__()
        self._asked: SimpleQueue[tuple[Callable[..., object], tuple[Any, ...]]] = SimpleQueue()

    def callFromThread(self, call: Callable[..., object], *arguments: Any) -> None:
        self._asked.put((call, arguments))

    def idle(self) -> bool:
        """Tell whether no thread has asked for anything."""
        return self._asked.empty()

    def wait_for(self, deferred: Deferred[Any]) -> Answer:
        """Do what threads ask for until a Deferred has fired."""
        answer = Answer(deferred)
        while not answer:
            call, arguments = self._asked.get(timeout=SECONDS)
            call(*arguments)
        return answer


@pytest.fixture
def reactor() -> Reactor:
    return Reactor()


@pytest.fixture
def sync(reactor: Reactor) -> Iterator[SyncThread]:
    thread = SyncThread(reactor.callFromThread, "a thread for syncs")
    thread.start()
    yield thread
    thread.stop()


def threads_for_syncs() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "a thread for syncs"]


def test_work_is_done_in_another_thread_and_its_result_comes_back(reactor: Reactor, sync: SyncThread) -> None:
    answer = reactor.wait_for(sync(threading.current_thread))
    assert answer.outcome == threads_for_syncs()


def test_a_result_waits_for_the_reactor(reactor: Reactor, sync: SyncThread) -> None:
    answer = Answer(sync(lambda: 1))
    sync.stop()
    assert not reactor.idle()
    assert not answer


def test_work_is_done_in_the_order_it_was_asked_for(reactor: Reactor, sync: SyncThread) -> None:
    done: list[int] = []
    for number in range(100):
        last = sync(partial(done.append, number))
    reactor.wait_for(last)
    assert done == list(range(100))


@pytest.mark.parametrize("fault", [OSError(5, "Input/output error"), ZeroDivisionError(), SystemExit(1)])
def test_a_fault_is_told_and_the_next_work_is_done(reactor: Reactor, sync: SyncThread, fault: BaseException) -> None:
    def fail() -> None:
        raise fault

    failed, done = sync(fail), sync(lambda: 1)
    answer = reactor.wait_for(failed)
    assert answer.failed(type(fault))
    assert answer.outcome[0].value is fault
    assert reactor.wait_for(done).outcome == [1]


def test_what_was_asked_for_before_the_start_is_done_after_it(reactor: Reactor) -> None:
    thread = SyncThread(reactor.callFromThread, "a thread for syncs")
    result = thread(lambda: 1)
    assert (threads_for_syncs(), reactor.idle()) == ([], True)
    thread.start()
    assert reactor.wait_for(result).outcome == [1]
    thread.stop()


def test_a_stop_returns_when_all_is_done_and_the_thread_has_ended(reactor: Reactor, sync: SyncThread) -> None:
    done: list[int] = []
    last = [sync(partial(done.append, number)) for number in range(100)][-1]
    sync.stop()
    assert (len(done), threads_for_syncs()) == (100, [])
    assert reactor.wait_for(last)


def test_a_stop_of_what_was_not_started_or_has_stopped_is_nothing(reactor: Reactor) -> None:
    thread = SyncThread(reactor.callFromThread, "a thread for syncs")
    thread.stop()
    thread.start()
    thread.stop()
    thread.stop()
    assert threads_for_syncs() == []


def test_a_sync_does_not_wait_for_long_work(reactor: Reactor) -> None:
    threads = StoreThreads(reactor)
    threads.start()
    synced = threading.Event()
    long = threads.long(lambda: synced.wait(SECONDS))
    assert reactor.wait_for(threads.sync(synced.set)).outcome == [None]
    assert reactor.wait_for(long).outcome == [True]
    threads.stop()


def test_before_the_start_and_after_the_stop_of_a_stores_threads_none_runs(reactor: Reactor) -> None:
    before = threading.active_count()
    threads = StoreThreads(reactor)
    threads.sync(lambda: None)
    threads.long(lambda: None)
    assert threading.active_count() == before
    threads.start()
    threads.stop()
    assert threading.active_count() == before
