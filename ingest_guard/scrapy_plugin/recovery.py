"""Starting over after a crash: what the crawl's own feeds hold already is not made again.

The feeds themselves are asked, not a book kept beside them: between an entry in such a book and the record in the feed
there is always a moment at which a process can die, and the record would be lost or doubled.
"""

from __future__ import annotations

import glob
import json
import logging
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

import numpy as np

from ingest_guard.errors import SetupError
from ingest_guard.scrapy_plugin import jobs

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from scrapy.settings import BaseSettings

logger = logging.getLogger(__name__)

_LINES = frozenset({"jsonlines", "jsonl", "jl"})
_PLACEHOLDER = re.compile(r"%\(\w+\)[#0\- +]*\d*(?:\.\d+)?[sdif]")
_UID = re.compile(r"[0-9a-f]{32}")
_BLOCK = 1 << 16


class Written:
    """The uids of the records that are written already: 16 bytes each, however many they are."""

    def __init__(self, uids: Iterable[str]) -> None:
        raw = np.frombuffer(b"".join(map(bytes.fromhex, uids)), ">u8").reshape(-1, 2).astype(np.uint64)
        ordered = raw[np.argsort(raw[:, 0], kind="stable")]
        self._high, self._low = ordered[:, 0].copy(), ordered[:, 1].copy()

    def __len__(self) -> int:
        return len(self._high)

    def __contains__(self, uid: str) -> bool:
        high, low = (np.uint64(int(part, 16)) for part in (uid[:16], uid[16:]))
        start, stop = (int(self._high.searchsorted(high, side)) for side in ("left", "right"))
        return bool((self._low[start:stop] == low).any())


def take_up(settings: BaseSettings) -> Written:
    """Look at what an earlier crawl left: refuse what would be resumed in vain, or start over if that is wanted.

    Raises
    ------
    SetupError
        The job directory was not closed, or a feed that is to be read back cannot be.
    """
    if settings.getbool(jobs.RECOVER_SETTING):
        return recover(settings)
    folder = jobs.job_folder(settings)
    if folder is not None:
        jobs.require_clean(folder)
    return Written(())


def recover(settings: BaseSettings) -> Written:
    """Make the job directory new, cut torn lines off the feeds, and return what they hold.

    Raises
    ------
    SetupError
        A feed cannot be read back: it is not on this machine, is written anew at each start, or has another format
        than JSON Lines.
    """
    files = [file for uri, options in settings.getdict("FEEDS").items() for file in _feed_files(str(uri), options)]
    written = Written(uid for file in files for uid in _uids(file))
    folder = jobs.job_folder(settings)
    if folder is not None:
        jobs.start_over(folder)
    logger.info("Starting over: %d records are there already and are not made again", len(written))
    return written


def _feed_files(uri: str, options: dict[str, object]) -> list[Path]:
    """Return the files that a feed has written so far."""
    pattern = _PLACEHOLDER.sub("*", glob.escape(uri).replace("%%", "%"))
    parts = urlsplit(pattern)
    if parts.scheme not in {"", "file"}:
        raise _unreadable(uri, "it is not on this machine")
    if str(options.get("format")) not in _LINES or options.get("postprocessing"):
        raise _unreadable(uri, "only plain JSON Lines can be read back")
    if options.get("overwrite"):
        raise _unreadable(uri, 'it is written anew at each start; set "overwrite": False (or -o instead of -O)')
    path = unquote(parts.path) if parts.scheme else pattern
    return [Path(found) for found in sorted(glob.glob(path)) if Path(found).is_file()]  # noqa: PTH207 - pathlib's takes no absolute pattern


def _unreadable(uri: str, why: str) -> SetupError:
    return SetupError(f"ingest_guard: --recover cannot tell what the feed {uri} holds: {why}")


def _uids(file: Path) -> Iterator[str]:
    """Yield the uids in a feed, after cutting off a last line without an end: the crawl died while it wrote it."""
    _cut_torn_line(file)
    with file.open("rb") as lines:
        for line in lines:
            try:
                uid = json.loads(line)["uid"]
            except (ValueError, KeyError, TypeError):
                continue
            if isinstance(uid, str) and _UID.fullmatch(uid):
                yield uid


def _cut_torn_line(file: Path) -> None:
    with file.open("rb+") as feed:
        end = feed.seek(0, os.SEEK_END)
        at = end
        while at:
            start = max(0, at - _BLOCK)
            feed.seek(start)
            newline = feed.read(at - start).rfind(b"\n")
            if newline >= 0:
                at = start + newline + 1
                break
            at = start
        if at < end:
            feed.truncate(at)
