"""The tombstone file: which records went, and why. It is sensitive, and lies beside the data, never in it.

A record's uid is the md5 of its text and address: with the old shards it leads to a directory of addresses of abuse. So
the file is readable for its owner alone (mode 0600), sealed where a recipient is given, and not for publication.
"""

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from ingest_guard.dataset.recheck.sealed_lines import write_lines
from ingest_guard.dataset.recheck.search import Removed
from ingest_guard.files.atomic import remove_hidden

NOTICE = (
    "Sensitive: with the old shards this is a directory of addresses of abuse imagery. Not for publication; what one "
    "publishes is the cleaned data set."
)


def default_path(clean: Path, *, sealed: bool) -> Path:
    """Return a free name beside a folder (or a single shard)."""
    ending = ".jsonl.age" if sealed else ".jsonl"
    chosen, number = clean.with_name(f"{clean.name}.tombstones{ending}"), 1
    while os.path.lexists(chosen):
        number += 1
        chosen = clean.with_name(f"{clean.name}.tombstones-{number}{ending}")
    return chosen


def remove_leftovers(path: Path, clean: Path) -> None:
    """Remove what a killed run left half written in the place of a tombstone file."""
    if path.parent.is_dir():
        remove_hidden(path.parent, re.compile(f"{re.escape(clean.name)}[.]tombstones.*|{re.escape(path.name)}"))


def write(
    path: Path, head: Mapping[str, Any], removed: Mapping[str, Mapping[int, Removed]], recipients: Sequence[str] = ()
) -> Path:
    """Write the tombstones; they are on disk when this returns.

    Parameters
    ----------
    path
        The file; it must not exist.
    head
        For the first line: which blocklist, when.
    removed
        Shard -> row -> record.
    recipients
        age recipients (``age1...``) who may open it; none: it is not sealed.

    Raises
    ------
    DatasetError
        It cannot be written.
    """
    then = "; no record was removed"
    return write_lines(path, _lines(head, removed), recipients, what="tombstones", then=then)


def describe_matches(record: Removed) -> list[dict[str, str]]:
    """Return the matches of a record as a tombstone has them."""
    return [
        {"list": list_id, "algorithm": algorithm, **({"severity": severity} if severity else {})}
        for list_id, severity, algorithm in record.matches
    ]


def _lines(head: Mapping[str, Any], removed: Mapping[str, Mapping[int, Removed]]) -> Iterator[Mapping[str, Any]]:
    yield {"tombstones": 1, "notice": NOTICE, **head}
    for shard, records in removed.items():
        for row, record in sorted(records.items()):
            line: dict[str, Any] = {"uid": record.uid, "shard": shard}
            if record.uid is None:
                line["row"] = row
            line["action"] = record.action
            line["matches"] = describe_matches(record)
            yield line
