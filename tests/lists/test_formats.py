from __future__ import annotations

import pytest

import ingest_guard.lists
from ingest_guard.errors import ListFormatError
from ingest_guard.lists import names, plain, reader


def test_the_plain_format_is_known() -> None:
    """The registry gives a format's reader by its name."""
    assert "plain" in names()
    assert reader("plain") is plain.read


def test_an_unknown_format_names_the_known() -> None:
    """Asking for an unknown format names those there are."""
    with pytest.raises(ListFormatError, match="unknown list format 'csv'; known formats: plain"):
        reader("csv")


def test_all_is_what_is_exported() -> None:
    """The room's public names are sorted and exist."""
    exported = ingest_guard.lists.__all__
    assert exported == sorted(exported)
    assert all(hasattr(ingest_guard.lists, name) for name in exported)
