"""What names, settings and pointers may be: the limits, at them and one beyond."""

from __future__ import annotations

from math import inf, nan

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wonderq import errors, model
from wonderq.model import QueueSettings, consumer_name, json_pointer, queue_name, queue_settings

# -- names --


@pytest.mark.parametrize("name", ["default", "a", "_", "0", "A.b-c_9", "a" * 80, "con..", "_-"])
def test_a_queue_name_is_letters_digits_and_some_signs(name: str) -> None:
    assert queue_name(name) == name


@pytest.mark.parametrize(
    "name", ["", ".", "..", ".a", "-a", "a" * 81, "a b", "a/b", "a\n", "\na", "ä", "a\u0660", "a\x00", "a,b", "a%20"]
)
def test_anything_else_is_no_queue_name(name: str) -> None:
    with pytest.raises(errors.InvalidQueueName) as refused:
        queue_name(name)
    assert len(name) < 2 or name not in refused.value.detail


@pytest.mark.parametrize("name", ["7", "0", "-1", "a", ".", ":", "worker-3.host:99", "a" * 128])
def test_a_consumer_is_any_token(name: str) -> None:
    assert consumer_name(name) == name


@pytest.mark.parametrize("name", ["", "a" * 129, "a b", "a\n", "ä", "a,b", "a/b", "\u0661"])
def test_anything_else_is_no_consumer(name: str) -> None:
    with pytest.raises(errors.InvalidParameter) as refused:
        consumer_name(name)
    assert refused.value.parameter == "cid"


@given(st.text())
def test_no_other_text_gets_through_as_a_name(text: str) -> None:
    for check, refusal in [(queue_name, errors.InvalidQueueName), (consumer_name, errors.InvalidParameter)]:
        try:
            assert check(text) == text
        except refusal:
            continue
        assert text.isascii()
        assert text.isprintable()
        assert not set(text) & set(" /,%?#&=\"'<>\\")


# -- settings --


def test_without_settings_every_one_has_its_default() -> None:
    assert queue_settings({}) == QueueSettings(lease=30.0, delay=0.0, max_receives=20, max_message_bytes=1024 * 1024)


def test_settings_are_named_as_in_the_protocol() -> None:
    raw = {"lease": 5, "delay": 2.5, "maxReceives": 0, "maxMessageBytes": 77}
    assert queue_settings(raw) == QueueSettings(lease=5.0, delay=2.5, max_receives=0, max_message_bytes=77)


@pytest.mark.parametrize("name", ["max_receives", "Lease", "color", "", "ttl/x", "maxreceives"])
def test_a_setting_that_there_is_not_is_refused_and_pointed_at(name: str) -> None:
    with pytest.raises(errors.UnknownField) as refused:
        queue_settings({"lease": 5, name: 1})
    assert refused.value.pointer == json_pointer(name)


LIMITS = {
    "lease": (model.MIN_LEASE, model.MAX_LEASE, 0.01),
    "delay": (0, model.MAX_DELAY, 0.01),
    "maxReceives": (0, 1_000_000, 1),
    "maxMessageBytes": (1, model.MAX_BODY, 1),
}


def test_every_setting_has_its_limits_tried() -> None:
    assert set(LIMITS) == {field.encode_name for field in msgspec.structs.fields(QueueSettings)}


@pytest.mark.parametrize("name", LIMITS)
def test_a_setting_at_its_limits_is_taken(name: str) -> None:
    low, high, _ = LIMITS[name]
    for value in (low, high):
        assert msgspec.to_builtins(queue_settings({name: value})) in ({name: value}, {})


@pytest.mark.parametrize("name", LIMITS)
def test_a_setting_beyond_its_limits_is_refused_and_pointed_at(name: str) -> None:
    low, high, step = LIMITS[name]
    for value in (low - step, high + step):
        with pytest.raises(errors.InvalidSetting) as refused:
            queue_settings({"delay": 0.0, name: value})
        assert refused.value.pointer == "/" + name
        assert refused.value.detail.endswith(".")


@pytest.mark.parametrize("name", LIMITS)
@pytest.mark.parametrize("value", [None, "5", True, False, [], {}, nan, inf, -inf])
def test_a_setting_of_another_type_is_refused(name: str, value: object) -> None:
    with pytest.raises(errors.InvalidSetting):
        queue_settings({name: value})


def test_the_first_bad_setting_is_the_one_pointed_at() -> None:
    with pytest.raises(errors.InvalidSetting) as refused:
        queue_settings({"delay": 1.0, "lease": 0, "maxReceives": -1})
    assert refused.value.pointer == "/lease"


def test_settings_that_differ_in_nothing_are_written_as_nothing() -> None:
    # So that a default can change for every queue that did not ask for another.
    assert msgspec.json.encode(QueueSettings()) == b"{}"
    assert msgspec.json.encode(QueueSettings(max_receives=5)) == b'{"maxReceives":5}'


# -- pointers --


def test_a_pointer_names_steps_with_tildes_and_slashes_escaped() -> None:
    assert json_pointer() == ""
    assert json_pointer(3, "body") == "/3/body"
    assert json_pointer("a/b", "m~n", "~1") == "/a~1b/m~0n/~01"


# -- numbers --


def test_ids_stay_exact_in_every_json_reader() -> None:
    assert int(float(model.MAX_ID)) == model.MAX_ID
    assert int(float(model.MAX_ID + 2)) != model.MAX_ID + 2
