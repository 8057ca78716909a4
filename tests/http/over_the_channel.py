"""A test case mixed with this has the daemon's own connections in front of its server."""

from __future__ import annotations

from twisted.internet.task import Clock

from wonderq.http.api import Api
from wonderq.http.factory import ChannelFactory


class OverTheChannel:
    """See L{tests.http.harness.Server}."""

    def make_front(self, api: Api, clock: Clock) -> ChannelFactory:
        """Make what listens."""
        return ChannelFactory(api, clock)
