"""Other people's list files -> entries: one module a format, named in ``_READERS`` here.

A reader is a callable ``(path) -> Iterator[Row]``. It never holds more than a row in memory, never raises
because of a row (but where its hasher plug-in is broken), and never puts anything of a row into a text.

Two formats take an argument after an equals sign: ``map=FILE.yaml`` reads tables as that file says, and
``threatexchange=TYPE`` files with nothing but values of one type in them.
"""

from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from typing import TypeAlias, cast

from ingest_guard.errors import ListFormatError
from ingest_guard.lists.entries import Entry, Rejected, Removed, Row, Unsupported

__all__ = ["Entry", "Rejected", "Removed", "Row", "Unsupported", "names", "reader"]

Reader: TypeAlias = Callable[[Path], Iterator[Row]]

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
        return cast("Reader", import_module(f"{__name__}.table.reader").reader(Path(argument)))
    if base == "threatexchange" and argument:
        return cast("Reader", import_module(f"{__name__}.exchanges").signals_reader(argument))
    found = _READERS.get(name)
    if found is None:
        raise ListFormatError(
            f"unknown list format {name!r}; known formats: {', '.join(names())}, and map=FILE.yaml for tables"
        )
    module, function = found
    return cast("Reader", getattr(import_module(f"{__name__}.{module}"), function))
