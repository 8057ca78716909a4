"""The daemon's own connection serves the same API: the tests of the Klein front, once more."""

from __future__ import annotations

from tests.http import (
    test_consumer,
    test_content,
    test_envelopes,
    test_hangups,
    test_health,
    test_messages,
    test_publish,
    test_query,
    test_queues,
    test_requests,
)
from tests.http.harness import ServerTestCase
from tests.http.over_the_channel import OverTheChannel

# Not those whose subject is the other front.
ELSEWHERE = {"MountTests"}

for _module in (
    test_consumer, test_content, test_envelopes, test_hangups, test_health, test_messages,
    test_publish, test_query, test_queues, test_requests,
):  # fmt: skip
    for _name, _case in list(vars(_module).items()):
        if (
            isinstance(_case, type)
            and issubclass(_case, ServerTestCase)
            and _case.__module__ == _module.__name__
            and _name not in ELSEWHERE
        ):
            _both = f"{_module.__name__.rpartition('.')[2].removeprefix('test_').title()}{_name}"
            globals()[_both] = type(_both, (OverTheChannel, _case), {"__module__": __name__})
