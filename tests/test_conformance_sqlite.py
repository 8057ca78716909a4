"""The contract, held on disk, over every way in which a server can end."""

from __future__ import annotations

from tests import broker_contract
from tests.contract import boots
from tests.durable import DurableHarness


class TestSqlite(broker_contract.LocalBrokerContract):
    """C{--store sqlite:PATH}."""

    def make_harness(self) -> DurableHarness:
        return DurableHarness("stopped")


class TestSqliteStopped(boots.SurvivingOnOneBoot):
    """SIGTERM."""

    def make_harness(self) -> DurableHarness:
        return DurableHarness("stopped")


class TestSqliteKilled(boots.SurvivingOnOneBoot):
    """SIGKILL."""

    def make_harness(self) -> DurableHarness:
        return DurableHarness("killed")


class TestSqliteRebooted(boots.SurvivingReboots):
    """The machine went down with it."""

    def make_harness(self) -> DurableHarness:
        return DurableHarness("rebooted")
