"""What lies in a folder with shards: each file's records, size and digest, and the check sets that its records name.

The digest is taken of the very bytes that are read for records: both come from one descriptor.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import os
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from ingest_guard.dataset.attestation.manifest import Shard
from ingest_guard.errors import AttestationError

if TYPE_CHECKING:
    from collections.abc import Iterator

_LINES = (".jsonl", ".jl", ".jsonlines", ".ndjson")
_LINES_PACKED = tuple(f"{suffix}.gz" for suffix in _LINES)
_PARQUET = (".parquet",)
SUFFIXES = (*_PARQUET, *_LINES, *_LINES_PACKED)
# Beside the shards, and no records: the crawl's time series, and what a recheck took out.
NOT_SHARDS = frozenset({"telemetry.jsonl"})
_TOMBSTONES = "tombstones"
_BLOCK = 1 << 20


@dataclass(frozen=True, slots=True)
class Found:
    """A file of records.

    Attributes
    ----------
    shard
        Name, records, size, digest.
    check_sets
        Check set -> records that name it; None counts those that name none.
    """

    shard: Shard
    check_sets: Counter[str | None] = field(repr=False)


def shard_names(folder: Path) -> list[str]:
    """Return the names of all files with records in a folder and in folders in it, sorted; hidden ones are not meant.

    Whoever reads a data set reads ``*.parquet`` or ``*.jsonl``, so what has such a name counts, whoever put it there.
    """
    return sorted(_names(folder, ""))


def _names(folder: Path, prefix: str) -> Iterator[str]:
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.startswith("."):
                continue
            if entry.is_dir(follow_symlinks=False):
                yield from _names(Path(entry.path), f"{prefix}{entry.name}/")
            elif entry.name.endswith(SUFFIXES) and not (entry.name in NOT_SHARDS or entry.name.startswith(_TOMBSTONES)):
                yield prefix + entry.name


def take(folder: Path, name: str) -> Found:
    """Read a shard through.

    Raises
    ------
    AttestationError
        It is missing, cannot be read, or is not made of records: a line that is no JSON object, a Parquet file that is
        cut off. The text names the file and no value in it.
    """
    try:
        with (folder / name).open("rb") as file:
            digest, size = _digest(file)
            file.seek(0)
            check_sets = Counter(_in_parquet(file, name) if name.endswith(_PARQUET) else _in_lines(file, name))
    except (OSError, EOFError, gzip.BadGzipFile) as error:
        why = getattr(error, "strerror", None) or type(error).__name__
        raise AttestationError(f"{name} cannot be read: {why}") from None
    return Found(Shard(name=name, rows=check_sets.total(), bytes=size, sha256=digest), check_sets)


def prefix_digest(folder: Path, name: str, size: int) -> str | None:
    """Return the SHA-256 of a file's first `size` bytes; None where it has fewer, or is not there."""
    try:
        with (folder / name).open("rb") as file:
            digest, read = _digest(file, size)
    except OSError:
        return None
    return digest if read == size else None


def _digest(file: IO[bytes], size: int | None = None) -> tuple[str, int]:
    digest, read = hashlib.sha256(), 0
    while block := file.read(_BLOCK if size is None else min(_BLOCK, size - read)):
        digest.update(block)
        read += len(block)
    return digest.hexdigest(), read


def _in_lines(file: IO[bytes], name: str) -> Iterator[str | None]:
    lines = gzip.GzipFile(fileobj=file) if name.endswith(_LINES_PACKED) else file
    for number, line in enumerate(lines, 1):
        try:
            record = json.loads(line)
        except ValueError:
            raise AttestationError(f"{name}: line {number} is not JSON: was the crawl killed while it wrote?") from None
        if not isinstance(record, dict):
            raise AttestationError(f"{name}: line {number} is not a record")
        yield _named(record.get("attestation"))


def _in_parquet(file: IO[bytes], name: str) -> Iterator[str | None]:
    try:
        import pyarrow as pa  # noqa: PLC0415 - only where there is Parquet to read
        import pyarrow.parquet as pq  # noqa: PLC0415 - as above
    except ModuleNotFoundError:
        raise AttestationError(
            f'{name}: Parquet cannot be read here; install what does: pip install "ingest-guard[parquet]"'
        ) from None
    try:
        reader = pq.ParquetFile(file)
        if "attestation" not in reader.schema_arrow.names:
            yield from [None] * reader.metadata.num_rows
            return
        for batch in reader.iter_batches(columns=["attestation"]):
            for value in _attestations(batch.column(0)):
                yield _named(value)
    except pa.ArrowException:
        raise AttestationError(f"{name} is not a whole Parquet file") from None


def _attestations(column: Any) -> Iterator[Any]:
    """Yield what a column says of its records: of a struct nothing but the check set, which is all that is asked."""
    import pyarrow as pa  # noqa: PLC0415 - as above
    import pyarrow.compute as pc  # noqa: PLC0415 - as above

    if pa.types.is_struct(column.type) and column.type.get_field_index("check_set") >= 0:
        for value in pc.struct_field(column, "check_set").to_pylist():
            yield {"check_set": value}
    else:
        yield from column.to_pylist()


def _named(attestation: Any) -> str | None:
    """Return the check set that a record's attestation names, be it a mapping or a text with one."""
    if isinstance(attestation, str):
        try:
            attestation = json.loads(attestation)
        except ValueError:
            return None
    check_set = attestation.get("check_set") if isinstance(attestation, dict) else None
    return check_set if isinstance(check_set, str) else None
