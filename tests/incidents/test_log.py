from __future__ import annotations

import errno
import json
import multiprocessing
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from incidents.samples import fill

from ingest_guard.errors import IncidentError
from ingest_guard.incidents import chain
from ingest_guard.incidents.lines import Checkpoint, Entry, Stub, read_lines, segments, to_line
from ingest_guard.incidents.log import LOCK, Log

if TYPE_CHECKING:
    from collections.abc import Callable

SMALL = 2000


def entries(folder: Path) -> list[Entry]:
    """Return the entries of a log."""
    return [line.content for line in read_lines(folder) if isinstance(line.content, Entry)]


def test_a_log_holds_what_was_appended(tmp_path: Path) -> None:
    """Entries get the numbers from 1 on; in the clear are number, day and run alone."""
    folder = tmp_path / "deep" / "log"
    fill(folder, 2, 1)
    found = entries(folder)
    assert [each.n for each in found] == [1, 2, 3]
    assert [each.sealed for each in found] == ["c2VhbGVk00", "c2VhbGVk01", "c2VhbGVk10"]
    line = json.loads(next(line.raw for line in read_lines(folder) if isinstance(line.content, Entry)))
    assert list(line) == ["n", "day", "run", "prev", "sealed"]
    assert chain.verify(folder).is_whole
    assert {path.stat().st_mode & 0o777 for path in folder.iterdir()} == {0o600}
    assert folder.stat().st_mode & 0o777 == 0o700


def test_segments_follow_each_other(tmp_path: Path) -> None:
    """A segment that has grown to its size ends with a checkpoint, and numbers and chain go on in the next."""
    log = fill(tmp_path, *[3] * 8, segment_bytes=SMALL)
    paths = segments(tmp_path)
    assert len(paths) > 2
    assert [path.name for path in paths[:2]] == ["000001.log", "000002.log"]
    found = chain.verify(tmp_path)
    assert (found.is_whole, found.entries, found.last) == (True, 24, 24)
    whys = [line.content.checkpoint.why for line in read_lines(tmp_path) if isinstance(line.content, Checkpoint)]
    assert whys.count("rotation") == len(paths) - 1
    assert log.checkpoint == found.last_checkpoint


def test_a_run_goes_on_where_another_ended(tmp_path: Path) -> None:
    """Numbers go on over runs, and over a segment that a killed writer left empty."""
    fill(tmp_path, 3, run="r1")
    (tmp_path / "000002.log").touch()
    fill(tmp_path, 2, run="r2")
    assert [(each.n, each.run) for each in entries(tmp_path)] == [*((n, "r1") for n in (1, 2, 3)), (4, "r2"), (5, "r2")]
    assert chain.verify(tmp_path).is_whole


def test_a_torn_line_is_cut_away(tmp_path: Path) -> None:
    """A last line without its end is not read, and the next writer cuts it away."""
    log = fill(tmp_path, 2)
    with segments(tmp_path)[0].open("ab") as file:
        file.write(b'{"n":3,"day":"2026-')
    assert chain.verify(tmp_path).is_whole
    assert log.append(["bmV4dA"]) == 3
    assert chain.verify(tmp_path).is_whole


def test_two_runs_write_by_turns(tmp_path: Path) -> None:
    """Each writer catches up with what the other has written, also in a segment that the other has begun."""
    logs = [Log(tmp_path, run, segment_bytes=SMALL) for run in ("r1", "r2")]
    numbers = [log.append(["c2VhbGVk"] * 2) for _ in range(10) for log in logs]
    assert numbers == list(range(2, 42, 2))
    assert chain.verify(tmp_path).is_whole


def _write_many(folder: Path, run: str) -> None:
    log = Log(folder, run, segment_bytes=SMALL)
    for _ in range(60):
        log.append(["c2VhbGVk"] * 2)


def test_two_processes_write_at_once(tmp_path: Path) -> None:
    """Two writers with segments that rotate all the time: a whole chain, no number twice, nothing lost."""
    context = multiprocessing.get_context("spawn")
    writers = [context.Process(target=_write_many, args=(tmp_path, run)) for run in ("r1", "r2")]
    for each in writers:
        each.start()
    for each in writers:
        each.join(120)
    found = chain.verify(tmp_path)
    assert [each.exitcode for each in writers] == [0, 0]
    assert (found.problems, found.entries, found.last) == ([], 240, 240)


def test_kill_at_each_step(tmp_path: Path) -> None:
    """Whatever a writer was doing when it was killed, what it acknowledged is there, and the chain goes on whole."""
    path = f"{Path(__file__).parents[2]}"
    run = subprocess.run(
        [sys.executable, Path(__file__).with_name("kills.py"), tmp_path],
        capture_output=True,
        check=True,
        cwd=path,
        env={**os.environ, "PYTHONPATH": path},
    )
    seen = json.loads(run.stdout)
    assert {each["before"] for each in seen} == {"open", "mkdir", "pwrite", "fsync", ""}
    for each in seen:
        assert each["problems"] == [], each
        assert each["there"] == list(range(1, len(each["there"]) + 1))
        assert each["acknowledged"] <= len(each["there"]) == each["entries"] - 1 == each["last"] - 1


