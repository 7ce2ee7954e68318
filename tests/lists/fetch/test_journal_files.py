from __future__ import annotations

import fcntl
import json
import stat
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest_guard.lists import checkpoints, journal
from ingest_guard.lists.checkpoints import state_digest
from ingest_guard.lists.fetch import journal_files
from ingest_guard.lists.fetch.checkpoint import State
from ingest_guard.lists.fetch.errors import FetchError
from ingest_guard.lists.journal import Record

if TYPE_CHECKING:
    from pathlib import Path


def line(key: object, value: int = 0, *, deleted: bool = False) -> bytes:
    """Write a record."""
    return Record(f"k{key}", None, {} if deleted else {"md5": (f"{value:032x}",)}, deleted).to_line()


def test_what_was_not_committed_is_cut_off(tmp_path: Path) -> None:
    """Lines that no checkpoint counts are gone after the next opening; those that one counts stay."""
    with journal_files.opened(tmp_path / "l", "x", "src") as kept:
        kept.append([line(1)])
        kept.commit({"a": 1}, completed=5.0)
        kept.append([line(2)])
    with journal_files.opened(tmp_path / "l", "x", "src") as kept:
        assert kept.state.position == {"a": 1}
        assert kept.path.read_bytes() == line(1)
        kept.append([line(3)])
        kept.commit({"a": 2})
    assert kept.path.read_bytes() == line(1) + line(3)
    assert len(list(journal.read(kept.path))) == 2


def test_only_the_owner_can_look(tmp_path: Path) -> None:
    """Folder and files are for the owner, whatever the process would give others."""
    with journal_files.opened(tmp_path / "l", "x", "src") as kept:
        kept.append([line(1)])
        kept.commit({})
        kept.compact()
    assert stat.S_IMODE((tmp_path / "l").stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "l").iterdir()} == {0o600}


def test_folder_that_others_can_look_into(tmp_path: Path) -> None:
    """It is refused, with what to do."""
    tmp_path.chmod(0o755)
    with pytest.raises(FetchError, match="chmod 700"), journal_files.opened(tmp_path, "x", "src"):
        pass


def test_link_in_the_place_of_a_file(tmp_path: Path) -> None:
    """A link is not followed: it could lead anywhere."""
    folder = tmp_path / "l"
    journal_files.make_folder(folder)
    (folder / "x.journal").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(FetchError, match="cannot write"), journal_files.opened(folder, "x", "src"):
        pass
    assert not (tmp_path / "elsewhere").exists()


def test_one_fetch_at_a_time(tmp_path: Path) -> None:
    """A second one is turned away."""
    with journal_files.opened(tmp_path / "l", "x", "src"), (tmp_path / "l" / ".x.lock").open() as lock:
        with pytest.raises(BlockingIOError):
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        with pytest.raises(FetchError, match="another fetch"), journal_files.opened(tmp_path / "l", "x", "src"):
            pass


def test_other_source_under_the_same_id(tmp_path: Path) -> None:
    """A checkpoint of another service is not gone on with."""
    with journal_files.opened(tmp_path / "l", "x", "src"):
        pass
    with pytest.raises(FetchError, match="another service"), journal_files.opened(tmp_path / "l", "x", "other"):
        pass


def test_journal_without_a_checkpoint(tmp_path: Path) -> None:
    """It is not overwritten."""
    journal_files.make_folder(tmp_path / "l")
    (tmp_path / "l" / "x.journal").write_bytes(line(1))
    with pytest.raises(FetchError, match="no checkpoint"), journal_files.opened(tmp_path / "l", "x", "src"):
        pass
    assert (tmp_path / "l" / "x.journal").read_bytes() == line(1)


def test_journal_that_is_gone_or_changed(tmp_path: Path) -> None:
    """What does not fit the checkpoint is refused, and the error says how to begin anew."""
    with journal_files.opened(tmp_path / "l", "x", "src") as kept:
        kept.append([line(1)])
        kept.commit({})
    for damage in (line(1)[:-1], line(2)):
        kept.path.write_bytes(damage)
        with (
            pytest.raises(FetchError, match="remove both and fetch again"),
            journal_files.opened(tmp_path / "l", "x", "src"),
        ):
            pass
    kept.path.unlink()
    with pytest.raises(FetchError, match="is gone"), journal_files.opened(tmp_path / "l", "x", "src"):
        pass


def test_checkpoint_that_is_damaged(tmp_path: Path) -> None:
    """It is refused, and so is one of a version that nobody knows yet."""
    with journal_files.opened(tmp_path / "l", "x", "src"):
        pass
    path = tmp_path / "l" / "x.checkpoint"
    told = json.loads(path.read_bytes())
    told["state"]["version"] = 99
    path.write_text(json.dumps(told))
    with pytest.raises(FetchError, match="damaged"):
        State.load(path)
    told["sha256"] = state_digest(told["state"])
    path.write_text(json.dumps(told))
    with pytest.raises(FetchError, match="another version"):
        State.load(path)
    path.unlink()
    path.mkdir()
    with pytest.raises(FetchError, match="cannot be read"):
        State.load(path)


