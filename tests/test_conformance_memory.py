"""The contract, held in memory."""

from __future__ import annotations

from tests import broker_contract
from tests.harness import Harness, LocalHarness
from wonderq.local.journal import MemoryJournal


class TestMemory(broker_contract.LocalBrokerContract):
    """C{--store memory:}."""

    def make_harness(self) -> Harness:
        return LocalHarness(lambda clock: MemoryJournal())
