from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest_guard.errors import BlocklistError, ListFormatError
from ingest_guard.lists import checkpoints, journal
from ingest_guard.lists.checkpoints import Mark
from ingest_guard.lists.entries import Entry, Rejected, Removed, Unsupported
from ingest_guard.lists.journal import Record

if TYPE_CHECKING:
    from pathlib import Path

MD5 = "0123456789abcdef" * 2
PDQ = "f8f8f0cce0f4e84d0e370a22028f67f0b36e2ed596623e1d33e6b39c4e9c9b22"
FIRST = Record("1/a", "A1", {"md5": (MD5,), "pdq": (PDQ,)}).to_line()
SECOND = Record("1/b", None, {"url": ("https://example.org/a",)}).to_line()
GONE = Record("1/a", deleted=True).to_line()


def write(folder: Path, data: bytes, **checkpoint: Any) -> Path:
    """Write a journal, and a checkpoint if something is said of it."""
    path = folder / "x.journal"
    path.write_bytes(data)
    if checkpoint:
        state = {"completed": 1.0, "pending": None, **checkpoint}
        told = {"state": state, "sha256": checkpoints.state_digest(state)}
        (folder / "x.checkpoint").write_text(json.dumps(told))
    return path


def mark(data: bytes) -> dict[str, Any]:
    """Return what a checkpoint says of these bytes."""
    return {"length": len(data), "sha256": hashlib.sha256(data).hexdigest(), "lines": data.count(b"\n")}


def test_rows_of_records(tmp_path: Path) -> None:
    """Each value is an entry with its record's key and severity; a withdrawal is one; row is the line."""
    assert list(journal.read(write(tmp_path, FIRST + SECOND + GONE))) == [
        Entry("md5", bytes.fromhex(MD5), 1, "1/a", "A1"),
        Entry("pdq", bytes.fromhex(PDQ), 1, "1/a", "A1"),
        Entry("url", "https://example.org/a", 2, "1/b"),
        Removed(3, "1/a"),
    ]


def test_several_values_of_an_algorithm(tmp_path: Path) -> None:
    """A record may have several values of one algorithm."""
    line = Record("k", None, {"md5": (MD5, "ab" * 16)}).to_line()
    assert json.loads(line)["values"] == {"md5": [MD5, "ab" * 16]}
    assert [row.value.hex() for row in journal.read(write(tmp_path, line)) if isinstance(row, Entry)] == [
        MD5,
        "ab" * 16,
    ]  # type: ignore[union-attr]


def test_record_without_values_takes_back(tmp_path: Path) -> None:
    """A record in whose latest state there is nothing supersedes what there was of it."""
    assert list(journal.read(write(tmp_path, Record("k").to_line()))) == [Removed(1, "k")]


@pytest.mark.parametrize(
    ("line", "rows"),
    [
        (b"{", [Rejected(1, "bad_record")]),
        (b"[]", [Rejected(1, "bad_record")]),
        (b"\xff", [Rejected(1, "bad_record")]),
        (b"[" * 20_000, [Rejected(1, "bad_record")]),
        (b'{"key": "", "values": {}, "deleted": false}', [Rejected(1, "bad_record")]),
        (b'{"key": "k", "values": {"md5": 1}, "deleted": false}', [Rejected(1, "bad_record")]),
        (b'{"key": "k", "values": [], "deleted": false}', [Rejected(1, "bad_record")]),
        (b'{"key": "k", "values": {}, "deleted": 0}', [Rejected(1, "bad_record")]),
        (b'{"key": "k", "values": {"md5": "zz"}, "deleted": false}', [Rejected(1, "bad_value")]),
        (b'{"key": "k", "values": {"md5": "abcd"}, "deleted": false}', [Rejected(1, "bad_value")]),
        (b'{"key": "k", "values": {"url": ""}, "deleted": false}', [Rejected(1, "bad_value")]),
        (b'{"key": "k", "values": {"nosuch": "ab"}, "deleted": false}', [Unsupported(1, "other")]),
        (b"x" * (journal.MAX_LINE + 5), [Rejected(1, "line_too_long")]),
    ],
)
def test_lines_that_are_no_records(tmp_path: Path, line: bytes, rows: list[object]) -> None:
    """A bad line is rejected, and the next one read."""
    assert list(journal.read(write(tmp_path, line + b"\n" + GONE))) == [*rows, Removed(2, "1/a")]


