"""A toy list format with severities and keys, and the model that updates are held against."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from ingest_guard.blocklist.build.build import ListSource
from ingest_guard.lists import Entry, Removed, Unsupported

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

MD5 = [hashlib.md5(bytes([number]), usedforsecurity=False).digest() for number in range(12)]
PDQ = [row.tobytes() for row in np.random.default_rng(5).integers(0, 256, (12, 32), dtype=np.uint8)]
POOL = {"md5": MD5, "pdq": PDQ}

Value = tuple["str | None", str, bytes]


@dataclass(frozen=True)
class Record:
    """One row: a record with some values, or one that is withdrawn."""

    key: str | None
    severity: str | None = None
    values: tuple[tuple[str, int], ...] = ()
    removed: bool = False

    def line(self) -> str:
        """Return it as a line of the toy format."""
        if self.removed:
            return f"-{self.key}"
        values = " ".join(f"{name}:{POOL[name][number].hex()}" for name, number in self.values)
        return f"{self.key or ''}|{self.severity or ''}|{values}"

    def held(self) -> set[Value]:
        """Return its values."""
        return {(self.severity, name, POOL[name][number]) for name, number in self.values}


def read(path: Path) -> Iterator[Entry | Removed | Unsupported]:
    """Read the toy format."""
    for row, line in enumerate(path.read_text(encoding="ascii").splitlines(), 1):
        if line.startswith("-"):
            yield Removed(row, line[1:])
            continue
        key, severity, values = line.split("|")
        for value in values.split():
            name, text = value.split(":")
            yield Entry(name, bytes.fromhex(text), row, key or None, severity or None)
        if not values:
            yield Unsupported(row, "other")


def source(path: Path, records: Sequence[Record], list_id: str = "mine") -> ListSource:
    """Write records into a file and return the source of it."""
    path.write_text("".join(record.line() + "\n" for record in records), encoding="ascii")
    return ListSource(list_id, "toy", path)


@dataclass
class Model:
    """What a list holds by the book."""

    records: dict[str, set[Value]] = field(default_factory=dict)
    loose: set[Value] = field(default_factory=set)

    def apply(self, records: Sequence[Record]) -> None:
        """Read records as an update does."""
        for record in records:
            if record.removed:
                self.records.pop(str(record.key), None)
            elif record.key is None:
                self.loose |= record.held()
            elif record.values:
                self.records[record.key] = record.held()

    def take_out(self, values: set[tuple[str, bytes]]) -> None:
        """Take values out, whatever their severity; for lists without keys."""
        self.loose = {value for value in self.loose if value[1:] not in values}

    def held(self) -> set[Value]:
        """Return all values."""
        return self.loose.union(*self.records.values())
