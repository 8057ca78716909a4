"""The contract in the words of tests: one suite, and every backend adds a subclass of three lines.

    class TestSomething(BrokerContract):
        def make_harness(self) -> Harness:
            return SomethingHarness()

Import this module, not the classes out of it: a test runner would collect them where they are imported.
"""

from __future__ import annotations

from tests.contract.looking import Looking
from tests.contract.publishing import Publishing
from tests.contract.queues import Queues
from tests.contract.receiving import Receiving
from tests.contract.settling import Settling
from tests.contract.waiting import WaitingForMessages
from tests.contract.within_a_process import WithinAProcess


class BrokerContract(Publishing, Receiving, WaitingForMessages, Settling, Queues, Looking):
    """What every broker does."""


class LocalBrokerContract(BrokerContract, WithinAProcess):
    """What a broker in the same process does."""
