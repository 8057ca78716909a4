"""Imports point one way.  Whoever wants to change that changes this table, and says why."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
MODULES = {".".join(path.relative_to(ROOT).with_suffix("").parts): path for path in (ROOT / "wonderq").rglob("*.py")}

# Layer → what it may import of ours, besides itself.
FOUNDATION = ["errors", "model", "broker"]
ALLOWED = {
    "errors": [],
    "model": ["errors"],
    "broker": ["errors", "model"],
    "local": FOUNDATION,
    "http": [*FOUNDATION, "metrics"],
    "metrics": FOUNDATION,
    "client": FOUNDATION,
    "config": ["local"],
    "process": [],
    "service": [*FOUNDATION, "http", "metrics", "config", "process"],
    "tap": [*FOUNDATION, "local", "http", "metrics", "config", "process", "service"],
}


def imports(path: Path) -> Iterator[str]:
    """Yield the full name of everything that a file imports, wherever in it."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: a relative import"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def uses(path: Path, owner: str, name: str) -> bool:
    """Tell whether a file speaks of C{owner.name}."""
    return any(
        isinstance(node, ast.Attribute)
        and node.attr == name
        and isinstance(node.value, ast.Name)
        and node.value.id == owner
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
    )


@pytest.mark.parametrize("module", sorted(MODULES))
def test_a_layer_imports_only_layers_below_it(module: str) -> None:
    layer = module.split(".")[1]
    if layer == "__init__":
        assert list(imports(MODULES[module])) == []
        return
    ours = {name.split(".")[1] for name in imports(MODULES[module]) if name.startswith("wonderq.")}
    assert ours - {"__version__", "errors"} <= {layer, *ALLOWED[layer]}


@pytest.mark.parametrize("module", sorted(MODULES))
def test_frameworks_stay_where_they_belong(module: str) -> None:
    """Klein, twisted.web's server side, the global reactor, the wall clock, apsw, and printing."""
    path, names = MODULES[module], list(imports(MODULES[module]))
    server = {"twisted.web.server", "twisted.web.resource", "twisted.web.http", "klein", "werkzeug"}
    if not module.startswith("wonderq.http."):
        assert not [name for name in names if any(name == one or name.startswith(one + ".") for one in server)]
    if module != "wonderq.tap":
        assert "twisted.internet.reactor" not in names
        assert not uses(path, "time", "time")
        assert "time.time" not in names
    if not module.startswith("wonderq.local."):
        assert not [name for name in names if name.split(".")[0] == "apsw"]


def test_the_rules_import_no_framework() -> None:
    for name in imports(MODULES["wonderq.local.queue"]):
        assert name.split(".")[0] in sys.stdlib_module_names or name.startswith(("wonderq.errors", "wonderq.model")), (
            name
        )


def test_the_plugin_imports_nothing_of_ours() -> None:
    names = list(imports(ROOT / "twisted" / "plugins" / "wonderq_plugin.py"))
    assert names == ["twisted.application.service.ServiceMaker"]
