from __future__ import annotations

from typing import TYPE_CHECKING

from scrapy.settings import Settings

from ingest_guard.scrapy_plugin.addon import _write_whole_lines
from ingest_guard.scrapy_plugin.whole_lines import FORMATS, WholeLines

if TYPE_CHECKING:
    from pathlib import Path


def test_a_line_is_in_the_file_as_soon_as_it_is_written(tmp_path: Path) -> None:
    """Whoever reads the file while a crawl goes on, or after it was killed, finds whole records, all of them."""
    path = tmp_path / "feed.jsonl"
    with path.open("ab") as file:
        exporter = WholeLines(file)
        for number in range(3):
            exporter.export_item({"n": number, "text": "x" * 5000})
            assert path.read_bytes().count(b"\n") == number + 1
            assert path.read_bytes().endswith(b"\n")


def test_an_exporter_of_the_project_stays() -> None:
    """JSON Lines get the guard's exporter, but where the project has chosen one."""
    settings = Settings({"FEED_EXPORTERS": {"jl": "their.own.Exporter"}})
    _write_whole_lines(settings)
    chosen = settings.getdict("FEED_EXPORTERS")
    assert chosen.pop("jl") == "their.own.Exporter"
    assert chosen == dict.fromkeys(set(FORMATS) - {"jl"}, WholeLines)
