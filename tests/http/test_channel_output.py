"""What becomes of answers that the socket takes, takes in part, or does not take."""

from __future__ import annotations

from twisted.internet.abstract import FileDescriptor
from twisted.internet.testing import MemoryReactor
from twisted.trial.unittest import SynchronousTestCase

from wonderq.http.output import Output


class Socket:
    """Takes so many bytes, and then no more.

    @ivar room: how many; C{None}: the connection is broken.
    """

    def __init__(self) -> None:
        self.room: int | None = 0
        self.taken = b""

    def send(self, data: bytes) -> int:
        if self.room is None:
            raise BrokenPipeError
        if not self.room and data:
            raise BlockingIOError
        taken = data[: self.room]
        self.room -= len(taken)
        self.taken += taken
        return len(taken)


class Descriptor(FileDescriptor):
    """A transport like those of TCP connections."""

    connected = 1

    def __init__(self, socket: Socket) -> None:
        FileDescriptor.__init__(self, MemoryReactor())
        self.socket = socket

    def writeSomeData(self, data: bytes) -> int:
        try:
            return self.socket.send(bytes(data))
        except BlockingIOError:
            return 0


class OutputTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.socket = Socket()
        self.descriptor = Descriptor(self.socket)
        self.output = Output(self.descriptor)
        self.undone: list[str] = []

    def write(self, data: bytes, name: str = "") -> None:
        self.output.write(data, (lambda: self.undone.append(name)) if name else None)

    def drain(self, room: int) -> None:
        """Let the socket take more, and the transport find out."""
        self.socket.room = room
        self.descriptor.doWrite()

    def test_what_the_socket_takes_never_waits(self) -> None:
        self.socket.room = 100
        self.write(b"answer", "a")
        self.assertEqual((self.socket.taken, self.output.unsent()), (b"answer", 0))
        self.output.lost(False)
        self.assertEqual(self.undone, [])

    def test_what_it_does_not_take_goes_after_it_in_order(self) -> None:
        self.socket.room = 4
        self.write(b"first")
        self.write(b"second")
        self.assertEqual((self.socket.taken, self.output.unsent()), (b"firs", 7))
        # Room for the second alone does not let it pass the first.
        self.socket.room = 100
        self.write(b"third")
        self.assertEqual(self.socket.taken, b"firs")
        self.drain(100)
        self.assertEqual((self.socket.taken, self.output.unsent()), (b"firstsecondthird", 0))

    def test_of_several_answers_those_are_undone_that_were_not_taken_whole(self) -> None:
        for room, undone in ((0, "abc"), (4, "abc"), (5, "bc"), (10, "bc"), (11, "c"), (15, "c"), (16, "")):
            self.setUp()
            self.write(b"first", "a")
            self.write(b"second", "b")
            self.write(b"third", "c")
            if room:
                self.drain(room)
            self.output.lost(False)
            self.assertEqual("".join(self.undone), undone, room)

    def test_what_was_sent_long_ago_is_not_undone_with_what_was_not(self) -> None:
        self.write(b"first", "a")
        self.drain(100)
        self.socket.room = 0
        self.write(b"second", "b")
        self.output.lost(False)
        self.assertEqual(self.undone, ["b"])

    def test_an_answer_to_a_broken_connection_is_undone_when_it_is_lost(self) -> None:
        self.socket.room = None
        self.write(b"answer", "a")
        self.assertEqual(self.undone, [])
        self.output.lost(False)
        self.assertEqual(self.undone, ["a"])

    def test_nothing_is_undone_twice(self) -> None:
        self.write(b"answer", "a")
        self.output.lost(False)
        self.output.lost(False)
        self.assertEqual(self.undone, ["a"])
