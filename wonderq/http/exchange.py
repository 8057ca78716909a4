"""What is being answered on a connection: one request that has to wait, by the short way or by the long one."""

from __future__ import annotations

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from wonderq.http.bridge import Bridge
from wonderq.http.call import Answer
from wonderq.http.incoming import Incoming
from wonderq.http.lane import waits


class Exchange:
    """One request and what will answer it.

    @ivar incoming: the request.
    """

    def __init__(self, incoming: Incoming, by: Deferred[Answer] | Bridge) -> None:
        self.incoming = incoming
        self._by = by

    def end(self) -> None:
        """The client will send no more: it shall not wait for messages."""
        if isinstance(self._by, Bridge):
            self._by.end()
        elif waits(self.incoming):
            self._by.cancel()

    def lost(self, reason: Failure) -> None:
        """Nobody is left to answer.  What was asked for happens all the same, but nobody waits for messages."""
        self.incoming.gone = True
        if isinstance(self._by, Bridge):
            self._by.lost(reason)
        elif waits(self.incoming):
            self._by.cancel()

    def pause(self) -> None:
        """Let less be written."""
        if isinstance(self._by, Bridge):
            self._by.pause()

    def resume(self) -> None:
        """Let more be written."""
        if isinstance(self._by, Bridge):
            self._by.resume()
