from __future__ import annotations

import json
import os
import signal
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from incidents.samples import fill

from ingest_guard.errors import IncidentError
from ingest_guard.incidents import chain, expiry
from ingest_guard.incidents import officers_journal as journal
from ingest_guard.incidents.lines import Entry, Stub, read_lines, to_line
from ingest_guard.incidents.log import Log
from ingest_guard.incidents.officers_journal import State, mark, read

if TYPE_CHECKING:
    from pathlib import Path

KEY, OTHER = Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()
PUBLIC = KEY.public_key().public_bytes_raw().hex()
AGES = timedelta(days=-2)
"""A retention by which entries of today are old."""


@pytest.fixture
def book(tmp_path: Path) -> Path:
    """Return where the journal is."""
    return tmp_path / "officer.journal"


@pytest.fixture
def log(tmp_path: Path) -> Log:
    """Write a log of six entries in several segments."""
    return fill(tmp_path / "log", 2, 2, 2, segment_bytes=600)


def _entries(log: Log) -> list[tuple[int, str, str]]:
    return [(line.content.n, line.digest, "") for line in read_lines(log.folder) if isinstance(line.content, Entry)]


def test_the_last_mark_of_an_entry_counts(log: Log, book: Path) -> None:
    """What nobody marked is new; the file is its owner's alone; each line is signed, and names the one before."""
    first, second, *_ = _entries(log)
    assert read(book).state_of(first[1]) is State.NEW
    mark(book, [first, second], State.REPORTED, KEY)
    mark(book, [(*first[:2], "CT-17")], State.HOLD, KEY)
    found = read(book, {PUBLIC})
    assert found.problems == []
    assert (found.state_of(first[1]), found.state_of(second[1])) == (State.HOLD, State.REPORTED)
    assert found.marks[first[1]].reference == "CT-17"
    assert found.keys == {PUBLIC}
    assert book.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("reference", ["x" * 201, "a\nb", "\x1b[31m", "\u202e"])
def test_a_reference_is_short_and_prints(log: Log, book: Path, reference: str) -> None:
    """Otherwise nothing is marked."""
    with pytest.raises(IncidentError, match="reference"):
        mark(book, [(*_entries(log)[0][:2], reference)], State.REPORTED, KEY)
    assert not book.exists()


@pytest.mark.parametrize("number", range(4))
@pytest.mark.parametrize("how", ["state", "entry", "removed", "twice", "swapped", "signature", "junk", "spelt"])
def test_every_change_of_a_journal_is_found(log: Log, book: Path, number: int, how: str) -> None:
    """At each line, of each kind; then nothing can be marked, and nothing expires."""
    for each in _entries(log)[:4]:
        mark(book, [each], State.REPORTED, KEY)
    lines = book.read_bytes().splitlines(keepends=True)
    said = json.loads(lines[number])
    if how == "removed" and number == 3:
        return  # without another copy, nobody can know that the end was cut off
    if how == "state":
        lines[number] = lines[number].replace(b"reported", b"dismissed")
    elif how == "entry":
        lines[number] = lines[number].replace(said["entry"].encode(), b"a" * 64)
    elif how == "removed":
        del lines[number]
    elif how == "twice":
        lines.insert(number, lines[number])
    elif how == "swapped":
        other = (number + 1) % 4
        lines[number], lines[other] = lines[other], lines[number]
    elif how == "signature":
        lines[number] = lines[number].replace(said["signature"].encode(), b"0" * 128)
    elif how == "junk":
        lines[number] = b"{}\n"
    else:
        lines[number] = lines[number].replace(b":", b": ", 1)
    book.write_bytes(b"".join(lines))
    assert read(book).problems
    with pytest.raises(IncidentError, match="does not hold"):
        mark(book, _entries(log)[:1], State.HOLD, KEY)
    with pytest.raises(IncidentError, match="does not hold"):
        expiry.expire(log.folder, book, KEY, AGES)
    assert b"".join(lines) == book.read_bytes()


