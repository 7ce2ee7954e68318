"""Seeds: the records whose neighbours are looked for, and their vectors.

A seed is a vector in an ``npy`` file, or a record of the data set itself: named by its uid, by the tombstones of a
recheck, or found on a blocklist by recheck's own comparison. No picture is needed: the vectors stand in the data set.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

import numpy as np
import numpy.typing as npt

from ingest_guard.dataset.embeddings import arrays
from ingest_guard.dataset.embeddings.embedding_files import EmbeddingFile
from ingest_guard.dataset.neighbours.unit_rows import normalised
from ingest_guard.dataset.recheck.plan import Opened
from ingest_guard.dataset.recheck.search import NEIGHBOUR, PAGE, naming_columns, read_uids, search
from ingest_guard.dataset.tables.columns import Columns, find_columns
from ingest_guard.dataset.tables.fingerprints import FingerprintReader
from ingest_guard.dataset.tables.shard_files import open_table
from ingest_guard.errors import DatasetError, PolicyError

Rows = Mapping[str, npt.NDArray[np.int64]]
"""Table -> its rows, sorted."""
_UID = re.compile(r"[^\s#]{1,200}")
_MOST_SEEDS = 100_000
_LONGEST_LINE = 1 << 16


def read_vectors(path: Path, width: int) -> tuple[npt.NDArray[np.float32], int]:
    """Return the vectors in an ``npy`` file, (number, `width`), and how many more cannot be compared.

    Raises
    ------
    PolicyError
        It cannot be read, is no array of numbers in rows, or its rows have another width.
    """
    try:
        with arrays.reading(path):
            shape = arrays.require_vectors(arrays.header_of(path), path)
            if shape[1] != width:
                raise PolicyError(f"--seeds {path} holds {shape[1]} dimensions, and the embeddings have {width}")
            if shape[0] > _MOST_SEEDS:
                raise PolicyError(
                    f"--seeds {path} holds {shape[0]:,} vectors; at most {_MOST_SEEDS:,} are searched for"
                )
            vectors = np.array(arrays.memory_map(path, shape), np.float32)
            _, usable = normalised(vectors)
            return vectors[usable], int(len(vectors) - usable.sum())
    except DatasetError as error:
        raise PolicyError(f"--seeds: {error}") from None


def read_uids_file(path: Path) -> frozenset[str]:
    """Return the uids in a text file: one on each line; empty lines and those that begin with ``#`` do not count.

    Raises
    ------
    PolicyError
        It cannot be read, a line is no uid, or there is none.
    """
    found: set[str] = set()
    try:
        with path.open(encoding="utf-8") as file:
            for number, line in enumerate(file, 1):
                text = line.strip()
                if not text or text.startswith("#"):
                    continue
                if not _UID.fullmatch(text):
                    raise PolicyError(f"--seeds {path}: line {number} is no uid")
                found.add(text)
    except (OSError, UnicodeDecodeError) as error:
        raise PolicyError(f"--seeds {path} cannot be read as text ({type(error).__name__})") from None
    return _some(found, f"--seeds {path} names no uid")


@dataclass(slots=True)
class Tombstones:
    """What a recheck has removed because a list knows it.

    Attributes
    ----------
    uids
        The records by uid.
    rows
        Table -> rows of records without a uid.
    counts
        Table -> its records before the recheck, of those tables.
    """

    uids: set[str] = field(default_factory=set)
    rows: dict[str, set[int]] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)


def read_tombstones(file: BinaryIO, name: Path) -> Tombstones:
    """Return what a recheck has removed; records that went with their page, or as neighbours, are no seeds.

    Raises
    ------
    PolicyError
        It is no file of tombstones.
    """
    found = Tombstones()
    for number, line in enumerate(iter(lambda: file.readline(_LONGEST_LINE), b"")):
        try:
            entry = json.loads(line)
        except (ValueError, RecursionError):
            entry = None
        if not isinstance(entry, dict) or (number == 0 and "tombstones" not in entry):
            raise PolicyError(f"--tombstones {name} holds no tombstones (line {number + 1})")
        if number == 0:
            counts = entry.get("rows")
            found.counts = {k: v for k, v in counts.items() if isinstance(v, int)} if isinstance(counts, dict) else {}
        elif not _is_listed(entry.get("matches")):
            continue
        elif isinstance(uid := entry.get("uid"), str):
            found.uids.add(uid)
        elif isinstance(row := entry.get("row"), int) and row >= 0 and isinstance(shard := entry.get("shard"), str):
            found.rows.setdefault(shard, set()).add(row)
        else:
            raise PolicyError(f"--tombstones {name} holds no tombstones (line {number + 1})")
    if not found.uids and not found.rows:
        raise PolicyError(f"--tombstones {name} names no record that a list knew")
    return found


def find_tombstones(files: Sequence[EmbeddingFile], tombstones: Tombstones) -> Rows:
    """Return the rows of the data set of before that a recheck has removed.

    Raises
    ------
    PolicyError
        Records are named by their rows, and the tables are not those of before.
    """
    tables = {each.name: each.rows for each in files}
    for shard in tombstones.rows:
        before, now = tombstones.counts.get(shard), tables.get(shard)
        if before is None or before != now:
            had = "an unknown number of" if before is None else f"{before:,}"
            has = "is not there" if now is None else f"has {now:,}"
            raise PolicyError(
                f"--tombstones names records by their rows in {shard}, which had {had} rows then and {has} now: search "
                "the tables of before"
            )
    found = dict(find_uids(files, frozenset(tombstones.uids))) if tombstones.uids else {}
    for shard, rows in tombstones.rows.items():
        found[shard] = np.union1d(found.get(shard, np.empty(0, np.int64)), np.array(sorted(rows), np.int64))
    return found


def _is_listed(matches: object) -> bool:
    """Return whether a tombstone's matches name a list, or nothing is known of them."""
    if not isinstance(matches, list) or not matches:
        return True
    return any(isinstance(each, dict) and each.get("algorithm") not in (PAGE, NEIGHBOUR) for each in matches)


