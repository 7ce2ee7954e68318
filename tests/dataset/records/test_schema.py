from __future__ import annotations

from pathlib import Path

import pytest

from ingest_guard.dataset.records.layouts import NAMES, outfit
from ingest_guard.dataset.records.schema import COLUMNS, HASHES, Column, with_hashes


def test_each_column_is_documented_once() -> None:
    """Names differ, each has a sentence without a full stop, and struct fields do, too."""
    waiting = [*COLUMNS, HASHES]
    assert len({column.name for column in waiting}) == len(waiting)
    while waiting:
        column = waiting.pop()
        assert column.doc
        assert not column.doc.endswith(".") or column.doc.endswith("...")
        assert "|" not in column.doc
        waiting += column.fields


@pytest.mark.parametrize(("kind", "fields"), [("text", ()), ("struct", ()), ("string", (COLUMNS[0],))])
def test_a_type_that_is_none_is_refused(kind: str, fields: tuple[Column, ...]) -> None:
    """A typing error in the schema does not wait for a crawl to be found."""
    with pytest.raises(ValueError, match="column x: not a type"):
        Column("x", kind, nullable=True, doc="d", fields=fields)


def test_further_fingerprints_stand_before_the_language() -> None:
    """Each once, beside those that are always there; the fingerprints of all views come after them."""
    names = [column.name for column in with_hashes(COLUMNS, ("phash", "pdq", "dhash", "phash"), all_hashes=True)]
    at = names.index("pdq_quality")
    assert names[at + 1 : at + 5] == ["phash", "dhash", "hashes", "language"]
    assert len(names) == len(COLUMNS) + 3
    assert with_hashes(COLUMNS) == COLUMNS


def test_columns_without_a_place_for_them_get_them_last() -> None:
    """An outfit of one's own need have neither language nor time."""
    assert [column.name for column in with_hashes(COLUMNS[:2], ("phash",))] == ["uid", "url", "phash"]


def rows_of(columns: tuple[Column, ...], prefix: str = "") -> list[str]:
    """Return the rows of the table that documents columns."""
    rows = []
    for column in columns:
        kind = f"{column.type} or null" if column.nullable else column.type
        rows.append(f"| `{prefix}{column.name}` | {kind} | {column.doc} |")
        within = "[]" if column.type.startswith("list") else ""
        rows += rows_of(column.fields, f"{prefix}{column.name}{within}.")
    return rows


def test_the_documentation_is_the_schema() -> None:
    """The table of docs/records.md has each column with its type and meaning, in order, and nothing else."""
    text = (Path(__file__).parents[3] / "docs" / "records.md").read_text(encoding="utf-8")
    table = text.partition("| column | type | meaning |\n|---|---|---|\n")[2].partition("\n\n")[0]
    assert table.splitlines() == rows_of((*COLUMNS, HASHES))


def test_the_documentation_names_every_column_of_every_outfit() -> None:
    """Under the outfits' own names."""
    text = (Path(__file__).parents[3] / "docs" / "records.md").read_text(encoding="utf-8")
    for name in NAMES:
        assert f"`{name}`" in text
        assert [column.name for column in outfit(name).columns if f"`{column.name}`" not in text] == []