def test_disk_that_is_full(tmp_path: Path) -> None:
    """A fault of the disk is an error like others, and what was committed stays."""
    with journal_files.opened(tmp_path / "l", "x", "src") as kept:
        kept.append([line(1)])
        kept.commit({"a": 1})
    with pytest.raises(FetchError, match="No space left"), journal_files.opened(tmp_path / "l", "x", "src") as kept:
        raise OSError(28, "No space left on device")
    with journal_files.opened(tmp_path / "l", "x", "src") as kept:
        assert kept.state.position == {"a": 1}


def test_journal_that_has_grown_is_compacted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After many updates of few records, one line a record is left; small journals are let be."""
    monkeypatch.setattr(journal_files, "_SLACK", 10)
    with journal_files.opened(tmp_path / "l", "x", "src") as kept:
        kept.append(line(number % 3, number) for number in range(10))
        kept.commit({}, completed=1.0)
        assert not kept.compact_if_due()
        kept.append([line(9), line(9, deleted=True)])
        kept.commit({"a": 1})
        assert kept.compact_if_due()
        assert kept.path.read_bytes() == line(1, 7) + line(2, 8) + line(0, 9)
        assert (kept.state.live, kept.state.pending, kept.state.position) == (3, None, {"a": 1})
        kept.append([line(5)])
        kept.commit({})
        assert not kept.compact_if_due()
    assert kept.path.read_bytes() == line(1, 7) + line(2, 8) + line(0, 9) + line(5)
    assert not (tmp_path / "l" / "x.journal.new").exists()
    assert len(list(journal.read(kept.path))) == 4


def test_full_fetch_forgets_what_was_before_it(tmp_path: Path) -> None:
    """What a full fetch did not bring is gone at its end, and not before."""
    with journal_files.opened(tmp_path / "l", "x", "src") as kept:
        kept.append([line(1), line(2)])
        kept.commit({"a": 1}, completed=1.0)
        kept.start_over()
        assert kept.state.position == {}
        kept.append([line(2, 5)])
        kept.commit({"a": 2})
        assert {row.key for row in journal.read(kept.path) if hasattr(row, "key")} == {"k1", "k2"}
        assert kept.compact_if_due()
    assert kept.path.read_bytes() == line(2, 5)
    with journal_files.opened(tmp_path / "l", "x", "src") as kept:
        assert kept.state.full_from is None
        kept.compact()
        kept.start_over()
        kept.compact_if_due()
        assert kept.path.read_bytes() == b""


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 6), st.integers(0, 99), st.booleans()), max_size=30), st.integers(0, 30))
def test_compaction_keeps_the_last_of_each_key(
    tmp_path_factory: pytest.TempPathFactory, told: list[tuple[int, int, bool]], begin: int
) -> None:
    """It comes to what a dictionary would, in the order of the file."""
    lines = [line(*each[:2], deleted=each[2]) for each in told]
    path = tmp_path_factory.mktemp("c") / "x.journal"
    path.write_bytes(b"".join(lines) + b"not counted")
    since = sum(map(len, lines[:begin]))
    last: dict[int, int] = {told[number][0]: number for number in range(min(begin, len(told)), len(told))}
    wanted = [lines[number] for number in sorted(last.values()) if not told[number][2]]
    target = path.with_name("y")
    with target.open("w+b") as file:
        mark = journal_files.write_compacted(path, file, sum(map(len, lines)), since)
    assert target.read_bytes() == b"".join(wanted)
    with target.open("rb") as file:
        assert mark.length == len(b"".join(wanted))
        assert mark.lines == len(wanted)
        assert checkpoints.counts(file, mark)


def test_line_that_is_none_is_left_to_the_reader(tmp_path: Path) -> None:
    """What compaction does not understand it does not throw away."""
    path = tmp_path / "x.journal"
    path.write_bytes(b"odd\n" + line(1))
    assert journal_files.find_survivors(path, path.stat().st_size).tolist() == [True, True]


@pytest.mark.parametrize("renamed", [False, True])
@pytest.mark.parametrize("gone", [False, True])
def test_compaction_that_is_cut_short(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    renamed: bool,  # noqa: FBT001 - parameters of the test
    gone: bool,  # noqa: FBT001
) -> None:
    """Before the renaming the old journal counts, after it the new one; the next run mends, and goes on from there."""
    last = line(1, 3, deleted=gone)
    with journal_files.opened(tmp_path / "l", "x", "src") as kept:
        kept.append([line(1, 1), line(1, 2), last])
        kept.commit({"a": 1}, completed=1.0)
    replace = type(tmp_path).replace

    def cut_short(path: Path, target: Path) -> Path:
        if path.name == "x.journal.new":
            if renamed:
                replace(path, target)
            raise OSError(5, "Input/output error")
        return replace(path, target)

    with monkeypatch.context() as patched:
        patched.setattr(type(tmp_path), "replace", cut_short)
        with pytest.raises(FetchError, match="Input/output"), journal_files.opened(tmp_path / "l", "x", "src") as kept:
            kept.compact()
    assert len(list(journal.read(kept.path))) == (3 if not renamed else (not gone))
    with journal_files.opened(tmp_path / "l", "x", "src") as kept:
        assert kept.state.position == {"a": 1}
        kept.append([line(2)])
        kept.commit({"a": 2})
        kept.compact()
    assert kept.path.read_bytes() == (b"" if gone else last) + line(2)
    assert State.load(tmp_path / "l" / "x.checkpoint") == kept.state
