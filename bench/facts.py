"""Where was this measured?  What a figure means depends on it."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import tempfile
import time
from pathlib import Path
from statistics import median

__all__ = ["commit_of", "environment", "express_version", "file_system", "sync_ms"]


def environment(scratch: Path | None) -> dict[str, object]:
    """Describe this machine.

    @param scratch: where the stores lie; none for the system's place for such.
    """
    directory = scratch or Path(tempfile.gettempdir())
    return {
        "date": time.strftime("%Y-%m-%d", time.gmtime()),
        "processor": _processor(),
        "processors": os.cpu_count(),
        "system": f"{platform.system()} {platform.release().partition('-')[0]}",
        "python": platform.python_version(),
        "node": _said(["node", "--version"]),
        "file_system": file_system(directory),
        "fdatasync_ms": round(sync_ms(directory), 2),
        "load_average_before": round(os.getloadavg()[0], 2),
    }


def commit_of(tree: Path) -> str:
    """Return the commit that a tree is at, with a C{+} if it was changed since; empty outside of git."""
    head = _said(["git", "-C", str(tree), "rev-parse", "--short", "HEAD"])
    return head + "+" * bool(_said(["git", "-C", str(tree), "status", "--porcelain", "wonderq"]))


def express_version(installed: Path) -> str:
    """Return the version of Express in a folder with the peer."""
    about = installed / "node_modules/express/package.json"
    return str(json.loads(about.read_text(encoding="utf-8"))["version"])


def file_system(directory: Path) -> str:
    """Return the type of the file system that a directory lies on; in C{tmpfs}, a sync means nothing."""
    place = directory.resolve()
    best, kind = "", "unknown"
    for line in Path("/proc/mounts").read_text(encoding="utf-8").splitlines():
        _, mounted, type_ = line.split()[:3]
        if place.is_relative_to(mounted) and len(mounted) >= len(best):
            best, kind = mounted, type_
    return kind


def sync_ms(directory: Path, times: int = 100) -> float:
    """Return the median of what an fdatasync after 4 KiB takes, in milliseconds."""
    taken = []
    with tempfile.TemporaryFile(dir=directory, buffering=0) as file:
        for _ in range(times):
            file.write(b"x" * 4096)
            start = time.perf_counter()
            os.fdatasync(file.fileno())
            taken.append(time.perf_counter() - start)
    return median(taken) * 1e3


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def _said(command: list[str]) -> str:
    """Return what a command prints, or nothing if there is no such command or it fails."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=10)
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout.strip()
