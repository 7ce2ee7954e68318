"""The registry of list formats: name -> reader.

Two formats take an argument after an equals sign: ``map=FILE.yaml`` reads tables as that file says, and
``threatexchange=TYPE`` files with nothing but values of one type in them.
"""

from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from typing import TypeAlias, cast

from ingest_guard.errors import ListFormatError
from ingest_guard.lists.entries import Row

Reader: TypeAlias = Callable[[Path], Iterator[Row]]

_ROOM = "ingest_guard.lists"

# Name -> module and function: a format's module is loaded when it is asked for, with what it needs.
_READERS = {
    "domains": ("address_lists", "read_domains"),
    "journal": ("journal", "read"),
    "ncmec": ("ncmec", "read"),
    "plain": ("plain", "read"),
    "stopncii": ("exchanges", "read_stopncii"),
    "tat": ("exchanges", "read_tat"),
    "threatexchange": ("exchanges", "read_threatexchange"),
    "urls": ("address_lists", "read_urls"),
    "vics": ("vics", "read"),
}


def names() -> tuple[str, ...]:
    """Return the names of the formats that need no argument, sorted."""
    return tuple(sorted(_READERS))


def reader(name: str) -> Reader:
    """Return the reader of a format.

    Raises
    ------
    ListFormatError
        No format has that name; or what follows the equals sign cannot be used.
    """
    base, _, argument = name.partition("=")
    if base == "map" and argument:
        return cast("Reader", import_module(f"{_ROOM}.table.reader").reader(Path(argument)))
    if base == "threatexchange" and argument:
        return cast("Reader", import_module(f"{_ROOM}.exchanges").signals_reader(argument))
    found = _READERS.get(name)
    if found is None:
        raise ListFormatError(
            f"unknown list format {name!r}; known formats: {', '.join(names())}, and map=FILE.yaml for tables"
        )
    module, function = found
    return cast("Reader", getattr(import_module(f"{_ROOM}.{module}"), function))
