"""The contract, held by the client and the HTTP API together, in front of a broker in memory."""

from __future__ import annotations

from typing import Any

from tests import broker_contract
from tests.harness import Harness
from tests.network import HTTPHarness
from wonderq.http.api import Api
from wonderq.http.site import Site


class SiteHarness(HTTPHarness):
    """The same, with the API in a site of twisted.web's."""

    def make_front(self, api: Api) -> Any:
        return Site(api.resource(), self.clock)


class TestHTTP(broker_contract.BrokerContract):
    """L{wonderq.client.Client}, over the daemon's own connections."""

    def make_harness(self) -> Harness:
        return HTTPHarness()


class TestSite(broker_contract.BrokerContract):
    """L{wonderq.client.Client}, over those of L{wonderq.http.site}."""

    def make_harness(self) -> Harness:
        return SiteHarness()
