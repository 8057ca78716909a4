"""The state machine finds every bug that is planted for it: so it is not blind."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.model.machine import machine
from tests.model.planted import Planted, all_planted
from tests.model.watched import Disagreement


def look_for(bug: type[Planted], examples: int) -> None:
    run_state_machine_as_test(
        machine(bug),
        settings=settings(
            max_examples=examples,
            stateful_step_count=40,
            derandomize=True,
            deadline=None,
            database=None,
            report_multiple_bugs=False,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        ),
    )


def test_where_nothing_is_planted_nothing_is_found() -> None:
    look_for(Planted, 100)


@pytest.mark.parametrize("bug", all_planted(), ids=lambda bug: str(bug.__name__))
def test_the_bug_is_found(bug: type[Planted]) -> None:
    with pytest.raises(Disagreement):
        look_for(bug, 800)
