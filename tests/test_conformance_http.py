"""The contract, held by the client and the HTTP API together, in front of a broker in memory."""

from __future__ import annotations

from tests import broker_contract
from tests.harness import Harness
from tests.network import HTTPHarness


class TestHTTP(broker_contract.BrokerContract):
    """L{wonderq.client.Client}."""

    def make_harness(self) -> Harness:
        return HTTPHarness()
