"""What was asked for: the command line and the environment, read once into one frozen L{Config}."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, NamedTuple

from msgspec import Struct
from twisted.python import usage

from wonderq import __version__
from wonderq.local.journal import Sync

STORE_FILE: Final = "wonderq.sqlite"
"""The store's name in the data directory."""

MAX_SECONDS: Final = 3600.0
"""The longest interval and the longest drain: more is surely a slip, and keeps a machine from shutting down."""

MAX_CONNECTIONS: Final = 10_000
"""Connections open at a time.  nginx: 512 for each worker; HAProxy: as many as files may be open."""

MAX_BUFFERED: Final = 256 * 1024 * 1024
"""Bytes of bodies that come in and of answers that wait: sixteen of the largest."""

_SECONDS = re.compile(r"(0|[1-9][0-9]{0,8})(\.[0-9]{1,9})?", re.ASCII)
_SIZE = re.compile(r"(0|[1-9][0-9]{0,14})([KMG]?)", re.ASCII)
_COUNT = re.compile(r"[1-9][0-9]{0,8}", re.ASCII)
_UNITS = {"": 1, "K": 1024, "M": 1024**2, "G": 1024**3}
_FLAG = {"true": True, "1": True, "false": False, "0": False}


class Config(Struct, frozen=True):
    """How a server shall run.

    @ivar listen: Twisted endpoint descriptions, at least one.
    @ivar store: the path of the SQLite file; C{None}: keep everything in memory.
    @ivar sync: when what was written is synced.
    @ivar min_free: bytes of free disk below which nothing is published.
    @ivar drain: seconds between a SIGTERM and the end of listening.
    @ivar insecure: whether a server that asks for no keys may listen to other machines.
    @ivar max_connections: connections open at a time.
    @ivar max_buffered: bytes of bodies that come in and answers that wait to go out.
    """

    listen: tuple[str, ...]
    store: str | None
    sync: Sync
    min_free: int
    drain: float
    insecure: bool
    max_connections: int = MAX_CONNECTIONS
    max_buffered: int = MAX_BUFFERED


# -- texts to values; each raises ValueError for a text that is none --


def read_listen(text: str) -> tuple[str, ...]:
    """Read endpoint descriptions, at least one, with blanks between them."""
    if not text.split():
        raise ValueError(text)
    return tuple(text.split())


def read_path(text: str) -> str:
    """Read a path."""
    if not text or "\0" in text:
        raise ValueError(text)
    return text


def read_store(text: str) -> str | None:
    """Read C{sqlite:PATH} as the path, and C{memory:} as C{None}."""
    kind, _, path = text.partition(":")
    if text == "memory:":
        return None
    if kind != "sqlite":
        raise ValueError(text)
    return read_path(path)


def read_sync(text: str) -> Sync:
    """Read C{always}, C{strict}, C{never} or C{interval:SECONDS}."""
    match text.partition(":"):
        case ("always" | "strict" | "never") as mode, "", "":
            return Sync(mode)
        case "interval", ":", rest if read_seconds(rest) > 0:
            return Sync("interval", read_seconds(rest))
    raise ValueError(text)


def read_size(text: str) -> int:
    """Read a number of bytes: digits, then K, M or G for powers of 1024."""
    match = _SIZE.fullmatch(text)
    if match is None:
        raise ValueError(text)
    return int(match[1]) * _UNITS[match[2]]


def read_count(text: str) -> int:
    """Read a number of things, at least one."""
    if _COUNT.fullmatch(text) is None:
        raise ValueError(text)
    return int(text)


def read_seconds(text: str) -> float:
    """Read a number of seconds, up to L{MAX_SECONDS}, as the protocol writes them."""
    if _SECONDS.fullmatch(text) is None or float(text) > MAX_SECONDS:
        raise ValueError(text)
    return float(text)


def read_flag(text: str) -> bool:
    """Read the variable of a flag."""
    if text not in _FLAG:
        raise ValueError(text)
    return _FLAG[text]


# -- the options --


class Setting(NamedTuple):
    """One option.

    @ivar default: as one would write it.
    @ivar read: makes a value of a text, or raises C{ValueError}.
    @ivar form: what its value is, as the end of a sentence.
    @ivar doc: what it does, with its unit.
    """

    name: str
    default: str
    read: Callable[[str], Any]
    form: str
    doc: str

    @property
    def variable(self) -> str:
        """The environment variable that stands in for it."""
        return "WONDERQ_" + self.name.upper().replace("-", "_")

    @property
    def help(self) -> str:
        """What C{--help} says of it."""
        return f"{self.doc} [default: {self.default}; {self.variable}]"


LISTEN: Final = Setting(
    "listen",
    "tcp:8080:interface=127.0.0.1",
    read_listen,
    "a Twisted endpoint",
    "Twisted endpoint (tcp:, ssl:, unix:, systemd:) to serve HTTP on; may be given several times, or in the variable"
    " with blanks between.",
)

