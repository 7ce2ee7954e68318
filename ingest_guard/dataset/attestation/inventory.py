"""What the shards of a folder hold: records, size, digest, the check sets that records name, and the columns.

The digest is taken of the very bytes that are read for records: both come from one descriptor.
"""

import gzip
import hashlib
import json
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from ingest_guard.dataset.attestation.model import Shard
from ingest_guard.dataset.records.layouts import NAMES, outfit
from ingest_guard.dataset.records.schema import COLUMNS, HASHES, SCORE, Column, further_column
from ingest_guard.dataset.shards.names import PACKED_LINES, shard_names
from ingest_guard.dataset.shards.read import is_parquet, open_lines
from ingest_guard.errors import AttestationError

_BLOCK = 1 << 20
_KNOWN = {column.name: column for column in (*COLUMNS, HASHES)}


@dataclass(frozen=True, slots=True)
class ShardFacts:
    """What was read in a shard.

    Attributes
    ----------
    shard
        Name, records, size, digest.
    check_sets
        Check set -> records that name it; None counts those that name none.
    """

    shard: Shard
    check_sets: Counter[str | None] = field(repr=False)


def take_all(folder: Path) -> list[ShardFacts]:
    """Read all shards of a folder through; AttestationError where one cannot be read."""
    return [take(folder, name) for name in shard_names(folder)]


def take(folder: Path, name: str) -> ShardFacts:
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
            check_sets = Counter(_in_parquet(file, name) if is_parquet(name) else _in_lines(file, name))
    except (OSError, EOFError, zlib.error) as error:
        why = getattr(error, "strerror", None) or type(error).__name__
        raise AttestationError(f"{name} cannot be read: {why}") from None
    return ShardFacts(Shard(name=name, rows=check_sets.total(), bytes=size, sha256=digest), check_sets)


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
    lines = gzip.GzipFile(fileobj=file) if name.endswith(PACKED_LINES) else file
    for number, line in enumerate(lines, 1):
        try:
            record = json.loads(line)
        except (ValueError, RecursionError):
            raise AttestationError(f"{name}: line {number} is not JSON: was the crawl killed while it wrote?") from None
        if not isinstance(record, dict):
            raise AttestationError(f"{name}: line {number} is not a record")
        yield _check_set_of(record.get("attestation"))


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
                yield _check_set_of(value)
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


def _check_set_of(attestation: Any) -> str | None:
    """Return the check set that a record's attestation names, be it a mapping or a text with one."""
    if isinstance(attestation, str):
        try:
            attestation = json.loads(attestation)
        except (ValueError, RecursionError):
            return None
    check_set = attestation.get("check_set") if isinstance(attestation, dict) else None
    return check_set if isinstance(check_set, str) else None


def columns_in(folder: Path, shards: Iterable[Shard], outfit_name: str | None) -> tuple[Column, ...]:
    """Return the columns of the first shard with a record, typed and documented as far as they are known."""
    first = next((shard.name for shard in shards if shard.rows), None)
    if first is None:
        return ()
    try:
        names = _parquet_names(folder / first) if is_parquet(first) else _line_names(folder / first)
    except (OSError, ValueError, RecursionError) as error:
        raise AttestationError(f"{first} cannot be read: {type(error).__name__}") from None
    known = {column.name: column for column in outfit(outfit_name).columns} if outfit_name in NAMES else {}
    return tuple(_describe_column(name, known) for name in names)


def _parquet_names(file: Path) -> list[str]:
    import pyarrow.parquet as pq  # noqa: PLC0415 - only where there is Parquet to read

    names: list[str] = pq.read_schema(file).names
    return names


def _line_names(file: Path) -> list[str]:
    with open_lines(file) as lines:
        return list(json.loads(lines.readline()))


def _describe_column(name: str, known: Mapping[str, Column]) -> Column:
    """Return what is known of a column by its name: of the outfit's first, then of the native schema's."""
    if name.startswith(SCORE):
        return further_column(name)
    return (
        known.get(name) or _KNOWN.get(name) or Column(name, "string", nullable=True, doc=f"{name}, as the item had it")
    )
