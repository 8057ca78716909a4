"""What is in the store's file: its tables, their version, and the way from an older version to this one."""

from __future__ import annotations

from typing import Any, Final

import apsw

from wonderq.broker import StoreRefused

FAULTS: Final = (apsw.Error, OSError)
"""What SQLite and the operating system raise when the store cannot be read or written."""

APPLICATION_ID: Final = 0x576F6E51
"""C{WonQ}, in the header of the file: tools, and we, can tell whose it is."""

PAGE_SIZE: Final = 4096
_CACHE_KIB: Final = 16 * 1024
_LOG_BYTES: Final = 32 * 1024 * 1024
_BUSY_MS: Final = 1000
"""How long somebody's tool may hold the file's write lock.  It blocks the reactor, so it is short."""

MIGRATIONS: Final = (
    # Each script leads from the version that is its index to the next one.
    """
    CREATE TABLE meta (
        only INTEGER PRIMARY KEY CHECK (only = 1),
        boot TEXT NOT NULL,
        store REAL NOT NULL,
        monotonic REAL NOT NULL,
        wall REAL NOT NULL,
        next_message INTEGER NOT NULL,
        next_receipt INTEGER NOT NULL
    ) STRICT;
    CREATE TABLE queues (
        number INTEGER PRIMARY KEY AUTOINCREMENT,
        name TEXT UNIQUE,
        settings TEXT NOT NULL
    ) STRICT;
    CREATE TABLE messages (
        id INTEGER PRIMARY KEY,
        queue INTEGER NOT NULL,
        priority INTEGER NOT NULL,
        published REAL NOT NULL,
        since REAL NOT NULL,
        content_type TEXT NOT NULL,
        body BLOB NOT NULL
    ) STRICT;
    CREATE TABLE delays (
        id INTEGER PRIMARY KEY,
        due REAL NOT NULL
    ) STRICT;
    CREATE INDEX delays_by_due ON delays (due);
    CREATE TABLE leases (
        id INTEGER PRIMARY KEY,
        receipt INTEGER NOT NULL,
        consumer TEXT NOT NULL,
        granted REAL NOT NULL,
        deadline REAL NOT NULL
    ) STRICT;
    CREATE TABLE history (
        id INTEGER PRIMARY KEY,
        receives INTEGER NOT NULL,
        last_failure TEXT,
        attempts TEXT NOT NULL,
        since REAL NOT NULL,
        dead INTEGER NOT NULL
    ) STRICT;
    CREATE TRIGGER gone_with_all_rows AFTER DELETE ON messages BEGIN
        DELETE FROM leases WHERE id = old.id;
        DELETE FROM delays WHERE id = old.id;
        DELETE FROM history WHERE id = old.id;
    END;
    """,
)

VERSION: Final = len(MIGRATIONS)


def connect(path: str, cache_kib: int = _CACHE_KIB) -> apsw.Connection:
    """Open one more connection to the store; nothing is written by it."""
    connection = apsw.Connection(path)
    connection.set_busy_timeout(_BUSY_MS)
    # Whoever closes the last connection would otherwise write and sync, even after the disk had failed.
    connection.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1)
    connection.wal_autocheckpoint(0)
    settings = {
        "synchronous": 1,
        "cache_size": -cache_kib,
        "temp_store": 2,
        "mmap_size": 0,
        # One large transaction makes the log large; when it begins anew it gives the disk back.
        "journal_size_limit": _LOG_BYTES,
    }
    for name, value in settings.items():
        connection.pragma(name, value)
    return connection


def rows(connection: apsw.Connection, sql: str, bindings: tuple[Any, ...] = ()) -> list[Any]:
    """Return all rows of a query, as tuples."""
    return connection.execute(sql, bindings).fetchall()


def prepare(connection: apsw.Connection, path: str) -> None:
    """Make the file a store of this version, if it is new or an older one.

    @raise StoreRefused: it is something else, or newer, or a table is missing; nothing was written to it.
    """
    application, version = connection.pragma("application_id"), connection.pragma("user_version")
    if connection.execute("SELECT count(*) FROM sqlite_schema").fetchall() == [(0,)] and (application, version) == (
        0,
        0,
    ):
        connection.pragma("page_size", PAGE_SIZE)
        connection.pragma("application_id", APPLICATION_ID)
    elif application != APPLICATION_ID:
        raise StoreRefused(f"{path} is an SQLite database, but not one of WonderQ")
    elif version > VERSION:
        raise StoreRefused(f"{path} was written by a newer WonderQ (store version {version}, this one knows {VERSION})")
    for older in range(version, VERSION):
        connection.execute(f"BEGIN IMMEDIATE; {MIGRATIONS[older]} PRAGMA user_version = {older + 1}; COMMIT")
    _look_for_all(connection, path)
    _use_wal(connection, path)


def _look_for_all(connection: apsw.Connection, path: str) -> None:
    """Check that there is each table, index and trigger; else somebody would find out in the middle of a call."""
    query = "SELECT type, name FROM sqlite_schema"
    model = apsw.Connection(":memory:")
    for script in MIGRATIONS:
        model.execute(script)
    missing = set(rows(model, query)).difference(rows(connection, query))
    if missing:
        raise StoreRefused(f"{path} is damaged: it has no " + ", no ".join(sorted(map(" ".join, missing))))


def _use_wal(connection: apsw.Connection, path: str) -> None:
    """Switch to write-ahead logging, and check that what durability rests on was accepted."""
    if connection.pragma("journal_mode", "wal") != "wal" or connection.pragma("synchronous") != 1:
        raise StoreRefused(f"{path} is on a file system on which SQLite cannot keep a write-ahead log")