VALUES: Final = (
    Setting(
        "data",
        "wonderq-data",
        read_path,
        "a directory",
        f"Directory for the embedded store {STORE_FILE}, made if it is missing; not together with --store.",
    ),
    Setting(
        "store",
        f"sqlite:wonderq-data/{STORE_FILE}",
        read_store,
        "memory: or sqlite:PATH (other stores are still to come)",
        "Where messages are kept: memory: (gone when the process ends) or sqlite:PATH.",
    ),
    Setting(
        "sync",
        "always",
        read_sync,
        f"always, strict, never or interval:SECONDS (above 0, up to {MAX_SECONDS:g})",
        "When the disk is synced: always (before a change is answered), strict (before a receive is answered too),"
        " interval:SECONDS, never (when the system likes).",
    ),
    Setting(
        "min-free",
        "64M",
        read_size,
        "a number of bytes such as 1000000, 512K, 64M or 2G",
        "Bytes of free disk (with K, M or G) below which publishing is refused, so that all else goes on.",
    ),
    Setting(
        "drain",
        "0",
        read_seconds,
        f"a number of seconds up to {MAX_SECONDS:g}",
        "Seconds to go on serving after a SIGTERM while /readyz says 503 already.",
    ),
    Setting(
        "max-connections",
        "10000",
        read_count,
        "a number from 1 to 999999999",
        "Connections open at a time; more wait until there is room.",
    ),
    Setting(
        "max-buffered",
        "256M",
        read_size,
        "a number of bytes such as 1000000, 512K, 64M or 2G",
        "Bytes (with K, M or G) of bodies that come in and answers that wait to go out; beyond it requests get 503.",
    ),
)

INSECURE: Final = Setting(
    "insecure",
    "false",
    read_flag,
    "true, false, 1 or 0",
    "Listen to other machines although whoever gets through may do anything.",
)

SETTINGS: Final = (LISTEN, *VALUES, INSECURE)
"""Every option, in the order of C{--help}."""


def read_config(given: Mapping[str, str], listen: Sequence[str], environ: Mapping[str, str]) -> Config:
    """Put together what was asked for: the command line, else the environment, else the default.

    @param given: the command line, option name to text, without C{listen}.
    @param listen: the C{--listen} of the command line.
    @param environ: an empty variable counts as none.
    @raise usage.UsageError: one line that says what is wrong, and which option or variable to blame.
    """
    values: dict[str, Any] = {}
    origins: dict[str, str] = {}
    for setting in SETTINGS:
        text = setting.default
        if setting.name in given:
            origins[setting.name], text = "--" + setting.name, given[setting.name]
        elif environ.get(setting.variable):
            origins[setting.name], text = setting.variable, environ[setting.variable]
        try:
            values[setting.name] = setting.read(text)
        except ValueError:
            raise usage.UsageError(f"{origins[setting.name]} is {setting.form}, not {text!r}.") from None
    if "store" in origins and "data" in origins:
        raise usage.UsageError(f"{origins['data']} does not go with {origins['store']}, which says where messages are.")
    # The default store is in the data directory, wherever that is.
    own = "store" not in origins
    return Config(
        listen=_each_once("--listen", tuple(listen)) or _each_once(LISTEN.variable, values["listen"]),
        store=os.path.join(values["data"], STORE_FILE) if own else values["store"],
        sync=values["sync"],
        min_free=values["min-free"],
        drain=values["drain"],
        insecure=values["insecure"],
        max_connections=values["max-connections"],
        max_buffered=values["max-buffered"],
    )


def _each_once(origin: str, addresses: tuple[str, ...]) -> tuple[str, ...]:
    for address in addresses:
        if addresses.count(address) > 1:
            raise usage.UsageError(f"{origin} names {address!r} twice.")
    return addresses


class Options(usage.Options):
    """The command line of C{twistd wonderq}.

    @ivar config: everything that was asked for, once it is parsed.
    """

    synopsis = "[options]"
    longdesc = (
        "Serves queues over HTTP. Without options: at http://127.0.0.1:8080, kept in ./wonderq-data, each change on"
        " disk before it is answered. The command line wins over the environment."
    )
    optParameters = [[setting.name, None, None, setting.help] for setting in VALUES]

    config: Config

    def __init__(self) -> None:
        usage.Options.__init__(self)
        self.docs["listen"] = LISTEN.help
        self.docs["insecure"] = INSECURE.help
        self._listen: list[str] = []
        self._given: dict[str, str] = {}

    def opt_listen(self, description: str) -> None:
        """See L{LISTEN}."""
        if not description:
            raise usage.UsageError(f"--listen is {LISTEN.form}, not ''.")
        self._listen.append(description)

    def opt_insecure(self) -> None:
        """See L{INSECURE}."""
        self._given["insecure"] = "true"

    def opt_version(self) -> None:
        """Display WonderQ's version and exit."""
        sys.stdout.write(f"WonderQ {__version__}\n")
        sys.exit(0)

    def parseArgs(self, *arguments: str) -> None:
        """Refuse what is not an option.

        @raise usage.UsageError: there is something.
        """
        if arguments:
            raise usage.UsageError(f"There are no arguments besides options, but {arguments[0]!r} was given.")

    def postOptions(self) -> None:
        """Make C{config}.

        @raise usage.UsageError: see L{read_config}.
        """
        self._given.update((name, self[name]) for name in self.defaults if self[name] is not None)
        self.config = read_config(self._given, self._listen, os.environ)
        twistd = self.parent
        if twistd is not None and twistd.get("nodaemon") and twistd.get("pidfile") == "twistd.pid":
            # In the foreground nobody needs one that was not asked for.  One that a kill left behind would keep us from
            # starting as soon as another process has that number: in a container, that is each time.
            twistd["pidfile"] = ""

    def parseOptions(self, options: Sequence[str] | None = None) -> None:
        """Parse the command line.

        @raise SystemExit: it cannot be done; Python writes the text to stderr and exits with 1.  A C{UsageError} would
            make twistd print every option of its own on stdout.
        """
        try:
            usage.Options.parseOptions(self, options)
        except usage.UsageError as error:
            raise SystemExit(f"wonderq: {error}") from None
