"""What a query may say, and how."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wonderq import errors
from wonderq.http import query

NAMES = frozenset(("cid", "limit"))


@pytest.mark.parametrize(
    ("raw", "parameters"),
    [
        (b"", {}),
        (b"cid=7", {"cid": "7"}),
        (b"limit=1&cid=a", {"limit": "1", "cid": "a"}),
        (b"cid=a=b", {"cid": "a=b"}),
        (b"cid=a+b%20c%2B", {"cid": "a b c+"}),
        (b"%63id=%C3%A9%f0%9f%90%98", {"cid": "é🐘"}),
        (b"cid=a;limit=1", {"cid": "a;limit=1"}),
    ],
)
def test_a_query_is_split_at_ampersands_and_decoded(raw: bytes, parameters: dict[str, str]) -> None:
    assert query.parse(raw, NAMES) == parameters


@pytest.mark.parametrize(
    ("raw", "error", "parameter"),
    [
        (b"lmit=5", errors.UnknownParameter, "lmit"),
        (b"CID=5", errors.UnknownParameter, "CID"),
        (b"cid=1&cid=2", errors.InvalidParameter, "cid"),
        (b"cid=1&%63id=2", errors.InvalidParameter, "cid"),
        (b"cid=", errors.InvalidParameter, "cid"),
        (b"cid", errors.InvalidParameter, "cid"),
        (b"&", errors.UnknownParameter, None),
        (b"cid=1&", errors.UnknownParameter, None),
        (b"=1", errors.UnknownParameter, None),
        (b"cid=%", errors.BadRequest, None),
        (b"cid=%4", errors.BadRequest, None),
        (b"cid=%zz", errors.BadRequest, None),
        (b"cid=%+1", errors.BadRequest, None),
        (b"cid=%ff", errors.BadRequest, None),
        (b"cid=%c0%af", errors.BadRequest, None),
        (b"cid=%ed%a0%80", errors.BadRequest, None),
        (b"cid=1%00", errors.BadRequest, None),
        (b"cid=\xc3\xa9", errors.BadRequest, None),
    ],
)
def test_what_is_not_a_query_of_this_call_is_refused(
    raw: bytes, error: type[errors.WonderQError], parameter: str | None
) -> None:
    with pytest.raises(errors.WonderQError) as caught:
        query.parse(raw, NAMES)
    assert type(caught.value) is error
    assert caught.value.parameter == parameter


@pytest.mark.parametrize("name", ["%3Cscript%3E", "a" * 41, "a%20b", "%0d%0aX:1"])
def test_an_unknown_name_is_given_back_only_if_it_is_short_and_plain(name: str) -> None:
    with pytest.raises(errors.UnknownParameter) as caught:
        query.parse(name.encode() + b"=1", NAMES)
    assert caught.value.parameter is None
    assert caught.value.detail == "This call takes cid, limit."


def test_many_parameters_are_refused_at_the_first_wrong_one() -> None:
    with pytest.raises(errors.InvalidParameter):
        query.parse(b"&".join([b"cid=1"] * 2000), NAMES)


def _limit(value: str) -> object:
    return query.integer(value, "limit", 1, 1000)


def _wait(value: str) -> object:
    return query.duration(value, "wait", 0, 60)


def _ids(value: str) -> object:
    return query.integers(value, "id")


@pytest.mark.parametrize(
    ("read", "value", "result"),
    [
        (_limit, "1", 1),
        (_limit, "1000", 1000),
        (_ids, "5", [5]),
        (_ids, "9007199254740991,1,1", [2**53 - 1, 1, 1]),
        (_ids, ",".join(["7"] * 1000), [7] * 1000),
        (_wait, "0", 0.0),
        (_wait, "0.0", 0.0),
        (_wait, "60", 60.0),
        (_wait, "0.000000001", 1e-9),
        (_wait, "59.123456789", 59.123456789),
    ],
)
def test_numbers_are_read(read: Callable[[str], object], value: str, result: object) -> None:
    assert read(value) == result


NOT_INTEGERS = [
    "0", "-1", "+1", "1.0", "1e1", "0x10", "0b1", "1_0", "007", " 1", "1 ", "1\n", "1\0",
    "\u0661\u0662", "\uff11", "\u00b2",
    "1001", "99999999999999999999", "9" * 5000, "true", "1,2", "nan",
]  # fmt: skip


@pytest.mark.parametrize("value", NOT_INTEGERS)
def test_an_integer_is_canonical_and_in_its_range(value: str) -> None:
    with pytest.raises(errors.InvalidParameter) as caught:
        _limit(value)
    assert caught.value.parameter == "limit"


@pytest.mark.parametrize(
    "value", ["0", "-1", "01", "9007199254740992", "1,", ",1", "1,,2", "1, 2", "1;2", "a", ",".join(["7"] * 1001)]
)
def test_ids_are_from_1_to_2_53_and_at_most_1000(value: str) -> None:
    with pytest.raises(errors.InvalidParameter) as caught:
        _ids(value)
    assert caught.value.parameter == "id"


NOT_DURATIONS = [
    "60.000000001", "61", "-1", "-0", "+1", ".5", "5.", "1.0000000001", "00", "01", "1e1", "nan", "inf", "Infinity",
    "1,5", "1s", "0x1", "\u0661", " 1", "1\n", "9" * 400,
]  # fmt: skip


@pytest.mark.parametrize("value", NOT_DURATIONS)
def test_a_duration_is_decimal_and_in_its_range(value: str) -> None:
    with pytest.raises(errors.InvalidParameter) as caught:
        _wait(value)
    assert caught.value.parameter == "wait"


@given(st.integers(0, 10**9), st.integers(0, 9).flatmap(lambda n: st.text("0123456789", min_size=n, max_size=n)))
def test_every_decimal_with_up_to_nine_digits_behind_the_point_is_a_duration(whole: int, fraction: str) -> None:
    text = f"{whole}.{fraction}" if fraction else str(whole)
    assert query.duration(text, "wait", 0, 2e9) == float(text)


def test_queues_are_at_most_100_and_none_twice() -> None:
    names = [f"q{number}" for number in range(100)]
    assert query.queues(",".join(names)) == names
    for value in (",".join([*names, "q100"]), "a,b,a"):
        with pytest.raises(errors.InvalidParameter) as caught:
            query.queues(value)
        assert caught.value.parameter == "queue"


@pytest.mark.parametrize("value", ["a,", ",", "-a", ".a", "a b", "é", "a" * 81, "a/b", "a\n"])
def test_what_cannot_name_a_queue_is_refused(value: str) -> None:
    with pytest.raises(errors.InvalidQueueName) as caught:
        query.queues(value)
    assert caught.value.parameter == "queue"


def test_a_parameter_that_must_be_there_is_missed() -> None:
    with pytest.raises(errors.MissingParameter) as caught:
        query.required({}, "cid")
    assert caught.value.parameter == "cid"
