"""What twistd calls: every part of a server is made here, and handed what it needs."""

from __future__ import annotations

import re
import time
from typing import Any, Final, cast

from twisted.application.service import IService
from twisted.internet import reactor as the_reactor
from twisted.internet.endpoints import serverFromString
from twisted.internet.interfaces import IStreamServerEndpoint

from wonderq.config import Config, Options
from wonderq.http.api import Api
from wonderq.http.factory import ChannelFactory
from wonderq.local.broker import LocalBroker
from wonderq.local.clock import StoreClock
from wonderq.local.journal import IJournal, MemoryJournal
from wonderq.local.sqlite import SqliteJournal
from wonderq.local.threads import StoreThreads
from wonderq.metrics import Metrics, ReactorLag
from wonderq.process import Daemon, Process, Refused, boot_id, monotonic_clock
from wonderq.service import Server, Shortage

__all__ = ["Options", "makeService"]

_HINTS: Final = (
    # What Twisted's parsers say, as functions that were called wrongly, and what it means for who wrote a description.
    ("multiple values|positional arguments? but", r"colons in a value are written \:, as in tcp:8080:interface=\:\:1"),
    ("argument: 'port'|base 10", "ports and backlogs are numbers, as in tcp:8080:interface=127.0.0.1"),
    ("base 8", "a mode is an octal number, as in unix:socket:mode=660"),
)


def makeService(options: Options) -> IService:
    """Make the server that was asked for.  Nothing is opened yet: twistd may fork before it starts what we return.

    @raise Refused: an endpoint is described wrongly.
    """
    reactor = cast(Any, the_reactor)
    # Timers shall not follow the wall clock, so the reactor gets another before there are any.
    reactor.seconds = monotonic_clock()
    config = options.config
    clock = StoreClock(reactor.seconds, time.time, boot_id())
    threads = StoreThreads(reactor)
    metrics = Metrics()
    shortage = Shortage(config)
    journal: IJournal
    if config.store is None:
        journal = MemoryJournal()
    else:
        journal = SqliteJournal(
            config.store,
            clock,
            reactor,
            threads.long,
            config.sync,
            config.min_free,
            metrics.synced,
            shortage.changed,
            threads.sync,
        )
    broker = LocalBroker(journal, reactor, clock)
    server = Server(
        config,
        reactor=reactor,
        stop_reactor=reactor.stop,
        process=process_of(options),
        threads=threads,
        broker=broker,
        lag=ReactorLag(reactor, metrics.lagged),
    )
    checks = {"store": broker.trouble, "drain": server.trouble}
    store = "memory" if config.store is None else "sqlite"
    api = Api(
        broker,
        reactor=reactor,
        wall=time.time,
        checks=checks,
        metrics=metrics,
        about=lambda: {"store": store, "sync": config.sync.mode, "diskFull": shortage.full},
    )
    channels = ChannelFactory(api, reactor, config.max_connections, config.max_buffered)
    server.serve(channels, endpoints(config, reactor))
    return server


def endpoints(config: Config, reactor: Any) -> dict[str, IStreamServerEndpoint]:
    """Make the endpoints of a configuration, by their descriptions.

    @raise Refused: one is described wrongly.
    """
    made = {}
    for description in config.listen:
        try:
            made[description] = serverFromString(reactor, description)
        except Exception as error:  # noqa: BLE001 - whatever a parser, maybe a plugin's, makes of wrong arguments
            raise Refused(f"{description!r} is no Twisted endpoint: {_hint(description, error)}.") from None
    return made


def _hint(description: str, error: Exception) -> str:
    """Say what to do about a description that is refused; where the parser's own words tell, they stay."""
    if description.startswith("systemd:") and isinstance(error, LookupError):
        return "systemd has handed over no such socket (it does to the service of a .socket unit)"
    for words, hint in _HINTS:
        if re.search(words, str(error)):
            return hint
    return str(error).rstrip(".")


def process_of(options: Options) -> Process:
    """Tell what kind of process the server will run in."""
    twistd = options.parent
    if twistd is None or twistd.get("nodaemon", True):
        return Process()
    return Daemon()
