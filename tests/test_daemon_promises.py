"""The promises that a kill could break, one by one, and those about order and length, on the real server."""

from __future__ import annotations

import json
import time
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path
from random import Random
from statistics import median

import pytest

from tests.daemon.client import Session
from tests.daemon.process import START_SECONDS, Daemon

KEEPING = ("always", "never")
"""Every level of syncing keeps what was answered when the process dies: the first, the last, and all between."""


@pytest.mark.parametrize("sync", KEEPING)
class TestAcrossAKill:
    def test_what_was_published_is_there_byte_for_byte(self, sync: str, tmp_path: Path) -> None:
        bodies = [b"", bytes(range(256)), b"\r\n" * 1000]
        with Daemon(tmp_path, "--sync", sync) as daemon:
            ids = [daemon.session().publish(body) for body in bodies]
            daemon.kill()
            daemon.start()
            found = {message["id"]: message["body"] for message in daemon.session().receive("c")}
        assert found == {id: b64encode(body).decode() for id, body in zip(ids, bodies, strict=True)}

    def test_what_was_deleted_stays_deleted(self, sync: str, tmp_path: Path) -> None:
        with Daemon(tmp_path, "--sync", sync) as daemon:
            session = daemon.session()
            ids = session.publish_batch([{"text": str(number)} for number in range(20)])
            held = session.receive("c", limit=10, lease=0.1)
            deleted = [message["id"] for message in held[::2]]
            receipts = ",".join(str(message["receipt"]) for message in held[::2])
            assert session.delete("c", id=",".join(map(str, deleted)), receipt=receipts) == [True] * 5
            daemon.kill()
            daemon.start()
            time.sleep(0.1)
            there = [message["id"] for message in daemon.session().receive("c", limit=100)]
        assert there == sorted(set(ids) - set(deleted))

    def test_a_lease_stays_with_its_holder_until_it_ends(self, sync: str, tmp_path: Path) -> None:
        with Daemon(tmp_path, "--sync", sync) as daemon:
            session = daemon.session()
            session.publish_batch([{"text": "first"}, {"text": "second"}])
            first, second = session.receive("c", lease=2)
            start = time.monotonic()
            daemon.kill()
            daemon.start()
            session = daemon.session()
            assert session.receive("other") == []
            assert session.delete("c", id=first["id"], receipt=first["receipt"]) is True
            again = session.receive("other", wait=3)[0]
            assert 1.9 < time.monotonic() - start < 3
            assert (again["id"], again["receives"]) == (second["id"], 2)
            assert session.delete("c", id=second["id"], receipt=second["receipt"]) is False

    def test_no_id_and_no_receipt_is_used_again(self, sync: str, tmp_path: Path) -> None:
        seen: list[tuple[int, int]] = []
        with Daemon(tmp_path, "--sync", sync) as daemon:
            for _ in range(3):
                session = daemon.session()
                session.publish(b"x")
                message = session.receive("c")[0]
                # Nothing of it is left in the store to go on from.
                assert session.delete("c", id=message["id"], receipt=message["receipt"]) is True
                seen.append((message["id"], message["receipt"]))
                daemon.kill()
                daemon.start()
        for numbers in zip(*seen, strict=True):
            assert list(numbers) == sorted(set(numbers))


def test_what_became_of_a_message_is_known_after_a_kill(tmp_path: Path) -> None:
    with Daemon(tmp_path) as daemon:
        session = daemon.session()
        released, extended, buried, delayed = session.publish_batch(
            [{"text": "x", "delay": delay} for delay in (0, 0, 0, 60)]
        )
        for message in session.receive("c", lease=0.3):
            if message["id"] == released:
                session.settle("c", id=released, delay=0, reason="no time")
            elif message["id"] == extended:
                session.settle("c", id=extended, lease=60)
            else:
                session.settle("c", id=buried, bury="true", reason="bad")
        daemon.kill()
        time.sleep(0.3)
        daemon.start()
        session = daemon.session()
        assert session.counts() == {"ready": 1, "delayed": 1, "leased": 1, "dead": 1}
        states = {id: session.succeed("GET", f"/v1/messages/{id}").value["state"] for id in (extended, buried, delayed)}
        assert states == {extended: "leased", buried: "dead", delayed: "delayed"}
        message = session.receive("c")[0]
        assert (message["id"], message["receives"], message["lastFailure"]) == (released, 2, "no time")


