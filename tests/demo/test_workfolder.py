from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from demo.workfolder import WorkFolder, copy_project, remove_tree
from ingest_guard.errors import IngestGuardError

if TYPE_CHECKING:
    from pathlib import Path


def test_a_work_folder_is_made_fresh_each_time(tmp_path: Path) -> None:
    """What an earlier demo left is gone, read-only folders included."""
    work = WorkFolder(tmp_path / "a folder")
    work.blocklist.mkdir(parents=True)
    (work.blocklist / "list").write_text("x")
    (work.blocklist / "list").chmod(0o444)
    work.blocklist.chmod(0o555)
    again = WorkFolder(tmp_path / "a folder")
    assert not again.project.exists()
    assert again.logs.is_dir()


def test_an_empty_folder_may_be_used(tmp_path: Path) -> None:
    """A folder that exists and is empty becomes the work folder."""
    assert WorkFolder(tmp_path).root == tmp_path.resolve()


def test_a_folder_of_somebody_else_is_refused(tmp_path: Path) -> None:
    """A folder with files that no demo wrote, or a file, is refused and left alone."""
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(IngestGuardError, match="no earlier demo wrote"):
        WorkFolder(tmp_path)
    with pytest.raises(IngestGuardError, match="no earlier demo wrote"):
        WorkFolder(tmp_path / "thesis.txt")
    assert (tmp_path / "thesis.txt").read_text() == "years of work"


def test_removal_does_not_follow_links(tmp_path: Path) -> None:
    """Removing a tree leaves alone what its links lead to."""
    outside = tmp_path / "outside"
    outside.mkdir(mode=0o500)
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree" / "link").symlink_to(outside)
    remove_tree(tmp_path / "tree")
    assert outside.stat().st_mode & 0o777 == 0o500


def test_everything_the_crawl_writes_is_searched_and_the_blocklist_is_not(tmp_path: Path) -> None:
    """Logs, temporary files, home and the project are searched; the blocklist in the project is not."""
    work = WorkFolder(tmp_path)
    copy_project(work.project)
    work.blocklist.mkdir()
    (work.project / "records.jsonl").touch()
    places = {place.relative_to(work.root).as_posix() for place in work.written_by_the_crawl()}
    assert {"logs", "tmp", "home", "project/records.jsonl", "project/sample_project"} <= places
    assert "project/blocklist" not in places


def test_the_copy_has_nothing_of_an_earlier_crawl(tmp_path: Path) -> None:
    """The copy of the sample project is what its author wrote: three parts, no compiled modules."""
    copy = copy_project(tmp_path / "copy")
    assert {part.name for part in copy.iterdir()} == {"scrapy.cfg", "policy.yaml", "sample_project"}
    assert not list(copy.rglob("__pycache__"))
    assert (copy / "sample_project" / "settings.py").is_file()
