"""How fast is the load itself?  A server that does nothing but answer the same, for comparison."""

from __future__ import annotations

import select
import socket
import sys

from bench.wire import Reader, WireError

__all__ = ["main"]


def _answer(body: bytes, status: str = "200 OK") -> bytes:
    return f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body


ANSWERS = {
    b"P": _answer(b'{"messageId":1}', "201 Created"),
    b"G": _answer(b'[{"id":1,"receipt":1,"queue":"default","body":"' + b"x" * 180 + b'","encoding":"text"}]'),
    b"D": _answer(b"true"),
}
"""The answer to each method, by its first letter."""


def main() -> None:
    """Say where it listens, and serve until killed."""
    with socket.create_server(("127.0.0.1", 0), backlog=1024) as listener, select.epoll() as epoll:
        sys.stdout.write(f"Serving http://127.0.0.1:{listener.getsockname()[1]}\n")
        sys.stdout.flush()
        epoll.register(listener, select.EPOLLIN)
        clients: dict[int, tuple[socket.socket, Reader]] = {}
        while True:
            for number, _ in epoll.poll():
                if number == listener.fileno():
                    client = listener.accept()[0]
                    clients[client.fileno()] = client, Reader()
                    epoll.register(client, select.EPOLLIN)
                elif not _serve(*clients[number]):
                    clients.pop(number)[0].close()


def _serve(client: socket.socket, reader: Reader) -> bool:
    """Answer a request that is complete.

    @return: whether the connection is still of use.
    """
    try:
        data = client.recv(65536)
        asked = reader.feed(data) if data else None
        if asked is not None:
            client.sendall(ANSWERS[asked[0][:1]])
    except (OSError, WireError, KeyError):
        return False
    return bool(data)


if __name__ == "__main__":
    main()