def test_a_journal_of_another_key_is_not_ones_own(log: Log, book: Path) -> None:
    """Nobody else can vouch for anything."""
    mark(book, _entries(log)[:1], State.REPORTED, OTHER)
    assert read(book).problems == []
    assert "another key" in read(book, {PUBLIC}).problems[0]
    with pytest.raises(IncidentError, match="another key"):
        mark(book, _entries(log)[:1], State.REPORTED, KEY)


def test_a_line_that_was_never_finished_is_cut_away(log: Log, book: Path) -> None:
    """A killed run leaves such a line; the marks before it count, and the next ones go behind those."""
    first, second, *_ = _entries(log)
    mark(book, [first], State.REPORTED, KEY)
    with book.open("ab") as file:
        file.write(b'{"n":2,')
    assert read(book).state_of(first[1]) is State.REPORTED
    mark(book, [second], State.DISMISSED, KEY)
    assert (read(book).problems, read(book).state_of(second[1])) == ([], State.DISMISSED)


def test_what_cannot_be_read_or_written_is_said(log: Log, tmp_path: Path) -> None:
    """A folder in the journal's place, or a link that points elsewhere."""
    (tmp_path / "folder").mkdir()
    with pytest.raises(IncidentError, match="cannot be read"):
        read(tmp_path / "folder")
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(IncidentError, match="cannot be written"):
        mark(tmp_path / "link", _entries(log)[:1], State.HOLD, KEY)
    with pytest.raises(IncidentError, match="cannot be written"):
        expiry.expire(tmp_path / "absent", tmp_path / "book", KEY, AGES)


def test_a_line_without_end_is_no_line(book: Path) -> None:
    """Whatever is in it: reading is bounded."""
    book.write_bytes(b"x" * 10_000)
    assert "no line of a journal" in read(book).problems[0]


def test_settled_and_old_entries_leave_a_stub(log: Log, book: Path) -> None:
    """What is reported or dismissed goes; what is new or on hold stays; the chain holds, and writers go on."""
    entries = _entries(log)
    states = (State.REPORTED, State.DISMISSED, State.HOLD, State.NEW, State.REPORTED)
    for each, state in zip(entries, states, strict=False):
        mark(book, [(*each[:2], f"ref {each[0]}")], state, KEY)
    assert expiry.expire(log.folder, book, KEY, timedelta(days=1)) == 0
    assert expiry.expire(log.folder, book, KEY, AGES) == 3
    found = chain.verify(log.folder, checkpoints=[log.checkpoint] if log.checkpoint else [])
    assert (found.problems, found.entries, found.stubs, found.last) == ([], 3, 3, 6)
    assert [n for n, *_ in found.blanked] == [1, 2, 5]
    known = read(book, {PUBLIC})
    assert expiry.unvouched(found.blanked, known) == []
    assert known.marks[entries[0][1]].reference == "ref 1"
    assert log.append(["c2VhbGVk"]) == 7
    assert expiry.expire(log.folder, book, KEY, AGES) == 0
    assert chain.verify(log.folder).is_whole


def test_a_blank_that_the_officer_did_not_make_is_found(log: Log, book: Path) -> None:
    """A thief of the disk can write a stub that keeps the chain whole, and no journal that vouches for it."""
    mark(book, _entries(log)[:1], State.REPORTED, KEY)
    assert expiry.expire(log.folder, book, KEY, AGES) == 1
    (path, line) = next((each.segment, each) for each in read_lines(log.folder) if isinstance(each.content, Entry))
    expiry._blank(path, {line.digest})
    found = chain.verify(log.folder)
    assert (found.is_whole, found.stubs) == (True, 2)
    (wrong,) = expiry.unvouched(found.blanked, read(book, {PUBLIC}))
    assert wrong[:2] == (line.content.n, line.digest)  # type: ignore[union-attr]
    with pytest.raises(IncidentError, match="another hand"):
        expiry.expire(log.folder, book, KEY, AGES)


