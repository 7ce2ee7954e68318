"""Where Scrapy's feeds go on this machine: Parquet files appear under their name when they are whole."""

from __future__ import annotations

from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from scrapy.extensions.feedexport import FileFeedStorage

from ingest_guard.files.atomic import hidden_name, publish

if TYPE_CHECKING:
    from scrapy import Spider

_WHOLE = frozenset({"parquet"})


class WholeFileStorage(FileFeedStorage):
    """Scrapy's storage for files, but that a Parquet file is written to a hidden name and renamed.

    One that is there already is replaced where the feed says ``overwrite``; else the new file gets the next free name,
    since nothing can be added to a Parquet file.
    """

    def __init__(self, uri: str, *, feed_options: dict[str, Any] | None = None) -> None:
        super().__init__(uri, feed_options=feed_options)
        options = feed_options or {}
        self._whole = options.get("format") in _WHOLE
        self._replace = bool(options.get("overwrite"))

    def open(self, spider: Spider) -> IO[bytes]:
        """Open the file: under its hidden name, where it must be whole."""
        if not self._whole:
            return super().open(spider)
        path = Path(self.path)
        path.parent.mkdir(parents=True, exist_ok=True)
        return hidden_name(path).open("wb")

    def store(self, file: IO[bytes]) -> None:
        """Close it, and let it appear."""
        super().store(file)
        if self._whole:
            path = Path(self.path)
            publish(hidden_name(path), path, replace=self._replace)
