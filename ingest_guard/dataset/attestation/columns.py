"""Which columns shards have: read from the first of them, as a project's own feeds have others than ours."""

from __future__ import annotations

import gzip
import json
from typing import TYPE_CHECKING, Any

from ingest_guard.dataset.attestation.croissant import known_column
from ingest_guard.dataset.records.layouts import NAMES, outfit
from ingest_guard.errors import AttestationError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from ingest_guard.dataset.attestation.manifest import Shard
    from ingest_guard.dataset.records.schema import Column


def columns_in(folder: Path, shards: Iterable[Shard], outfit_name: str | None) -> tuple[Column, ...]:
    """Return the columns of the first shard with a record, typed and documented as far as they are known."""
    first = next((shard.name for shard in shards if shard.rows), None)
    if first is None:
        return ()
    try:
        names = _parquet_names(folder / first) if first.endswith(".parquet") else _line_names(folder / first)
    except (OSError, ValueError) as error:
        raise AttestationError(f"{first} cannot be read: {type(error).__name__}") from None
    known = {column.name: column for column in outfit(outfit_name).columns} if outfit_name in NAMES else {}
    return tuple(known_column(name, known) for name in names)


def _parquet_names(file: Path) -> list[str]:
    import pyarrow.parquet as pq  # noqa: PLC0415 - only where there is Parquet to read

    names: list[str] = pq.read_schema(file).names
    return names


def _line_names(file: Path) -> list[str]:
    opened: Any = gzip.open if file.name.endswith(".gz") else open
    with opened(file, "rb") as lines:
        return list(json.loads(lines.readline()))
