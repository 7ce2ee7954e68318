from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

import ingest_guard.lists
from ingest_guard.errors import ListFormatError
from ingest_guard.lists import names, plain, reader

if TYPE_CHECKING:
    from pathlib import Path


def test_the_plain_format_is_known() -> None:
    """The registry gives a format's reader by its name."""
    assert "plain" in names()
    assert reader("plain") is plain.read


@pytest.mark.parametrize("name", names())
def test_every_format_has_a_reader(tmp_path: Path, name: str) -> None:
    """Each registered name leads to a reader, which says of a missing file that it is missing."""
    with pytest.raises(ListFormatError, match="gone"):
        list(reader(name)(tmp_path / "gone"))


def test_a_mapped_format_reads_its_description_first(tmp_path: Path) -> None:
    """What stands after map= is the description of the table; where it cannot be read, that is said at once."""
    with pytest.raises(ListFormatError, match="gone"):
        reader(f"map={tmp_path / 'gone.yaml'}")


@pytest.mark.parametrize("name", ["csv", "map", "map=", "Plain", "plain=x", "threatexchange=", ""])
def test_an_unknown_format_names_the_known(name: str) -> None:
    """Asking for an unknown format names those there are."""
    message = f"unknown list format '{name}'; known formats: domains, journal, ncmec, plain, .*and map=FILE.yaml"
    with pytest.raises(ListFormatError, match=message):
        reader(name)


def test_all_is_what_is_exported() -> None:
    """The room's public names are sorted and exist."""
    exported = ingest_guard.lists.__all__
    assert exported == sorted(exported)
    assert all(hasattr(ingest_guard.lists, name) for name in exported)
