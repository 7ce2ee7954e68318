from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
from typing import TYPE_CHECKING

import numpy as np
import pytest
from blocklist.build.test_build import Killed, kill_after
from blocklist.helpers import lines_of, poke

from ingest_guard.blocklist.blocklist import Blocklist
from ingest_guard.blocklist.build.build import ListSource, build
from ingest_guard.blocklist.build.compact import compact
from ingest_guard.blocklist.build.update import update
from ingest_guard.blocklist.parts.contents import stored_values
from ingest_guard.blocklist.parts.load import load
from ingest_guard.blocklist.store import versions
from ingest_guard.errors import BlocklistError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

PDQ = np.random.default_rng(2).integers(0, 256, (60, 32), dtype=np.uint8)
MD5 = [f"{number:032x}" for number in range(1, 61)]

# Builds, updates and compacts for ever, and says so on standard output before each change to the disk.
WORKER = """
import os, sys
from pathlib import Path
from ingest_guard.blocklist.build.build import ListSource, build
from ingest_guard.blocklist.build.compact import compact
from ingest_guard.blocklist.build.update import update

def told(before):
    def run(*args, **options):
        os.write(1, b".")
        return before(*args, **options)
    return run

for owner, name in [(os, "fsync"), (os, "fchmod"), (Path, "rename"), (Path, "replace"), (Path, "hardlink_to")]:
    setattr(owner, name, told(getattr(owner, name)))
folder, first, more, gone = map(Path, sys.argv[1:])
while True:
    build(folder, [ListSource("l", "plain", first)], confirm=True, accept=True, keep=2)
    update(folder, [ListSource("l", "plain", more)], keep=2)
    update(folder, [], removals=[ListSource("l", "plain", gone)], accept=True, keep=2)
    compact(folder, keep=2)
"""


@pytest.fixture
def files(list_file: Callable[..., Path]) -> list[Path]:
    """Write what a store is built from, what comes to it, and what goes from it."""
    return [
        list_file(*lines_of(PDQ[:40], MD5[:40]), name="first"),
        list_file(*lines_of(PDQ[40:], MD5[40:]), name="more"),
        list_file(*lines_of(PDQ[:20], MD5[:20]), name="gone"),
    ]


@pytest.fixture
def layered(tmp_path: Path, files: list[Path]) -> Path:
    """Build a store with a base, a delta and tombstones."""
    folder = tmp_path / "store"
    build(folder, [ListSource("l", "plain", files[0])], confirm=True)
    update(
        folder,
        [ListSource("l", "plain", files[1])],
        removals=[ListSource("l", "plain", files[2])],
        accept=True,
    )
    return folder


def contents(folder: Path) -> tuple[int, int]:
    """Return how many MD5 and PDQ values the current version holds; it must be whole."""
    loaded = load(folder)
    md5, pdq = (stored_values(loaded, 0, name, 0) for name in ("md5", "pdq"))
    assert md5 is not None
    assert pdq is not None
    assert len(md5.all()) == len(pdq.all())
    with Blocklist.open(folder) as opened:
        found = opened.match_near("pdq", PDQ)[0].tolist()
        assert len(found) == len(pdq)
        assert found == [n for n, value in enumerate(MD5) if opened.match_exact({"md5": value})]
    return len(md5), len(pdq)


def test_killed_at_any_moment_the_store_opens(tmp_path: Path, files: list[Path]) -> None:
    """SIGKILL before any change to the disk leaves a version that opens and holds what one of the steps made."""
    folder = tmp_path / "store"
    seed = random.Random(4)
    build(folder, [ListSource("l", "plain", files[0])], confirm=True)
    for _ in range(8):
        words = [sys.executable, "-c", WORKER, str(folder), *map(str, files)]
        with subprocess.Popen(words, stdout=subprocess.PIPE) as child:
            assert child.stdout is not None
            assert child.stdout.read(seed.randrange(1, 150))
            child.send_signal(signal.SIGKILL)
        assert contents(folder) in {(40, 40), (60, 60)}
    update(folder, [ListSource("l", "plain", files[1])])
    assert not list(folder.glob("**/.building-*"))