def test_broken_plug_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Values of a hasher plug-in that cannot be loaded stop the reading: leaving them out would be silent."""

    def broken(_: str) -> None:
        raise BlocklistError("the plug-in is broken")

    path = write(tmp_path, FIRST)
    monkeypatch.setattr(journal, "find", broken)
    with pytest.raises(ListFormatError, match="row 1: the plug-in is broken"):
        list(journal.read(path))


def test_only_what_the_checkpoint_counts_is_read(tmp_path: Path) -> None:
    """What a killed fetch appended after its last checkpoint, whole lines or torn ones, is not read."""
    for tail in (b"", SECOND, SECOND[:20], b"\x00" * 50):
        path = write(tmp_path, FIRST + tail, journal=mark(FIRST))
        assert [row.row for row in journal.read(path)] == [1, 1]
    assert list(journal.read(write(tmp_path, b"", journal=mark(b"")))) == []


def test_torn_line_without_a_checkpoint(tmp_path: Path) -> None:
    """A copy that ends within a line is not the whole file, and refused."""
    for tail in (SECOND[:20], b"x" * (2 * journal.MAX_LINE + 7)):
        with pytest.raises(ListFormatError, match="ends in the middle of line 2"):
            list(journal.read(write(tmp_path, FIRST + tail)))


def test_any_changed_byte_is_noticed(tmp_path: Path) -> None:
    """A journal of which any byte is not what was fetched is refused, and so is one that is cut off."""
    data = FIRST + SECOND
    for position in range(0, len(data), 7):
        changed = bytearray(data)
        changed[position] ^= 1
        with pytest.raises(ListFormatError, match="not what its checkpoint says"):
            list(journal.read(write(tmp_path, bytes(changed), journal=mark(data))))
    for length in (0, 10, len(FIRST), len(data) - 1):
        with pytest.raises(ListFormatError):
            list(journal.read(write(tmp_path, data[:length], journal=mark(data))))


def test_any_changed_byte_of_a_checkpoint_is_noticed(tmp_path: Path) -> None:
    """A checkpoint of which any byte is not what was written is refused, or says the same."""
    path = write(tmp_path, FIRST, journal=mark(FIRST))
    checkpoint = tmp_path / "x.checkpoint"
    told = checkpoint.read_bytes()
    sound = list(journal.read(path))
    for position in range(len(told)):
        changed = bytearray(told)
        changed[position] ^= 1
        checkpoint.write_bytes(bytes(changed))
        try:
            rows = list(journal.read(path))
        except ListFormatError:
            continue
        assert rows == sound


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"state": 1}', "\x00"])
def test_checkpoint_that_is_none(tmp_path: Path, text: str) -> None:
    """With a checkpoint that cannot be read nobody knows what counts."""
    path = write(tmp_path, FIRST)
    (tmp_path / "x.checkpoint").write_text(text)
    with pytest.raises(ListFormatError, match="damaged"):
        list(journal.read(path))


@pytest.mark.parametrize("told", [{}, {"journal": None}, {"journal": 1}, {"journal": {"length": -1}}])
def test_checkpoint_that_says_nothing(tmp_path: Path, told: dict[str, Any]) -> None:
    """Sound by its own digest, but without what a reader needs: refused."""
    path = write(tmp_path, FIRST, **{"more": 1, **told})
    with pytest.raises(ListFormatError):
        list(journal.read(path))


def test_source_that_was_never_fetched_to_its_end(tmp_path: Path) -> None:
    """A part of a list must not pass for the list."""
    with pytest.raises(ListFormatError, match="never fetched to its end"):
        list(journal.read(write(tmp_path, FIRST, journal=mark(FIRST), completed=None)))


@pytest.mark.parametrize("found", [FIRST + SECOND, SECOND])
def test_either_side_of_a_compaction_counts(tmp_path: Path, found: bytes) -> None:
    """Around the moment of a compaction the journal is the old one or the new one, told apart by its digest."""
    path = write(tmp_path, found, journal=mark(FIRST + SECOND), pending=mark(SECOND))
    assert {row.row for row in journal.read(path)} == set(range(1, found.count(b"\n") + 1))
    path.write_bytes(GONE)
    with pytest.raises(ListFormatError, match="not what its checkpoint says"):
        list(journal.read(path))


def test_journal_that_is_replaced_while_it_is_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A compaction between the opening of the journal and the reading of the checkpoint does not confuse them."""
    path = write(tmp_path, FIRST + SECOND, journal=mark(FIRST + SECOND))
    load = checkpoints.load_checkpoint
    calls = []

    def replaced(checkpoint: Path) -> dict[str, Any] | None:
        calls.append(checkpoint)
        if len(calls) == 1:
            path.unlink()
            (tmp_path / "y.journal").write_bytes(SECOND)
            write(tmp_path, b"", journal=mark(SECOND)).unlink()
            (tmp_path / "y.journal").rename(path)
        return load(checkpoint)

    monkeypatch.setattr(checkpoints, "load_checkpoint", replaced)
    assert list(journal.read(path)) == [Entry("url", "https://example.org/a", 1, "1/b")]
    assert len(calls) == 2


