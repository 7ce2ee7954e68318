"""Going on after a crawl, or starting over: job directories, and what feeds and shards hold already.

Scrapy writes which requests wait when a crawl is closed, and which were seen as it goes on. After a crash, a resumed
crawl therefore takes what waited for done, finds nothing to do, and ends as ``finished`` with the rest missing. So the
guard leaves a note of its own in the job directory, and a crawl that finds the note of one that never ended does not
start.

What is written already is read from the feeds themselves, not from a book kept beside them: between an entry in such a
book and the record in the feed there is always a moment at which a process can die, and the record would be lost or
doubled.
"""

from __future__ import annotations

import glob
import json
import logging
import re
import shutil
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from ingest_guard.dataset.records.seen import Keys
from ingest_guard.dataset.shards.read import cut_torn_line, is_parquet, read_uids
from ingest_guard.errors import SetupError
from ingest_guard.files.atomic import whole_file
from ingest_guard.pages.extract import EXTRACTION
from ingest_guard.scrapy_plugin.core.settings import RECOVER_SETTING
from ingest_guard.scrapy_plugin.output.extraction import FIRST, require_same
from ingest_guard.scrapy_plugin.output.feed_exporters import LINES_FORMATS
from ingest_guard.scrapy_plugin.output.feeds import Dataset, chosen_settings

if TYPE_CHECKING:
    from scrapy.crawler import Crawler
    from scrapy.settings import BaseSettings

logger = logging.getLogger(__name__)

NOTE = "ingest_guard.json"
_SEEN, _QUEUE, _STATE = "requests.seen", "requests.queue", "spider.state"
_RUNNING, _CLOSED = "running", "closed"
_PLACEHOLDER = re.compile(r"%\(\w+\)[#0\- +]*\d*(?:\.\d+)?[sdif]")


def resume_from(crawler: Crawler) -> tuple[Keys, int]:
    """Return what an earlier crawl has written, and refuse what would be resumed in vain; or start over, if asked to.

    Returns
    -------
    keys
        The uids that are written already: those in the crawl's data set, and in its feeds where it is resumed.
    first_shard
        The number of the data set's next shard.

    Raises
    ------
    IngestGuardError
        The job directory was not closed, or its records are of an older extraction; a feed that is to be read back
        cannot be; or the data set cannot be written.
    """
    settings = crawler.settings
    folder = job_folder(settings)
    starts_over = settings.getbool(RECOVER_SETTING)
    if folder is not None and not starts_over:
        require_clean(folder)
    goes_on = folder is not None and was_used(folder)
    if folder is not None and (number := _extraction_of(folder)) is not None:
        require_same(number, f"what the job directory {folder} belongs to", settings)
    files = list(_readable_files(settings, strict=starts_over)) if starts_over or goes_on else []
    held, first_shard = Dataset.claim(crawler)
    keys = held | Keys(chain.from_iterable(map(_uids_of_feed, files)))
    if starts_over and folder is not None:
        start_over(folder)
    if starts_over:
        logger.info("Starting over: %d records are there already and are not made again", len(keys))
    return keys, first_shard


def _readable_files(settings: BaseSettings, *, strict: bool) -> Iterator[Path]:
    """Yield the files of the feeds beside the data set; one that cannot be read back is an error, or left out."""
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
    if (kind not in LINES_FORMATS and kind != "parquet") or options.get("postprocessing"):
        raise _unreadable(uri, "only plain JSON Lines and Parquet can be read back")
    if options.get("overwrite"):
        raise _unreadable(uri, 'it is written anew at each start; set "overwrite": False (or -o instead of -O)')
    path = unquote(parts.path) if parts.scheme else pattern
    return [Path(found) for found in sorted(glob.glob(path)) if Path(found).is_file()]  # noqa: PTH207 - pathlib's takes no absolute pattern


def _uids_of_feed(file: Path) -> Iterator[str]:
    if not is_parquet(file):
        cut_torn_line(file)
    return read_uids(file)


def _unreadable(uri: str, why: str) -> SetupError:
    return SetupError(f"ingest_guard: the feed {uri} cannot be read back: {why}")


def job_folder(settings: BaseSettings) -> Path | None:
    """Return the crawl's job directory, whether it exists or not; None for a crawl without one."""
    value = settings.get("JOBDIR")
    return Path(str(value)) if value else None


def require_clean(folder: Path) -> None:
    """Raise SetupError where the crawl that used a job directory before was not closed."""
    if not was_closed(folder):
        raise SetupError(
            f"ingest_guard: the last crawl in the job directory {folder} did not end as it should have; resumed, it "
            "would end without an error and without what it had still to do. Start it again from its first pages, "
            "leaving out what has a record: the same ingest-guard crawl with --recover (or remove the directory)"
        )


def was_closed(folder: Path) -> bool:
    """Tell whether a job directory is new, or was left by a crawl that was closed."""
    note = _read_note(folder)
    if note is not None:
        return note == _CLOSED
    # A directory from before the guard: seen requests, and no list of those that wait.
    seen = folder / _SEEN
    return not (seen.is_file() and seen.stat().st_size and not (folder / _QUEUE / "active.json").is_file())


def was_used(folder: Path) -> bool:
    """Tell whether a crawl has used a job directory before."""
    return _read_note(folder) is not None or (folder / _SEEN).is_file()


def begin(folder: Path) -> None:
    """Note that a crawl has begun."""
    _write_note(folder, _RUNNING)


def close(folder: Path) -> None:
    """Note that it was closed, after everything else."""
    _write_note(folder, _CLOSED)


def start_over(folder: Path) -> None:
    """Forget what waits and what was seen, so that a crawl begins with its first pages."""
    for name in (_SEEN, _STATE, NOTE):
        (folder / name).unlink(missing_ok=True)
    queue = folder / _QUEUE
    if queue.is_dir():
        # Some queues are files, others folders of files.
        shutil.rmtree(queue)


def _read_note(folder: Path) -> str | None:
    note = _note(folder)
    return None if note is None else note.get("state", _RUNNING)


def _extraction_of(folder: Path) -> int | None:
    """Return the extraction of the crawl that used a job directory; None where no guarded crawl has."""
    note = _note(folder)
    if note is None:
        return None
    number = note.get("extraction")
    return number if type(number) is int else FIRST


def _note(folder: Path) -> dict[str, Any] | None:
    """Return the note; None where there is none, and an empty one where it cannot be read."""
    try:
        note = json.loads((folder / NOTE).read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValueError):
        return {}
    return note if isinstance(note, dict) else {}


def _write_note(folder: Path, state: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    with whole_file(folder / NOTE) as file:
        file.write(json.dumps({"state": state, "extraction": EXTRACTION}).encode())
