"""What is built is what was written, and twistd finds it, from a wheel and from a checkout."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest
from twisted.application.service import IServiceMaker, ServiceMaker
from twisted.plugin import IPlugin, getPlugins

ROOT = Path(__file__).parent.parent


def run(*command: str | Path, cwd: Path) -> str:
    """Return what a command prints; it must succeed."""
    environ = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(command, cwd=cwd, env=environ, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of what is packaged, so that a build leaves nothing here."""
    copy = tmp_path_factory.mktemp("checkout")
    for name in ("setup.py", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, copy)
    for tree in ("wonderq", "twisted"):
        shutil.copytree(ROOT / tree, copy / tree, ignore=shutil.ignore_patterns("__pycache__", "dropin.cache"))
    return copy


@pytest.fixture(scope="module")
def wheel(checkout: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel that pip builds."""
    folder = tmp_path_factory.mktemp("wheel")
    run(sys.executable, "-m", "pip", "wheel", "--no-deps", "--wheel-dir", folder, checkout, cwd=folder)
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The C{bin} of an environment with nothing in it but pip."""
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, with_pip=True, symlinks=True)
    return folder / "bin"


def test_the_wheel_holds_every_module_the_plugin_and_the_typed_marker(wheel: Path, checkout: Path) -> None:
    files = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    written = {str(path.relative_to(checkout)) for path in (checkout / "wonderq").rglob("*.py")}
    assert files == written | {"wonderq/py.typed", "twisted/plugins/wonderq_plugin.py"}


def test_the_wheel_says_what_it_is_and_under_which_licence(wheel: Path) -> None:
    archive = zipfile.ZipFile(wheel)
    info = wheel.name.removesuffix("-py3-none-any.whl") + ".dist-info"
    metadata = archive.read(f"{info}/METADATA").decode()
    assert "\nName: wonderq\n" in metadata
    assert "\nRequires-Python: >=3.11\n" in metadata
    assert "WonderQ developers" in archive.read(f"{info}/licenses/LICENSE").decode()


def test_twistd_lists_wonderq_after_an_install_of_the_wheel_and_of_a_checkout(
    wheel: Path, checkout: Path, environment: Path
) -> None:
    run(environment / "pip", "install", "--quiet", wheel, cwd=Path("/"))
    assert "wonderq" in run(environment / "twistd", "--help", cwd=Path("/"))
    assert "--min-free" in run(environment / "twistd", "wonderq", "--help", cwd=Path("/"))
    run(environment / "pip", "uninstall", "--quiet", "--yes", "wonderq", cwd=Path("/"))
    assert "wonderq" not in run(environment / "twistd", "--help", cwd=Path("/"))
    run(environment / "pip", "install", "--quiet", "--editable", checkout, cwd=Path("/"))
    assert "wonderq" in run(environment / "twistd", "--help", cwd=Path("/"))
    assert "--min-free" in run(environment / "twistd", "wonderq", "--help", cwd=Path("/"))


def test_the_plugin_makes_services_and_its_options_are_ours() -> None:
    (plugin,) = (one for one in getPlugins(IServiceMaker) if one.tapname == "wonderq")
    assert IPlugin.providedBy(plugin)
    assert isinstance(plugin, ServiceMaker)
    assert plugin.module == "wonderq.tap"
