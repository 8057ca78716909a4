"""Bodies, durations and batches as bytes."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wonderq.client import wire
from wonderq.errors import StoreUnavailable
from wonderq.http import codec
from wonderq.model import Delivery, Draft, QueueSettings

BLANKS: st.SearchStrategy[bytes] = st.text(" \t\r\n", max_size=3).map(str.encode)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
WRITTEN: list[Callable[[Any], str]] = [
    json.dumps,
    lambda value: json.dumps(value, ensure_ascii=False, separators=(",", ":")),
    lambda value: json.dumps(value, indent=3),
]


@st.composite
def json_bodies(draw: st.DrawFn) -> bytes:
    """JSON as somebody may have written it, with blanks around it."""
    write = draw(st.sampled_from(WRITTEN))
    # Not what UTF-8 cannot say.
    text: bytes = write(draw(VALUES)).encode("utf-8", "replace")
    return draw(BLANKS) + text + draw(BLANKS)


def delivered(*bodies: tuple[bytes, str]) -> list[tuple[bytes, str]]:
    """Write an answer as the server does, read it, and return the bodies and their types."""
    deliveries = [
        Delivery(number, number, "default", body, content_type, 1, 0.0, 30.0, 0, 'a "body": reason')
        for number, (body, content_type) in enumerate(bodies, 1)
    ]
    return [(got.body, got.content_type) for got in wire.deliveries(codec.deliveries(deliveries))]


@given(st.lists(json_bodies(), min_size=1, max_size=3))
def test_json_is_given_back_byte_for_byte(bodies: list[bytes]) -> None:
    sent = [(body, "application/json") for body in bodies]
    assert delivered(*sent) == sent


@given(st.binary(), st.sampled_from(["text/plain", "image/png", "text/plain; charset=latin-1"]))
def test_everything_else_is_given_back_byte_for_byte(body: bytes, content_type: str) -> None:
    assert delivered((body, content_type)) == [(body, content_type)]


@given(st.text())
def test_text_is_given_back_byte_for_byte(text: str) -> None:
    sent = (text.encode("utf-8", "replace"), "text/plain")
    assert delivered(sent) == [sent]


def test_a_body_is_found_wherever_it_stands() -> None:
    fields = {
        "id": 1, "receipt": 2, "queue": "default", "encoding": "json", "contentType": "application/json", "receives": 1,
        "publishedAt": "2026-01-01T00:00:00.000Z", "leaseUntil": "2026-01-01T00:00:30.000Z", "priority": 0,
        "fromTheFuture": {"body": "not this", "[1]": [{"body": 2}]},
    }  # fmt: skip
    rest = json.dumps(fields)[1:-1].encode()
    for text in (b'[{"body": [1] ,%b}]' % rest, b'[{%b,"body": [1] }]' % rest):
        [got] = wire.deliveries(text)
        assert got.body == b" [1] "


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (0.0, "0"), (30.0, "30"), (100.0, "100"), (0.5, "0.5"), (0.1, "0.1"), (1e-9, "0.000000001"),
        (1e-10, "0"), (43200.0, "43200"), (315_360_000.0, "315360000"), (1e-7, "0.0000001"), (10, "10"),
    ],
)  # fmt: skip
def test_a_duration_is_written_as_the_protocol_wants_it(value: float, written: str) -> None:
    assert wire.seconds(value) == written


def test_a_batch_names_a_delay_only_if_its_draft_does() -> None:
    drafts = [Draft(b"\xff"), Draft(b"", "a/b", "other", 0.0, 9)]
    assert json.loads(wire.envelopes(drafts)) == [
        {"base64": "/w==", "contentType": "application/octet-stream", "queue": "default", "priority": 0},
        {"base64": "", "contentType": "a/b", "queue": "other", "priority": 9, "delay": 0.0},
    ]


def test_duplicates_in_a_batch_are_known_by_their_index() -> None:
    answer = wire.batch(b'{"messageIds":[7,3,9],"duplicates":[1]}')
    assert [(one.id, one.duplicate) for one in answer] == [(7, False), (3, True), (9, False)]


def test_a_setting_that_this_client_does_not_know_is_left_out() -> None:
    view = wire.queue_view(
        b'{"name":"other","settings":{"lease":5.0,"fromTheFuture":[1]},"bytes":0,"oldestAge":null,"waiting":0,'
        b'"counts":{"ready":1,"fromTheFuture":2},"paused":false}'
    )
    assert view.settings == QueueSettings(lease=5.0)
    assert view.counts.ready == 1


def test_a_server_whose_broker_cannot_tell_has_no_stats() -> None:
    with pytest.raises(StoreUnavailable):
        wire.stats(b'{"version":"1","ready":false,"leases":null,"totals":null,"queues":null}')


def test_an_answer_that_does_not_fit_is_not_understood() -> None:
    with pytest.raises(StoreUnavailable):
        wire.understand(wire.settled, b'"true"')
    assert wire.understand(wire.settled, b"true") == [True]
    assert wire.understand(wire.settled, b"[true,false]") == [True, False]


def test_settings_are_written_by_their_names_in_the_protocol() -> None:
    assert msgspec.json.encode(QueueSettings(max_receives=5)) == b'{"maxReceives":5}'
