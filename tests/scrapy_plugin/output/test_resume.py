from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from scrapy.settings import Settings

from ingest_guard.errors import SetupError
from ingest_guard.scrapy_plugin.output.resume import resume_from

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
    (job / "ingest_guard.json").write_text('{"state": "closed"}')
    chosen = {"FEEDS": {"ftp://host/x.csv": {"format": "csv"}, str(feed): {"format": "jsonl"}}, "JOBDIR": str(job)}
    keys, _ = resume_from(crawler_with(**chosen))
    assert "a" * 32 in keys
    assert feed.read_text().endswith("}\n")
    assert "Records of before may come twice" in caplog.text
    with pytest.raises(SetupError, match="not on this machine"):
        resume_from(crawler_with(**chosen, INGEST_GUARD_RECOVER=True))
    assert len(resume_from(crawler_with(**{**chosen, "JOBDIR": str(tmp_path / "new")}))[0]) == 0