def find_uids(files: Sequence[EmbeddingFile], wanted: frozenset[str]) -> Rows:
    """Return the rows of the data set that have one of some uids."""
    found = {}
    for each in files:
        rows = [start + row for start, uids in _uids(each) for row, uid in enumerate(uids) if uid in wanted]
        if rows:
            found[each.name] = np.array(rows, np.int64)
    return found


def find_listed(files: Sequence[EmbeddingFile], opened: Opened) -> Rows:
    """Return the rows of the data set that a blocklist knows, by recheck's own comparison."""
    found = {each.name: np.array(sorted(search(each.table, each.name, opened).removed), np.int64) for each in files}
    return {name: rows for name, rows in found.items() if len(rows)}


def name_rows(file: EmbeddingFile, rows: npt.NDArray[np.int64]) -> list[str | None]:
    """Return the uid of each of some rows of a table, sorted; None where it has none."""
    named: list[str | None] = []
    for start, uids in _uids(file):
        low, high = np.searchsorted(rows, (start, start + len(uids)))
        named += [uids[row - start] for row in rows[low:high].tolist()]
    return named


def gather(files: Sequence[EmbeddingFile], rows: Rows) -> tuple[npt.NDArray[np.float32], int]:
    """Return the vectors of some rows, and how many of these rows have none that could be compared.

    Raises
    ------
    DatasetError
        A row lies behind the end of its table.
    """
    parts = []
    for each in files:
        wanted = rows.get(each.name)
        if wanted is None:
            continue
        if len(wanted) and int(wanted[-1]) >= each.rows:
            raise DatasetError(f"{each.table} has {each.rows:,} rows, and a seed lies behind them")
        for start, block in each.blocks():
            low, high = np.searchsorted(wanted, (start, start + len(block)))
            parts.append(np.asarray(block[wanted[low:high] - start], np.float32))
    vectors = np.concatenate(parts) if parts else np.empty((0, files[0].width), np.float32)
    if len(vectors) > _MOST_SEEDS:
        raise PolicyError(f"there are {len(vectors):,} seeds; at most {_MOST_SEEDS:,} are searched for in one run")
    _, usable = normalised(vectors)
    return vectors[usable], int(len(vectors) - usable.sum())


def _uids(file: EmbeddingFile) -> Iterator[tuple[int, list[str | None]]]:
    table = open_table(file.table)
    present = table.columns()
    given = {role: column for role, column in file.columns.items() if column in present}
    columns = find_columns(present, (), given, file.name)
    names = naming_columns(columns)
    nothing = FingerprintReader(Columns({}, {}), {}, 0, 0)
    for start, _, batch in table.pieces(nothing, names):
        yield start, read_uids(batch, np.arange(len(batch)), columns)


def _some(found: set[str], problem: str) -> frozenset[str]:
    if not found:
        raise PolicyError(problem)
    return frozenset(found)
