"""Fingerprints of a batch of records: how they are spelt, what a batch holds of them, and the rules for reading them.

Tables differ in how they hand over a column (:class:`Batch`). What a column means is decided here alone, for Parquet,
JSON Lines and Spark.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from ingest_guard.dataset.tables.columns import Columns
from ingest_guard.hashing.pdq_views import radius_cap

Ints = npt.NDArray[np.int64]
Bytes = npt.NDArray[np.uint8]

EXACT_SIZES = {"md5": 16, "sha1": 20, "sha256": 32}
"""Digest of bytes -> bytes of a value."""
NO_CAP = 1 << 32
"""Beyond any distance."""
_NO_DIGIT = 0x100


@dataclass(frozen=True, slots=True)
class Values:
    """Values of one algorithm.

    Attributes
    ----------
    rows
        int64[m]: the row that each belongs to.
    values
        uint8[m, size].
    caps
        int64[m]: the largest distance at which each may match; None: the thresholds alone count.
    """

    rows: Ints
    values: Bytes
    caps: Ints | None = None


@dataclass(slots=True)
class Fingerprints:
    """What a batch of records has to compare.

    Attributes
    ----------
    count
        Records.
    exact
        Digest -> values.
    near
        Perceptual hash -> values, from a column of its own and from the column of all frames and views.
    urls
        For each column of addresses, the address of each record, or None.
    unread
        Algorithm -> how many texts are no value of it.
    all_views
        Rows that have the values of all frames and views.
    """

    count: int
    exact: dict[str, Values] = field(default_factory=dict)
    near: dict[str, list[Values]] = field(default_factory=dict)
    urls: list[Sequence[str | None]] = field(default_factory=list)
    unread: dict[str, int] = field(default_factory=dict)
    all_views: list[Ints] = field(default_factory=list)


class HexColumn(NamedTuple):
    """The values in a column: their rows (int64[m]), their bytes (uint8[m, size]), and how many texts are no value."""

    rows: Ints
    values: Bytes
    unread: int


class Labels(NamedTuple):
    """A column of few different texts: each of them once, and for each row its number there, -1 for none."""

    names: Sequence[str | None]
    numbers: Ints


@dataclass(frozen=True, slots=True)
class HashEntries:
    """The column of all frames and views, flattened.

    Attributes
    ----------
    owners
        int64[k]: the row that each entry belongs to.
    algorithms, views
        Of each entry.
    qualities
        float64[k]: NaN where none is known.
    read_values
        Takes numbers of entries and the size of a value.
    """

    owners: Ints
    algorithms: Labels
    views: Labels
    qualities: npt.NDArray[np.float64]
    read_values: Callable[[Ints, int], HexColumn]


class Batch(Protocol):
    """A batch of records in the form that its table has them."""

    def __len__(self) -> int:
        """Return the number of records."""

    def read_values(self, column: str, size: int) -> HexColumn:
        """Return the fingerprints in a column."""

    def read_numbers(self, column: str) -> npt.NDArray[np.float64]:
        """Return a number for each record, NaN where there is none."""

    def read_texts(self, column: str, rows: Ints | None = None) -> list[str | None]:
        """Return the texts of some rows, or of all."""

    def read_entries(self, column: str) -> HashEntries | None:
        """Return the values of all frames and views; None where the column holds something else."""


class Piece(NamedTuple):
    """A batch of records, the number of its first one in the shard, and what is compared."""

    start: int
    prints: Fingerprints
    batch: Batch


@dataclass(frozen=True, slots=True)
class FingerprintReader:
    """Read the fingerprints of batches.

    Attributes
    ----------
    columns
        Where they are.
    near_sizes
        Near algorithm -> bytes of a value.
    min_quality, low_quality_distance
        A PDQ value of lower quality than this is compared within this distance, as in a crawl.
    """

    columns: Columns
    near_sizes: Mapping[str, int]
    min_quality: int
    low_quality_distance: int

    def read(self, batch: Batch) -> Fingerprints:
        """Return what a batch has to compare."""
        prints = Fingerprints(len(batch))
        quality = self.columns.roles.get("pdq_quality")
        for name, column in self.columns.prints.items():
            size = EXACT_SIZES.get(name) or self.near_sizes[name]
            rows, values, prints.unread[name] = batch.read_values(column, size)
            if name in EXACT_SIZES:
                prints.exact[name] = Values(rows, values)
            else:
                known = batch.read_numbers(quality) if name == "pdq" and quality is not None else None
                caps = None if known is None else self._quality_caps(known[rows])
                prints.near.setdefault(name, []).append(Values(rows, values, caps))
        if "hashes" in self.columns.roles:
            self._add_all_views(batch.read_entries(self.columns.roles["hashes"]), prints)
        prints.urls = [batch.read_texts(name) for name in self.columns.addresses]
        return prints

    def _quality_caps(self, qualities: npt.NDArray[np.float64]) -> Ints:
        """Return the cap of each value; an unknown quality (NaN) lowers nothing."""
        return np.where(qualities < self.min_quality, self.low_quality_distance, NO_CAP).astype(np.int64)

    def _add_all_views(self, entries: HashEntries | None, prints: Fingerprints) -> None:
        if entries is None:
            return
        of_view = np.array([*map(_view_cap, entries.views.names), NO_CAP], np.int64)[entries.views.numbers]
        for number, name in enumerate(entries.algorithms.names):
            if name is None or name not in self.near_sizes:
                continue
            chosen = np.flatnonzero(entries.algorithms.numbers == number)
            rows, values, _ = entries.read_values(chosen, self.near_sizes[name])
            entry = chosen[rows]
            caps = of_view[entry]
            if name == "pdq":
                caps = np.minimum(caps, self._quality_caps(entries.qualities[entry]))
            prints.near.setdefault(name, []).append(Values(entries.owners[entry], values, caps))
            prints.all_views.append(np.unique(entries.owners[entry]))


def _view_cap(view: str | None) -> int:
    """Return the cap of a view, by its name: ``mirror`` and ``black/mirror`` have that of a mirrored picture."""
    cap = radius_cap(view or "")
    return NO_CAP if cap is None else cap


def _pair_values() -> npt.NDArray[np.uint16]:
    """Return the byte of each pair of characters, a 16-bit number in memory; 256 where they are no digits."""
    digit = np.full(256, _NO_DIGIT, np.uint16)
    for text in ("0123456789abcdef", "0123456789ABCDEF"):
        digit[np.frombuffer(text.encode(), np.uint8)] = np.arange(16)
    pairs = np.arange(1 << 16)
    first, second = digit[pairs & 0xFF], digit[pairs >> 8]
    return np.where((first | second) >= _NO_DIGIT, _NO_DIGIT, (first << 4) | (second & 0xFF)).astype(np.uint16)


_PAIRS = _pair_values()


def decode_hex(text: Bytes, starts: Ints, lengths: Ints, size: int) -> tuple[Ints, Bytes]:
    """Return the values that some hexadecimal texts stand for.

    Parameters
    ----------
    text
        uint8[k]: all texts.
    starts, lengths
        int64[n]: where each lies.
    size
        Bytes of a value. A text may hold several, one after the other.

    Returns
    -------
    rows int64[m], values uint8[m, size]
        The texts that hold values, and those; a text of another length, or with anything in it that is no digit, holds
        none.
    """
    width = 2 * size
    several = np.where((lengths > 0) & (lengths % width == 0), lengths // width, 0)
    count = int(several.sum())
    rows = np.repeat(np.arange(len(lengths)), several)
    if not count:
        return rows, np.empty((0, size), np.uint8)
    if count == len(starts) and int(starts[-1] - starts[0]) == (count - 1) * width and (several == 1).all():
        # The usual case: each has its value, and they lie one after the other.
        digits = text[starts[0] : starts[0] + count * width].reshape(count, width)
    else:
        nth = np.arange(count) - np.repeat(np.cumsum(several) - several, several)
        digits = text[(starts[rows] + nth * width)[:, np.newaxis] + np.arange(width)]
    values = _PAIRS[np.ascontiguousarray(digits).view("<u2")]
    wrong = (values >= _NO_DIGIT).any(axis=1)
    if wrong.any():
        keep = ~np.isin(rows, rows[wrong])
        rows, values = rows[keep], values[keep]
    return rows, values.astype(np.uint8)
