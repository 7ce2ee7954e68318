"""An extension that writes the crawl's statistics to a file each second, for a dashboard or a progress bar.

``scrapy crawl gallery -s STATS_FILE=stats.json``; without that setting it does nothing.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scrapy import signals
from scrapy.exceptions import NotConfigured
from scrapy.utils.asyncio import create_looping_call

if TYPE_CHECKING:
    from typing import Self

    from scrapy.crawler import Crawler

SECONDS = 0.5


class StatsFile:
    """Keeps a JSON file of the statistics."""

    def __init__(self, crawler: Crawler, file: Path) -> None:
        self.crawler = crawler
        self.file = file
        self.loop: Any = None

    @classmethod
    def from_crawler(cls, crawler: Crawler) -> Self:
        """Read the setting and connect to the crawl's signals."""
        name = crawler.settings.get("STATS_FILE")
        if not name:
            raise NotConfigured
        extension = cls(crawler, Path(name))
        crawler.signals.connect(extension.begin, signals.engine_started)
        crawler.signals.connect(extension.end, signals.engine_stopped)
        return extension

    def begin(self) -> None:
        """Write from now on."""
        self.loop = create_looping_call(self.write)
        self.loop.start(SECONDS, now=True)

    def end(self) -> None:
        """Write once more, the final figures."""
        if self.loop is not None and self.loop.running:
            self.loop.stop()
        self.write()

    def write(self) -> None:
        """Replace the file in one step, so that no reader sees half of it."""
        stats = self.crawler.stats.get_stats() if self.crawler.stats else {}
        part = self.file.with_name(self.file.name + ".part")
        part.write_text(json.dumps(stats, default=str, indent=1), encoding="utf-8")
        part.replace(self.file)
