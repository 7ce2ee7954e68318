"""One shard held against the lists: which of its records must go, and why. Nothing is written here."""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from ingest_guard.dataset.tables.columns import find_columns
from ingest_guard.dataset.tables.fingerprints import EXACT_SIZES
from ingest_guard.dataset.tables.shard_files import open_table
from ingest_guard.verdict import Action

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import numpy.typing as npt

    from ingest_guard.dataset.recheck.comparer import Comparer, Hit
    from ingest_guard.dataset.recheck.plan import Opened
    from ingest_guard.dataset.tables.columns import Columns
    from ingest_guard.dataset.tables.fingerprints import Fingerprints
    from ingest_guard.dataset.tables.shard_files import Piece, Table

PAGE = "page"
"""What stands for an algorithm where a record goes because its page does."""
_UID_ROLES = ("url", "alt")


@dataclass(frozen=True, slots=True)
class Doomed:
    """A record that must go.

    Attributes
    ----------
    uid
        Its name; None where the table does not tell.
    action
        What the policy says is done about its matches.
    matches
        (list id, severity, algorithm) of each.
    """

    uid: str | None
    action: Action
    matches: tuple[tuple[str, str | None, str], ...]


@dataclass(slots=True)
class Searched:
    """What a search of one shard found.

    Attributes
    ----------
    rows
        Records.
    doomed
        Row -> the record that must go.
    not_compared
        int64[k], sorted: rows with nothing to compare.
    unread
        Column's algorithm -> texts that are no value of it.
    pages
        Digests of the pages of which no record may stay.
    all_views
        Records with the hashes of all frames and views.
    stamp
        Size, time and inode of the file that was read.
    columns, usable
        The names of its columns; whether any of them can be compared.
    """

    rows: int = 0
    doomed: dict[int, Doomed] = field(default_factory=dict)
    not_compared: npt.NDArray[np.int64] = field(default_factory=lambda: np.empty(0, np.int64))
    unread: Counter[str] = field(default_factory=Counter)
    pages: set[bytes] = field(default_factory=set)
    all_views: int = 0
    stamp: tuple[int, int, int] = (0, 0, 0)
    columns: list[str] = field(default_factory=list)
    usable: bool = False


def search(path: Path, name: str, opened: Opened) -> Searched:
    """Compare the records of a shard.

    Parameters
    ----------
    path, name
        The file, and what it is called in error texts.
    opened
        What to compare with.

    Raises
    ------
    DatasetError
        It cannot be read.
    PolicyError
        It has not the columns that were named, or one of a type that holds no fingerprints.
    """
    table = open_table(path)
    found = Searched(stamp=stamp(path), columns=table.columns())
    columns = table_columns(found.columns, opened, name)
    compared = comparable(columns, opened)
    found.usable = bool(compared.prints or compared.addresses or "hashes" in compared.roles)
    also = [columns.roles[role] for role in _also(columns)]
    missed: list[npt.NDArray[np.int64]] = []
    for piece in table.pieces(compared, also, opened):
        count = piece.prints.count
        found.rows += count
        found.unread.update({name: number for name, number in piece.prints.unread.items() if number})
        found.all_views += _with_all_views(piece.prints)
        missed.append(np.flatnonzero(~opened.comparer.is_compared(piece.prints)) + piece.start)
        hits = opened.comparer.compare(piece.prints)
        if hits:
            doomed, pages = _note(hits, piece, table, columns, opened)
            found.doomed |= doomed
            found.pages |= pages
    if missed and not nothing_to_compare(opened.comparer):
        found.not_compared = np.concatenate(missed)
    return found


def on_pages(path: Path, name: str, opened: Opened, pages: set[bytes]) -> dict[int, str | None]:
    """Return row -> uid of the records of a shard whose page is among those of which no record may stay."""
    table = open_table(path)
    columns = table_columns(table.columns(), opened, name)
    page = columns.roles.get("page_url")
    if page is None:
        return {}
    also = [page, *(columns.roles[role] for role in _also(columns))]
    only_names = columns.only((), addresses=False, pages=True, hashes=False)
    found: dict[int, str | None] = {}
    for piece in table.pieces(only_names, also, opened):
        urls = table.texts(piece.source, page, None)
        rows = np.array([row for row, url in enumerate(urls) if url and page_digest(url) in pages], np.int64)
        if len(rows):
            found.update(zip((rows + piece.start).tolist(), _uids(piece, rows, table, columns), strict=True))
    return found


