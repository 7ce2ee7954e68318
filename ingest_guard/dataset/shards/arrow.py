"""From the schema to pyarrow: types with their documentation, and batches of rows. Needs the extra ``parquet``."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

import pyarrow as pa

from ingest_guard._version import __version__
from ingest_guard.dataset.records.layouts import Outfit
from ingest_guard.dataset.records.schema import FORMAT, Column

NOTE = b"ingest_guard"
"""Key of what a Parquet file says of itself: JSON with ``format``, ``outfit``, ``check_set`` and ``guard``."""

_TIME = pa.timestamp("ms", tz="UTC")
_MISFITS = (pa.ArrowException, TypeError, ValueError, OverflowError)
_TYPES = {
    "string": pa.string(),
    "int32": pa.int32(),
    "int64": pa.int64(),
    "double": pa.float64(),
    "bool": pa.bool_(),
    "timestamp": _TIME,
    "list<string>": pa.list_(pa.string()),
}


def arrow_schema(outfit: Outfit, note: Mapping[str, Any] | None = None) -> pa.Schema:
    """Return the types of an outfit's columns, each with its ``doc``, and a note of what the file is.

    No column is marked as one without nulls, though some never have any: tools that take over the types for what they
    write themselves (img2dataset does) have nulls where they failed, and would fail once more for these.

    Parameters
    ----------
    outfit
        Whose columns they are.
    note
        Added to the note: ``check_set``, for one.
    """
    said = {"format": FORMAT, "outfit": outfit.name, "guard": f"ingest_guard {__version__}", **(note or {})}
    fields = [_field(column).with_nullable(True) for column in outfit.columns]  # noqa: FBT003 - pyarrow's signature
    return pa.schema(fields, metadata={NOTE: json.dumps(said).encode()})


def to_batch(rows: Sequence[Mapping[str, Any]], schema: pa.Schema) -> pa.RecordBatch:
    """Return rows as one batch; what a row does not have is null."""
    return pa.RecordBatch.from_arrays(
        [_column([row.get(field.name) for row in rows], field.type) for field in schema], schema=schema
    )


def fitting(rows: Sequence[Mapping[str, Any]], schema: pa.Schema, required: Sequence[str]) -> pa.RecordBatch:
    """Return rows as one batch, without those that do not fit: one of them must not cost the rest.

    Those that have None in one of the required columns do not fit either.
    """
    whole = [row for row in rows if all(row.get(name) is not None for name in required)]
    try:
        return to_batch(whole, schema)
    except _MISFITS:
        return to_batch([row for row in whole if _fits(row, schema)], schema)


def _fits(row: Mapping[str, Any], schema: pa.Schema) -> bool:
    try:
        to_batch([row], schema)
    except _MISFITS:
        return False
    return True


def to_rows(batch: pa.RecordBatch) -> Iterator[dict[str, Any]]:
    """Yield the rows of a batch as JSON Lines have them: times as text, and nothing where a struct's field is null."""
    times = [field.name for field in batch.schema if pa.types.is_timestamp(field.type)]
    for row in batch.to_pylist():
        for name in times:
            row[name] = _as_text(row[name])
        yield {name: _pruned(value) for name, value in row.items()}


def read_note(schema: pa.Schema) -> dict[str, Any]:
    """Return what a file says of itself; empty for a file that was not written here."""
    try:
        note = json.loads((schema.metadata or {})[NOTE])
    except (KeyError, ValueError):
        return {}
    return note if isinstance(note, dict) else {}


def _field(column: Column) -> pa.Field:
    return pa.field(column.name, _type(column), nullable=column.nullable, metadata={b"doc": column.doc.encode()})


def _type(column: Column) -> pa.DataType:
    if not column.fields:
        return _TYPES[column.type]
    struct = pa.struct([_field(each) for each in column.fields])
    return struct if column.type == "struct" else pa.list_(struct)


def _column(values: list[Any], kind: pa.DataType) -> pa.Array:
    if pa.types.is_timestamp(kind) and any(isinstance(value, str) for value in values):
        return pa.array(values, pa.string()).cast(kind)
    try:
        return pa.array(values, kind)
    except UnicodeEncodeError:
        return pa.array(list(_well_formed(values)), kind)


def _well_formed(values: Iterable[Any]) -> Iterator[Any]:
    """Yield texts that can be written as UTF-8: what has no character becomes U+FFFD."""
    for value in values:
        if isinstance(value, str):
            yield value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        else:
            yield value


def _as_text(moment: Any) -> Any:
    if not isinstance(moment, datetime):
        return moment
    precision = "milliseconds" if moment.microsecond else "seconds"
    return moment.isoformat(timespec=precision).replace("+00:00", "Z")


def _pruned(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _pruned(each) for name, each in value.items() if each is not None}
    return [_pruned(each) for each in value] if isinstance(value, list) else value
