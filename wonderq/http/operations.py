"""What does each call of the protocol do: read it, call one verb, say what came of it.

One function for each call, whichever server carries it.  What stands first in a function wins when several things are
wrong: the content type, then parameters and body, then what the broker refuses.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache, partial
from typing import Any, TypeVar

import msgspec
from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from wonderq import errors
from wonderq.broker import IBroker
from wonderq.http import codec, query
from wonderq.http.call import Answer, Call, Later
from wonderq.http.content import check_json, check_utf8, content_type, invalid_json, kind, refuse_body, require_json
from wonderq.http.envelopes import drafts
from wonderq.model import (
    DEFAULT_QUEUE,
    MAX_DELAY,
    MAX_ID,
    MAX_LEASE,
    MAX_REASON,
    MAX_RECEIVE,
    MAX_WAIT,
    MIN_LEASE,
    PRIORITIES,
    Claim,
    Delivery,
    Draft,
    MessageView,
    Published,
    QueueSettings,
    QueueView,
    consumer_name,
    queue_name,
    queue_settings,
)

T = TypeVar("T")

MAX_SETTINGS = 64 * 1024
"""Bytes of a queue's settings; whoever sends more sends something else, and to read it all takes time."""

_NONE: frozenset[str] = frozenset()
_PUBLISH = frozenset(("queue", "delay", "priority"))
_BATCH = frozenset(("queue",))
_RECEIVE = frozenset(("cid", "limit", "queue", "wait", "lease"))
_DELETE = frozenset(("cid", "id", "receipt"))
_PATCH = frozenset(("cid", "id", "receipt", "lease", "delay", "bury", "reason"))
_DEFAULT_QUEUES = (DEFAULT_QUEUE,)
# One message as nearly everybody names it; no two such queries are the same, and none needs to be taken apart.
_PLAIN_CLAIM = re.compile(rb"cid=([A-Za-z0-9_.:-]{1,128})&id=([1-9][0-9]{0,14})(?:&receipt=([1-9][0-9]{0,14}))?")

_NOT_THERE = (Failure, Deferred)
_NOTHING = Answer(200, b"[]")
_TRUE, _FALSE = Answer(200, b"true"), Answer(200, b"false")


def then(
    work: Deferred[T], answer: Callable[[T], Answer], blame: Callable[[Failure], Failure] | None = None
) -> Answer | Later:
    """Make an answer of what a verb returns: at once if it is there already, as it is when nothing has to be synced.

    @param blame: see L{Later}.
    """
    if work.called:
        result: Any = work.result
        # A union of the two would be built anew each time.
        if not isinstance(result, _NOT_THERE):
            return answer(result)
    return Later(work, answer, blame)


# -- messages come in --


def publish(broker: IBroker, call: Call) -> Answer | Later:
    """C{POST /v1/publish}: the body is the message."""
    type_ = content_type(call)
    queue, delay, priority = _publish_options(call.query)
    if kind(type_).form == "json":
        check_json(call.body)
    draft = Draft(call.body, type_, queue, delay, priority)
    return then(broker.publish([draft]), partial(_published, broker), _blame_queue)


@query.remembered
def _publish_options(raw: bytes) -> tuple[str, float | None, int]:
    """Read to which queue, after how many seconds and how urgently."""
    parameters = query.parse(raw, _PUBLISH)
    queue, delay, priority = parameters.get("queue"), parameters.get("delay"), parameters.get("priority")
    return (
        DEFAULT_QUEUE if queue is None else query.queue(queue),
        None if delay is None else query.duration(delay, "delay", 0, MAX_DELAY),
        0 if priority is None else query.integer(priority, "priority", 0, PRIORITIES - 1),
    )


def _published(broker: IBroker, published: Sequence[Published]) -> Answer:
    return Answer(201, b'{"messageId":%d}' % published[0].id, _durability(broker.durability))


