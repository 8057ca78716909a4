"""What a message, a lease and a queue are: frozen values, their limits and their validation."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Final, Literal, cast

import msgspec
from msgspec import Meta, Struct

from wonderq import errors

DEFAULT_QUEUE: Final = "default"

MAX_ID: Final = 2**53 - 1
"""Ids and receipts stay below 2^53: every JSON reader keeps such an integer exact (RFC 8259, section 6)."""

MAX_RECEIVE: Final = 1000
"""Messages in one receive, ids in one delete, entries in one batch.  SQS: 10; PostgreSQL likes 1000."""

MAX_RECEIVE_BYTES: Final = 4 * 1024 * 1024
"""A receive stops growing at this many bytes of bodies after its first message, so one answer stays bounded."""

MAX_WAIT: Final = 60.0
"""Seconds one receive may wait.  SQS: 20; proxies commonly cut idle connections at 60 to 75."""

MIN_LEASE: Final = 0.1
MAX_LEASE: Final = 43200.0
"""A lease in seconds: 0.1 s to 12 h, the upper bound as in SQS."""

MAX_DELAY: Final = 315_360_000.0
"""Ten years in seconds."""

MAX_BODY: Final = 16 * 1024 * 1024
"""The largest request body, so also the largest batch and the largest `max_message_bytes`."""

MAX_REASON: Final = 1000

MAX_ATTEMPT_REASON: Final = 200
"""Characters of its reason that an attempt keeps: twenty attempts are written anew whenever a lease ends."""

MAX_CONTENT_TYPE: Final = 255
MAX_ATTEMPTS: Final = 20
PRIORITIES: Final = 10

_QUEUE_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,79}", re.ASCII)
_CONSUMER = re.compile(r"[A-Za-z0-9_.:-]{1,128}", re.ASCII)


def queue_name(text: str) -> str:
    """Return C{text} if it can name a queue.

    @raise errors.InvalidQueueName: it cannot.
    """
    if _QUEUE_NAME.fullmatch(text) is None:
        raise errors.InvalidQueueName(
            "A queue name is 1 to 80 of the characters A-Z a-z 0-9 _ . - and starts with none of . and -."
        )
    return text


def consumer_name(text: str) -> str:
    """Return C{text} if it can name a consumer.

    @raise errors.InvalidParameter: it cannot.
    """
    if _CONSUMER.fullmatch(text) is None:
        raise errors.InvalidParameter(
            "A cid is an integer or 1 to 128 of the characters A-Z a-z 0-9 _ . : and -.", parameter="cid"
        )
    return text


class QueueSettings(Struct, frozen=True, rename="camel", forbid_unknown_fields=True, omit_defaults=True):
    """How a queue treats its messages.  A new setting is a new line here and in the table of the documentation.

    Its fields are checked where settings come in, by L{queue_settings}; built in Python they are trusted.
    """

    lease: Annotated[float, Meta(ge=MIN_LEASE, le=MAX_LEASE)] = 30.0
    """Seconds a lease lasts when the receive names none.  SQS: 30."""

    delay: Annotated[float, Meta(ge=0, le=MAX_DELAY)] = 0.0
    """Seconds a message is delayed when its publish names neither delay nor time."""

    max_receives: Annotated[int, Meta(ge=0, le=1_000_000)] = 20
    """Leases a message may have before it is dead; 0: for ever."""

    max_message_bytes: Annotated[int, Meta(ge=1, le=MAX_BODY)] = 1024 * 1024
    """Bytes of the largest body.  SQS: 1 MiB since 2025."""


class Draft(Struct, frozen=True, gc=False):
    """A message that somebody wants published.

    @ivar delay: seconds; C{None}: the queue's own.
    """

    body: bytes
    content_type: str = "application/octet-stream"
    queue: str = DEFAULT_QUEUE
    delay: float | None = None
    priority: int = 0


Outcome = Literal["released", "expired", "buried"]


class Attempt(Struct, frozen=True, gc=False, rename={"start": "from", "end": "to"}):
    """One lease a message has had.

    @ivar start: wall time (seconds since 1970) at which it was granted.
    @ivar end: wall time at which it ended.
    @ivar outcome: C{None} while it is held.
    @ivar reason: its first L{MAX_ATTEMPT_REASON} characters.
    """

    consumer: str
    start: float
    end: float | None = None
    outcome: Outcome | None = None
    reason: str | None = None


class Message(Struct, frozen=True, gc=False):
    """A message as it is stored.

    The first fields are what was published and never change; the rest is what became of it, and changes only when a
    lease on it ends.

    @ivar published: wall time of the publish, seconds since 1970: for people.
    @ivar since: store time (see L{wonderq.local.clock}) since which it has been, or will be, ready: for the rules
        of the process that keeps it, and 0 elsewhere.
    @ivar receives: leases it has had, without a running one.
    @ivar last_failure: why its last lease ended without a delete.
    @ivar attempts: its last leases, oldest first, at most L{MAX_ATTEMPTS}.
    """

    id: int
    queue: str
    body: bytes
    content_type: str
    priority: int
    published: float
    since: float = 0.0
    receives: int = 0
    last_failure: str | None = None
    attempts: tuple[Attempt, ...] = ()
    dead: bool = False


class Delivery(Struct, frozen=True, gc=False):
    """A message together with the lease just granted on it.

    @ivar receives: leases it has had, with this one.
    @ivar lease_until: wall time at which the lease ends, seconds since 1970.
    """

    id: int
    receipt: int
    queue: str
    body: bytes
    content_type: str
    receives: int
    published: float
    lease_until: float
    priority: int
    last_failure: str | None = None


class Claim(Struct, frozen=True, gc=False):
    """What a consumer names when it settles a message: the id and, if it likes, the receipt of its lease."""

    id: int
    receipt: int | None = None


class Published(Struct, frozen=True, gc=False):
    """The answer to a publish."""

    id: int
    duplicate: bool = False


State = Literal["delayed", "ready", "leased", "dead"]


class MessageView(Struct, frozen=True, gc=False):
    """One message as C{GET /v1/messages/ID} shows it.

    @ivar attempts: as in L{Message}, a held one last, with no end.
    @ivar why: one sentence that names the cause of its state.
    @ivar consumer: who holds it, when leased.
    @ivar lease_until: wall time at which that lease ends.
    @ivar due: wall time at which it becomes ready, when delayed.
    """

    message: Message
    state: State
    why: str
    attempts: tuple[Attempt, ...] = ()
    consumer: str | None = None
    lease_until: float | None = None
    due: float | None = None


class Counts(Struct, frozen=True):
    """Messages of a queue by state."""

    ready: int = 0
    delayed: int = 0
    leased: int = 0
    dead: int = 0


class QueueView(Struct, frozen=True, rename="camel"):
    """A queue as C{GET /v1/queues/Q} shows it.

    @ivar bytes: of bodies, in every state.
    @ivar oldest_age: seconds since the oldest ready message became ready; C{None} when none is.
    @ivar waiting: consumers that wait for a message of it.
    """

    name: str
    settings: QueueSettings
    counts: Counts
    bytes: int
    oldest_age: float | None
    waiting: int
    paused: bool = False


def queue_settings(raw: Mapping[str, object]) -> QueueSettings:
    """Check settings as they came out of JSON; what is not named has its default.

    @param raw: names as in the protocol (C{maxReceives}) to values.
    @raise errors.UnknownField: a name that is no setting.
    @raise errors.InvalidSetting: a value of the wrong type or out of range; its pointer says which.
    """
    for name in raw:
        if name not in _SETTING_NAMES:
            known = ", ".join(sorted(_SETTING_NAMES))
            raise errors.UnknownField(f"The settings of a queue are {known}.", pointer=json_pointer(name))
    for name, value in raw.items():
        # One at a time, so that the fault can be pointed at.
        try:
            msgspec.convert({name: value}, QueueSettings)
        except msgspec.ValidationError:
            raise errors.InvalidSetting(_SETTING_RULES[name], pointer=json_pointer(name)) from None
    return msgspec.convert(raw, QueueSettings)


def json_pointer(*path: str | int) -> str:
    """Make a JSON pointer (RFC 6901) of names and indexes."""
    return "".join("/" + str(step).replace("~", "~0").replace("/", "~1") for step in path)


def _rule(name: str, kind: msgspec.inspect.Type) -> str:
    """Say in words what a setting may be."""
    if isinstance(kind, msgspec.inspect.IntType):
        return f"{name} is a whole number from {kind.ge} to {kind.le}."
    if isinstance(kind, msgspec.inspect.FloatType):
        return f"{name} is a number from {kind.ge:g} to {kind.le:.10g}."
    raise TypeError(f"nobody has said yet how to explain {kind}")


_SETTING_RULES = {
    field.encode_name: _rule(field.encode_name, field.type)
    for field in cast(msgspec.inspect.StructType, msgspec.inspect.type_info(QueueSettings)).fields
}
_SETTING_NAMES = frozenset(_SETTING_RULES)
