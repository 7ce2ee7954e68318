"""The demo's work folder, with a copy of the sample project: made fresh each time, removed only if the demo made it."""

from __future__ import annotations

import os
import shutil
import stat
from pathlib import Path

from ingest_guard.errors import IngestGuardError

_MARK = ".ingest-guard-demo"
_PROJECT = Path(__file__).parents[1] / "sample_project"
_PARTS = ("scrapy.cfg", "policy.yaml", "sample_project")


class WorkFolder:
    """Where everything that the demo writes goes.

    Parameters
    ----------
    root
        The folder. It is made, or emptied if an earlier demo made it.

    Raises
    ------
    IngestGuardError
        The folder holds something that no demo wrote.
    """

    def __init__(self, root: Path) -> None:
        self.root = root.resolve()
        if self.root.exists():
            if not self.root.is_dir() or (any(self.root.iterdir()) and not (self.root / _MARK).is_file()):
                raise IngestGuardError(
                    f"{root} holds files that no earlier demo wrote, and the demo would replace them. "
                    "Name another folder with --folder, or empty this one yourself."
                )
            remove_tree(self.root)
        self.root.mkdir(parents=True)
        (self.root / _MARK).write_text("Written by the demo of ingest_guard, which empties this folder each time.\n")
        for folder in (self.logs, self.temporary, self.home):
            folder.mkdir()

    @property
    def site(self) -> Path:
        """The demo site, for its server."""
        return self.root / "site"

    @property
    def lists(self) -> Path:
        """The lists in the plain format."""
        return self.root / "lists"

    @property
    def project(self) -> Path:
        """The copy of the sample project; the crawl's working folder."""
        return self.root / "project"

    @property
    def blocklist(self) -> Path:
        """What is built from the lists, where the sample project's policy expects it."""
        return self.project / "blocklist"

    @property
    def logs(self) -> Path:
        """The crawl's log and output."""
        return self.root / "logs"

    @property
    def temporary(self) -> Path:
        """The crawl's TMPDIR."""
        return self.root / "tmp"

    @property
    def home(self) -> Path:
        """The crawl's HOME, so that nothing it keeps there is overlooked."""
        return self.root / "home"

    @property
    def control(self) -> Path:
        """Where the control traces are planted."""
        return self.root / "control"

    def written_by_the_crawl(self) -> list[Path]:
        """Return every place where the crawl may have left files; the blocklist, which it only reads, is none."""
        return [self.logs, self.temporary, self.home, *(p for p in self.project.iterdir() if p != self.blocklist)]


def copy_project(target: Path) -> Path:
    """Copy the sample project, without anything that an earlier crawl left in it; return ``target``."""
    target.mkdir(parents=True)
    for name in _PARTS:
        part = _PROJECT / name
        if part.is_dir():
            shutil.copytree(part, target / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copyfile(part, target / name)
    return target


def remove_tree(folder: Path) -> None:
    """Remove a folder, read-only parts (a built blocklist) included."""
    for path, folders, _files in os.walk(folder):
        for name in (".", *folders):
            child = Path(path, name)
            if not child.is_symlink():
                child.chmod(stat.S_IMODE(child.stat().st_mode) | stat.S_IRWXU)
    shutil.rmtree(folder)
