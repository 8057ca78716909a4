"""Which request lines are looked at at all."""

from __future__ import annotations

import pytest

from wonderq import errors
from wonderq.http.paths import MAX_TARGET, fault


@pytest.mark.parametrize(
    "target",
    [
        b"/", b"/v1/queues/a", b"/v1/queues/A_b.c-d", b"/v1/publish?queue=a&x=%2F%00", b"/v1/publish/", b"/%76%31/x",
        b"/v1/queues/a%20b", b"/v1/queues/a%3Fb", b"/v1/queues/a;b", b"/v1/queues/a+b", b"/v1/queues/a..b", b"/x?a//b",
        b"/x?q={\"a\"|<b>}", b"/" + b"a" * (MAX_TARGET - 1),
    ],
)  # fmt: skip
def test_what_means_the_same_before_and_after_decoding_goes_on_to_its_route(target: bytes) -> None:
    assert fault(b"GET", target) is None


@pytest.mark.parametrize(
    "target",
    [
        b"", b"*", b"v1", b"http://evil/v1/publish", b"evil:443",
        b"/v1/queues/a%2Fmessages", b"/v1/queues/a%2fmessages", b"/v1/queues/a%5Cb", b"/v1/queues/a\\b",
        b"//v1/publish", b"/v1//queues", b"/v1/queues//messages", b"/v1/publish//",
        b"/v1/queues/.", b"/v1/queues/..", b"/v1/queues/../x", b"/./v1", b"/v1/queues/%2e%2E", b"/v1/queues/.%2e/x",
        b"/v1/queues/a%00", b"/v1/queues/%0d%0aX:1", b"/v1/queues/%7f", b"/v1/queues/%zz", b"/v1/queues/%4",
        b"/v1/queues/%", b"/v1/queues/%ff", b"/v1/queues/%c0%af", b"/v1/queues/%ed%a0%80", b"/v1/queues/%C3%A9",
        b"/v1/queues/\x80", b"/v1/queues/\xc3\xa9", b"/v1/queues/a\x7f", b"/v1/queues/a\x01", b"/v1/queues/a b",
        b"/v1/queues/a#frag", b"/v1/queues/a?x=1#y", b"/v1/queues/a?x=\x7f", b"/v1/queues/a?x=\xe9",
        b'/v1/queues/"a"', b"/v1/queues/<a>", b"/v1/queues/{a}", b"/v1/queues/a|b", b"/v1/queues/a^b",
    ],
)  # fmt: skip
def test_what_could_be_misunderstood_is_refused(target: bytes) -> None:
    assert type(fault(b"GET", target)) is errors.BadRequest


def test_a_target_has_a_limit() -> None:
    assert isinstance(fault(b"GET", b"/" + b"a" * MAX_TARGET), errors.UriTooLong)


@pytest.mark.parametrize("method", [b"get", b"Get", b"FOO", b"FOO!#$", b"TRACE", b"CONNECT", b"PURGE", b""])
def test_methods_are_those_of_the_protocol_in_capitals(method: bytes) -> None:
    assert isinstance(fault(method, b"/v1/publish"), errors.MethodNotImplemented)
