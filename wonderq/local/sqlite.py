"""SqliteJournal: what the rules decided, kept in one SQLite file."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, Final, TypeVar

import msgspec
from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IReactorTime
from zope.interface import implementer

from wonderq import errors
from wonderq.local.changes import Changes
from wonderq.local.checkpoint import LONG, Checkpointer
from wonderq.local.clock import StoreClock
from wonderq.local.group_commit import GroupCommit
from wonderq.local.journal import Delayed, Fate, IJournal, StoredLease, Survivor, Sync
from wonderq.local.queue_numbers import QueueNumbers
from wonderq.local.reaper import Reaper
from wonderq.local.recent import RecentMessages
from wonderq.local.room import Room
from wonderq.local.schema import FAULTS, PAGE_SIZE, rows
from wonderq.local.sequence import Sequence as Numbers
from wonderq.local.store_file import Meta, StoreFile, refusing
from wonderq.local.stored import WINDOW, StoredMessages
from wonderq.local.survivors import survivors
from wonderq.model import Message, QueueSettings

T = TypeVar("T")
InThread = Callable[[Callable[[], Any]], Deferred[Any]]

MIN_FREE: Final = 64 * 1024 * 1024
"""Bytes of disk that publishing leaves: room for the log and for everything that is no publish."""

SHORTEST: Final = 250
"""Pages of log that are worth a checkpoint, however little disk C{--min-free} keeps for the log: 1 MB."""

_DURABILITY: Final = {"always": "fsync", "strict": "fsync", "interval": "interval", "never": "commit"}


@implementer(IJournal)
class SqliteJournal:
    """Keeps everything in one SQLite file that any SQLite tool can open.

    The parts: L{Changes} is what the current turn noted, L{GroupCommit} knows when it is written, synced and
    answered, L{StoreFile} is the file, L{StoredMessages} reads it, L{Checkpointer} keeps its log short, L{Reaper}
    removes what belonged to deleted queues.
    """

    window = WINDOW

    def __init__(
        self,
        path: str,
        clock: StoreClock,
        reactor: IReactorTime,
        in_thread: InThread,
        sync: Sync = Sync(),  # noqa: B008 - immutable
        min_free: int = MIN_FREE,
        on_sync: Callable[[float], object] = lambda seconds: None,
        on_room: Callable[[bool], object] = lambda roomy: None,
        syncing: InThread | None = None,
    ) -> None:
        """Do nothing yet; L{open} does.

        @param path: of the file; its directory is made if it is missing.
        @param in_thread: runs a function in a thread and returns its result.
        @param min_free: bytes of disk that publishing leaves free.
        @param on_sync: called with the seconds that each sync took.
        @param on_room: called when there is no room to publish, or there is again; see L{Room}.
        @param syncing: does the same for the syncs, and at once, whatever C{in_thread} does; C{None}: that does it, if
            it can run two functions at a time.
        """
        self.on_failure: Callable[[BaseException], object] = lambda fault: None
        self.durability = _DURABILITY[sync.mode]
        self._path = path
        self._clock = clock
        self._reactor = reactor
        self._in_thread = in_thread
        self._syncing = syncing or in_thread
        self._min_free = min_free
        self._on_sync = on_sync
        self._on_room = on_room
        self._sync_all = sync.mode == "strict"
        self._sync_durable = sync.mode == "always"
        self._changes = Changes()
        self._recent = RecentMessages()
        self._group = GroupCommit(
            reactor,
            self._write,
            self._sync,
            lambda fault: self.on_failure(fault),
            sync.seconds if sync.mode == "interval" else None,
        )
        self._reaper = Reaper(
            reactor, self._look, self.delete, self._forget_queue, lambda: self._group.answer(None, False)
        )
        self._queues = QueueNumbers()
        self._open = False

    # -- open, recover, close --

    def open(self) -> None:
        """See L{IJournal.open}."""
        with refusing(self._path):
            self._file = StoreFile(self._path)
            try:
                self._take_up(self._file)
            except BaseException:
                self._file.close(tidy=False)
                raise
        self._open = True

    def queues(self) -> Mapping[str, QueueSettings]:
        """See L{IJournal.queues}."""
        return self._queues.settings

    def recover(self, now: float) -> Iterator[Sequence[Survivor]]:
        """See L{IJournal.recover}."""
        try:
            yield from survivors(self._file.connection, self._queues.names, now)
        except FAULTS as fault:
            raise self._unreadable(fault) from fault
        self._reaper.add(*self._queues.deleted)

    def close(self) -> Deferred[None]:
        """See L{IJournal.close}."""
        if not self._open:
            return succeed(None)
        self._open = False
        return Deferred.fromCoroutine(self._close())

    # -- numbers and room --

    def next_id(self) -> int:
        """See L{IJournal.next_id}."""
        return self._ids.draw()

    def next_receipt(self) -> int:
        """See L{IJournal.next_receipt}."""
        return self._receipts.draw()

    def has_room(self, size: int) -> bool:
        """See L{IJournal.has_room}."""
        try:
            return self._room.has(size, self._changes.size)
        except FAULTS as fault:
            raise self._unreadable(fault) from fault

    # -- queues --

    def put_queue(self, name: str, settings: QueueSettings) -> None:
        """See L{IJournal.put_queue}."""
        self._changes.put_queue(self._queues.put(name), name, msgspec.json.encode(settings).decode())
        self._group.note()

    def delete_queue(self, name: str) -> None:
        """See L{IJournal.delete_queue}."""
        number = self._queues.delete(name)
        self._recent.drop_queue(name)
        self._changes.put_queue(number, None, "{}")
        self._group.note()
        self._reaper.add(number)

    # -- the life of a message --

    def publish(self, message: Message, delayed: bool) -> None:
        """See L{IJournal.publish}."""
        self._changes.publish(
            (
                message.id,
                self._queues.of(message.queue),
                message.priority,
                message.published,
                message.since,
                message.content_type,
                message.body,
            ),
            message.since if delayed else None,
        )
        self._recent.add(message)
        self._group.note()

    def lease(self, message: int, lease: StoredLease) -> None:
        """See L{IJournal.lease}."""
        self._changes.lease(message, lease)
        self._group.note()

    def extend(self, message: int, deadline: float) -> None:
        """See L{IJournal.extend}."""
        self._changes.extend(message, deadline)
        self._group.note()

    def give_back(self, message: int) -> None:
        """See L{IJournal.give_back}."""
        self._changes.end_lease(message, None)
        self._group.note()

    def end_lease(self, message: int, fate: Fate) -> None:
        """See L{IJournal.end_lease}.

        The disk that publishing leaves free has to last for this: without room to publish, the fate is kept L{brief
        <Fate.brief>}.
        """
        try:
            roomy = self.has_room(0)
        except errors.StoreUnavailable:
            # It has failed just now and told; nothing is written any more, and a timer has nobody else to tell.
            return
        if not roomy:
            fate = fate.brief()
        self._changes.end_lease(message, fate)
        recent = self._recent.get(message)
        if recent is not None:
            self._recent.change(fate.applied_to(recent))
        self._group.note()

    def delete(self, message: int) -> None:
        """See L{IJournal.delete}."""
        self._changes.delete(message)
        self._recent.drop(message)
        self._group.note()

    # -- reading --

    def read(self, message: int) -> Message | None:
        """See L{IJournal.read}."""
        try:
            return self._stored.read(message)
        except FAULTS as fault:
            raise self._unreadable(fault) from fault

    def since(self, message: int) -> float:
        """See L{IJournal.since}."""
        try:
            return self._stored.since(message)
        except FAULTS as fault:
            raise self._unreadable(fault) from fault

    def delayed_after(self, due: float, message: int) -> Sequence[Delayed]:
        """See L{IJournal.delayed_after}."""
        try:
            return self._stored.delayed_after(due, message)
        except FAULTS as fault:
            raise self._unreadable(fault) from fault

    # -- answers --

    def commit(self, value: T, durable: bool) -> Deferred[T]:
        """See L{IJournal.commit}."""
        synced = self._sync_all or (durable and self._sync_durable) or self._ids.exposed() or self._receipts.exposed()
        return self._group.answer(value, synced)

    # -- behind it --

    def _take_up(self, file: StoreFile) -> None:
        """Go on where the store's last transaction ended, and reserve numbers."""
        meta = file.meta()
        if meta is not None:
            self._clock.resume(meta.mark)
        now = self._clock.now
        self._ids = Numbers(meta.next_message if meta else 1, now, self._group.note)
        self._receipts = Numbers(meta.next_receipt if meta else 1, now, self._group.note)
        self._queues.load(file.queues(), file.last_queue_number(), self._path)
        file.begin(self._meta())
        self._safe(self._limits)
        self._stored = StoredMessages(file.connection, self._queues.names, self._changes, self._recent)
        self._checkpointer = Checkpointer(
            file.another,
            self._in_thread,
            self._group.hold,
            self._group.go_on,
            self._group.fail,
            min(LONG, max(SHORTEST, self._min_free // 4 // PAGE_SIZE)),
        )
        self._room = Room(
            self._min_free, file.free, lambda: self._checkpointer.pending() * PAGE_SIZE, file.reusable, self._on_room
        )
        # Whoever starts below --min-free shall hear of it now.
        self._room.has(0, 0)

    def _meta(self) -> Meta:
        self._limits = (self._ids.limit, self._receipts.limit)
        return Meta(self._clock.mark(), *self._limits)

    def _write(self) -> bool:
        """Write what was noted; tell whether it raised a limit, which is to be synced in every mode."""
        self._file.write(self._changes, self._meta())
        self._changes.clear()
        self._checkpointer.written(self._file.log)
        self._room.written()
        return self._ids.behind() or self._receipts.behind()

    def _sync(self) -> Deferred[None]:
        limits = self._limits

        def synced(seconds: float) -> None:
            self._safe(limits)
            self._on_sync(seconds)

        return self._syncing(self._file.sync).addCallback(synced)

    def _safe(self, limits: tuple[int, int]) -> None:
        self._ids.synced(limits[0])
        self._receipts.synced(limits[1])

    def _look(self, after: int, limit: int) -> list[tuple[int, int, int]]:
        """Return id, queue number and size of the first messages on disk after an id."""
        try:
            return rows(
                self._file.connection,
                "SELECT id, queue, length(body) FROM messages WHERE id > ? ORDER BY id LIMIT ?",
                (after, limit),
            )
        except FAULTS as fault:
            raise self._unreadable(fault) from fault

    def _forget_queue(self, number: int) -> None:
        self._changes.forget_queue(number)
        self._group.note()

    def _unreadable(self, fault: BaseException) -> errors.StoreUnavailable:
        self._group.fail(fault)
        return errors.StoreUnavailable(retry_after=1)

    async def _close(self) -> None:
        self._reaper.stop()
        await self._checkpointer.stop()
        self._ids.stop()
        self._receipts.stop()
        self._group.note()
        try:
            await self._group.answer(None, True)
        except errors.StoreUnavailable:
            pass
        tidy = self._group.failure is None
        self._group.close()
        await self._in_thread(partial(self._let_go, tidy))

    def _let_go(self, tidy: bool) -> None:
        self._checkpointer.close()
        self._file.close(tidy)
