from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

_ROOT = Path(__file__).parents[2]
_MAKE = shutil.which("make") or "make"
_TARGETS = {
    "demo",
    "test",
    "lint",
    "format",
    "clean",
    "help",
    "bench-fingerprint",
    "bench-recall",
    "bench-lookup",
    "bench-crawl",
    "bench-import",
    "bench-memory",
    "bench-neighbours",
    "bench-extract",
    "bench-hostile",
    "bench-pages",
    "bench-recheck",
    "bench-records",
    "bench-workers",
    "matrix",
    "matrix-quick",
    "scrapy-suite",
    "test-proof",
}


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """Return a folder with a space in its name that holds the Makefile and its tool."""
    folder = tmp_path / "a check out"
    (folder / "tools").mkdir(parents=True)
    shutil.copy(_ROOT / "Makefile", folder)
    shutil.copy(_ROOT / "tools" / "make-venv", folder / "tools")
    return folder


@pytest.fixture
def programs(tmp_path: Path) -> Path:
    """Return a folder to be the whole PATH, with the few programs that the tool uses."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in ("sh", "cat", "rm", "touch"):
        found = shutil.which(name)
        assert found
        (folder / name).symlink_to(found)
    return folder


def _program(folder: Path, name: str, script: str) -> None:
    (folder / name).write_text(f"#!/bin/sh\n{script}\n")
    (folder / name).chmod(0o755)


def _make_venv(checkout: Path, programs: Path) -> subprocess.CompletedProcess[str]:
    command = [str(programs / "sh"), "tools/make-venv", "demo"]
    env = {"PATH": str(programs)}
    return subprocess.run(command, cwd=checkout, env=env, capture_output=True, text=True, check=False)


def test_help_names_every_target(checkout: Path) -> None:
    """``make help`` and plain ``make`` list each target with what it does."""
    env = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    for arguments in ([], ["help"]):
        done = subprocess.run([_MAKE, *arguments], cwd=checkout, env=env, capture_output=True, text=True, check=True)
        assert set(re.findall(r"^  make (\S+) +\S", done.stdout, re.MULTILINE)) == _TARGETS


def test_clean_removes_what_make_wrote_and_nothing_else(checkout: Path) -> None:
    """``make clean`` removes environment, work folders (read-only parts, too) and caches, and works twice."""
    for name in (".venv", ".demo/project/blocklist", "build", "ingest_guard/__pycache__"):
        (checkout / name).mkdir(parents=True)
    (checkout / ".demo/project/blocklist/x").touch()
    (checkout / ".demo/project/blocklist").chmod(0o555)
    env = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    for _ in range(2):
        subprocess.run([_MAKE, "clean"], cwd=checkout, env=env, capture_output=True, check=True)
    assert sorted(path.name for path in checkout.iterdir()) == ["Makefile", "ingest_guard", "tools"]
    assert list((checkout / "ingest_guard").iterdir()) == []


def test_no_python_is_told(checkout: Path, programs: Path) -> None:
    """Without Python, or with one that is too old, the message says what to install."""
    assert "No Python 3.11 or newer was found" in _make_venv(checkout, programs).stderr
    _program(programs, "python3", "exit 1")
    done = _make_venv(checkout, programs)
    assert done.returncode == 1
    assert "apt-get install python3 python3-venv" in done.stderr


def test_a_python_without_venv_is_told(checkout: Path, programs: Path) -> None:
    """Where Python has no ensurepip, as Debian ships it, the message names the package."""
    _program(programs, "python3", 'case "$*" in *ensurepip*|*pip*) exit 1;; *print*) echo 3.11;; esac')
    done = _make_venv(checkout, programs)
    assert done.returncode == 1
    assert "apt-get install python3-venv" in done.stderr
    assert "python3.11-venv" in done.stderr
    assert not (checkout / ".venv").exists()


def test_a_failed_installation_leaves_no_mark(checkout: Path, programs: Path) -> None:
    """Where pip fails, the extra is not marked as installed, so that the next run tries again."""
    python = (
        'case "$*" in *"-m venv"*) /bin/mkdir -p .venv/bin; '
        "printf '#!/bin/sh\\ncase \"$*\" in *install*) echo no network >&2; exit 1;; esac\\n' >.venv/bin/python; "
        "/bin/chmod +x .venv/bin/python;; esac"
    )
    _program(programs, "python3", python)
    done = _make_venv(checkout, programs)
    assert done.returncode == 1
    assert "no network" in done.stderr
    assert (checkout / ".venv" / ".made-at").read_text().strip() == str(checkout.resolve())
    assert not (checkout / ".venv" / ".demo").exists()
