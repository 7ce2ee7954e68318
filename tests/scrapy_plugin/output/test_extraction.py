from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from scrapy.settings import Settings
from support.attested import data_set, run

from ingest_guard.dataset.attestation.draft import DRAFT
from ingest_guard.dataset.attestation.manifest import NAME
from ingest_guard.dataset.shards.location import FolderStore
from ingest_guard.errors import SetupError
from ingest_guard.pages.extract import EXTRACTION
from ingest_guard.scrapy_plugin.output.extraction import require_same_in_dataset

if TYPE_CHECKING:
    from pathlib import Path

_RUNS: dict[str, tuple[list[Any], bool]] = {
    # the runs before, and whether a crawl may go on
    "of today": ([run(extraction=EXTRACTION)], True),
    "of a later release": ([run(extraction=EXTRACTION + 1)], True),
    "without a number": ([run()], False),
    "with a lower number": ([run(extraction=EXTRACTION - 1)], False),
    "older and newer ones": ([run(extraction=EXTRACTION - 1), run(extraction=EXTRACTION)], False),
    "newer and older ones": ([run(extraction=EXTRACTION), run()], False),
    "an older one without records": ([run(counts={"records": 0}), run(extraction=EXTRACTION)], True),
    "an older one that was killed": ([run(counts=None, ended=None), run(extraction=EXTRACTION)], False),
}


def _check(folder: Path, **settings: Any) -> None:
    require_same_in_dataset(FolderStore(str(folder)), Settings(settings))


@pytest.mark.parametrize("name", _RUNS)
@pytest.mark.parametrize("draft", [False, True])
def test_a_data_set_of_an_older_extraction_does_not_go_on(tmp_path: Path, name: str, *, draft: bool) -> None:
    """Neither by its manifest nor by the draft of a crawl that was killed; the error says what to do."""
    runs, may_go_on = _RUNS[name]
    data_set(tmp_path, runs=tuple(runs))
    if draft:
        (tmp_path / NAME).rename(tmp_path / DRAFT)
    if may_go_on:
        _check(tmp_path)
        return
    with pytest.raises(SetupError, match="write into a new folder, or accept doubles: --accept-doubles"):
        _check(tmp_path)


def test_doubles_can_be_accepted(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """With the setting the crawl goes on, and the log says what that means."""
    data_set(tmp_path, runs=(run(),))
    _check(tmp_path, INGEST_GUARD_ACCEPT_DOUBLES=True)
    assert "images that are met again may make a second record" in caplog.text


def test_folders_that_say_nothing_go_on(tmp_path: Path) -> None:
    """A new folder, one with shards alone, and one whose manifest cannot be read: its keeper reports that."""
    _check(tmp_path)
    data_set(tmp_path, runs=(run(),))
    (tmp_path / NAME).write_text("no manifest")
    _check(tmp_path)
    (tmp_path / NAME).unlink()
    _check(tmp_path)
