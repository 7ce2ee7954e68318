from __future__ import annotations

import json
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from scrapy.settings import Settings

from ingest_guard.errors import SetupError
from ingest_guard.pages.extract import EXTRACTION
from ingest_guard.scrapy_plugin.output.resume import begin, close, resume_from

if TYPE_CHECKING:
    from pathlib import Path


def crawler_with(**settings: Any) -> Any:
    """Return as much of a crawler as looking at its feeds needs."""
    return SimpleNamespace(settings=Settings(settings), signals=SimpleNamespace(connect=lambda *_, **__: None))


def test_feeds_that_cannot_be_read_back(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A resumed crawl goes on without them, with a warning; one that starts over does not start."""
    feed = tmp_path / "x.jsonl"
    feed.write_text(f'{{"uid": "{"a" * 32}"}}\n{{"uid": "torn')
    job = tmp_path / "job"
    job.mkdir()
    (job / "ingest_guard.json").write_text(json.dumps({"state": "closed", "extraction": EXTRACTION}))
    chosen = {"FEEDS": {"ftp://host/x.csv": {"format": "csv"}, str(feed): {"format": "jsonl"}}, "JOBDIR": str(job)}
    keys, _ = resume_from(crawler_with(**chosen))
    assert "a" * 32 in keys
    assert feed.read_text().endswith("}\n")
    assert "Records of before may come twice" in caplog.text
    with pytest.raises(SetupError, match="not on this machine"):
        resume_from(crawler_with(**chosen, INGEST_GUARD_RECOVER=True))
    assert len(resume_from(crawler_with(**{**chosen, "JOBDIR": str(tmp_path / "new")}))[0]) == 0


@pytest.mark.parametrize(
    "note", ["{}", '{"state": "closed"}', f'{{"state": "closed", "extraction": {EXTRACTION - 1}}}']
)
@pytest.mark.parametrize("recover", [False, True])
def test_a_job_of_an_older_extraction_does_not_go_on(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, note: str, *, recover: bool
) -> None:
    """Its records would come twice: the error says what to do, and a setting accepts it, with a warning."""
    (tmp_path / "ingest_guard.json").write_text(note if recover else note.replace("{}", '{"state": "closed"}'))
    chosen = {"JOBDIR": str(tmp_path), "INGEST_GUARD_RECOVER": recover}
    with pytest.raises(SetupError, match="write into a new folder, or accept doubles: --accept-doubles"):
        resume_from(crawler_with(**chosen))
    resume_from(crawler_with(**chosen, INGEST_GUARD_ACCEPT_DOUBLES=True))
    assert "may make a second record" in caplog.text


def test_a_job_of_this_extraction_goes_on(tmp_path: Path) -> None:
    """What a crawl of this release notes is known to the next one; a directory without a note is new."""
    resume_from(crawler_with(JOBDIR=str(tmp_path / "new")))
    begin(tmp_path)
    close(tmp_path)
    assert len(resume_from(crawler_with(JOBDIR=str(tmp_path)))[0]) == 0
