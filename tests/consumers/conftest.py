"""A virtual environment for the programs that read records, since they want other versions of things than we do."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import pytest

# What does not fit beside us, or is too heavy for it: pandas of an older line, opencv, half of a cloud's clients.
_REQUIREMENTS = ("img2dataset==1.47.0", "datasets>=4", "duckdb>=1.1", "pandas>=2.2,<3")
_SECONDS = 600


class Consumer:
    """Runs scripts where the consumers are installed."""

    def __init__(self, python: Path, folder: Path) -> None:
        self._python, self._folder = python, folder

    def run(self, script: str, *arguments: object) -> str:
        """Run a script with arguments; return what it printed. Nothing it does may reach a network or a home folder."""
        file = self._folder / f"script-{hashlib.sha256(script.encode()).hexdigest()[:8]}.py"
        file.write_text(script, encoding="utf-8")
        quiet = {"HF_HUB_OFFLINE": "1", "HF_HOME": self._folder / "hf", "HOME": self._folder, "TMPDIR": self._folder}
        quiet |= {"NO_ALBUMENTATIONS_UPDATE": "1", "WANDB_MODE": "disabled", "OPENBLAS_NUM_THREADS": "1"}
        environment = {**os.environ, **{name: str(value) for name, value in quiet.items()}}
        command = [str(self._python), str(file), *map(str, arguments)]
        done = subprocess.run(
            command, cwd=self._folder, env=environment, capture_output=True, text=True, timeout=_SECONDS, check=False
        )
        assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
        return done.stdout


@pytest.fixture(scope="session")
def environment() -> Path:
    """Return the Python of the consumers' environment, made where there is none yet.

    It lies inside our own environment and sees our packages: what fits is not installed twice.
    """
    folder = Path(sys.prefix) / "consumers"
    wanted = "\n".join((*_REQUIREMENTS, sys.version))
    with (Path(sys.prefix) / ".consumers.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        mark = folder / "made"
        if not mark.is_file() or mark.read_text() != wanted:
            shutil.rmtree(folder, ignore_errors=True)
            _make(folder)
            mark.write_text(wanted)
    return folder / "bin" / "python"


def _make(folder: Path) -> None:
    venv.create(folder, with_pip=False, symlinks=True)
    inner = next((folder / "lib").glob("python*")) / "site-packages"
    (inner / "ours.pth").write_text(sysconfig.get_path("purelib") + "\n")
    install = ["install", "--quiet", "--no-compile", "--disable-pip-version-check", *_REQUIREMENTS]
    command = [sys.executable, "-m", "pip", "--python", str(folder / "bin" / "python"), *install]
    done = subprocess.run(command, capture_output=True, text=True, timeout=_SECONDS, check=False)
    if done.returncode:
        shutil.rmtree(folder, ignore_errors=True)
        pytest.skip(f"the consumers cannot be installed (pip install {' '.join(_REQUIREMENTS)}): {done.stderr[-300:]}")


@pytest.fixture
def consumer(environment: Path, tmp_path: Path) -> Consumer:
    """Return what runs scripts among the consumers, in a folder of the test's own."""
    folder = tmp_path / "consumer"
    folder.mkdir()
    return Consumer(environment, folder)