@pytest.mark.parametrize("what", ["update", "compact"])
def test_killed_at_each_step_the_store_opens(
    layered: Path, files: list[Path], what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Wherever an update or a compaction is killed, the old or the new version opens."""
    build(layered, [ListSource("l", "plain", files[0])], confirm=True, keep=1, accept=True)
    if what == "compact":
        update(layered, [ListSource("l", "plain", files[1])], keep=1)
    seen: set[bool] = set()
    step, ended = 0, False
    while not ended:
        # Some steps are left out: each is tried in a test of builds.
        step += 3
        before = versions.current_version(layered)
        with monkeypatch.context() as patched:
            kill_after(patched, step)
            try:
                if what == "update":
                    update(layered, [ListSource("l", "plain", files[1])], keep=1)
                else:
                    compact(layered, keep=1)
                ended = True
            except Killed:
                pass
        assert contents(layered) in {(40, 40), (60, 60)}
        seen.add(versions.current_version(layered) == before)
    assert False in seen
    assert step > 20


def test_any_changed_byte_is_refused(layered: Path) -> None:
    """Wherever one byte of any file of base, delta or tombstones differs, the version does not open."""
    rng = np.random.default_rng(1)
    names = {path.name for path in load(layered).where.iterdir()}
    assert {"l.md5.delta.bloom", "l.md5.delta.gone.npy", "l.md5.values.npy", "pdq.delta.gone.npy"} <= names
    for path in sorted(load(layered).where.iterdir()):
        size = path.stat().st_size
        for position in {0, size - 1, *rng.integers(0, size, 12).tolist()}:

            def change(data: bytes, position: int = position) -> bytes:
                return data[:position] + bytes([data[position] ^ 1 << int(position) % 8]) + data[position + 1 :]

            poke(path, change)
            with pytest.raises(BlocklistError, match=f"{path.name}.*changed.*blocklist build"):
                Blocklist.open(layered)
            poke(path, change)
    Blocklist.open(layered).close()


def test_one_of_many_builders_at_a_time(layered: Path, tmp_path: Path) -> None:
    """Of builders that start together some are turned away, and all that the others added is there."""
    done: list[int] = []
    refused: list[str] = []

    def add(number: int) -> None:
        path = tmp_path / f"one{number}"
        path.write_text(f"sha1 {number:040x}\n", encoding="ascii")
        try:
            update(layered, [ListSource("l", "plain", path)])
            done.append(number)
        except BlocklistError as error:
            refused.append(str(error))

    threads = [threading.Thread(target=add, args=(number,)) for number in range(1, 7)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(done) + len(refused) == 6
    assert done
    assert all("another build is at work" in text for text in refused)
    with Blocklist.open(layered) as opened:
        assert [n for n in range(1, 7) if opened.match_exact({"sha1": f"{n:040x}"})] == sorted(done)


@pytest.mark.parametrize("limit", [64, 2000])
def test_a_full_disk_leaves_the_old_version(layered: Path, files: list[Path], limit: int) -> None:
    """Where no more can be written, an update is an error that says so, and the old version stays."""
    version = versions.current_version(layered)
    code = (
        "import resource, sys; from pathlib import Path; from ingest_guard.blocklist.build.build import ListSource;"
        "from ingest_guard.blocklist.build.update import update;"
        "limit = int(sys.argv[3]); resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit));"
        "update(Path(sys.argv[1]), [ListSource('l', 'plain', Path(sys.argv[2]))])"
    )
    more = files[1].with_name("another")
    more.write_text("sha256 " + "ab" * 32 + "\n", encoding="ascii")
    done = subprocess.run(
        [sys.executable, "-c", code, layered, more, str(limit)], capture_output=True, text=True, check=False
    )
    assert done.returncode
    assert "File too large; the blocklist was left as it was" in done.stderr
    assert versions.current_version(layered) == version
    contents(layered)
    compact(layered)
    assert not list(layered.glob("**/.building-*"))


def test_a_removed_version_leaves_its_links(layered: Path, files: list[Path]) -> None:
    """Files that two versions share stay when one of them goes, and stay read-only."""
    update(layered, [ListSource("l", "plain", files[2])], keep=1)
    assert len(versions.versions(layered)) == 1
    where = load(layered).where
    assert {path.stat().st_mode & 0o7777 for path in where.iterdir()} == {0o444}
    assert where.stat().st_mode & 0o7777 == 0o555
    assert {path.stat().st_nlink for path in where.iterdir()} == {1}
    assert os.access(where, os.R_OK)
    assert contents(layered) == (60, 60)
