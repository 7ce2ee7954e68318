"""The records that lists know, with their addresses: read once more from the shards, for those who report them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import numpy as np

from ingest_guard.dataset.recheck.plan import Opened
from ingest_guard.dataset.recheck.search import Removed, table_columns
from ingest_guard.dataset.tables.shard_files import open_table

_ADDRESSES = ("url", "final_url", "page_url")


@dataclass(frozen=True, slots=True)
class MatchedRecord:
    """A record that a list knows: its shard and row, what is done about it and why, and role -> address."""

    shard: str
    row: int
    removed: Removed
    addresses: Mapping[str, str] = field(default_factory=dict, repr=False)


class Sink(Protocol):
    """Takes the records that lists know, before they are removed."""

    def take(self, records: Iterable[MatchedRecord], opened: Opened) -> None:
        """Keep them; they are on the disk when this returns.

        Parameters
        ----------
        records
            To be iterated over once.
        opened
            What they were compared with.
        """


def matched_records(
    shards: Mapping[str, Path], found: Mapping[str, Mapping[int, Removed]], opened: Opened
) -> Iterator[MatchedRecord]:
    """Yield the records that lists know by themselves, not by their page or their neighbours.

    Parameters
    ----------
    shards
        Name -> file.
    found
        Name -> row -> record that must go.
    opened
        What they were compared with.
    """
    for name, path in shards.items():
        known = {row: record for row, record in found[name].items() if any(list_id for list_id, _, _ in record.matches)}
        if not known:
            continue
        rows = np.array(sorted(known), np.int64)
        table = open_table(path)
        columns = table_columns(table.columns(), opened, name)
        roles = {role: columns.roles[role] for role in _ADDRESSES if role in columns.roles}
        nothing = columns.only((), addresses=False, hashes=False)
        for start, prints, batch in table.pieces(opened.reader(nothing), list(roles.values())):
            here = rows[(rows >= start) & (rows < start + prints.count)]
            if not len(here):
                continue
            texts = {role: batch.read_texts(column, here - start) for role, column in roles.items()}
            for at, row in enumerate(here.tolist()):
                addresses = {role: text for role, values in texts.items() if (text := values[at])}
                yield MatchedRecord(name, row, known[row], addresses)