FAULTS = {"pwrite": errno.ENOSPC, "fsync": errno.EIO, "open": errno.EROFS}


@pytest.mark.parametrize("name", FAULTS)
def test_a_disk_that_fails_is_an_error(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A full, broken or read-only disk: one line says why, and what was written before is whole."""
    log = fill(tmp_path, 2)

    def failing(*_: object, **__: object) -> None:
        raise OSError(FAULTS[name], os.strerror(FAULTS[name]))

    monkeypatch.setattr(os, name, failing)
    with pytest.raises(IncidentError, match="the log of incidents cannot be written: ") as caught:
        log.append(["c2VhbGVk"])
    assert "\n" not in str(caught.value)
    monkeypatch.undo()
    assert len(entries(tmp_path)) == 2
    assert log.append(["c2VhbGVk"]) == 3
    assert chain.verify(tmp_path).is_whole


def test_a_half_written_batch_goes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a disk that became full took of a batch does not stay."""
    log = fill(tmp_path, 2)
    pwrite, calls = os.pwrite, []

    def short(descriptor: int, data: bytes, at: int) -> int:
        if calls:
            raise OSError(errno.ENOSPC, "No space left on device")
        calls.append(at)
        return pwrite(descriptor, bytes(data)[:200], at)

    monkeypatch.setattr(os, "pwrite", short)
    with pytest.raises(IncidentError, match="No space left"):
        log.append(["c2VhbGVk"] * 3)
    monkeypatch.undo()
    assert log.append(["c2VhbGVk"]) == 3
    assert chain.verify(tmp_path).is_whole


def _remove_folder(folder: Path) -> None:
    for path in folder.iterdir():
        path.unlink()
    folder.rmdir()


def _remove_segments(folder: Path) -> None:
    for path in segments(folder):
        path.unlink()


def _damage(folder: Path) -> None:
    (folder / "000001.log").write_bytes(b"nothing\n")


def _fill_with_one_line(folder: Path) -> None:
    (folder / "000001.log").write_bytes(b"x" * 100_000)


def _link_lock(folder: Path) -> None:
    (folder / LOCK).unlink()
    (folder / LOCK).symlink_to("elsewhere")


@pytest.mark.parametrize("harm", [_remove_folder, _remove_segments, _damage, _fill_with_one_line, _link_lock])
def test_a_log_that_is_gone_is_an_error(harm: Callable[[Path], None], tmp_path: Path) -> None:
    """A run whose log was removed, shortened or damaged goes on with no other one."""
    folder = tmp_path / "log"
    log = fill(folder, 2)
    harm(folder)
    with pytest.raises(IncidentError):
        log.append(["c2VhbGVk"])


def test_a_folder_that_others_may_write_to_is_refused(tmp_path: Path) -> None:
    """Who can write to the folder could replace the log."""
    folder = tmp_path / "log"
    folder.mkdir()
    folder.chmod(0o770)
    with pytest.raises(IncidentError, match="chmod 700"):
        Log(folder, "r1")


def test_a_folder_that_cannot_be_made_is_an_error(tmp_path: Path) -> None:
    """A file in the way of the folder."""
    (tmp_path / "file").touch()
    with pytest.raises(IncidentError, match="cannot be written"):
        Log(tmp_path / "file" / "log", "r1")


def test_the_first_entry_is_one_that_has_not_expired(tmp_path: Path) -> None:
    """Stubs keep the chain whole, and do not wait for anybody."""
    log = fill(tmp_path, 3)
    assert log.first_entry() == entries(tmp_path)[0]
    expire(tmp_path, 2)
    assert log.first_entry() == entries(tmp_path)[0]
    assert entries(tmp_path)[0].n == 3
    found = chain.verify(tmp_path)
    assert (found.is_whole, found.stubs, found.entries, found.last) == (True, 2, 1, 3)
    assert log.append(["c2VhbGVk"]) == 4
    assert chain.verify(tmp_path).is_whole
    expire(tmp_path, 4)
    assert log.first_entry() is None


def expire(folder: Path, last: int) -> None:
    """Replace entries up to a number by stubs."""
    for path in segments(folder):
        lines = []
        for line in read_lines(folder):
            each = line.content
            if line.segment == path:
                is_old = isinstance(each, Entry) and each.n <= last
                stub = to_line(Stub(each.n, each.day, each.run, each.prev, line.digest)) if is_old else line.raw
                lines.append(stub + b"\n")
        path.with_suffix(".new").write_bytes(b"".join(lines))
        path.with_suffix(".new").rename(path)
