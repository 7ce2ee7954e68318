from __future__ import annotations

import os
import stat
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ingest_guard.dataset.embeddings.embedding_files import EmbeddingFile, find_embeddings
from ingest_guard.dataset.neighbours import checkpoint as module
from ingest_guard.dataset.neighbours.checkpoint import Checkpoint
from ingest_guard.dataset.neighbours.finding import Seeds, neighbours
from ingest_guard.dataset.neighbours.nearest import Hits, Pass, Wanted

WANTED = Wanted(5, 0.4)


@pytest.fixture
def memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder that counts as memory."""
    folder = tmp_path / "memory"
    folder.mkdir()
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(folder))
    monkeypatch.setattr(module, "_is_memory", lambda path: path == folder)
    return folder


@pytest.fixture
def files(tmp_path: Path) -> list[EmbeddingFile]:
    """Write four tables with embeddings."""
    rng = np.random.default_rng(1)
    (tmp_path / "data").mkdir()
    for number in range(4):
        pq.write_table(pa.table({"url": [f"u{row}" for row in range(30)]}), tmp_path / "data" / f"{number}.parquet")
        np.save(tmp_path / "data" / f"{number}.npy", rng.standard_normal((30, 6)).astype(np.float16))
    return find_embeddings(tmp_path / "data")


class Killed(BaseException):
    """Stands for kill -9."""


def bands(found: Any) -> dict[str, list[list[int]]]:
    """Return what was found as lists."""
    return {name: [rows.tolist(), several.tolist()] for name, (rows, several) in found.items()}


@pytest.mark.parametrize("done", range(5))
def test_a_search_goes_on_after_a_kill(
    memory: Path, files: list[EmbeddingFile], monkeypatch: pytest.MonkeyPatch, done: int
) -> None:
    """Whenever it is killed, the next run searches the rest alone, and finds what one run finds."""
    seeds = Seeds("vectors", np.random.default_rng(2).standard_normal((3, 6)).astype(np.float32))
    expected, whole = neighbours(files, seeds, WANTED)
    read: list[str] = []
    blocks = EmbeddingFile.blocks

    def watched(self: EmbeddingFile) -> Any:
        if len(read) == done:
            raise Killed
        read.append(self.name)
        return blocks(self)

    with monkeypatch.context() as patch:
        patch.setattr(EmbeddingFile, "blocks", watched)
        try:
            neighbours(files, seeds, WANTED, checkpoint=Checkpoint(files, seeds.vectors, WANTED))
        except Killed:
            assert done < 4
        assert read == [each.name for each in files[:done]]
        assert [stat.S_IMODE(path.stat().st_mode) for path in memory.iterdir()] == [0o600] * (done > 0)
    read = []
    shown: list[int] = []
    monkeypatch.setattr(EmbeddingFile, "blocks", lambda self: (read.append(self.name), blocks(self))[1])
    checkpoint = Checkpoint(files, seeds.vectors, WANTED)
    found, summary = neighbours(files, seeds, WANTED, checkpoint=checkpoint, progress=shown.append)
    assert read == [each.name for each in files[done:]]
    assert bands(found) == bands(expected)
    assert (summary.compared, summary.candidates) == (whole.compared, whole.candidates)
    assert sum(shown) == 120
    checkpoint.remove()
    assert not list(memory.iterdir())


def test_another_search_starts_anew(memory: Path, files: list[EmbeddingFile]) -> None:
    """Other seeds, other numbers, other files, or a file that was written since are another search."""
    seeds = np.ones((1, 6), np.float32)
    Checkpoint(files, seeds, WANTED).save(2, Pass(compared=60))
    assert Checkpoint(files, seeds, WANTED).load()[0] == 2
    assert Checkpoint(files, 2 * seeds, WANTED).load()[0] == 0
    assert Checkpoint(files, seeds, Wanted(6, 0.4)).load()[0] == 0
    assert Checkpoint(files[1:], seeds, WANTED).load()[0] == 0
    os.utime(files[3].path, ns=(1, 1))
    assert Checkpoint(files, seeds, WANTED).load()[0] == 0


def damaged(path: Path) -> None:
    """Cut a file off."""
    path.write_bytes(path.read_bytes()[:40])


def strange(path: Path) -> None:
    """Put an array in its place."""
    with path.open("wb") as file:
        np.savez(file, other=np.ones(3))


def readable(path: Path) -> None:
    """Let others read it."""
    path.chmod(0o644)


def linked(path: Path) -> None:
    """Put a link in its place."""
    path.rename(path.with_name("elsewhere"))
    path.symlink_to(path.with_name("elsewhere"))


@pytest.mark.parametrize("spoil", [damaged, strange, readable, linked, Path.unlink])
def test_what_is_no_checkpoint_is_not_taken_up(memory: Path, files: list[EmbeddingFile], spoil: Any) -> None:
    """A file that is damaged, something else, or open to others is as none."""
    seeds = np.ones((1, 6), np.float32)
    Checkpoint(files, seeds, WANTED).save(2, Pass(compared=60))
    (path,) = memory.iterdir()
    spoil(path)
    assert Checkpoint(files, seeds, WANTED).load()[0] == 0


def test_where_there_is_no_room(memory: Path, files: list[EmbeddingFile], monkeypatch: pytest.MonkeyPatch) -> None:
    """A checkpoint that is too large is not written, and what there was goes."""
    checkpoint = Checkpoint(files, np.ones((1, 6), np.float32), WANTED)
    checkpoint.save(1, Pass(compared=30))
    monkeypatch.setattr(module, "_MOST_BYTES", 1000)
    many = np.zeros(1000, np.int64)
    checkpoint.save(2, Pass(Hits(many, many, many.astype(np.float32)), 60))
    assert not checkpoint.resumable
    assert not list(memory.iterdir())
    checkpoint.save(3, Pass())
    checkpoint.remove()
    assert checkpoint.load()[0] == 0


def test_forgotten_ones_go(memory: Path, files: list[EmbeddingFile]) -> None:
    """What a killed search has left goes after a week, with the next search."""
    old, new = (memory / f"ingest-guard-neighbours-{name}" for name in ("old", "new"))
    other = memory / "other"
    for path in (old, new, other):
        path.touch()
    for path in (old, other):
        os.utime(path, (time.time() - 8 * 24 * 3600,) * 2)
    Checkpoint(files, np.ones((1, 6), np.float32), WANTED)
    assert {path.name for path in memory.iterdir()} == {new.name, "other"}


@pytest.mark.parametrize(
    ("mounts", "expected"),
    [
        ("1 0 0:1 / / rw - ext4 /dev/sda rw", False),
        ("1 0 0:1 / / rw - ext4 /dev/sda rw\n2 1 0:2 / {folder} rw,nosuid shared:1 - tmpfs tmpfs rw", True),
        ("2 1 0:2 / {folder} rw - tmpfs tmpfs rw\n3 1 0:2 / {folder} rw - ext4 /dev/sdb rw", False),
        ("1 0 0:1 / / rw - tmpfs tmpfs rw\n2 1 0:2 / {folder}-not rw - ext4 /dev/sda rw", True),
        ("", False),
    ],
)
def test_which_storage_lies_in_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, mounts: str, expected: bool
) -> None:
    """The file system that is mounted last in the nearest place counts."""
    table = tmp_path / "mountinfo"
    table.write_text(mounts.format(folder=tmp_path))
    monkeypatch.setattr(module, "_MOUNTS", table)
    assert module._is_memory(tmp_path) is expected
    table.unlink()
    assert module._is_memory(tmp_path) is False


def test_without_such_storage_nothing_is_written(
    files: list[EmbeddingFile], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where no folder lies in memory, a search cannot be resumed, and works all the same."""
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    monkeypatch.setattr(module, "_is_memory", lambda _: False)
    seeds = Seeds("vectors", np.ones((1, 6), np.float32))
    checkpoint = Checkpoint(files, seeds.vectors, WANTED)
    assert not checkpoint.resumable
    _, summary = neighbours(files, seeds, WANTED, checkpoint=checkpoint)
    assert summary.compared == 120
    assert not list(tmp_path.glob("ingest*"))
