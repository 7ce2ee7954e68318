"""The add-on: the one line in a project's settings that installs the guard."""

import logging

from scrapy.settings import BaseSettings, get_settings_priority

from ingest_guard.scrapy_plugin.check import robots
from ingest_guard.scrapy_plugin.core import placement
from ingest_guard.scrapy_plugin.core.settings import LOG_FORMATTER_SETTING, load_policy
from ingest_guard.scrapy_plugin.output import feeds
from ingest_guard.scrapy_plugin.output.feed_exporters import (
    LINES_FORMATS,
    JsonLinesExporter,
    ParquetExporter,
    WholeFileStorage,
)
from ingest_guard.scrapy_plugin.startup.log_filter import GuardedLogFormatter
from ingest_guard.scrapy_plugin.startup.protections import DOORS, obey_by_default, require_level

# At DEBUG this one prints header lines as the server sent them.
_TALKATIVE = "scrapy.core.downloader.handlers.http11"


_ADDON = get_settings_priority("addon")


class Addon:
    """Install the guard: ``ADDONS = {"ingest_guard.Addon": 0}`` and ``INGEST_GUARD_POLICY = "policy.yaml"``.

    Anything that stands in the way is an error and stops the crawl. It never raises ``NotConfigured``: Scrapy would
    log that and crawl on unguarded.
    """

    @classmethod
    def update_pre_crawler_settings(cls, settings: BaseSettings) -> None:
        """Put the parts into the ``*_BASE`` settings, which a spider that empties ADDONS does not reach."""
        for part in placement.PARTS:
            settings.set_in_component_priority_dict(f"{part.setting}_BASE", placement.load_part(part), part.order)

    def update_settings(self, settings: BaseSettings) -> None:
        """Check what the project and the spider have set, and put every part where it must stand."""
        with placement.announced():
            placement.require_settings(settings)
            policy = load_policy(settings)
        for part in placement.PARTS:
            settings.set_in_component_priority_dict(part.setting, placement.load_part(part), part.order)
        for name in DOORS:
            settings.set(name, False, priority="addon")  # noqa: FBT003 - Scrapy's signature
        obey_by_default(settings, policy)
        robots.install(settings)
        with placement.announced():
            require_level(settings, policy)
        logger = logging.getLogger(_TALKATIVE)
        if logger.getEffectiveLevel() < logging.INFO:
            logger.setLevel(logging.INFO)
        _wrap_log_formatter(settings)
        _write_whole_lines(settings)
        with placement.announced():
            _write_shards(settings)


def _wrap_log_formatter(settings: BaseSettings) -> None:
    """Put the guard's log formatter around the project's own."""
    current = settings.get("LOG_FORMATTER")
    if not placement.is_class(current, f"{GuardedLogFormatter.__module__}.{GuardedLogFormatter.__qualname__}"):
        settings.set(LOG_FORMATTER_SETTING, current, "addon")
        settings.set("LOG_FORMATTER", GuardedLogFormatter, max(settings.getpriority("LOG_FORMATTER") or 0, _ADDON))


def _write_whole_lines(settings: BaseSettings) -> None:
    """Let JSON Lines feeds be written a record at a time, unless the project has an exporter of its own for them."""
    chosen = settings.getdict("FEED_EXPORTERS")
    added = {name: JsonLinesExporter for name in LINES_FORMATS if name not in chosen}
    settings.set("FEED_EXPORTERS", {**chosen, **added}, max(settings.getpriority("FEED_EXPORTERS") or 0, _ADDON))


def _write_shards(settings: BaseSettings) -> None:
    """Let feeds be Parquet files that appear when they are whole, and add the feed of the data set, if there is one.

    What the project has chosen for Parquet or for files stays, but where the data set needs these.
    """
    wanted = feeds.chosen_settings(settings)
    parts: dict[str, dict[str, type]] = {
        "FEED_EXPORTERS": {"parquet": ParquetExporter},
        "FEED_STORAGES": dict.fromkeys(("", "file"), WholeFileStorage),
    }
    for name, ours in parts.items():
        chosen = settings.getdict(name)
        settings.set(name, {**ours, **chosen, **(ours if wanted else {})}, _priority(settings, name))
    for name, value in wanted.items():
        settings.set(name, {**settings.getdict(name), **value}, _priority(settings, name))


def _priority(settings: BaseSettings, name: str) -> int:
    """Return a priority that replaces what a setting has now."""
    return max(settings.getpriority(name) or 0, _ADDON)