def test_journal_that_is_replaced_all_the_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A journal that is never the same twice ends in an error, not in a loop."""
    path = write(tmp_path, FIRST, journal=mark(FIRST))
    load = checkpoints.load_checkpoint

    def replaced(checkpoint: Path) -> dict[str, Any] | None:
        other = tmp_path / "other"
        other.write_bytes(FIRST)
        other.rename(path)
        return load(checkpoint)

    monkeypatch.setattr(checkpoints, "load_checkpoint", replaced)
    with pytest.raises(ListFormatError):
        list(journal.read(path))


def test_file_that_cannot_be_read(tmp_path: Path) -> None:
    """The error names the file and the fault."""
    with pytest.raises(ListFormatError, match="No such file"):
        list(journal.read(tmp_path / "none.journal"))


def test_format_is_registered(tmp_path: Path) -> None:
    """``--list ID:journal:FILE`` reads it."""
    from ingest_guard.lists import reader  # noqa: PLC0415 - this test is about the registry

    assert list(reader("journal")(write(tmp_path, GONE))) == [Removed(1, "1/a")]


@pytest.mark.parametrize("told", [None, {}, {"length": 1, "lines": 1}, {"length": True, "lines": 1, "sha256": ""}])
def test_mark_that_is_none(told: object) -> None:
    """A mark has two numbers and a digest."""
    with pytest.raises(ValueError, match="no mark"):
        Mark.from_json(told)


hexes = st.binary(min_size=16, max_size=16).map(bytes.hex)
records = st.builds(
    Record,
    key=st.text(min_size=1, max_size=20),
    severity=st.none() | st.sampled_from(["A1", "2"]),
    values=st.dictionaries(st.sampled_from(["md5", "other"]), st.lists(hexes, min_size=1, max_size=3).map(tuple)),
    deleted=st.booleans(),
)


@given(records)
def test_records_survive_the_way_to_a_line_and_back(record: Record) -> None:
    """What is written is what is read."""
    line = record.to_line()
    assert line.count(b"\n") == 1
    assert journal.parse(line) == record


@given(st.binary(max_size=200))
def test_any_line_is_a_record_or_a_value_error(line: bytes) -> None:
    """Whatever a line holds, nothing else is raised, and nothing of it is said."""
    try:
        journal.parse(line)
    except ValueError as error:
        assert str(error) in {"not JSON", "no record", "no text"}  # noqa: PT017 - which lines raise is not known
