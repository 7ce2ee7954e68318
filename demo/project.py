"""The sample project that the demo runs: where it is, and a fresh copy of it."""

from __future__ import annotations

import shutil
from pathlib import Path

from ingest_guard.errors import IngestGuardError

_HERE = Path(__file__).parent
# In a wheel it lies beside this module (see pyproject.toml); in a checkout, at the root of the repository.
_PLACES = (_HERE / "project", _HERE.parent / "sample_project")
_PARTS = ("scrapy.cfg", "policy.yaml", "sample_project")


def sample_project() -> Path:
    """Return the folder of the sample project, or raise IngestGuardError if it was not installed."""
    for place in _PLACES:
        if (place / "scrapy.cfg").is_file():
            return place
    raise IngestGuardError(
        f"The sample project is not in {_PLACES[0]}: this installation is incomplete. Install ingest-guard again, or "
        "run the demo from a checkout of its repository with: make demo"
    )


def copy_project(target: Path) -> Path:
    """Copy the sample project, without anything that an earlier crawl left in it; return ``target``."""
    source = sample_project()
    target.mkdir(parents=True)
    for name in _PARTS:
        part = source / name
        if part.is_dir():
            shutil.copytree(part, target / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copyfile(part, target / name)
    return target