def table_columns(present: list[str], opened: Opened, name: str) -> Columns:
    """Return the columns of a table that count; PolicyError where it lacks one that was named."""
    # A shard of which no record is left may have no columns either.
    given = opened.plan.columns if present else {}
    return find_columns(present, {*EXACT_SIZES, *opened.comparer.near}, given, name)


def comparable(columns: Columns, opened: Opened) -> Columns:
    """Return those columns that there is something to compare with."""
    comparer = opened.comparer
    return columns.only(
        {*comparer.exact, *comparer.near}, addresses=comparer.addresses, pages=False, hashes=bool(comparer.near)
    )


def nothing_to_compare(comparer: Comparer) -> bool:
    """Tell whether the lists, or what they gained, hold nothing at all."""
    return not (comparer.exact or comparer.near or comparer.addresses)


def stamp(path: Path) -> tuple[int, int, int]:
    """Return what changes when a file does."""
    status = os.stat(path)  # noqa: PTH116 - one call for three numbers
    return status.st_size, status.st_mtime_ns, status.st_ino


def page_digest(url: str) -> bytes:
    """Return what is remembered of a page."""
    return hashlib.blake2b(url.encode("utf-8", "surrogatepass"), digest_size=16).digest()


def _also(columns: Columns) -> Iterator[str]:
    """Yield the roles of what is told of records that go."""
    if "uid" in columns.roles:
        yield "uid"
    elif all(role in columns.roles for role in _UID_ROLES):
        yield from _UID_ROLES
    if "page_url" in columns.roles:
        yield "page_url"


def _note(
    hits: list[Hit], piece: Piece, table: Table, columns: Columns, opened: Opened
) -> tuple[dict[int, Doomed], set[bytes]]:
    """Return the records of a batch that must go, by row, and the pages of which none may stay."""
    by_row: dict[int, list[Hit]] = {}
    for hit in hits:
        by_row.setdefault(hit.row, []).append(hit)
    rows = np.array(list(by_row), np.int64)
    actions = [opened.action_on(hit.list_id for hit in several) for several in by_row.values()]
    uids = _uids(piece, rows, table, columns)
    doomed = {
        row + piece.start: Doomed(uid, action, tuple((hit.list_id, hit.severity, hit.algorithm) for hit in several))
        for row, uid, action, several in zip(rows.tolist(), uids, actions, by_row.values(), strict=True)
    }
    strict = np.array([action is Action.DROP_PAGE for action in actions])
    page = columns.roles.get("page_url")
    urls = table.texts(piece.source, page, rows[strict]) if page is not None and strict.any() else []
    return doomed, {page_digest(url) for url in urls if url}


def _uids(piece: Piece, rows: npt.NDArray[np.int64], table: Table, columns: Columns) -> list[str | None]:
    roles = columns.roles
    if "uid" in roles:
        return table.texts(piece.source, roles["uid"], rows)
    if not all(role in roles for role in _UID_ROLES):
        return [None] * len(rows)
    urls, alts = (table.texts(piece.source, roles[role], rows) for role in _UID_ROLES)
    return [uid_of(url, alt) for url, alt in zip(urls, alts, strict=True)]


def uid_of(url: str | None, alt: str | None) -> str | None:
    """Return the uid that a record of this address and text has; None without an address."""
    if url is None:
        return None
    text = ((alt or "") + url).encode("utf-8", "surrogatepass")
    return hashlib.md5(text, usedforsecurity=False).hexdigest()


def _with_all_views(prints: Fingerprints) -> int:
    return len(np.unique(np.concatenate(prints.all_views))) if prints.all_views else 0
