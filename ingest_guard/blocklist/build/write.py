"""The files of a version: filters and tables of exact values, near indexes, keys of records."""

from collections.abc import Iterator, Mapping
from typing import BinaryIO

import numpy as np
import numpy.typing as npt

from ingest_guard._version import __version__
from ingest_guard.blocklist.index.sorted_rows import Values
from ingest_guard.blocklist.parts import bloom
from ingest_guard.blocklist.store import manifest as manifests
from ingest_guard.blocklist.store.draft import VersionDraft

IndexEntry = manifests.IndexEntry | manifests.VectorEntry

GENERATOR = f"ingest-guard {__version__}"
_HEX_CHUNK = 1 << 14


def stem(list_id: str, severity: str | None, name: str) -> str:
    """Return how the files of one algorithm in one part of a list begin."""
    return ".".join(part for part in (list_id, severity, name) if part)


def write_filter(
    draft: VersionDraft, beginning: str, values: Values, error_rate: float, *, confirm: bool
) -> tuple[manifests.FilterEntry, float]:
    """Write a filter of stored values, uint8[n, size], and, if wanted, the table that confirms its hits.

    Returns
    -------
    what the manifest says of it, and the real chance of a false hit of the filter alone
    """
    rates: list[float] = []

    def fill(file: BinaryIO) -> None:
        rates.append(bloom.write(file, _hex(values), len(values), error_rate))

    file = draft.write(f"{beginning}.bloom", fill)
    table = draft.write_array(f"{beginning}.values.npy", values) if confirm else None
    return manifests.FilterEntry(file=file, count=len(values), values=table), rates[0]


def write_rows(
    draft: VersionDraft, beginning: str, what: str, numbers: npt.NDArray[np.int64] | npt.NDArray[np.uint64]
) -> str:
    """Write row numbers or keys of records; return the file's name."""
    dtype = "<i8" if numbers.dtype.kind == "i" else "<u8"
    return draft.write_array(f"{beginning}.{what}.npy", np.ascontiguousarray(numbers).astype(dtype, copy=False))


def by_kind(
    indexes: Mapping[str, list[IndexEntry]],
) -> tuple[dict[str, list[manifests.IndexEntry]], dict[str, list[manifests.VectorEntry]]]:
    """Return the indexes of bits and those of byte vectors apart, as the manifest has them."""
    bits: dict[str, list[manifests.IndexEntry]] = {}
    vectors: dict[str, list[manifests.VectorEntry]] = {}
    for name, layers in indexes.items():
        for entry in layers:
            if isinstance(entry, manifests.IndexEntry):
                bits.setdefault(name, []).append(entry)
            else:
                vectors.setdefault(name, []).append(entry)
    return bits, vectors


def follow(
    old: manifests.Manifest,
    draft: VersionDraft,
    lists: list[manifests.ListEntry],
    indexes: Mapping[str, list[IndexEntry]],
) -> manifests.Manifest:
    """Return the manifest of a draft that follows another version."""
    bits, vectors = by_kind(indexes)
    made = {"created": manifests.now(), "generator": GENERATOR, "files": dict(draft.files)}
    return old.model_copy(update={**made, "lists": lists, "indexes": bits, "vectors": vectors})


def _hex(values: Values) -> Iterator[str]:
    size = values.shape[1] * 2
    for start in range(0, len(values), _HEX_CHUNK):
        text = values[start : start + _HEX_CHUNK].tobytes().hex()
        for at in range(0, len(text), size):
            yield text[at : at + size]
