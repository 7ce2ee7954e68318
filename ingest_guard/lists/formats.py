"""The registry of list formats: name -> reader."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeAlias

from ingest_guard.errors import ListFormatError
from ingest_guard.lists import plain
from ingest_guard.lists.entries import Entry, Rejected

Reader: TypeAlias = Callable[[Path], Iterator[Entry | Rejected]]

_READERS: dict[str, Reader] = {"plain": plain.read}


def names() -> tuple[str, ...]:
    """Return the names of the formats that can be read, sorted."""
    return tuple(sorted(_READERS))


def reader(name: str) -> Reader:
    """Return the reader of a format.

    Raises
    ------
    ListFormatError
        No format has that name.
    """
    found = _READERS.get(name)
    if found is None:
        raise ListFormatError(f"unknown list format {name!r}; known formats: {', '.join(names())}")
    return found
