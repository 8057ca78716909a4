"""What a server needs and how soon it answers, asked from outside: python -m bench.figures --help."""

from __future__ import annotations

import argparse
import json
import multiprocessing
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from multiprocessing.connection import Connection
from pathlib import Path
from statistics import median

from tests.daemon.client import NoAnswer, NotSent, Session
from tests.daemon.process import Daemon

PROBE = 0.02
"""Seconds between two probes."""

MB = 1_000_000
QUEUE = "big"


def say(what: str, *figures: str) -> None:
    """Print one line."""
    sys.stdout.write(f"{what:<44} {', '.join(figures)}\n")
    sys.stdout.flush()


def processor(process: int) -> float:
    """Return the seconds for which the first thread of a process has had a processor."""
    return int(Path(f"/proc/{process}/schedstat").read_text(encoding="ascii").split()[0]) / 1e9


def queued(process: int | str) -> float:
    """Return the seconds that a process, its first thread, has waited for a processor that others had."""
    return int(Path(f"/proc/{process}/schedstat").read_text(encoding="ascii").split()[1]) / 1e9


def probe(server: int, port: int, pipe: Connection) -> None:
    """Ask for C{/livez} over and over, in a process of its own; send the seconds that each answer took.

    A busy machine counts against nobody: what both processes waited for a processor is left out.
    """
    session = Session(port)
    taken: list[float] = []
    while not (taken and pipe.poll(PROBE)):
        before, start = queued(server) + queued("self"), time.perf_counter()
        try:
            session.call("GET", "/livez")
        except (NotSent, NoAnswer):
            break
        took = time.perf_counter() - start
        taken.append(took - (queued(server) + queued("self") - before))
    pipe.send(taken)


@contextmanager
def probed(daemon: Daemon, what: str) -> Iterator[None]:
    """Say how long the server, at the worst, did not answer a probe during the body."""
    ours, theirs = multiprocessing.Pipe()
    arguments = (daemon.process.pid, daemon.port, theirs)
    prober = multiprocessing.get_context("fork").Process(target=probe, args=arguments)
    # A fork: it is there at once.
    prober.start()
    yield
    ours.send("enough")
    taken = sorted(ours.recv())
    prober.join()
    long = sum(seconds > 0.05 for seconds in taken)
    say(
        f"  /livez during {what}",
        f"longest {taken[-1] * 1000:.0f} ms",
        f"99 % within {taken[len(taken) * 99 // 100] * 1000:.1f} ms",
        f"{long} of {len(taken)} probes above 50 ms",
    )


def wake(directory: Path) -> None:
    """Measure how long after a publish the receive that waits for it is answered."""
    taken = []
    with Daemon(directory) as daemon, ThreadPoolExecutor(1) as threads:
        publisher, consumer = daemon.session(), daemon.session()

        def wait() -> float:
            [message] = consumer.receive("c", wait=10)
            moment = time.perf_counter()
            consumer.delete("c", id=message["id"])
            return moment

        for _ in range(50):
            waiting = threads.submit(wait)
            while not publisher.succeed("GET", "/v1/queues/default").value["waiting"]:
                pass
            start = time.perf_counter()
            publisher.publish(b"x" * 200)
            taken.append(waiting.result() - start)
    say("a long poll is woken", f"median {median(taken) * 1000:.1f} ms", f"longest of 50 {max(taken) * 1000:.1f} ms")


class Million:
    """A long queue: filled, taken up again, worked on, and deleted."""

    def __init__(self, directory: Path, messages: int) -> None:
        self._daemon = Daemon(directory)
        self._messages = messages
        self._empty = 0

    def run(self) -> None:
        """Measure all of it, in that order."""
        with self._daemon as daemon:
            self._empty = daemon.resident()
            say("an empty server", f"{self._empty / MB:.0f} MB resident")
            self._fill()
            daemon.stop()
            self._recover()
            self._work(daemon.session(), seconds=5)
            self._delete(daemon.session())

    def _fill(self) -> None:
        daemon, batch = self._daemon, json.dumps([{"text": "x" * 200}] * 1000).encode()
        session = daemon.session()
        session.succeed("PUT", f"/v1/queues/{QUEUE}", b"{}", "application/json")
        start = time.perf_counter()
        with probed(daemon, "the fill"):
            for _ in range(self._messages // 1000):
                session.succeed("POST", "/v1/publish/batch", batch, "application/json", queue=QUEUE)
            taken = time.perf_counter() - start
        say("published in batches of 1,000", f"{self._messages / taken:,.0f}/s", f"{taken:.1f} s", self._memory())

    def _recover(self) -> None:
        daemon = self._daemon
        start = time.perf_counter()
        daemon.spawn()
        daemon.wait_listening()
        listening = time.perf_counter() - start
        with probed(daemon, "the recovery"):
            daemon.wait_ready()
            ready = time.perf_counter() - start
            used = processor(daemon.process.pid)
            # What it puts off until then shall be seen too.
            time.sleep(1)
        say(
            "started again",
            f"listening after {listening:.2f} s",
            f"ready after {ready:.2f} s, {used:.2f} s of them on a processor",
            self._memory(),
        )

    def _work(self, session: Session, seconds: float) -> None:
        done, deadline = 0, time.perf_counter() + seconds
        with probed(self._daemon, "receives and deletes"):
            while time.perf_counter() < deadline:
                ids = ",".join(str(message["id"]) for message in session.receive("c", queue=QUEUE, limit=10))
                session.delete("c", id=ids)
                done += 10
        say("received and deleted by tens, one client", f"{done / seconds:,.0f}/s", self._memory())

    def _delete(self, session: Session) -> None:
        start = time.perf_counter()
        with probed(self._daemon, "the deletion"):
            session.succeed("DELETE", f"/v1/queues/{QUEUE}")
            taken = time.perf_counter() - start
            # Its rows are removed later, bit by bit.
            time.sleep(20)
        say("the queue deleted", f"answered after {taken * 1000:.0f} ms", self._memory())

    def _memory(self) -> str:
        resident = self._daemon.resident()
        return f"{resident / MB:.0f} MB resident, {(resident - self._empty) / MB:.0f} MB more than empty"


def main(arguments: Sequence[str]) -> None:
    """Measure what is asked for."""
    parser = argparse.ArgumentParser(prog="python -m bench.figures", description=str(__doc__).partition(":")[0] + ".")
    parser.add_argument("what", nargs="*", default=["wake", "million"], help="wake, million [both]")
    parser.add_argument("--messages", type=int, default=1_000_000, help="how long the queue is [%(default)s]")
    options = parser.parse_args(arguments)
    figures: dict[str, Callable[[Path], None]] = {
        "wake": wake,
        "million": lambda directory: Million(directory, options.messages).run(),
    }
    for name in options.what:
        with tempfile.TemporaryDirectory(prefix="wonderq-figures-") as directory:
            figures[name](Path(directory))


if __name__ == "__main__":
    main(sys.argv[1:])
