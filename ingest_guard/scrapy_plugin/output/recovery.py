"""Starting over, or going on: what the crawl's own feeds and shards hold already is not made again.

The feeds themselves are asked, not a book kept beside them: between an entry in such a book and the record in the feed
there is always a moment at which a process can die, and the record would be lost or doubled.
"""

from __future__ import annotations

import glob
import logging
import re
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from ingest_guard.dataset.records.seen import Keys
from ingest_guard.errors import SetupError
from ingest_guard.scrapy_plugin.core.settings import RECOVER_SETTING
from ingest_guard.scrapy_plugin.output import jobs
from ingest_guard.scrapy_plugin.output.feeds import Dataset, chosen_settings
from ingest_guard.scrapy_plugin.output.readback import uids

if TYPE_CHECKING:
    from collections.abc import Iterator

    from scrapy.crawler import Crawler
    from scrapy.settings import BaseSettings

logger = logging.getLogger(__name__)

_LINES = frozenset({"jsonlines", "jsonl", "jl"})
_PLACEHOLDER = re.compile(r"%\(\w+\)[#0\- +]*\d*(?:\.\d+)?[sdif]")


def take_up(crawler: Crawler) -> tuple[Keys, int]:
    """Look at what an earlier crawl left: refuse what would be resumed in vain, or start over if that is wanted.

    Returns
    -------
    keys
        The uids that are written already: those in the crawl's data set, and in its feeds where it is resumed.
    first_shard
        The number of the data set's next shard.

    Raises
    ------
    IngestGuardError
        The job directory was not closed; a feed that is to be read back cannot be; or the data set cannot be written.
    """
    settings = crawler.settings
    folder = jobs.job_folder(settings)
    starts_over = settings.getbool(RECOVER_SETTING)
    if folder is not None and not starts_over:
        jobs.require_clean(folder)
    goes_on = folder is not None and jobs.was_used(folder)
    files = list(_readable_files(settings, strict=starts_over)) if starts_over or goes_on else []
    held, first_shard = Dataset.take_up(crawler)
    keys = held | Keys(chain.from_iterable(map(uids, files)))
    if starts_over and folder is not None:
        jobs.start_over(folder)
    if starts_over:
        logger.info("Starting over: %d records are there already and are not made again", len(keys))
    return keys, first_shard


def _readable_files(settings: BaseSettings, *, strict: bool) -> Iterator[Path]:
    """Yield the files of the feeds beside the data set; one that cannot be read back is an error, or passed over."""
    own = chosen_settings(settings).get("FEEDS", {})
    for uri, options in settings.getdict("FEEDS").items():
        if str(uri) in own:
            continue
        try:
            yield from _feed_files(str(uri), options)
        except SetupError as error:
            if strict:
                raise
            logger.warning("Records of before may come twice. %s", error)


def _feed_files(uri: str, options: dict[str, Any]) -> list[Path]:
    """Return the files that a feed has written so far."""
    pattern = _PLACEHOLDER.sub("*", glob.escape(uri).replace("%%", "%"))
    parts = urlsplit(pattern)
    if parts.scheme not in {"", "file"}:
        raise _unreadable(uri, "it is not on this machine")
    kind = str(options.get("format"))
    if (kind not in _LINES and kind != "parquet") or options.get("postprocessing"):
        raise _unreadable(uri, "only plain JSON Lines and Parquet can be read back")
    if options.get("overwrite"):
        raise _unreadable(uri, 'it is written anew at each start; set "overwrite": False (or -o instead of -O)')
    path = unquote(parts.path) if parts.scheme else pattern
    return [Path(found) for found in sorted(glob.glob(path)) if Path(found).is_file()]  # noqa: PTH207 - pathlib's takes no absolute pattern


def _unreadable(uri: str, why: str) -> SetupError:
    return SetupError(f"ingest_guard: it cannot be told what the feed {uri} holds: {why}")
