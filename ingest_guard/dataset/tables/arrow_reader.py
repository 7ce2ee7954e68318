"""Arrow batches -> fingerprints, without a Python object for each value."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ingest_guard.dataset.tables.fingerprints import EXACT_SIZES, Fingerprints, QualityRule, Values, view_cap
from ingest_guard.dataset.tables.hexadecimal import decode
from ingest_guard.errors import PolicyError

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy.typing as npt

    from ingest_guard.dataset.tables.columns import Columns


class ArrowReader:
    """Read the fingerprints of record batches.

    Parameters
    ----------
    columns
        Where they are.
    near_sizes
        Near algorithm -> bytes of a value.
    rule
        For PDQ values of low quality.
    """

    def __init__(self, columns: Columns, near_sizes: Mapping[str, int], rule: QualityRule) -> None:
        self._columns = columns
        self._near_sizes = near_sizes
        self._rule = rule

    def read(self, batch: pa.RecordBatch) -> Fingerprints:
        """Return what a batch has to compare."""
        prints = Fingerprints(batch.num_rows)
        for name, column in self._columns.prints.items():
            size = EXACT_SIZES.get(name) or self._near_sizes[name]
            rows, values, unread = _values(batch.column(column), size, column)
            prints.unread[name] = unread
            if name in EXACT_SIZES:
                prints.exact[name] = Values(rows, values)
            else:
                caps = self._rule.caps(self._qualities(batch)[rows]) if name == "pdq" else None
                prints.near.setdefault(name, []).append(Values(rows, values, caps))
        if "hashes" in self._columns.roles:
            self._read_all(batch.column(self._columns.roles["hashes"]), prints)
        prints.urls = [texts(batch.column(name)) for name in self._columns.addresses]
        return prints

    def _qualities(self, batch: pa.RecordBatch) -> npt.NDArray[np.float64]:
        column = self._columns.roles.get("pdq_quality")
        if column is None:
            return np.full(batch.num_rows, np.nan)
        return _numbers(batch.column(column))

    def _read_all(self, column: pa.Array, prints: Fingerprints) -> None:
        """Add the values of all frames and views."""
        if not (pa.types.is_list(column.type) or pa.types.is_large_list(column.type)):
            return
        owners = pc.list_parent_indices(column).to_numpy()
        entries = pc.list_flatten(column)
        if not pa.types.is_struct(entries.type) or not len(entries):
            return
        fields = {each.name: entries.field(each.name) for each in entries.type}
        if not {"algorithm", "view", "value"} <= set(fields):
            return
        names = pc.dictionary_encode(fields["algorithm"])
        views = pc.dictionary_encode(fields["view"])
        caps = np.array([view_cap(view or "") for view in views.dictionary.to_pylist()] or [0], np.int64)
        of_view = caps[views.indices.fill_null(0).to_numpy(zero_copy_only=False)]
        quality = fields.get("quality")
        low = self._rule.caps(np.full(len(entries), np.nan) if quality is None else _numbers(quality))
        for number, name in enumerate(names.dictionary.to_pylist()):
            if name not in self._near_sizes:
                continue
            chosen = np.flatnonzero(names.indices.fill_null(-1).to_numpy(zero_copy_only=False) == number)
            rows, values, _ = _values(fields["value"].take(pa.array(chosen)), self._near_sizes[name], name)
            entry = chosen[rows]
            cap = np.minimum(of_view, low)[entry] if name == "pdq" else of_view[entry]
            prints.near.setdefault(name, []).append(Values(owners[entry].astype(np.int64), values, cap))
            prints.all_views.append(np.unique(owners[entry]).astype(np.int64))


def texts(column: Any) -> list[str | None]:
    """Return a column of texts as Python's own."""
    if pa.types.is_binary(column.type) or pa.types.is_large_binary(column.type):
        column = column.cast(pa.large_binary())
        return [None if each is None else each.decode("utf-8", "surrogateescape") for each in column.to_pylist()]
    return [each if each is None else str(each) for each in column.to_pylist()]


def _numbers(column: pa.Array) -> npt.NDArray[np.float64]:
    return np.asarray(column.cast(pa.float64()).fill_null(np.nan).to_numpy(zero_copy_only=False))


def _values(column: pa.Array, size: int, name: str) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.uint8], int]:
    """Return rows and values of a column of hex texts or of bytes, and how many texts are none."""
    kind = column.type
    if pa.types.is_dictionary(kind):
        column = column.dictionary_decode()
        kind = column.type
    if pa.types.is_null(kind):
        return np.empty(0, np.int64), np.empty((0, size), np.uint8), 0
    if pa.types.is_string(kind) or pa.types.is_string_view(kind) or pa.types.is_large_string(kind):
        column = column.cast(pa.large_string())
    elif pa.types.is_binary(kind) or pa.types.is_fixed_size_binary(kind) or pa.types.is_large_binary(kind):
        column = column.cast(pa.large_binary())
    else:
        raise PolicyError(
            f"column {name} is of type {kind}; fingerprints are hex text or bytes. Name another: --columns"
        )
    starts, lengths, text = _buffers(column)
    raw = pa.types.is_large_binary(column.type)
    there = int((lengths > 0).sum())
    if raw and (lengths == size).any():
        rows = np.flatnonzero(lengths == size)
        return rows, text[starts[rows][:, np.newaxis] + np.arange(size)], there - len(rows)
    rows, values = decode(text, starts, lengths, size)
    return rows, values, there - len(np.unique(rows))


def _buffers(column: pa.Array) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.uint8]]:
    """Return where each text begins, how long it is (0 for a null), and the bytes of all."""
    _, offsets, data = column.buffers()
    if not len(column):
        return np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0, np.uint8)
    bounds = np.frombuffer(offsets, np.int64, len(column) + 1, column.offset * 8)
    lengths = np.diff(bounds)
    if column.null_count:
        lengths = np.where(column.is_valid().to_numpy(zero_copy_only=False), lengths, 0)
    return bounds[:-1], lengths, np.frombuffer(data, np.uint8) if data is not None else np.empty(0, np.uint8)
