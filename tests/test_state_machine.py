"""Every broker of one process does what the simple model does, whatever is done to it.

C{WONDERQ_MODEL_EXAMPLES=20000} makes the run that long: so many examples for each journal, of 100 steps.
"""

from __future__ import annotations

import os

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.model.machine import machine
from tests.model.worlds import InMemory, InSqlite, OnNarrowPaper, OnPaper, World

EXAMPLES = int(os.environ.get("WONDERQ_MODEL_EXAMPLES", "0"))


@pytest.mark.timeout(0 if EXAMPLES else 900)  # A failure takes time to be made small.
@pytest.mark.parametrize(
    ("world", "examples"), [(InMemory, 300), (OnPaper, 400), (OnNarrowPaper, 150), (InSqlite, 250)]
)
def test_the_broker_agrees_with_the_model(world: type[World], examples: int) -> None:
    run_state_machine_as_test(
        machine(world),
        settings=settings(
            max_examples=EXAMPLES or examples,
            stateful_step_count=100 if EXAMPLES else 40,
            deadline=None,
            database=None,
            print_blob=True,
            phases=[Phase.generate, Phase.shrink],
            suppress_health_check=list(HealthCheck),
        ),
    )
