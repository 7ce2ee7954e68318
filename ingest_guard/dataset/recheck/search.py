"""Compare one shard with the lists: which of its records must go, and why. Nothing is written here."""

import hashlib
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ingest_guard.dataset.recheck.comparer import Hit
from ingest_guard.dataset.recheck.plan import Opened
from ingest_guard.dataset.tables.columns import Columns, find_columns
from ingest_guard.dataset.tables.fingerprints import EXACT_SIZES, Batch, Fingerprints
from ingest_guard.dataset.tables.shard_files import open_table
from ingest_guard.verdict import Action

PAGE = "page"
"""What stands for an algorithm where a record goes because its page does."""
NEIGHBOUR = "neighbour"
"""The same, where a record goes because its embedding lies near to that of a record that a list knows."""
_UID_ROLES = ("url", "alt")


@dataclass(frozen=True, slots=True)
class Removed:
    """A record that must go.

    Attributes
    ----------
    uid
        Its name; None where the table has none.
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
    """What the search of a shard found.

    Attributes
    ----------
    rows
        Records.
    removed
        Row -> the record that must go.
    not_compared
        int64[k], sorted: rows with nothing to compare.
    unread
        Column's algorithm -> how many texts are no value of it.
    pages
        Digests of the pages that lose all their records.
    all_views
        Records with the hashes of all frames and views.
    columns, usable
        The names of its columns; whether any of them can be compared.
    """

    rows: int = 0
    removed: dict[int, Removed] = field(default_factory=dict)
    not_compared: npt.NDArray[np.int64] = field(default_factory=lambda: np.empty(0, np.int64))
    unread: Counter[str] = field(default_factory=Counter)
    pages: set[bytes] = field(default_factory=set)
    all_views: int = 0
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
    found = Searched(columns=table.columns())
    columns = table_columns(found.columns, opened, name)
    compared = comparable(columns, opened)
    found.usable = compared.has_any
    missed: list[npt.NDArray[np.int64]] = []
    for start, prints, batch in table.pieces(opened.reader(compared), naming_columns(columns)):
        found.rows += prints.count
        found.unread.update({name: number for name, number in prints.unread.items() if number})
        found.all_views += len(np.unique(np.concatenate(prints.all_views))) if prints.all_views else 0
        missed.append(np.flatnonzero(~opened.comparer.is_compared(prints)) + start)
        removed, pages = find_matched(batch, prints, columns, opened)
        found.removed |= {row + start: record for row, record in removed.items()}
        found.pages |= pages
    if missed and opened.comparer.names:
        found.not_compared = np.concatenate(missed)
    return found


def search_pages(path: Path, name: str, opened: Opened, pages: set[bytes]) -> dict[int, Removed]:
    """Return the records of a shard, by row, whose page is among those that lose all their records."""
    table = open_table(path)
    columns = table_columns(table.columns(), opened, name)
    if "page_url" not in columns.roles:
        return {}
    found: dict[int, Removed] = {}
    nothing = columns.only((), addresses=False, hashes=False)
    for start, _, batch in table.pieces(opened.reader(nothing), naming_columns(columns)):
        found |= {row + start: record for row, record in find_on_pages(batch, columns, pages).items()}
    return found


def table_columns(present: list[str], opened: Opened, name: str) -> Columns:
    """Return the columns of a table that count; PolicyError where it lacks one that was named."""
    # A shard without any record left may have no columns either.
    given = opened.plan.columns if present else {}
    return find_columns(present, {*EXACT_SIZES, *opened.comparer.near}, given, name)


def comparable(columns: Columns, opened: Opened) -> Columns:
    """Return those columns that there is something to compare with."""
    comparer = opened.comparer
    return columns.only({*comparer.exact, *comparer.near}, addresses=comparer.addresses, hashes=bool(comparer.near))


def find_matched(
    batch: Batch, prints: Fingerprints, columns: Columns, opened: Opened
) -> tuple[dict[int, Removed], set[bytes]]:
    """Return the records of a batch that match, by row, and the pages that lose all their records by that."""
    by_row: dict[int, list[Hit]] = {}
    for hit in opened.comparer.compare(prints):
        by_row.setdefault(hit.row, []).append(hit)
    if not by_row:
        return {}, set()
    rows = np.array(list(by_row), np.int64)
    actions = [opened.action_on(hit.list_id for hit in several) for several in by_row.values()]
    removed = {
        row: Removed(uid, action, tuple((hit.list_id, hit.severity, hit.algorithm) for hit in several))
        for row, uid, action, several in zip(
            by_row, read_uids(batch, rows, columns), actions, by_row.values(), strict=True
        )
    }
    strict = np.array([action is Action.DROP_PAGE for action in actions])
    page = columns.roles.get("page_url")
    urls = batch.read_texts(page, rows[strict]) if page is not None and strict.any() else []
    return removed, {_page_digest(url) for url in urls if url}


def find_on_pages(batch: Batch, columns: Columns, pages: set[bytes] | frozenset[bytes]) -> dict[int, Removed]:
    """Return the records of a batch, by row, whose page is among those that lose all their records."""
    urls = batch.read_texts(columns.roles["page_url"]) if pages else []
    rows = np.array([row for row, url in enumerate(urls) if url and _page_digest(url) in pages], np.int64)
    uids = read_uids(batch, rows, columns) if len(rows) else []
    return {
        row: Removed(uid, Action.DROP_PAGE, (("", None, PAGE),)) for row, uid in zip(rows.tolist(), uids, strict=True)
    }


def _page_digest(url: str) -> bytes:
    return hashlib.blake2b(url.encode("utf-8", "surrogatepass"), digest_size=16).digest()


def naming_columns(columns: Columns) -> list[str]:
    """Return the columns that name a record and its page."""
    roles = columns.roles
    named = ("uid",) if "uid" in roles else _UID_ROLES if all(role in roles for role in _UID_ROLES) else ()
    return [roles[role] for role in (*named, "page_url") if role in roles]


def read_uids(batch: Batch, rows: npt.NDArray[np.int64], columns: Columns) -> list[str | None]:
    """Return the uid of each of some rows of a batch; None where the table names none."""
    roles = columns.roles
    if "uid" in roles:
        return batch.read_texts(roles["uid"], rows)
    if not all(role in roles for role in _UID_ROLES):
        return [None] * len(rows)
    urls, alts = (batch.read_texts(roles[role], rows) for role in _UID_ROLES)
    return [uid_of(url, alt) for url, alt in zip(urls, alts, strict=True)]


def uid_of(url: str | None, alt: str | None) -> str | None:
    """Return the uid that a record of this address and text has; None without an address."""
    if url is None:
        return None
    text = ((alt or "") + url).encode("utf-8", "surrogatepass")
    return hashlib.md5(text, usedforsecurity=False).hexdigest()
