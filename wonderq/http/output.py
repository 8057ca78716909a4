"""What becomes of an answer: written at once where that goes, kept where it does not, and undone when it stays."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from socket import socket
from typing import Any

from twisted.internet.abstract import FileDescriptor
from twisted.internet.interfaces import ITransport
from twisted.protocols.policies import ProtocolWrapper

Undo = Callable[[], object]


class Buffers:
    """What all connections together keep in memory: bodies that come in, answers that wait to go out.

    @ivar used: bytes.
    @ivar limit: bytes that shall not be exceeded.
    """

    def __init__(self, limit: int) -> None:
        self.used = 0
        self.limit = limit

    @property
    def full(self) -> bool:
        """Whether no more should be taken in."""
        return self.used >= self.limit


class Output:
    """The way out of one connection.

    A transport of Twisted's writes in the next turn of the reactor, and asks the kernel twice for it: to tell when the
    socket takes bytes, and to tell no more.  A socket nearly always takes an answer at once, so it is asked first; what
    it does not take goes the usual way.

    @ivar given: bytes that were given to the transport since it last had none to write; 0 while it has none.
    """

    def __init__(self, transport: ITransport) -> None:
        self._transport: Any = transport
        wrapped = isinstance(transport, ProtocolWrapper)
        inner: Any = transport.transport if isinstance(transport, ProtocolWrapper) else transport
        self._descriptor: Any = inner if isinstance(inner, FileDescriptor) else None
        self._wrapped = wrapped
        self._socket: socket | None = None if wrapped else getattr(self._descriptor, "socket", None)
        self.given = 0
        self._full = False
        # What was given up to the end of each answer that can be undone.
        self._undos: deque[tuple[int, Undo]] = deque()

    def write(self, data: bytes, undo: Undo | None = None) -> None:
        """Write an answer, or a part of one.

        @param undo: see L{wonderq.http.call.Answer}; called if the connection is lost while the socket has not taken
            all of C{data}.
        """
        descriptor = self._descriptor
        if descriptor is not None and not descriptor._tempDataLen and not descriptor.dataBuffer:
            if self.given:
                self.empty()
            if self._socket is not None:
                try:
                    sent = self._socket.send(data)
                except OSError:
                    # It takes nothing now, or never again; the transport will find out which.
                    sent = 0
                if sent == len(data):
                    return
                data = data[sent:]
        self.given += len(data)
        self._transport.write(data)
        # Of a transport that does not show its buffer nothing is known but whether that is full.
        if undo is not None and (descriptor is not None or self._full):
            self._undos.append((self.given, undo))

    def full(self) -> None:
        """The transport says that its buffer is full."""
        self._full = True

    def empty(self) -> None:
        """The transport says that everything is sent."""
        self._full = False
        self.given = 0
        self._undos.clear()

    def unsent(self) -> int:
        """Return how many bytes the socket has not taken yet."""
        if not self.given:
            return 0
        descriptor = self._descriptor
        if descriptor is None:
            return 0
        return int(len(descriptor.dataBuffer) - descriptor.offset + descriptor._tempDataLen)

    def end(self) -> None:
        """Let the client see that nothing follows, where this side can be closed alone."""
        if self._socket is not None:
            self._descriptor.loseWriteConnection()

    def lost(self, finished: bool) -> None:
        """Undo what was not taken by the time the connection was lost.

        @param finished: we had closed it, and it ended as connections do when everything is sent.
        """
        unsent, undos = self.unsent(), self._undos
        if self._descriptor is None:
            unsent = 0 if finished else self.given
        self._undos = deque()
        for end, undo in undos:
            # Encrypted bytes are more than those that were given, so then it is sure of the last answer only.
            behind = self.given - end
            if unsent > behind and not (self._wrapped and behind):
                undo()
