from __future__ import annotations

import json
from typing import TYPE_CHECKING

from scrapy.settings import Settings
from support.records import record

from ingest_guard.scrapy_plugin.addon import _write_whole_lines
from ingest_guard.scrapy_plugin.output.whole_lines import FORMATS, WholeLines

if TYPE_CHECKING:
    from pathlib import Path

    import pytest
    from scrapy_plugin.conftest import Chain


def test_a_line_is_in_the_file_as_soon_as_it_is_written(tmp_path: Path) -> None:
    """Whoever reads the file while a crawl goes on, or after it was killed, finds whole records, all of them.

    They are shorter than any buffer: without a flush, none of them would be in the file yet.
    """
    path = tmp_path / "feed.jsonl"
    with path.open("ab") as file:
        exporter = WholeLines(file)
        for number in range(3):
            exporter.export_item({"n": number})
            assert [json.loads(line) for line in path.read_text().splitlines()] == [{"n": n} for n in range(number + 1)]
            assert path.read_bytes().endswith(b"\n")


def test_an_exporter_of_the_project_stays() -> None:
    """JSON Lines get the guard's exporter, but where the project has chosen one."""
    settings = Settings({"FEED_EXPORTERS": {"jl": "their.own.Exporter"}})
    _write_whole_lines(settings)
    chosen = settings.getdict("FEED_EXPORTERS")
    assert chosen.pop("jl") == "their.own.Exporter"
    assert chosen == dict.fromkeys(set(FORMATS) - {"jl"}, WholeLines)


def test_lines_in_an_outfit(tmp_path: Path, chain: Chain) -> None:
    """The feed's own outfit, else that of the setting; items that are no records do not get into one."""
    path = tmp_path / "feed.jsonl"
    with path.open("wb") as file:
        exporter = WholeLines.from_crawler(chain.crawler, file, outfit="img2dataset")
        exporter.export_item(record(1))
        exporter.export_item({"title": "no record"})
    (row,) = map(json.loads, path.read_text().splitlines())
    assert row["caption"] == record(1)["alt"]
    assert chain.stats()["items_dropped/no_record"] == 1


def test_a_line_that_cannot_be_written_closes_the_guard(chain: Chain, caplog: pytest.LogCaptureFixture) -> None:
    """What cannot be kept ends the crawl; nothing of the record is told."""
    with open("/dev/full", "wb", buffering=0) as file:  # noqa: PTH123 - unbuffered
        WholeLines.from_crawler(chain.crawler, file).export_item(record(1))
    assert chain.state.failed
    assert "records cannot be written (No space left on device)" in caplog.text
    assert record(1)["url"] not in caplog.text