def publish_batch(broker: IBroker, call: Call) -> Answer | Later:
    """C{POST /v1/publish/batch}: all the messages of a JSON array, or none."""
    require_json(call)
    queue = query.parse(call.query, _BATCH).get("queue")
    batch = drafts(call.body, DEFAULT_QUEUE if queue is None else query.queue(queue))
    return then(broker.publish(batch), partial(_batch_published, broker))


def _batch_published(broker: IBroker, published: Sequence[Published]) -> Answer:
    ids = b",".join([b"%d" % one.id for one in published])
    return Answer(201, b'{"messageIds":[%b]}' % ids, _durability(broker.durability))


@lru_cache
def _durability(level: str) -> tuple[tuple[bytes, bytes], ...]:
    return ((b"WonderQ-Durability", level.encode("ascii")),)


# -- and go out --


def receive(broker: IBroker, call: Call) -> Answer | Later:
    """C{GET /v1/consumer} and C{POST /v1/consumer}: lease messages; cancelling the Deferred ends the wait."""
    refuse_body(call)
    queues, consumer, limit, wait, lease = _receive_options(call.query)
    received = broker.receive(queues, consumer, limit, wait, lease)
    return then(received, partial(_received, broker, consumer), _blame_queue)


@query.remembered
def _receive_options(raw: bytes) -> tuple[Sequence[str], str, int, float, float | None]:
    """Read from which queues, for whom, how many, and for how many seconds to wait and to lease."""
    parameters = query.parse(raw, _RECEIVE)
    consumer = consumer_name(query.required(parameters, "cid"))
    limit, queue = parameters.get("limit"), parameters.get("queue")
    wait, lease = parameters.get("wait"), parameters.get("lease")
    return (
        _DEFAULT_QUEUES if queue is None else tuple(query.queues(queue)),
        consumer,
        10 if limit is None else query.integer(limit, "limit", 1, MAX_RECEIVE),
        0.0 if wait is None else query.duration(wait, "wait", 0, MAX_WAIT),
        None if lease is None else query.duration(lease, "lease", MIN_LEASE, MAX_LEASE),
    )


def _received(broker: IBroker, consumer: str, deliveries: Sequence[Delivery]) -> Answer:
    if not deliveries:
        return _NOTHING
    return Answer(200, codec.deliveries(deliveries), undo=partial(broker.give_back, consumer, deliveries))


def delete(broker: IBroker, call: Call) -> Answer | Later:
    """C{DELETE /v1/consumer}: settle what is done."""
    refuse_body(call)
    plain = _PLAIN_CLAIM.fullmatch(call.query)
    if plain is None:
        consumer, claims = _claims(query.parse(call.query, _DELETE))
    else:
        cid, id_, receipt = plain.groups()
        consumer, claims = cid.decode("ascii"), [Claim(int(id_), None if receipt is None else int(receipt))]
    return then(broker.delete(consumer, claims), _settled)


def patch(broker: IBroker, call: Call) -> Answer | Later:
    """C{PATCH /v1/consumer}: extend, release or bury."""
    parameters = _without_body(call, _PATCH)
    consumer, claims = _claims(parameters)
    wanted = [name for name in ("lease", "delay", "bury") if name in parameters]
    if not wanted:
        raise errors.MissingParameter("This call needs one of lease, delay and bury=true.")
    if len(wanted) > 1:
        raise errors.InvalidParameter("Only one of lease, delay and bury goes.", parameter=wanted[1])
    value, reason = parameters[wanted[0]], parameters.get("reason")
    if reason is not None and len(reason) > MAX_REASON:
        raise errors.InvalidParameter(f"A reason has at most {MAX_REASON} characters.", parameter="reason")
    if wanted == ["delay"]:
        delay = query.duration(value, "delay", 0, MAX_DELAY)
        return then(broker.release(consumer, claims, delay, reason), _settled)
    if wanted == ["bury"]:
        if value != "true":
            raise errors.InvalidParameter("bury is true or absent.", parameter="bury")
        return then(broker.bury(consumer, claims, reason), _settled)
    if reason is not None:
        raise errors.InvalidParameter("A lease is extended without a reason.", parameter="reason")
    return then(broker.extend(consumer, claims, query.duration(value, "lease", MIN_LEASE, MAX_LEASE)), _settled)