def test_a_queue_is_the_same_after_a_kill_and_a_deleted_one_is_gone(tmp_path: Path) -> None:
    settings = {"lease": 7.5, "maxReceives": 3}
    with Daemon(tmp_path) as daemon:
        session = daemon.session()
        for name in ("kept", "gone"):
            session.succeed("PUT", f"/v1/queues/{name}", json.dumps(settings).encode(), "application/json")
            session.publish(name.encode(), queue=name)
        session.succeed("DELETE", "/v1/queues/gone")
        daemon.kill()
        daemon.start()
        session = daemon.session()
        assert session.call("GET", "/v1/queues/gone").status == 404
        kept = session.succeed("GET", "/v1/queues/kept").value
        assert settings.items() <= kept["settings"].items()
        assert kept["counts"]["ready"] == 1
        # Not the old queue's messages, though its name.
        session.succeed("PUT", "/v1/queues/gone", b"{}", "application/json")
        assert session.receive("c", queue="gone") == []


@pytest.mark.parametrize("kill", [False, True], ids=["running", "killed"])
def test_higher_priority_comes_first_and_then_the_lower_id(kill: bool, tmp_path: Path) -> None:
    priorities = Random(1).choices(range(10), k=200)
    with Daemon(tmp_path) as daemon:
        session = daemon.session()
        ids = session.publish_batch([{"text": "x", "priority": priority} for priority in priorities])
        # Those that were leased come back to their old places.
        session.receive("c", limit=50, lease=0.1)
        time.sleep(0.2)
        if kill:
            daemon.kill()
            daemon.start()
        received = [message["id"] for message in daemon.session().receive("c", limit=1000)]
    assert received == sorted(ids, key=lambda id: (-priorities[ids.index(id)], id))


def test_a_late_holder_can_do_nothing_and_is_told(tmp_path: Path) -> None:
    with Daemon(tmp_path) as daemon:
        session = daemon.session()
        session.publish(b"x")
        old = session.receive("c", lease=0.1)[0]
        new = session.receive("other", wait=2, lease=60)[0]
        late = {"id": old["id"], "receipt": old["receipt"]}
        assert session.delete("c", **late) is False
        for what in ({"lease": 1}, {"delay": 0}, {"bury": "true"}):
            assert session.settle("c", **late, **what) is False
        # Nor with the receipt of another, or as another with the old one.
        assert session.delete("c", id=new["id"], receipt=new["receipt"]) is False
        assert session.delete("other", **late) is False
        assert session.delete("other", id=new["id"], receipt=new["receipt"]) is True


def test_a_second_server_on_the_same_data_refuses_in_one_line(tmp_path: Path) -> None:
    with Daemon(tmp_path / "first", data=tmp_path / "data") as first:
        second = Daemon(tmp_path / "second", data=tmp_path / "data")
        assert second.spawn_for(START_SECONDS) == 1
        error = (tmp_path / "second" / "stderr").read_text()
        assert error.startswith("wonderq: ")
        assert error.count("\n") == 1
        assert first.session().publish(b"x") == 1
        first.kill()
        # The lock died with the process.
        with second:
            assert second.session().receive("c")[0]["id"] == 1


def fill(session: Session, thousands: int) -> None:
    """Publish so many thousand messages: a third delayed, and of the ready ones some to be leased and some dead."""
    for number in range(thousands):
        session.publish_batch([{"text": "x" * 200, "delay": 3600 if number % 3 == 0 else 0}] * 1000)
        if number % 6 == 1:
            held = ",".join(str(message["id"]) for message in session.receive("c", limit=1000, lease=3600))
            if number % 12 == 1:
                session.settle("c", id=held, bury="true")


def lengths_of_a_life(session: Session) -> Iterator[float]:
    """Publish one message, receive one and delete it; yield the seconds that each took."""
    begun = time.perf_counter()
    session.publish(b"x" * 200)
    yield time.perf_counter() - begun
    begun = time.perf_counter()
    message = session.receive("c", limit=1)[0]
    yield time.perf_counter() - begun
    begun = time.perf_counter()
    session.delete("c", id=message["id"], receipt=message["receipt"])
    yield time.perf_counter() - begun


def test_nothing_is_slower_because_the_queue_is_long(tmp_path: Path) -> None:
    with Daemon(tmp_path / "short", "--sync=never") as short, Daemon(tmp_path / "long", "--sync=never") as long:
        sessions = (short.session(), long.session())
        fill(sessions[1], 120)
        # In turn, so that whatever else the machine does slows down both.
        rounds = [[list(lengths_of_a_life(session)) for session in sessions] for _ in range(150)]
    for call in range(3):
        usual, with_many = (median(lives[length][call] for lives in rounds) for length in range(2))
        # A walk over the 60,000 that are ready would take a millisecond at the least.
        assert with_many < 1.5 * usual + 0.0005, call
