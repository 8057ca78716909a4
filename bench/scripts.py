"""What does a connection of the load say?

A script is a generator: it yields a request and is sent the body of its answer.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Generator
from dataclasses import dataclass

from bench.wire import request

__all__ = ["SCRIPTS", "Conversation", "Script", "Unexpected", "message"]

Conversation = Generator[bytes, bytes, None]

_ID = re.compile(rb'\{"id":([0-9]+),')
_JSON = "application/json"


class Unexpected(Exception):
    """A server answered, but not what it should have."""


@dataclass(frozen=True)
class Script:
    """One kind of conversation.

    @ivar name: what it is called.
    @ivar start: makes the conversation of one connection, from its number and the size of a message in bytes.
    @ivar calls: answers that make one turn.
    @ivar messages: messages that go through in one turn.
    """

    name: str
    start: Callable[[int, int], Conversation]
    calls: int
    messages: int


def message(size: int) -> bytes:
    """Write a JSON message of so many bytes, at least 38."""
    return json.dumps({"task": "resize", "image": 17, "note": "x" * (size - 38)}, separators=(",", ":")).encode()


def publish(number: int, size: int) -> Conversation:
    """Publish."""
    ask = request("POST", "/v1/publish", message(size), _JSON)
    while True:
        yield ask


def lifecycle(number: int, size: int) -> Conversation:
    """Publish one, receive one, delete that one."""
    give = request("POST", "/v1/publish", message(size), _JSON)
    take = request("GET", f"/v1/consumer?cid={number}&limit=1")
    while True:
        yield give
        (one,) = _ids((yield take), 1)
        _all_deleted((yield request("DELETE", f"/v1/consumer?cid={number}&id={one}")), 1)


def batches(of: int) -> Callable[[int, int], Conversation]:
    """Make a script that publishes so many at once, receives as many, and deletes those."""

    def batch(number: int, size: int) -> Conversation:
        envelopes = b"[" + b",".join([b'{"body":' + message(size) + b"}"] * of) + b"]"
        give = request("POST", "/v1/publish/batch", envelopes, _JSON)
        take = request("GET", f"/v1/consumer?cid={number}&limit={of}")
        while True:
            yield give
            ids = ",".join(_ids((yield take), of))
            _all_deleted((yield request("DELETE", f"/v1/consumer?cid={number}&id={ids}")), of)

    return batch


def _ids(answer: bytes, count: int) -> list[str]:
    """Read the ids of a receive.

    @raise Unexpected: there are not C{count}; each connection has published as many as it asks for.
    """
    ids = [found.decode() for found in _ID.findall(answer)]
    if len(ids) != count:
        raise Unexpected(f"{count} messages asked for, {len(ids)} received: {answer[:200]!r}")
    return ids


def _all_deleted(answer: bytes, count: int) -> None:
    if answer.count(b"true") != count:
        raise Unexpected(f"not deleted: {answer[:200]!r}")


SCRIPTS = {
    script.name: script
    for script in [
        Script("publish", publish, 1, 1),
        Script("lifecycle", lifecycle, 3, 1),
        *(Script(f"batch-{of}", batches(of), 3, of) for of in (1, 10, 100, 1000)),
    ]
}
"""Every script, by its name."""
