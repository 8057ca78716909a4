"""Who may open a SQLite store, and what is refused with which words."""

from __future__ import annotations

import errno
import os
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import apsw
import pytest

from tests.local.stores import Store
from wonderq.broker import StoreRefused, StoreUnwell
from wonderq.local.schema import APPLICATION_ID, VERSION
from wonderq.local.store_file import refusing
from wonderq.model import QueueSettings

OWNER = """
import sys
from pathlib import Path
from tests.local.stores import Store
store = Store(Path(sys.argv[1]))
store.queue()
store.publish()
store.written()
print("open", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "store.sqlite"


@pytest.fixture
def owner(path: Path) -> Iterator[subprocess.Popen[str]]:
    """Let another process have the store open."""
    with subprocess.Popen(
        [sys.executable, "-c", OWNER, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "open\n"
        yield process
        process.kill()


def refusal(path: Path) -> str:
    """Return with which words a store is refused."""
    with pytest.raises(StoreRefused) as refused:
        Store(path)
    line = str(refused.value)
    assert line.startswith(f"{path} ")
    assert "\n" not in line
    return line.removeprefix(f"{path} ")


def with_sqlite(path: Path, script: str) -> None:
    connection = apsw.Connection(str(path))
    connection.execute(script).fetchall()
    connection.close()


def test_a_store_is_made_with_its_directories_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "var" / "lib" / "store.sqlite"
    Store(path).stop()
    assert path.exists()
    for directory in (path.parent, path.parent.parent):
        assert stat.S_IMODE(directory.stat().st_mode) == 0o700


def test_a_relative_path_is_good(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Store(Path("store.sqlite")).stop()
    assert (tmp_path / "store.sqlite").exists()


def test_a_store_that_was_closed_is_one_file_and_a_lock(path: Path) -> None:
    Store(path).stop()
    assert sorted(os.listdir(path.parent)) == ["store.sqlite", "store.sqlite.lock"]


def test_any_sqlite_tool_sees_whose_file_it_is_and_which_version(path: Path) -> None:
    Store(path).stop()
    connection = apsw.Connection(str(path))
    assert connection.pragma("application_id") == APPLICATION_ID
    assert connection.pragma("user_version") == VERSION
    assert connection.pragma("integrity_check") == "ok"
    assert connection.pragma("page_size") == 4096
    connection.close()


def test_what_durability_rests_on_is_set(path: Path) -> None:
    store = Store(path)
    connection = store.journal._file.connection
    assert connection.pragma("journal_mode") == "wal"
    assert connection.pragma("synchronous") == 1
    assert connection.pragma("wal_autocheckpoint") == 0
    assert connection.pragma("locking_mode") == "normal"
    assert connection.pragma("mmap_size") == 0
    assert connection.pragma("cache_size") == -16 * 1024
    store.stop()


def test_a_second_opener_is_told_who_has_the_store(path: Path) -> None:
    store = Store(path)
    assert refusal(path) == f"is in use by process {os.getpid()}"
    store.stop()
    Store(path).stop()


def test_another_process_is_told_who_has_the_store(path: Path, owner: subprocess.Popen[str]) -> None:
    assert refusal(path) == f"is in use by process {owner.pid}"


def test_a_store_is_free_when_its_process_was_killed(path: Path, owner: subprocess.Popen[str]) -> None:
    owner.send_signal(signal.SIGKILL)
    owner.wait()
    store = Store(path)
    assert len(store.survivors()) == 1
    store.stop()


def test_a_refused_opener_leaves_the_store_to_its_owner(path: Path) -> None:
    store = Store(path)
    refusal(path)
    store.queue()
    store.publish()
    store.written()
    assert len(store.rows("messages")) == 1
    store.stop()


def test_a_store_is_one_store_through_symbolic_links_too(path: Path, tmp_path: Path) -> None:
    store = Store(path)
    (tmp_path / "directory").symlink_to(tmp_path)
    (tmp_path / "link.sqlite").symlink_to(path)
    for name in (tmp_path / "directory" / path.name, tmp_path / "link.sqlite"):
        assert refusal(name) == f"is in use by process {os.getpid()}"
    store.stop()


def test_a_symbolic_link_finds_what_a_killed_server_left_in_the_log(path: Path, tmp_path: Path) -> None:
    store = Store(path)
    store.queue()
    store.publish()
    store.written()
    link = tmp_path / "link.sqlite"
    link.symlink_to(store.killed())
    through_it = Store(link)
    assert len(through_it.survivors()) == 1
    through_it.written()
    assert [Path(f"{link}{suffix}").exists() for suffix in (".lock", "-wal")] == [False, False]
    through_it.stop()
    store.stop()


def test_a_symbolic_link_to_nothing_makes_the_store_where_it_leads(path: Path, tmp_path: Path) -> None:
    link = tmp_path / "link.sqlite"
    link.symlink_to(path.parent / "far" / "store.sqlite")
    Store(link).stop()
    assert sorted(os.listdir(path.parent / "far")) == ["store.sqlite", "store.sqlite.lock"]


def test_a_store_with_a_second_name_is_refused_under_both(path: Path, tmp_path: Path) -> None:
    Store(path).stop()
    second = tmp_path / "second.sqlite"
    os.link(path, second)
    words = "has a second name (a hard link), which would not lead to its log; remove one"
    assert refusal(path) == refusal(second) == words
    second.unlink()
    Store(path).stop()


def test_a_store_of_a_newer_version_is_refused_and_left_alone(path: Path) -> None:
    Store(path).stop()
    with_sqlite(path, "PRAGMA journal_mode = DELETE; PRAGMA user_version = 7")
    before = path.read_bytes()
    assert refusal(path) == f"was written by a newer WonderQ (store version 7, this one knows {VERSION})"
    assert path.read_bytes() == before


def test_another_programs_database_is_refused_and_left_alone(path: Path) -> None:
    with_sqlite(path, "CREATE TABLE theirs (x)")
    before = path.read_bytes()
    assert refusal(path) == "is an SQLite database, but not one of WonderQ"
    assert path.read_bytes() == before


def test_a_file_that_is_no_database_is_refused_and_left_alone(path: Path) -> None:
    path.write_bytes(b"important notes\n" * 1000)
    assert refusal(path) == "is not an SQLite database"
    assert path.read_bytes() == b"important notes\n" * 1000


def test_an_empty_file_becomes_a_store(path: Path) -> None:
    path.touch()
    Store(path).stop()
    Store(path).stop()


def test_a_damaged_store_is_refused(path: Path) -> None:
    Store(path).stop()
    data = bytearray(path.read_bytes())
    data[4096:] = b"\xff" * (len(data) - 4096)
    path.write_bytes(data)
    assert refusal(path).startswith("is damaged: ")
    # The refusal let go of it.
    assert refusal(path).startswith("is damaged: ")


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("table", "meta"),
        ("table", "queues"),
        ("table", "messages"),
        ("table", "delays"),
        ("table", "leases"),
        ("table", "history"),
        ("index", "delays_by_due"),
        ("trigger", "gone_with_all_rows"),
    ],
)
def test_a_store_that_lacks_something_is_refused_and_left_alone(path: Path, kind: str, name: str) -> None:
    Store(path).stop()
    with_sqlite(path, f"PRAGMA journal_mode = DELETE; DROP {kind} {name}")
    before = path.read_bytes()
    line = refusal(path)
    assert line.startswith("is damaged: it has no ")
    assert f" no {kind} {name}" in line
    assert path.read_bytes() == before


def test_what_somebody_added_to_a_store_is_no_damage(path: Path) -> None:
    Store(path).stop()
    with_sqlite(path, "CREATE INDEX by_queue ON messages (queue); ANALYZE")
    Store(path).stop()


def test_a_directory_is_refused(path: Path) -> None:
    path.mkdir()
    assert refusal(path).startswith("cannot be opened: ")


def test_a_place_where_nothing_can_be_made_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert refusal(tmp_path / "file" / "store.sqlite").startswith("cannot be opened: ")


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOSPC, "No space left on device"),
        OSError(errno.EDQUOT, "Disk quota exceeded"),
        apsw.exception_for(apsw.SQLITE_FULL),
        apsw.exception_for(apsw.SQLITE_IOERR_SHMSIZE),
    ],
    ids=["the lock", "the quota", "the database", "the index of the log"],
)
def test_a_store_on_a_full_disk_is_refused_with_what_to_do(error: Exception) -> None:
    with pytest.raises(StoreUnwell) as refused, refusing("PATH"):
        raise error
    assert str(refused.value) == (
        "PATH cannot be opened: its disk is full; free the size of its log and 1 MB, nothing is lost"
    )


@pytest.mark.parametrize("error", [apsw.IOError("disk I/O error"), OSError(errno.EIO, "disk I/O error")])
def test_another_fault_of_the_disk_is_named(error: Exception) -> None:
    with pytest.raises(StoreUnwell, match=r"cannot be opened: .*disk I/O error"), refusing("PATH"):
        raise error


@pytest.mark.parametrize("error", [apsw.CantOpenError(), PermissionError(errno.EACCES, "Permission denied")])
def test_what_no_other_try_helps_against_is_no_fault_of_the_disk(error: Exception) -> None:
    with pytest.raises(StoreRefused) as refused, refusing("PATH"):
        raise error
    assert not isinstance(refused.value, StoreUnwell)


def test_a_store_that_another_program_writes_to_is_refused(path: Path) -> None:
    Store(path).stop()
    other = apsw.Connection(str(path))
    other.execute("BEGIN IMMEDIATE")
    assert refusal(path) == "is locked by another program"
    other.close()
    Store(path).stop()


def test_a_store_whose_log_another_program_reads_is_refused(path: Path) -> None:
    """What the last run left in the log could not get to the database."""
    store = Store(path)
    other = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
    other.execute("BEGIN; SELECT * FROM meta").fetchall()
    store.stop()
    assert refusal(path) == "is locked by another program"
    other.close()
    Store(path).stop()


def test_settings_that_this_version_does_not_know_are_refused(path: Path) -> None:
    store = Store(path)
    store.queue("jobs")
    store.stop()
    with_sqlite(path, """UPDATE queues SET settings = '{"colour": "red"}'""")
    assert refusal(path).startswith("has settings that this WonderQ does not know, of the queue jobs: ")


def test_settings_come_back_and_what_was_not_set_keeps_following_the_default(path: Path) -> None:
    store = Store(path)
    store.journal.put_queue("jobs", QueueSettings(lease=5.0))
    store.journal.put_queue("more", QueueSettings())
    store.journal.put_queue("jobs", QueueSettings(max_receives=3))
    store.stop()
    assert [row[1:] for row in store.rows("queues")] == [("jobs", '{"maxReceives":3}'), ("more", "{}")]
    store = Store(path)
    assert store.journal.queues() == {"jobs": QueueSettings(max_receives=3), "more": QueueSettings()}
    store.stop()
