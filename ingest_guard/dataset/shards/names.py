"""Which files of a data set are shards: the one answer for crawls, manifests, the report and recheck.

A loader that is given a folder reads every ``*.parquet`` and ``*.jsonl`` in it. So any file with such a name is a
shard, also in a folder below, and also compressed with gzip. Three kinds of files have such a name and hold no records:
hidden ones, which are not finished; the crawl's time series; and tombstones, which say what a recheck removed
(``out.tombstones.jsonl``, ``tombstones.parquet``, or a folder of such a name).
"""

import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from ingest_guard.errors import DatasetError

PARQUET = ".parquet"
LINES = (".jsonl", ".jl", ".jsonlines", ".ndjson")
PACKED_LINES = tuple(f"{suffix}.gz" for suffix in LINES)
SUFFIXES = (PARQUET, *LINES, *PACKED_LINES)
CRAWLED = re.compile(r"records-(?P<number>\d+)\.(?P<format>parquet|jsonl)")
"""Names of the shards that a crawl writes."""
TELEMETRY = "telemetry.jsonl"
"""Name of the crawl's time series, which lies beside the shards."""
_TOMBSTONES = re.compile(r"(?:^|\.)tombstones")


def is_shard(name: str) -> bool:
    """Say whether a file holds records, by its name or its path in the data set."""
    parts = name.split("/")
    if parts[-1] == TELEMETRY or any(part.startswith(".") or _TOMBSTONES.search(part) for part in parts):
        return False
    return name.endswith(SUFFIXES)


def shard_names(folder: str | Path) -> list[str]:
    """Return the paths of the shards in a folder and in the folders below it, sorted, with ``/`` between the parts.

    A symbolic link counts by its name. It is for the reader to refuse it: to leave it out would hide it.

    Raises
    ------
    DatasetError
        A folder cannot be read.
    """
    return sorted(filter(is_shard, all_names(folder)))


def all_names(folder: str | Path) -> list[str]:
    """Return the paths of all files in a folder and in those below it that are not hidden; raises the same."""
    try:
        return list(_files(Path(folder), ""))
    except OSError as error:
        raise DatasetError(f"{error.filename or folder} cannot be read: {error.strerror}") from None


def shard_files(folder: str | Path) -> list[Path]:
    """Return the shards in a folder and in the folders below it, sorted."""
    return [Path(folder, name) for name in shard_names(folder)]


def next_number(names: Iterable[str]) -> int:
    """Return the number of the next shard that a crawl writes beside these."""
    return max((int(found["number"]) for name in names if (found := CRAWLED.fullmatch(name))), default=-1) + 1


def _files(folder: Path, prefix: str) -> Iterator[str]:
    with os.scandir(folder) as entries:
        for entry in entries:
            if not entry.is_dir(follow_symlinks=False):
                yield prefix + entry.name
            elif not entry.name.startswith("."):
                yield from _files(Path(entry.path), f"{prefix}{entry.name}/")