def _claims(parameters: Mapping[str, str]) -> tuple[str, list[Claim]]:
    """Read who settles which messages, under which receipts."""
    consumer = consumer_name(query.required(parameters, "cid"))
    ids = query.integers(query.required(parameters, "id"), "id")
    receipt = parameters.get("receipt")
    if receipt is None:
        return consumer, [Claim(id_) for id_ in ids]
    receipts = query.integers(receipt, "receipt")
    if len(receipts) != len(ids):
        raise errors.InvalidParameter("There are as many receipts as ids, or none.", parameter="receipt")
    return consumer, list(map(Claim, ids, receipts))


def _settled(results: Sequence[bool]) -> Answer:
    if len(results) == 1:
        return _TRUE if results[0] else _FALSE
    words = [b"true" if result else b"false" for result in results]
    return Answer(200, b"[%b]" % b",".join(words))


# -- looking at messages and queues --


def show_message(broker: IBroker, call: Call, message: str) -> Deferred[Answer]:
    """C{GET /v1/messages/ID}: one message, whatever became of it."""
    _without_body(call, _NONE)
    shown: Deferred[MessageView] = broker.show_message(query.integer(message, "id", 1, MAX_ID))
    return shown.addCallback(lambda view: Answer(200, codec.message(view)))


def show_queue(broker: IBroker, call: Call, name: str) -> Deferred[Answer]:
    """C{GET /v1/queues/Q}: its settings and counts."""
    _without_body(call, _NONE)
    return broker.show_queue(queue_name(name)).addCallback(lambda view: Answer(200, codec.queue(view)))


def put_queue(broker: IBroker, call: Call, name: str) -> Deferred[Answer]:
    """C{PUT /v1/queues/Q}: create it, or replace its settings."""
    if len(call.body) > MAX_SETTINGS:
        raise errors.BodyTooLarge(f"Settings have at most {MAX_SETTINGS} bytes.")
    require_json(call)
    query.parse(call.query, _NONE)
    condition = call.header(b"if-none-match")
    if condition not in (None, b"*"):
        raise errors.InvalidParameter("If-None-Match is * or absent.", parameter="If-None-Match")
    name, settings = queue_name(name), _settings(call.body)
    put: Deferred[tuple[QueueView, bool]] = broker.put_queue(name, settings, condition is not None)
    return put.addCallback(lambda result: Answer(201 if result[1] else 200, codec.queue(result[0])))


def _settings(body: bytes) -> QueueSettings:
    if not body:
        return QueueSettings()
    check_utf8(body)
    try:
        members = msgspec.json.decode(body)
    except (msgspec.DecodeError, RecursionError) as error:
        raise invalid_json(error) from None
    if not isinstance(members, dict):
        raise errors.InvalidSetting("Settings are a JSON object.", pointer="")
    return queue_settings(members)


def delete_queue(broker: IBroker, call: Call, name: str) -> Deferred[Answer]:
    """C{DELETE /v1/queues/Q}: with all its messages."""
    _without_body(call, _NONE)
    return broker.delete_queue(queue_name(name)).addCallback(lambda _: Answer(204))


# -- what calls have in common --


def _without_body(call: Call, names: frozenset[str]) -> dict[str, str]:
    """Read the parameters of a call that takes no body."""
    refuse_body(call)
    return query.parse(call.query, names)


def _blame_queue(failure: Failure) -> Failure:
    """Let an error name the parameter; it is the broker's way to point into a batch."""
    error = failure.value
    if isinstance(error, errors.WonderQError):
        error.pointer = None
        if isinstance(error, errors.NoSuchQueue):
            error.parameter = "queue"
    return failure
