""":func:`remove_difference`: leave out the records that a cleaned release of the same data set no longer has.

Some releases are cleaned by others who cannot say what they removed. Whoever holds an earlier copy removes the same by
set difference: records are compared by uid, or by address and text. Nothing is known of why a record went, so there are
counts, and no tombstones.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from ingest_guard._clock import now
from ingest_guard.dataset.attestation.model import Difference
from ingest_guard.dataset.attestation.promises import numbered
from ingest_guard.dataset.cutting.writing import Ints
from ingest_guard.dataset.recheck import provenance
from ingest_guard.dataset.recheck.cleaning import Target, cleaning
from ingest_guard.dataset.tables.columns import Columns, find_columns
from ingest_guard.dataset.tables.fingerprints import FingerprintReader
from ingest_guard.dataset.tables.shard_files import find_shards, open_table
from ingest_guard.errors import PolicyError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

Key = Literal["uid", "url and text"]
_ROLES: dict[Key, tuple[str, ...]] = {"uid": ("uid",), "url and text": ("url", "alt")}
_UNKNOWN = 0
"""The key of a record that has none; no digest is taken for it."""


@dataclass(slots=True)
class DifferenceReport:
    """What came of it: counts alone.

    Attributes
    ----------
    key
        What the records were compared by.
    shards, records, removed, not_compared
        Tables; records in them; those that the other release lacks; those without a key, which are kept.
    others
        Records of the other release.
    manifest
        Whether there is a manifest of the records that are left.
    """

    key: Key
    shards: int
    records: int
    removed: int
    not_compared: int
    others: int
    manifest: bool = False

    def to_json(self) -> dict[str, Any]:
        """Return this as JSON takes it."""
        names = ("key", "shards", "records", "removed", "not_compared", "others", "manifest")
        return {name: getattr(self, name) for name in names} | {"kept": self.records - self.removed}

    def lines(self) -> list[str]:
        """Return it as lines of text."""
        what = f"{numbered(self.records, 'record')} in {numbered(self.shards, 'shard')}"
        lines = [
            f"compared by {self.key} with {numbered(self.others, 'record')} of the other release",
            f"{what}: {self.removed:,} removed, {self.records - self.removed:,} kept",
        ]
        if self.not_compared:
            lines.append(f"{self.not_compared:,} records have no {self.key} and could not be compared (kept)")
        return lines


def remove_difference(
    source: Path,
    other: Path,
    target: Target,
    columns: Mapping[str, str] | None = None,
    sign: Ed25519PrivateKey | None = None,
) -> DifferenceReport:
    """Write a data set without the records that another release of it lacks.

    Takes eight bytes of memory for each record of the other release.

    Parameters
    ----------
    source
        A folder of shards, or one shard.
    other
        The other release.
    target
        Where the cleaned records go; nowhere: a rehearsal.
    columns
        Role -> column, where the tables' own names do not say it; one that a table lacks does not count there.
    sign
        Who signs the manifest.

    Raises
    ------
    PolicyError
        The tables have neither uids nor addresses in common, or the releases have no record in common.
    DatasetError, AttestationError
        Something cannot be read or written; no shard is half written then.
    """
    _require_apart(source, other)
    _, others = find_shards(other)
    with cleaning(source, target) as records:
        given = columns or {}
        key = _common_key({**{f"{other}/{name}": path for name, path in others.items()}, **records.shards}, given)
        theirs = np.concatenate([_keys(path, key, given) for path in others.values()])
        report = DifferenceReport(key, len(records.shards), 0, 0, 0, len(theirs))
        known = np.unique(theirs)
        del theirs
        deleted: dict[str, Ints] = {}
        rows: dict[str, int] = {}
        for name, path in records.shards.items():
            keys = _keys(path, key, given)
            there = keys != _UNKNOWN
            deleted[name] = np.flatnonzero(there & ~np.isin(keys, known))
            rows[name] = len(keys)
            report.not_compared += int((~there).sum())
        report.records, report.removed = sum(rows.values()), sum(map(len, deleted.values()))
        records.require_fit(rows)
        if report.removed and report.removed == report.records - report.not_compared:
            raise PolicyError(
                f"--difference {other}: it has no record of {source} by {key}; is it a release of the same data set?"
            )
        said = provenance.Reissued(lambda whole, gone: _describe(report, whole, gone), report.records, report.removed)
        report.manifest = records.write(deleted, lambda old, new: provenance.reissue(old, new, said, sign))
    return report


def _describe(report: DifferenceReport, rows: int, removed: int) -> Difference:
    counts = {"compared": rows, "removed": removed, "not_compared": report.not_compared}
    return Difference(at=now(), key=report.key, counts=counts)


def _require_apart(source: Path, other: Path) -> None:
    one, two = source.resolve(), other.resolve()
    if one == two or one.is_relative_to(two) or two.is_relative_to(one):
        raise PolicyError(f"--difference {other}: it and {source} are not apart; name another release of the data set")


def _common_key(tables: Mapping[str, Path], given: Mapping[str, str]) -> Key:
    """Return by what all tables can be compared."""
    # A table without any record left may have no columns either.
    roles = {name: _columns(path, given).roles for name, path in tables.items() if open_table(path).columns()}
    for key, wanted in _ROLES.items():
        if all(role in each for each in roles.values() for role in wanted):
            return key
    lacking = next((name for name, each in roles.items() if "url" not in each or "alt" not in each), "")
    raise PolicyError(
        f"--difference: the tables have neither uids nor addresses and texts in common; {lacking} lacks them. Name its "
        "columns with --columns"
    )


def _columns(path: Path, given: Mapping[str, str]) -> Columns:
    present = open_table(path).columns()
    return find_columns(present, (), {role: each for role, each in given.items() if each in present}, path.name)


def _keys(path: Path, key: Key, given: Mapping[str, str]) -> npt.NDArray[np.uint64]:
    """Return 64 bits for each record of a table.

    A record that went has a chance of one in a thousand million to be taken for one of ten thousand million others.
    """
    return np.concatenate([np.empty(0, np.uint64), *_pieces(path, key, given)])


def _pieces(path: Path, key: Key, given: Mapping[str, str]) -> Iterator[npt.NDArray[np.uint64]]:
    roles = _columns(path, given).roles
    names = [roles[role] for role in _ROLES[key] if role in roles]
    if not names:
        return
    nothing = FingerprintReader(Columns({}, {}), {}, 0, 0)
    for _, _, batch in open_table(path).pieces(nothing, names):
        first, *more = (batch.read_texts(name) for name in names)
        texts = zip(first, more[0] if more else [""] * len(first), strict=True)
        digests = b"".join(_digest(one, two) for one, two in texts)
        yield np.frombuffer(digests, np.uint64)


def _digest(first: str | None, second: str | None) -> bytes:
    if not first:
        return bytes(8)
    text = f"{first}\0{second or ''}".encode("utf-8", "surrogatepass")
    return hashlib.blake2b(text, digest_size=8).digest()
