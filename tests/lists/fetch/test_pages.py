from __future__ import annotations

from ingest_guard.lists.entries import Entry, Rejected, Removed, Row, Unsupported
from ingest_guard.lists.fetch.pages import Tally, lines
from ingest_guard.lists.journal import Record, parse


def records(*rows: Row) -> tuple[list[Record], Tally]:
    """Return what is written of rows, and what was counted."""
    tally = Tally()
    return [parse(line) for line in lines(rows, tally)], tally


def test_rows_of_one_number_are_one_record() -> None:
    """Values of a record stand in one line; faults among them are counted and do not spoil the others."""
    found, tally = records(
        Entry("md5", b"\1" * 16, 1, "a", "A1"),
        Rejected(1, "bad_length"),
        Unsupported(1, "video"),
        Entry("md5", b"\2" * 16, 1, "a", "A1"),
        Entry("md5", b"\1" * 16, 1, "a", "A1"),
        Removed(2, "b"),
        Entry("url", "https://example.org/", 3, "c"),
    )
    assert found == [
        Record("a", "A1", {"md5": ("01" * 16, "02" * 16)}),
        Record("b", deleted=True),
        Record("c", None, {"url": ("https://example.org/",)}),
    ]
    assert (tally.records, tally.removed, dict(tally.accepted)) == (3, 1, {"md5": 2, "url": 1})
    assert (dict(tally.rejected), dict(tally.unsupported)) == ({"bad_length": 1}, {"video": 1})
    assert tally.rejected_share == 1 / 5


def test_record_without_anything_of_use_is_not_written() -> None:
    """What was known of it stays, until the source withdraws it."""
    found, tally = records(Rejected(1, "no_value"), Unsupported(2, "video"))
    assert found == []
    assert tally.records == 0
    assert records()[1].rejected_share == 0


def test_record_without_a_key_is_kept_under_one_that_is_its_own() -> None:
    """Fetched again it gets the same key, and another one another."""
    first, second = Entry("md5", b"\1" * 16, 1), Entry("md5", b"\2" * 16, 2)
    found, _ = records(first, second)
    assert found == records(first, second)[0]
    assert len({record.key for record in found}) == 2
    assert all(record.key.startswith("no-id/") for record in found)


def test_record_that_is_too_long_for_a_line() -> None:
    """It is counted as rejected, and the next one written."""
    many = [Entry("pdq", number.to_bytes(32, "big"), 1, "a") for number in range(1000)]
    found, tally = records(*many, Removed(2, "b"))
    assert [record.key for record in found] == ["b"]
    assert tally.rejected == {"too_long": 1}
    assert tally.accepted == {}
