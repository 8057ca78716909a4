"""The verbs of WonderQ: the only thing that its fronts know.

C{LocalBroker} (one process owns the queues) and the HTTP client provide this interface, and so will every store
that is shared by several nodes; one conformance suite, C{tests/broker_contract.py}, holds them all to it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from msgspec import Struct
from twisted.internet.defer import Deferred
from zope.interface import Attribute, Interface

from wonderq.model import Claim, Delivery, Draft, MessageView, Published, QueueSettings, QueueView


class Stats(Struct, frozen=True):
    """The state of a broker at one moment, read when it is asked for.

    Counts, bytes and ages are those of the store; who waits, and the totals, are of this process.

    @ivar totals: events since the start, by metric name (C{"messages_published"}), then by queue.
    @ivar leases: live leases.
    """

    queues: tuple[QueueView, ...]
    totals: Mapping[str, Mapping[str, int]]
    leases: int


class IBroker(Interface):
    """Queues, whoever keeps them.

    Every verb returns a Deferred.  It fires when the answer may be given: for a verb that changes something, when the
    change is as durable as C{durability} says.  It fails with a L{wonderq.errors.WonderQError}; a refused verb has
    changed nothing.  L{wonderq.errors.StoreUnavailable} alone leaves open what happened.

    Names, ranges and sizes of arguments are checked by whoever read them (see L{wonderq.model}); what depends on a
    queue is checked here.

    Cancelling a Deferred never undoes a change.  Only C{receive} can be cancelled: it stops waiting, and leases that
    were granted but not yet answered are given back as if they had not been.
    """

    durability = Attribute("""What a C{publish} that fired has reached: C{"fsync", "interval", "commit", "memory"}.""")

    def publish(drafts: Sequence[Draft]) -> Deferred[list[Published]]:
        """Publish all the drafts in one transaction, in their order, or none.

        @raise errors.NoSuchQueue, errors.MessageTooLarge, errors.DiskFull: nothing was published.  The first two have
            a C{pointer} to the draft to blame, by its index (C{/3}).
        """

    def receive(
        queues: Sequence[str], consumer: str, limit: int = 10, wait: float = 0.0, lease: float | None = None
    ) -> Deferred[list[Delivery]]:
        """Lease up to C{limit} messages of the queues, served in the order named, to C{consumer}.

        @param wait: seconds to wait for the first message.
        @param lease: seconds; C{None}: the setting of each message's queue.
        @return: the deliveries; an empty list when the wait is over.
        @raise errors.NoSuchQueue: one of them does not exist, or the last one waited for was deleted.
        """

    def give_back(consumer: str, deliveries: Sequence[Delivery]) -> Deferred[None]:
        """End the leases of deliveries that could not be handed over to C{consumer}; they do not count as receives.

        The Deferred never fails: leases that cannot be given back end by themselves, and count.
        """

    def delete(consumer: str, claims: Sequence[Claim]) -> Deferred[list[bool]]:
        """Settle the messages that C{consumer} holds: they are gone.

        @return: for each claim whether it was held, under that receipt if one was named; claims are tried in order.
        """

    def extend(consumer: str, claims: Sequence[Claim], lease: float) -> Deferred[list[bool]]:
        """Let the leases end C{lease} seconds from now."""

    def release(
        consumer: str, claims: Sequence[Claim], delay: float = 0.0, reason: str | None = None
    ) -> Deferred[list[bool]]:
        """Give the messages back; they are ready, at their old place, in C{delay} seconds."""

    def bury(consumer: str, claims: Sequence[Claim], reason: str | None = None) -> Deferred[list[bool]]:
        """Let the messages be dead at once."""

    def show_message(message: int) -> Deferred[MessageView]:
        """Look at one message, whatever its state.

        @raise errors.NoSuchMessage: it is gone or never was.
        """

    def put_queue(name: str, settings: QueueSettings, create_only: bool = False) -> Deferred[tuple[QueueView, bool]]:
        """Create a queue or replace the settings of one.

        @return: the queue, and whether it was created.
        @raise errors.QueueExists: C{create_only}, and it exists.
        """

    def show_queue(name: str) -> Deferred[QueueView]:
        """Look at one queue.

        @raise errors.NoSuchQueue: it does not exist.
        """

    def delete_queue(name: str) -> Deferred[None]:
        """Delete a queue with all its messages; whoever waits only on it gets L{errors.NoSuchQueue}.

        @raise errors.NoSuchQueue, errors.DefaultQueue: nothing was deleted.
        """

    def stats() -> Deferred[Stats]:
        """Read the counts and totals of every queue."""


class StoreRefused(Exception):
    """A store cannot be opened; the text is one line for the operator."""


class StoreUnwell(StoreRefused):
    """It cannot be opened since its disk is full or has a fault: once that is over, the next try may go well."""


class IStore(IBroker):
    """A broker together with what it takes to run it: what a server composes, and no front knows."""

    on_failure = Attribute(
        """Called once with the exception when the store has failed for good; the server then stops."""
    )

    def open() -> None:
        """Take possession of the store.

        @raise StoreRefused: it is in use, newer than this program, or not a store.
        @raise StoreUnwell: its disk is full or has a fault.
        """

    def start() -> Deferred[None]:
        """Recover; the Deferred fires when the broker is ready, or stopped, and fails if the store cannot be read."""

    def trouble() -> str | None:
        """Return why the broker is not ready, in one sentence; C{None} when it is."""

    def stop() -> Deferred[None]:
        """Stop: receives that wait are answered with nothing, and every later verb fails with C{NotReady}.

        The Deferred fires when everything is on disk and the store is closed.
        """
