"""From the first listener to the last answer: how a server starts and stops."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from ipaddress import ip_address
from os.path import abspath
from signal import SIGHUP, SIGINT, SIGTERM
from typing import Final, Protocol

from msgspec.structs import astuple
from twisted.application.service import Service
from twisted.internet.address import IPv4Address, IPv6Address, UNIXAddress
from twisted.internet.defer import Deferred, TimeoutError, gatherResults, maybeDeferred
from twisted.internet.error import CannotListenError
from twisted.internet.interfaces import IAddress, IListeningPort, IReactorTime, IStreamServerEndpoint
from twisted.internet.task import deferLater
from twisted.logger import Logger
from twisted.python.failure import Failure

from wonderq.broker import IStore, StoreRefused, StoreUnwell
from wonderq.config import Config
from wonderq.http.factory import ChannelFactory
from wonderq.metrics import ReactorLag
from wonderq.process import STORE_FAILED, Process, Refused

STOP_SECONDS: Final = 8.0
"""How long the store may take to finish.  Supervisors commonly kill 10 s after the SIGTERM: docker stop, for one."""

CLOSE_SECONDS: Final = 1.0
"""How long clients may then take to read their last answer."""


class Shortage:
    """Whether there is room to publish, for the log and for C{/v1/status}.

    @ivar full: publishing is refused.
    """

    _log = Logger()

    def __init__(self, config: Config) -> None:
        self._config = config
        self.full = False

    def changed(self, roomy: bool) -> None:
        """There is room to publish again, or there is no more."""
        self.full = not roomy
        if roomy:
            self._log.info("There is room on the disk of {store}: publishing is possible again.", **self._fields())
        else:
            self._log.warn(
                "The disk of {store} is full: publishing is refused, since less than {min_free} bytes (--min-free)"
                " would be left.",
                **self._fields(),
            )

    def _fields(self) -> dict[str, object]:
        return {"store": self._config.store, "min_free": self._config.min_free}


class Threads(Protocol):
    """The threads of a store."""

    def start(self) -> object:
        """Start them."""

    def stop(self) -> object:
        """Stop them; returns when they have done what they were asked for."""


class Server(Service):
    """One server: its listeners, its broker, and the threads in which its disk is synced."""

    _log = Logger()

    def __init__(
        self,
        config: Config,
        *,
        reactor: IReactorTime,
        stop_reactor: Callable[[], object],
        process: Process,
        threads: Threads,
        broker: IStore,
        lag: ReactorLag,
    ) -> None:
        self._config = config
        self._reactor = reactor
        self._stop_reactor = stop_reactor
        self._process = process
        self._threads = threads
        self._broker = broker
        self._lag = lag
        self._stopping = False
        self._failed = False
        self._ports: list[IListeningPort] = []
        broker.on_failure = self._store_failed

    def serve(self, channels: ChannelFactory, endpoints: Mapping[str, IStreamServerEndpoint]) -> None:
        """Say what to serve, and where: endpoints by their descriptions."""
        self._channels = channels
        self._endpoints = endpoints

    def trouble(self) -> str | None:
        """Return why nobody new should come, in one sentence; C{None} when there is no reason."""
        return "The server is stopping." if self._stopping else None

    # -- start --

    def privilegedStartService(self) -> None:
        """Listen, while twistd still has the right to do so on ports below 1024.

        @raise Refused: an address is taken, or open to other machines.
        """
        with self._refusing():
            for description, endpoint in self._endpoints.items():
                self._listen(description, endpoint)

    def startService(self) -> None:
        """Open the store and begin to recover.  Requests are answered meanwhile: that the server is not ready.

        @raise Refused: the store cannot be opened.
        """
        with self._refusing():
            self._open()
        Service.startService(self)
        self._process.ignore(SIGHUP)
        self._threads.start()
        self._lag.start()
        self._log.info(
            "Serving {addresses}; messages are kept in {store}.",
            addresses=" ".join(
                url(port.getHost(), name) for port, name in zip(self._ports, self._endpoints, strict=True)
            ),
            store="memory" if self._config.store is None else abspath(self._config.store),
        )
        started = self._reactor.seconds()
        self._broker.start().addCallback(self._recovered, started).addErrback(self._not_recovered)
        self._process.started()
        self._process.settle()

    def _listen(self, description: str, endpoint: IStreamServerEndpoint) -> None:
        failures: list[Failure] = []
        endpoint.listen(self._channels).addCallbacks(self._ports.append, failures.append)
        if failures:
            raise Refused(f"Cannot listen on {description}: {_reason(failures[0].value)}.")
        if not self._config.insecure and not is_local(self._ports[-1].getHost()):
            here = r"\:\:1" if isinstance(self._ports[-1].getHost(), IPv6Address) else "127.0.0.1"
            raise Refused(
                f"{description} is open to other machines, and no keys are asked for; let it listen to this one alone"
                f" (interface={here}), or give --insecure if that is meant."
            )
        self._channels.accepts_from(self._ports[-1])

    def _open(self) -> None:
        try:
            self._broker.open()
        except StoreUnwell as error:
            raise Refused(f"{error}.", STORE_FAILED) from None
        except StoreRefused as error:
            raise Refused(f"{error}.") from None
        except OSError as error:
            raise Refused(f"Cannot keep messages in {self._config.store}: {_reason(error)}.") from None

    @contextmanager
    def _refusing(self) -> Iterator[None]:
        """Tell whoever started us of a refusal."""
        try:
            yield
        except Refused as refusal:
            for port in self._ports:
                port.stopListening()
            self._process.refused(refusal)
            raise

    def _recovered(self, _: object, started: float) -> Deferred[None]:
        took = self._reactor.seconds() - started
        self._process.settle()
        return self._broker.stats().addCallback(
            lambda stats: self._log.info(
                "Ready: {messages} messages recovered in {seconds:.2f} s.",
                messages=sum(sum(astuple(view.counts)) for view in stats.queues),
                seconds=took,
            )
        )

    def _not_recovered(self, failure: Failure) -> None:
        if not self._stopping:
            self._store_failed(failure.value)

    # -- stop --

    def stopService(self) -> Deferred[None]:
        """Drain, then stop; the Deferred fires when everything is on disk and every answer has left."""
        self._stopping = True
        # The reactor would complain of a second one.
        self._process.ignore(SIGTERM, SIGINT)
        return Deferred.fromCoroutine(self._stop())

    async def _stop(self) -> None:
        if self._config.drain and not self._failed:
            self._log.info("Draining for {seconds:g} s.", seconds=self._config.drain)
            await deferLater(self._reactor, self._config.drain)
        give_up = self._reactor.callLater(STOP_SECONDS, self._give_up)
        await gatherResults([maybeDeferred(port.stopListening) for port in self._ports])
        # Once more round for requests that have arrived but were not read.
        await deferLater(self._reactor, 0)
        closed = self._channels.close()
        # Answers whoever waits, too.
        await self._broker.stop().addErrback(self._not_stopped)
        give_up.cancel()
        await closed.addTimeout(CLOSE_SECONDS, self._reactor).addErrback(lambda failure: failure.trap(TimeoutError))
        self._threads.stop()
        self._lag.stop()
        Service.stopService(self)
        self._log.info("Stopped.")

    def _store_failed(self, error: BaseException | None) -> None:
        self._failed = True
        self._log.critical("The store has failed, so the server stops: {error}", error=error)
        self._process.exit_with(STORE_FAILED)
        if not self._stopping:
            # After the answers that say so.
            self._reactor.callLater(0, self._stop_reactor)

    def _not_stopped(self, failure: Failure) -> None:
        self._log.failure("The store was not closed well.", failure=failure)
        self._process.exit_with(STORE_FAILED)

    def _give_up(self) -> None:
        self._log.critical("The store does not finish, so the server leaves without it.")
        self._process.leave(STORE_FAILED)


def is_local(address: IAddress) -> bool:
    """Tell whether only this machine can reach an address that is listened on."""
    if isinstance(address, IPv4Address | IPv6Address):
        return ip_address(address.host).is_loopback
    return isinstance(address, UNIXAddress)


def url(address: IAddress, description: str) -> str:
    """Say where the server is, as one would type it."""
    if isinstance(address, IPv4Address | IPv6Address):
        scheme = "https" if description.startswith("ssl:") else "http"
        host = f"[{address.host}]" if ":" in address.host else address.host
        return f"{scheme}://{host}:{address.port}"
    return description


def _reason(error: BaseException | None) -> str:
    """Say in a few words what the system said."""
    inner = error.socketError if isinstance(error, CannotListenError) else error
    return getattr(inner, "strerror", None) or str(inner).rstrip(".")
