"""Options and environment: what is read, what wins, and what is refused in which words."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import pytest

from wonderq import __version__
from wonderq.config import SETTINGS, Config, Options, Setting, read_config
from wonderq.local.journal import Sync

DEFAULT = Config(
    listen=("tcp:8080:interface=127.0.0.1",),
    store="wonderq-data/wonderq.sqlite",
    sync=Sync("always"),
    min_free=64 * 1024 * 1024,
    drain=0.0,
    insecure=False,
)


@pytest.fixture(autouse=True)
def empty_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for setting in SETTINGS:
        monkeypatch.delenv(setting.variable, raising=False)


def parse(*arguments: str) -> Config:
    options = Options()
    options.parseOptions(list(arguments))
    return options.config


def refusal(*arguments: str) -> str:
    with pytest.raises(SystemExit) as caught:
        parse(*arguments)
    assert isinstance(caught.value.code, str)
    return caught.value.code


def from_environment(**variables: str) -> Config:
    return read_config({}, [], variables)


def test_no_option_means_loopback_an_embedded_store_and_a_sync_before_every_answer() -> None:
    assert parse() == DEFAULT


def test_every_option_is_read() -> None:
    assert parse(
        "--listen=tcp:1:interface=127.0.0.1", "--listen=unix:/tmp/a b", "--sync=interval:0.5", "--min-free=2G",
        "--data=elsewhere", "--drain=2.5", "--insecure",
    ) == Config(
        listen=("tcp:1:interface=127.0.0.1", "unix:/tmp/a b"),
        store="elsewhere/wonderq.sqlite",
        sync=Sync("interval", 0.5),
        min_free=2 * 1024**3,
        drain=2.5,
        insecure=True,
    )  # fmt: skip


def test_every_option_has_a_variable() -> None:
    assert from_environment(
        WONDERQ_LISTEN="tcp:1 unix:/tmp/a", WONDERQ_SYNC="never", WONDERQ_MIN_FREE="1K", WONDERQ_DATA="elsewhere",
        WONDERQ_DRAIN="3", WONDERQ_INSECURE="true",
    ) == Config(
        listen=("tcp:1", "unix:/tmp/a"),
        store="elsewhere/wonderq.sqlite",
        sync=Sync("never"),
        min_free=1024,
        drain=3.0,
        insecure=True,
    )  # fmt: skip


def test_the_command_line_wins_over_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"LISTEN": "tcp:1", "SYNC": "never", "DRAIN": "nonsense", "DATA": "a", "MIN_FREE": "1"}.items():
        monkeypatch.setenv("WONDERQ_" + name, value)
    config = parse("--listen=tcp:2", "--sync=strict", "--drain=1", "--data=b", "--min-free=2")
    assert (config.listen, config.sync, config.drain) == (("tcp:2",), Sync("strict"), 1.0)
    assert (config.store, config.min_free) == ("b/wonderq.sqlite", 2)


def test_an_empty_variable_is_none() -> None:
    assert from_environment(**{setting.variable: "" for setting in SETTINGS}) == DEFAULT


def test_a_variable_that_is_no_option_is_somebody_elses() -> None:
    # Kubernetes sets these in every container beside a service called wonderq.
    assert from_environment(WONDERQ_PORT="tcp://10.0.0.1:80", WONDERQ_SERVICE_HOST="10.0.0.1") == DEFAULT


@pytest.mark.parametrize(("text", "insecure"), [("true", True), ("1", True), ("false", False), ("0", False)])
def test_the_flag_can_be_set_and_unset_in_the_environment(text: str, insecure: bool) -> None:
    assert from_environment(WONDERQ_INSECURE=text).insecure is insecure


def test_a_store_in_memory_has_no_file() -> None:
    assert parse("--store=memory:").store is None


def test_a_store_elsewhere_is_the_file_named() -> None:
    assert parse("--store=sqlite:/srv/queue.db").store == "/srv/queue.db"


@pytest.mark.parametrize(
    ("text", "sync"),
    [
        ("always", Sync("always")),
        ("strict", Sync("strict")),
        ("never", Sync("never")),
        ("interval:1", Sync("interval", 1.0)),
        ("interval:3600", Sync("interval", 3600.0)),
    ],
)
def test_there_are_four_levels_of_sync(text: str, sync: Sync) -> None:
    assert parse("--sync", text).sync == sync


@pytest.mark.parametrize(
    ("text", "size"), [("0", 0), ("1000000", 1_000_000), ("1K", 1024), ("64M", 64 * 1024**2), ("3G", 3 * 1024**3)]
)
def test_sizes_take_powers_of_1024(text: str, size: int) -> None:
    assert parse("--min-free", text).min_free == size


@pytest.mark.parametrize(
    "argument",
    [
        "--sync=", "--sync=Always", "--sync=interval", "--sync=interval:", "--sync=interval:0", "--sync=interval:-1",
        "--sync=interval:3601", "--sync=interval:1e3", "--sync=interval:inf", "--sync=always:1", "--sync=never:",
        "--min-free=", "--min-free=-1", "--min-free=1.5G", "--min-free=64m", "--min-free=64MB", "--min-free=٣",
        "--drain=", "--drain=-1", "--drain=nan", "--drain=1s", "--drain=01", "--drain=3601", "--drain=.5",
        "--store=", "--store=memory", "--store=memory:x", "--store=sqlite:", "--store=queue.db", "--store=sqlite",
        "--store=postgresql://localhost/wonderq", "--data=", "--listen=",
    ],
)  # fmt: skip
def test_a_bad_value_is_refused_in_one_line_that_names_the_option_and_the_value(argument: str) -> None:
    option, _, value = argument.partition("=")
    line = refusal(argument)
    assert line.startswith(f"wonderq: {option} is ")
    assert line.endswith(f", not {value!r}.")
    assert "\n" not in line


def test_other_stores_are_announced_as_still_to_come() -> None:
    assert "still to come" in refusal("--store=postgresql://localhost/wonderq")


@pytest.mark.parametrize("setting", [setting for setting in SETTINGS if setting.name not in ("data", "listen")])
def test_a_bad_variable_is_refused_by_its_own_name(setting: Setting, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(setting.variable, "no\nsense")
    line = refusal()
    assert line.startswith(f"wonderq: {setting.variable} is ")
    assert "\n" not in line


@pytest.mark.parametrize(
    ("arguments", "environ", "line"),
    [
        (["--data=a", "--store=sqlite:b"], {}, "wonderq: --data does not go with --store, which says where messages"),
        (["--data=a", "--store=memory:"], {}, "wonderq: --data does not go with --store, which"),
        (["--data=a"], {"WONDERQ_STORE": "memory:"}, "wonderq: --data does not go with WONDERQ_STORE, which"),
        (["--data=a"], {"WONDERQ_STORE": "sqlite:b"}, "wonderq: --data does not go with WONDERQ_STORE, which"),
        (["--store=sqlite:b"], {"WONDERQ_DATA": "a"}, "wonderq: WONDERQ_DATA does not go with --store, which"),
    ],
)
def test_a_directory_does_not_go_with_another_place_for_messages(
    arguments: list[str], environ: Mapping[str, str], line: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    assert refusal(*arguments).startswith(line)


def test_an_address_that_is_named_twice_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    assert refusal("--listen=unix:a", "--listen=tcp:1", "--listen=unix:a") == "wonderq: --listen names 'unix:a' twice."
    monkeypatch.setenv("WONDERQ_LISTEN", "tcp:1 tcp:1")
    assert refusal() == "wonderq: WONDERQ_LISTEN names 'tcp:1' twice."
    assert parse("--listen=unix:a").listen == ("unix:a",)


def test_a_variable_that_names_no_address_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WONDERQ_LISTEN", "  ")
    assert refusal() == "wonderq: WONDERQ_LISTEN is a Twisted endpoint, not '  '."


@pytest.mark.parametrize("arguments", [["--port=8080"], ["-x"], ["--sync"], ["--insecure=yes"], ["start"], ["--", "x"]])
def test_what_is_no_option_is_refused_in_one_line(arguments: list[str]) -> None:
    line = refusal(*arguments)
    assert line.startswith("wonderq: ")
    assert "\n" not in line


def test_help_shows_every_option_with_its_default_and_its_variable(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        parse("--help")
    assert caught.value.code == 0
    shown = " ".join(capsys.readouterr().out.split())
    for setting in SETTINGS:
        assert f"--{setting.name}" in shown
        assert f"[default: {setting.default}; {setting.variable}]" in shown


def test_the_defaults_shown_are_the_defaults(monkeypatch: pytest.MonkeyPatch) -> None:
    for setting in SETTINGS:
        if setting.name != "store":
            monkeypatch.setenv(setting.variable, setting.default)
    assert parse() == DEFAULT


def test_version_tells_wonderqs(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        parse("--version")
    assert caught.value.code == 0
    assert capsys.readouterr().out == f"WonderQ {__version__}\n"


def test_the_operators_page_shows_every_option_with_its_variable_and_default() -> None:
    page = (Path(__file__).parent.parent / "docs" / "operations.md").read_text(encoding="utf-8")
    for setting in SETTINGS:
        (row,) = re.findall(rf"^\| `--{setting.name}[ `].*$", page, re.M)
        assert f"| `{setting.variable}` |" in row
        assert f"| `{setting.default}` |" in row
