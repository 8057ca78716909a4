"""Does a server mind connections that do next to nothing?  A process that holds many of them.

It says C{ready} when all of them are there, and when its standard input ends, how many the server closed meanwhile.
"""

from __future__ import annotations

import argparse
import json
import resource
import select
import socket
import sys
from collections.abc import Sequence

from bench.wire import Reader, request

__all__ = ["Crowd", "main"]

REQUEST = request("GET", "/livez")
BY_BYTE = 15
"""Bytes of a request that trickle in, one each second; then the rest.  A server may want the head within 20 s."""
TICKS = 100
"""Ticks in a second; each trickling connection has its own."""
AT_ONCE = 100
"""Connections made before they are all answered, so that no server's backlog runs over."""


class Crowd:
    """Connections that are idle after an answer, as kept ones are, and connections that send a byte each second.

    @param port: where to connect to, on the loopback interface.
    @ivar lost: how many the server closed.
    """

    def __init__(self, port: int, idle: int, trickling: int) -> None:
        self.lost = 0
        self._all: list[socket.socket] = []
        while len(self._all) < idle + trickling:
            self._all += _answered(port, min(AT_ONCE, idle + trickling - len(self._all)))
        self._trickling = self._all[:trickling]
        self._sent = [0] * trickling
        self._tick = 0

    def tick(self) -> None:
        """Send the next byte of some requests; a hundred ticks serve all."""
        for index in range(self._tick % TICKS, len(self._trickling), TICKS):
            sent = self._sent[index]
            one = self._trickling[index]
            piece = REQUEST[sent:] if sent == BY_BYTE else REQUEST[sent : sent + 1]
            self._sent[index] = 0 if sent == BY_BYTE else sent + 1
            try:
                one.send(piece)
            except OSError:
                pass  # is counted at the end
        self._tick += 1

    def disperse(self) -> None:
        """Close all, and count those that were closed already."""
        for one in self._all:
            try:
                while data := one.recv(65536):
                    pass
                self.lost += not data
            except BlockingIOError:
                pass
            except OSError:
                self.lost += 1
            one.close()


def _answered(port: int, count: int) -> list[socket.socket]:
    """Make connections that have been answered once."""
    made = [socket.create_connection(("127.0.0.1", port), 20) for _ in range(count)]
    for one in made:
        one.sendall(REQUEST)
    for one in made:
        reader = Reader()
        while reader.feed(one.recv(65536)) is None:
            pass
        one.setblocking(False)
    return made


def main(arguments: Sequence[str] | None = None) -> None:
    """Be a crowd until standard input ends."""
    parser = argparse.ArgumentParser(prog="python -m bench.crowd", description=main.__doc__)
    parser.add_argument("port", type=int)
    parser.add_argument("idle", type=int)
    parser.add_argument("trickling", type=int)
    options = parser.parse_args(arguments)
    files = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (files, files))
    crowd = Crowd(options.port, options.idle, options.trickling)
    _say("ready")
    while not select.select([sys.stdin], [], [], 1 / TICKS)[0]:
        crowd.tick()
    crowd.disperse()
    _say(json.dumps({"lost": crowd.lost}))


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