@pytest.mark.parametrize("name", ["day", "run", "n", "prev", "sha256"])
def test_a_changed_stub_is_found(log: Log, book: Path, name: str) -> None:
    """Whatever of it is changed, at every stub: the chain says nothing of its day and run, the journal does."""
    mark(book, _entries(log), State.REPORTED, KEY)
    assert expiry.expire(log.folder, book, KEY, AGES) == 6
    other = {"day": "2020-01-01", "run": "r9", "n": 77, "prev": "0" * 63 + "1", "sha256": "0" * 64}[name]
    for line in [each for each in read_lines(log.folder) if isinstance(each.content, Stub)]:
        before = line.segment.read_bytes()
        changed = to_line(replace(line.content, **{name: other}))  # type: ignore[type-var, arg-type]
        line.segment.write_bytes(before.replace(line.raw, changed))
        found = chain.verify(log.folder)
        wrong = expiry.unvouched(found.blanked, read(book, {PUBLIC}))
        assert len(wrong) == 1
        assert found.is_whole == (name in {"day", "run"})
        with pytest.raises(IncidentError, match="nothing was removed"):
            expiry.expire(log.folder, book, KEY, AGES)
        line.segment.write_bytes(before)
    assert expiry.expire(log.folder, book, KEY, AGES) == 0


def test_a_log_that_does_not_hold_keeps_all(log: Log, book: Path) -> None:
    """Nothing goes from a log that somebody has changed: what is there may be needed."""
    mark(book, _entries(log), State.REPORTED, KEY)
    path = min(log.folder.glob("*.log"))
    path.write_bytes(path.read_bytes().replace(b'"n":2', b'"n":9'))
    with pytest.raises(IncidentError, match="nothing was removed"):
        expiry.expire(log.folder, book, KEY, AGES)
    assert chain.verify(log.folder).stubs == 0


_STEPS = ("os.fsync", "os.open", "os.link", "os.rename", "os.replace")


@pytest.mark.parametrize("step", range(0, 40, 3))
def test_killed_anywhere_the_next_run_ends_it(log: Log, book: Path, step: int) -> None:
    """Each segment is the old or the new one, and no entry goes of which the journal does not say so."""
    entries = _entries(log)
    mark(book, entries[:4], State.REPORTED, KEY)
    child = os.fork()
    if child == 0:
        left = [step]

        def count(real):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
            def counted(*arguments, **options):  # type: ignore[no-untyped-def]  # noqa: ANN002, ANN003, ANN202
                left[0] -= 1
                if left[0] < 0:
                    os.kill(os.getpid(), signal.SIGKILL)
                return real(*arguments, **options)

            return counted

        for name in _STEPS:
            function = name.partition(".")[2]
            setattr(os, function, count(getattr(os, function)))
        try:
            expiry.expire(log.folder, book, KEY, AGES)
        finally:
            os._exit(0)
    os.waitpid(child, 0)
    found = chain.verify(log.folder)
    assert found.problems == []
    known = read(book, {PUBLIC})
    assert known.problems == []
    assert expiry.unvouched(found.blanked, known) == []
    expiry.expire(log.folder, book, KEY, AGES)
    found = chain.verify(log.folder)
    assert ([n for n, *_ in found.blanked], found.problems) == ([1, 2, 3, 4], [])
    assert [line.content.n for line in read_lines(log.folder) if isinstance(line.content, Stub)] == [1, 2, 3, 4]


def test_no_retention_is_too_long_to_count(log: Log, book: Path) -> None:
    """Longer than time is: nothing is as old."""
    mark(book, _entries(log), State.REPORTED, KEY)
    assert expiry.expire(log.folder, book, KEY, timedelta.max) == 0
    assert {State.REPORTED, State.DISMISSED} == journal.SETTLED
