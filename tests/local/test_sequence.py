"""Numbers are reserved ahead, in blocks that suit the rate at which they are used."""

from __future__ import annotations

from wonderq.local.sequence import FIRST_BLOCK, LARGEST_BLOCK, LASTS, Sequence


class Source:
    """A sequence, the time, and a disk that syncs at once or not at all."""

    def __init__(self, first: int = 1) -> None:
        self.now = 0.0
        self.raised = 0
        self.numbers = Sequence(first, lambda: self.now, self._raised)

    def _raised(self) -> None:
        self.raised += 1

    def sync(self) -> None:
        """The limit gets to the disk."""
        self.numbers.synced(self.numbers.limit)

    def draw(self, count: int) -> list[int]:
        """Draw so many, while each new limit is synced at once."""
        drawn = []
        for _ in range(count):
            drawn.append(self.numbers.draw())
            if self.numbers.behind():
                self.sync()
        return drawn


def test_numbers_grow_by_one() -> None:
    assert Source(first=7).draw(5000) == list(range(7, 5007))


def test_the_limit_is_greater_than_every_number_drawn() -> None:
    source = Source()
    for _ in range(5000):
        assert source.numbers.draw() < source.numbers.limit


def test_a_number_is_exposed_until_a_limit_above_it_is_synced() -> None:
    source = Source()
    assert not source.numbers.exposed()
    source.numbers.draw()
    assert source.numbers.exposed()
    source.sync()
    assert not source.numbers.exposed()


def test_a_limit_that_does_not_cover_all_numbers_leaves_the_last_exposed() -> None:
    source = Source()
    limit = source.numbers.limit
    for _ in range(limit):
        source.numbers.draw()
    source.numbers.synced(limit)
    assert source.numbers.exposed()
    source.sync()
    assert not source.numbers.exposed()


def test_the_limit_is_raised_once_when_half_of_the_block_is_left() -> None:
    source = Source()
    source.sync()
    source.draw(FIRST_BLOCK // 2)
    assert source.raised == 0
    for _ in range(FIRST_BLOCK // 2):
        source.numbers.draw()
        assert not source.numbers.exposed()
    assert source.raised == 1
    assert source.numbers.behind()


def test_blocks_that_are_used_up_quickly_grow_up_to_a_largest() -> None:
    source = Source()
    source.draw(4 * LARGEST_BLOCK)
    left = source.numbers.limit - source.numbers.draw()
    assert LARGEST_BLOCK // 4 < left <= LARGEST_BLOCK
    assert source.raised < 20


def test_the_numbers_of_a_quiet_server_are_reserved_in_small_blocks() -> None:
    source = Source()
    source.draw(20_000)
    for _ in range(40_000):
        source.now += LASTS
        source.draw(1)
    assert source.numbers.limit - source.numbers.draw() <= FIRST_BLOCK


def test_a_block_lasts_for_some_seconds_at_any_rate() -> None:
    source = Source()
    for _ in range(60):
        source.now += 1
        source.draw(10_000)
    raised = source.raised
    for _ in range(60):
        source.now += 1
        source.draw(10_000)
    assert 60 / LASTS <= source.raised - raised <= 4 * 60 / LASTS


def test_a_sequence_that_is_stopped_gives_back_what_it_reserved() -> None:
    source = Source()
    source.draw(10)
    source.numbers.stop()
    assert source.numbers.limit == 11
