from __future__ import annotations

import errno
import fcntl
import os
import re
import stat
from typing import TYPE_CHECKING

import pytest

from ingest_guard.files.atomic import flush_folder, hidden_name, remove_hidden, whole_file

if TYPE_CHECKING:
    from pathlib import Path


def names(folder: Path) -> list[str]:
    """Return the names in a folder, sorted."""
    return sorted(path.name for path in folder.iterdir())


def test_a_file_appears_when_it_is_whole(tmp_path: Path) -> None:
    """Until then its name stands for the old file, and the new one has a hidden name."""
    path = tmp_path / "x"
    path.write_bytes(b"old")
    with whole_file(path) as file:
        file.write(b"new")
        assert path.read_bytes() == b"old"
        (hidden,) = set(names(tmp_path)) - {"x"}
        assert re.fullmatch(r"\.x\.\d+\.part", hidden)
    assert path.read_bytes() == b"new"
    assert names(tmp_path) == ["x"]


def test_what_fails_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An error of the writer or of the disk leaves the old file, and no half one."""
    path = tmp_path / "x"
    path.write_bytes(b"old")
    with pytest.raises(KeyError), whole_file(path):
        raise KeyError

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"), whole_file(path) as file:
        file.write(b"new")
    assert path.read_bytes() == b"old"
    assert names(tmp_path) == ["x"]


def test_without_replace_a_name_is_taken_once(tmp_path: Path) -> None:
    """A file that has the name keeps it."""
    path = tmp_path / "x"
    with whole_file(path, replace=False) as file:
        file.write(b"first")
    with pytest.raises(FileExistsError), whole_file(path, replace=False) as file:
        file.write(b"second")
    assert path.read_bytes() == b"first"
    assert names(tmp_path) == ["x"]


def test_permissions(tmp_path: Path) -> None:
    """As asked for, whatever the umask; without a word 0644 less the umask."""
    before = os.umask(0o027)
    try:
        for mode, expected in ((0o444, 0o444), (0o600, 0o600), (0o644, 0o644), (None, 0o640)):
            with whole_file(tmp_path / "x", mode):
                pass
            assert stat.S_IMODE((tmp_path / "x").stat().st_mode) == expected
    finally:
        os.umask(before)


def test_leftovers_of_killed_writers_go(tmp_path: Path) -> None:
    """The next writer of a name removes what a killed one left; not what is being written, nor anything else's."""
    left, at_work, link, other = (hidden_name(tmp_path / name, number) for number, name in enumerate("xxxy"))
    for path in (left, at_work, other):
        path.write_bytes(b"half")
    link.symlink_to(other)
    with at_work.open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        with whole_file(tmp_path / "x"):
            pass
    assert names(tmp_path) == sorted([at_work.name, link.name, other.name, "x"])
    assert remove_hidden(tmp_path, re.compile("y")) == 1
    assert not other.exists()


def test_two_writers_of_one_name(tmp_path: Path) -> None:
    """Neither takes the other's half file for a leftover; the last one to be whole has the name."""
    path = tmp_path / "x"
    with whole_file(path) as slow:
        with whole_file(path) as quick:
            quick.write(b"quick")
        slow.write(b"slow")
    assert path.read_bytes() == b"slow"
    assert names(tmp_path) == ["x"]


@pytest.mark.parametrize(("number", "passes"), [(errno.EINVAL, True), (errno.ENOTSUP, True), (errno.EIO, False)])
def test_folders_that_cannot_be_flushed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, *, passes: bool
) -> None:
    """A file system that cannot flush a folder is no error; a disk that fails is one."""

    def fails(_: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "fsync", fails)
    if passes:
        flush_folder(tmp_path)
    else:
        with pytest.raises(OSError, match="Input/output"):
            flush_folder(tmp_path)
