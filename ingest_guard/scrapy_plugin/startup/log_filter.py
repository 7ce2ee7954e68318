"""The logging filter that takes the addresses of matches, and ``data:`` URLs, out of Scrapy's own log lines.

What Scrapy writes before there is a verdict (a redirect's target at DEBUG, a URL that is too long) cannot be known to
belong to a match. The strict level takes every address out of those lines.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from ingest_guard.scrapy_plugin.core.exceptions import ImageBlocked
from ingest_guard.scrapy_plugin.core.redaction import WITHHELD, names_withheld, redact

if TYPE_CHECKING:
    from collections.abc import Iterator

# What these write, they write of responses and items that have passed.
_AFTER_THE_VERDICT = ("scrapy.core.engine", "scrapy.core.scraper", "scrapy.extensions", "scrapy.crawler")
_EXTRAS = ("item", "request", "response")
_FORMATTER = logging.Formatter()


class LogFilter(logging.Filter):
    """Change records in place; lets every record through.

    Parameters
    ----------
    strict
        Take all addresses out of what Scrapy writes before there is a verdict.
    """

    def __init__(self, *, strict: bool) -> None:
        super().__init__()
        self.strict = strict

    def filter(self, record: logging.LogRecord) -> bool:
        """Rewrite the text of a record if there is something in it that must not be read."""
        if getattr(record, "_ingest_guard_seen", False):
            return True
        is_scrapys = record.name == "scrapy" or record.name.startswith("scrapy.")
        early = self.strict and is_scrapys and not record.name.startswith(_AFTER_THE_VERDICT)
        try:
            text = record.getMessage()
        except Exception:  # noqa: BLE001 - a record that cannot be formatted is told of by logging itself
            return True
        redacted = redact(text, every_url=early)
        if redacted != text:
            record.msg, record.args = redacted, ()
        self._withhold_exception(record, early=early)
        # The log formatter may have been here before: then the text is clean, and the extras are not.
        is_about_a_match = redacted != text or WITHHELD in text
        for name in _EXTRAS:
            if (is_about_a_match and hasattr(record, name)) or names_withheld(getattr(record, name, None)):
                setattr(record, name, None)
        record._ingest_guard_seen = True  # noqa: SLF001 - it is this module's own mark: a record goes through several filters
        return True

    @staticmethod
    def _withhold_exception(record: logging.LogRecord, *, early: bool) -> None:
        """Take out an exception that came from a drop: the frames of its traceback hold the request."""
        if not record.exc_info:
            return
        found = next((each for each in _chain(record.exc_info[1]) if isinstance(each, ImageBlocked)), None)
        if found is None:
            return
        if isinstance(record.msg, str):
            record.exc_text = redact(_FORMATTER.formatException(record.exc_info), every_url=early)
        else:
            # Scrapy 2.15's media pipelines log the failure itself, as a message and once more as an exception.
            record.msg, record.args = str(found), ()
        record.exc_info = None


def _chain(exception: BaseException | None) -> Iterator[BaseException]:
    """Yield an exception and what it came from."""
    seen: set[int] = set()
    waiting = [exception]
    while waiting:
        each = waiting.pop()
        if each is not None and id(each) not in seen:
            seen.add(id(each))
            waiting += [each.__cause__, each.__context__]
            yield each


class Installed:
    """A filter on everything that prints Scrapy's lines; :meth:`remove` takes it off again."""

    def __init__(self, filter_: LogFilter) -> None:
        self._filter = filter_
        self._at: list[logging.Filterer] = []
        self.extend()

    def extend(self) -> None:
        """Put the filter on Scrapy's loggers and on the root's handlers, as far as it is not there yet.

        A logger's filters see what is logged there and nothing from below, so each one needs it; the handlers' see what
        loggers that are made later write.
        """
        known = {name: logger for name, logger in logging.root.manager.loggerDict.items() if name.startswith("scrapy")}
        places: list[logging.Filterer] = [each for each in known.values() if isinstance(each, logging.Logger)]
        for place in [*places, *logging.root.handlers]:
            if self._filter not in place.filters:
                place.addFilter(self._filter)
                self._at.append(place)

    def remove(self) -> None:
        """Take the filter off."""
        for place in self._at:
            place.removeFilter(self._filter)
        self._at.clear()


def install(*, strict: bool) -> Installed:
    """Put a filter in place."""
    return Installed(LogFilter(strict=strict))
