"""Records where a manifest names none: in files that a loader takes for data, whatever the guard takes them for.

``datasets`` reads every table in a folder that it is given, by the ending of its name; ``webdataset`` reads tars. The
crawl's time series and tombstones end like shards and hold no records: that is looked at, too.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from ingest_guard.dataset.attestation.croissant import NAME as CROISSANT
from ingest_guard.dataset.attestation.manifest import NAME
from ingest_guard.dataset.records.schema import COLUMNS
from ingest_guard.dataset.shards.names import SUFFIXES, TELEMETRY, all_names, is_shard
from ingest_guard.dataset.shards.read import is_parquet, open_lines

_OWN: Final = frozenset({NAME, CROISSANT})
_TABLES: Final = tuple(
    dict.fromkeys(
        (
            *SUFFIXES,
            *(".json", ".csv", ".tsv", ".tar", ".tgz", ".arrow", ".feather", ".parq", ".pq", ".orc", ".avro"),
            *(".lance", ".h5", ".hdf5", ".zip", ".mds", ".tfrecord", ".tfrecords", ".db", ".sqlite", ".pkl", ".pickle"),
        )
    )
)
_PACKED: Final = (".gz", ".bz2", ".xz", ".zst", ".lz4", ".age")
_SEALED: Final = ".age"
_NOTHING: Final = (b"", b"{}")
_LONGEST_LINE: Final = 16 << 20
_KINDS: Final = frozenset({"start", "sample", "lists", "hosts", "end"})
_TOMBSTONE_FIELDS: Final = frozenset({"uid", "shard", "row", "action", "matches"})
_RECORD_FIELDS: Final = frozenset({column.name for column in COLUMNS} - {"format"}) | {
    *("URL", "TEXT", "caption", "text", "image_url", "image_urls", "image", "images", "hash", "key", "__key__"),
}


def stray_records(folder: Path) -> Iterator[str]:
    """Yield a sentence for each file that is no shard and holds what a loader may read as records.

    Parameters
    ----------
    folder
        With shards and manifest.

    Raises
    ------
    DatasetError
        A folder in it cannot be read.
    """
    for name in sorted(all_names(folder)):
        parts = name.split("/")
        if is_shard(name) or name in _OWN or any(part.startswith(".") for part in parts):
            continue
        if (folder / name).is_dir():
            yield f"{name} leads to another folder, whose files are not listed in {NAME}"
        elif not _is_table(name):
            continue
        elif parts[-1] == TELEMETRY:
            yield from _strange_lines(folder, name, _is_telemetry, "telemetry")
        elif "tombstones" in name and name.endswith(_SEALED):
            continue  # no query reads it without the key
        elif "tombstones" in name and name.endswith(SUFFIXES) and not is_parquet(name):
            yield from _strange_lines(folder, name, _is_tombstone, "tombstones")
        else:
            yield f"{name} is not listed in {NAME}, and loaders may read it as records"


def _is_table(name: str) -> bool:
    name = name.lower()
    for ending in _PACKED:
        name = name.removesuffix(ending)
    return name.endswith(_TABLES)


def _strange_lines(folder: Path, name: str, is_known: Any, what: str) -> Iterator[str]:
    """Yield a sentence where a line is something else than it should be."""
    try:
        with open_lines(folder / name) as lines:
            number = 0
            while line := lines.readline(_LONGEST_LINE):
                number += 1
                if line.strip() not in _NOTHING and not is_known(_parse(line)):
                    yield f"{name}, line {number}: not {what}, but what loaders may read as a record"
                    return
    except (OSError, EOFError, zlib.error) as error:
        yield f"{name} cannot be read: {getattr(error, 'strerror', None) or 'it is damaged'}"


def _parse(line: bytes) -> Any:
    try:
        return json.loads(line)
    except (ValueError, RecursionError):
        return None


def _is_telemetry(line: Any) -> bool:
    return isinstance(line, dict) and line.get("kind") in _KINDS and "run" in line and not _has_texts(line)


def _is_tombstone(line: Any) -> bool:
    if not isinstance(line, dict):
        return False
    return (line.get("tombstones") == 1 and not _has_texts(line)) or line.keys() <= _TOMBSTONE_FIELDS


def _has_texts(line: dict[str, Any]) -> bool:
    """Return whether a line has texts where a record has them; telemetry counts some things under the same names."""
    return any(isinstance(line.get(name), str) for name in _RECORD_FIELDS)
