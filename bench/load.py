"""How many requests does a server answer to clients that each wait for one answer before they ask again?

The clients are one loop over epoll in this process, as lean as Python allows: requests are made beforehand, answers
are taken apart no further than needed.  Whether that is lean enough, every figure says itself (L{Figures.load_cpu}).
"""

from __future__ import annotations

import gc
import select
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from bench.scripts import Conversation
from bench.wire import Reader

__all__ = ["Figures", "Load", "LoadFailed", "Usage"]

PATIENCE = 20.0
"""Seconds without any answer after which a server counts as gone."""

AT_LEAST = 3
"""Answers to each client, on average, without which a window does not end: large batches may take longer than it."""

READ = 65536
"""Bytes asked for at once."""


class LoadFailed(Exception):
    """A server refused, hung up or fell silent: what was measured is worth nothing."""


@dataclass(frozen=True)
class Usage:
    """Processor time in seconds.

    @ivar taken: by the server.
    @ivar core: by whatever ran on its processor, the server included.
    """

    taken: float
    core: float

    def since(self, before: Usage) -> Usage:
        """Return what was used after an earlier look."""
        return Usage(self.taken - before.taken, self.core - before.core)


@dataclass(frozen=True)
class Figures:
    """What a load saw in its window.

    @ivar answers: how many came.
    @ivar seconds: how long the window was.
    @ivar server: processor time that the server took.
    @ivar load_cpu: seconds of processor time that the load took.
    @ivar latencies: seconds from the first byte of each request to the last of its answer, sorted.
    """

    answers: int
    seconds: float
    server: Usage
    load_cpu: float
    latencies: Sequence[float]


class _Client:
    """A connection and what it is saying."""

    __slots__ = ("conversation", "reader", "rest", "sent", "socket")

    def __init__(self, port: int, conversation: Conversation) -> None:
        self.conversation = conversation
        self.reader = Reader()
        self.rest = b""
        self.sent = 0.0
        self.socket = socket.create_connection(("127.0.0.1", port), PATIENCE)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket.setblocking(False)


class Load:
    """Clients of one server.

    @param port: where it listens, on the loopback interface.
    @param conversations: what each client says.
    @param usage: tells what the server has taken so far.
    """

    def __init__(self, port: int, conversations: Sequence[Conversation], usage: Callable[[], Usage]) -> None:
        self._port = port
        self._conversations = conversations
        self._usage = usage
        self._clients: dict[int, _Client] = {}

    def run(self, warm_up: float, seconds: float) -> Figures:
        """Connect, ask for C{warm_up} seconds, then count for C{seconds} or until L{AT_LEAST}, and hang up.

        @raise LoadFailed: the server did not go along.
        @raise Unexpected: an answer made no sense.
        """
        with select.epoll() as epoll, _no_collections():
            try:
                for conversation in self._conversations:
                    client = _Client(self._port, conversation)
                    self._clients[client.socket.fileno()] = client
                    epoll.register(client.socket.fileno(), select.EPOLLIN)
                for client in self._clients.values():
                    self._say(epoll, client, next(client.conversation))
                return self._measure(epoll, warm_up, seconds)
            except OSError as error:
                raise LoadFailed(str(error)) from error
            finally:
                for client in self._clients.values():
                    client.socket.close()
                self._clients.clear()

    def _measure(self, epoll: select.epoll, warm_up: float, seconds: float) -> Figures:
        latencies: list[float] = []
        self._until(epoll, time.perf_counter() + warm_up, 0, latencies)
        latencies.clear()
        begun, server, load = time.perf_counter(), self._usage(), time.process_time()
        self._until(epoll, begun + seconds, AT_LEAST * len(self._clients), latencies)
        load, server, lasted = time.process_time() - load, self._usage().since(server), time.perf_counter() - begun
        return Figures(len(latencies), lasted, server, load, sorted(latencies))

    def _until(self, epoll: select.epoll, end: float, at_least: int, latencies: list[float]) -> None:
        """Go on until it is that late and so many answers came, and add how long each took."""
        heard = time.perf_counter()
        while True:
            left = 1.0 if len(latencies) < at_least else end - time.perf_counter()
            events = epoll.poll(max(0.0, min(left, 1.0)))
            # All of them were here when the call returned, however long it takes to look at each.
            now = time.perf_counter()
            for number, event in events:
                client = self._clients[number]
                if event & select.EPOLLOUT:
                    self._say(epoll, client, client.rest)
                    continue
                data = client.socket.recv(READ)
                if not data:
                    raise LoadFailed("the server hung up")
                answer = client.reader.feed(data)
                if answer is None:
                    continue
                if answer[0][9:10] != b"2":
                    raise LoadFailed(f"the server answered {answer[0]!r}, {answer[1][:300]!r}")
                latencies.append(now - client.sent)
                self._say(epoll, client, client.conversation.send(answer[1]))
            if events:
                heard = now
            elif now - heard > PATIENCE:
                raise LoadFailed(f"no answer for {PATIENCE:.0f} s")
            if now >= end and len(latencies) >= at_least:
                return

    def _say(self, epoll: select.epoll, client: _Client, data: bytes) -> None:
        """Send a request, or the rest of one."""
        if not client.rest:
            client.sent = time.perf_counter()
        try:
            sent = client.socket.send(data)
        except BlockingIOError:
            sent = 0
        rest = data[sent:]
        if bool(rest) != bool(client.rest):
            epoll.modify(client.socket.fileno(), select.EPOLLOUT if rest else select.EPOLLIN)
        client.rest = rest


@contextmanager
def _no_collections() -> Iterator[None]:
    """Keep Python's garbage collector from adding its pauses to a server's."""
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
