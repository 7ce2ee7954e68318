from __future__ import annotations

import io
import json
import sys
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pyarrow.parquet as pq
import pytest
from scrapy.extensions.feedexport import FileFeedStorage
from scrapy.settings import Settings
from support.records import record

from ingest_guard.errors import DatasetError
from ingest_guard.files.atomic import hidden_name
from ingest_guard.scrapy_plugin.addon import _write_whole_lines
from ingest_guard.scrapy_plugin.output.feed_exporters import (
    LINES_FORMATS,
    JsonLinesExporter,
    ParquetExporter,
    RecordsOnly,
    WholeFileStorage,
)

if TYPE_CHECKING:
    from pathlib import Path

    from scrapy_plugin.conftest import Chain


def names(folder: Path) -> list[str]:
    """Return the names of all that is in a folder, sorted."""
    return sorted(entry.name for entry in folder.iterdir())


def test_records_become_a_table(chain: Chain) -> None:
    """In the feed's outfit; the file says what they were held against, and other items are left out and counted."""
    file = io.BytesIO()
    exporter = ParquetExporter.from_crawler(chain.crawler, file, outfit="laion", row_group=2, indent=None)
    exporter.start_exporting()
    for number in range(5):
        exporter.export_item(record(number))
    exporter.export_item({"title": "no record"})
    exporter.export_item(record(5, width=2**40))
    exporter.finish_exporting()
    table = pq.read_table(file)
    assert table.column("TEXT").to_pylist() == [record(number)["alt"] for number in range(5)]
    assert chain.state.guard.attestation["check_set"].encode() in table.schema.metadata[b"ingest_guard"]
    assert pq.ParquetFile(file).metadata.num_row_groups == 3
    assert chain.stats()["items_dropped/no_record"] == 2
    assert not chain.state.failed


@pytest.mark.parametrize("at", ["row group", "end"])
def test_a_table_that_cannot_be_written_closes_the_guard(
    at: str, chain: Chain, caplog: pytest.LogCaptureFixture
) -> None:
    """What cannot be kept ends the crawl, and is not stored as if it were whole; nothing of a record is told."""
    with open("/dev/full", "wb", buffering=0) as file:  # noqa: PTH123 - unbuffered
        exporter = ParquetExporter.from_crawler(chain.crawler, _Late(file), row_group=1 if at == "row group" else 9)
        for number in range(3):
            exporter.export_item(record(number))
        with pytest.raises(DatasetError, match="records cannot be written: No space left on device"):
            exporter.finish_exporting()
    assert chain.state.failed
    assert caplog.text.count("records cannot be written") == 1
    assert record(0)["url"] not in caplog.text


class _Late:
    """A file that takes the four bytes that each Parquet file begins with, and no more."""

    def __init__(self, file: Any) -> None:
        self._file, self._at, self.closed = file, 0, False

    def write(self, data: Any) -> int:
        if self._at >= 4:
            return int(self._file.write(data))
        self._at += len(data)
        return len(data)

    def tell(self) -> int:
        return self._at

    def flush(self) -> None:
        """Do nothing."""


def test_an_outfit_that_is_none_closes_the_guard(chain: Chain) -> None:
    """Scrapy would log an error for each record, and crawl on."""
    with pytest.raises(DatasetError, match="there is no outfit 'coyo'"):
        ParquetExporter.from_crawler(chain.crawler, io.BytesIO(), outfit="coyo")
    assert chain.state.failed


def test_what_a_data_set_takes() -> None:
    """Records, and nothing that merely looks a little like one."""
    accepts = RecordsOnly({}).accepts
    assert accepts(record(1))
    assert not accepts({"uid": "x", "url": "y"})
    assert not accepts(SimpleNamespace(**record(1)))


def test_a_parquet_file_appears_when_it_is_whole(tmp_path: Path) -> None:
    """Until it is stored it has a hidden name; one that is there already stays, or is replaced where that is wanted."""
    path = tmp_path / "new" / "x.parquet"
    for overwrite in (False, False, True):
        storage = WholeFileStorage(str(path), feed_options={"format": "parquet", "overwrite": overwrite})
        file = storage.open(None)  # type: ignore[arg-type]
        file.write(str(overwrite).encode())
        assert hidden_name(path).exists()
        storage.store(file)
        assert not hidden_name(path).exists()
    assert names(path.parent) == ["x-1.parquet", "x.parquet"]
    assert path.read_bytes() == b"True"


def test_feeds_are_counted_as_ever() -> None:
    """Scrapy's statistics name the storage's class: dashboards ask for feedexport/success_count/FileFeedStorage."""
    assert WholeFileStorage.__name__ == FileFeedStorage.__name__


def test_other_formats_are_stored_as_ever(tmp_path: Path) -> None:
    """JSON Lines are added to, and are there from the first line on."""
    path = tmp_path / "x.jsonl"
    for _ in range(2):
        storage = WholeFileStorage(path.as_uri(), feed_options={"format": "jsonl"})
        file = storage.open(None)  # type: ignore[arg-type]
        file.write(b"line\n")
        assert names(tmp_path) == ["x.jsonl"]
        storage.store(file)
    assert path.read_bytes() == b"line\nline\n"


def test_a_line_is_in_the_file_as_soon_as_it_is_written(tmp_path: Path, chain: Chain) -> None:
    """A reader of the file finds all records whole, while a crawl goes on and after it was killed.

    They are shorter than any buffer: without a flush, none of them would be in the file yet.
    """
    path = tmp_path / "feed.jsonl"
    with path.open("ab") as file:
        exporter = JsonLinesExporter(file, crawler=chain.crawler)
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
    assert chosen == dict.fromkeys(set(LINES_FORMATS) - {"jl"}, JsonLinesExporter)


def test_lines_in_an_outfit(tmp_path: Path, chain: Chain) -> None:
    """The feed's own outfit, else that of the setting; items that are no records do not get into one."""
    path = tmp_path / "feed.jsonl"
    with path.open("wb") as file:
        exporter = JsonLinesExporter.from_crawler(chain.crawler, file, outfit="img2dataset")
        exporter.export_item(record(1))
        exporter.export_item({"title": "no record"})
    (row,) = map(json.loads, path.read_text().splitlines())
    assert row["caption"] == record(1)["alt"]
    assert chain.stats()["items_dropped/no_record"] == 1


def test_a_line_that_cannot_be_written_closes_the_guard(chain: Chain, caplog: pytest.LogCaptureFixture) -> None:
    """What cannot be kept ends the crawl; nothing of the record is told."""
    with open("/dev/full", "wb", buffering=0) as file:  # noqa: PTH123 - unbuffered
        JsonLinesExporter.from_crawler(chain.crawler, file).export_item(record(1))
    assert chain.state.failed
    assert "records cannot be written (No space left on device)" in caplog.text
    assert record(1)["url"] not in caplog.text


def test_lines_whose_outfit_cannot_be_made_close_the_guard(
    tmp_path: Path, chain: Chain, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An unknown outfit, or one whose package is missing: Scrapy would log it and crawl on without records."""
    with (tmp_path / "feed.jsonl").open("wb") as file:
        exporter = JsonLinesExporter.from_crawler(chain.crawler, file, outfit="laion")
        monkeypatch.setitem(sys.modules, "mmh3", None)
        exporter.export_item(record(1))
        assert chain.state.failed
        with pytest.raises(DatasetError, match="there is no outfit 'coyo'"):
            JsonLinesExporter.from_crawler(chain.crawler, file, outfit="coyo")
    assert (tmp_path / "feed.jsonl").read_bytes() == b""
