"""What the state machine draws: few values, that meet.

Leases end on whole halves of a second, delays a quarter later, waits an eighth later: so what happens at one moment is
of one kind, and floats are exact.  What is more worth trying stands in its list more than once.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from hypothesis import strategies as st

from wonderq.model import Draft, QueueSettings

QUEUES: Final = ("default", "a", "b")
CONSUMERS: Final = ("alice", "bob")
NEVER_PUBLISHED: Final = 10**9


def make_draft(size: int, queue: str, delay: float | None, priority: int) -> Draft:
    return Draft(b"x" * size, "text/plain", queue, delay, priority)


queues = st.sampled_from(["default", "default", "default", "default", "default", "a", "a", "a", "b"])
consumers = st.sampled_from(CONSUMERS)
leases = st.sampled_from([0.5, 1.0, 5.0, 5.0, 30.0, 30.0])
delays = st.sampled_from([0.0, 0.0, 0.0, 0.0, 0.0, 0.25, 1.25, 5.25, 30.25])
steps = st.sampled_from([None, None, 0.5, 1.0, 5.0, 30.0])
away = st.sampled_from([0.0, 0.0, 0.5, 5.0])
waits = st.sampled_from([0.0, 0.0, 0.0, 0.125, 1.125, 5.125])
reasons = st.sampled_from([None, "no luck"])
small = st.integers(0, 7)
sizes = st.sampled_from([0, 1, 2, 5])
priorities = st.sampled_from([0, 0, 1, 9])
drafts = st.builds(make_draft, sizes, queues, st.none() | delays, priorities)
ready = st.builds(
    make_draft, st.sampled_from([0, 1]), st.sampled_from(["default", "default", "a"]), st.just(0.0), priorities
)
settings = st.builds(
    QueueSettings,
    lease=leases,
    delay=delays,
    max_receives=st.sampled_from([20, 0, 1, 2, 3]),
    max_message_bytes=st.sampled_from([1024, 1024, 2]),
)


class Named(NamedTuple):
    """How a claim is found: the message of one of the leases granted so far, and what is said of it.

    @ivar live: of the leases that last, or of all; C{back}: that many before the newest.
    @ivar off: by how much the receipt is wrong: one less is an older lease, a million more is of no lease yet;
        C{None}: no receipt is named.
    """

    live: bool
    back: int
    off: int | None


claims = st.builds(
    Named, st.sampled_from([True, True, False]), small, st.sampled_from([0, 0, 0, None, None, -1, 1_000_000])
)
honesty = st.sampled_from([True, True, True, False])
limits = st.sampled_from([1, 2, 10])
names = st.lists(queues, min_size=1, max_size=3, unique=True)
own_leases = st.none() | leases
long_waits = st.sampled_from([1.125, 5.125, 30.125])
