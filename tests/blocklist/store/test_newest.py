from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from ingest_guard.blocklist.store import newest
from ingest_guard.blocklist.store.newest import NewestVersions, Opened, Seen
from ingest_guard.errors import BlocklistError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

DAY = datetime(2026, 5, 1, 12, tzinfo=UTC)
MINE, THEIRS, STRANGERS = ("1" * 64, "2" * 64, "3" * 64)


def version(day: int, *signers: str) -> Opened:
    """Return a version of some day."""
    return Opened(f"{day:064x}", DAY + timedelta(days=day), signers)


@pytest.fixture
def memory(tmp_path: Path) -> Callable[..., NewestVersions]:
    """Return a maker of memories of one store, for some signers."""
    return lambda *trusted: NewestVersions(tmp_path / "state", tmp_path / "store", trusted)


@pytest.mark.parametrize("trusted", [(), (MINE,), (MINE, THEIRS)])
def test_none_older_than_the_newest(memory: Callable[..., NewestVersions], trusted: tuple[str, ...]) -> None:
    """Versions may come again and grow newer; an older one is refused, and the error says what to remove."""
    seen = memory(*trusted)
    assert seen.newest() is None
    for day in (1, 1, 3):
        seen.remember(version(day, *trusted))
        assert seen.newest() == Seen(version=f"{day:064x}", created=DAY + timedelta(days=day))
    for refuse in (seen.remember, seen.require_not_older):
        with pytest.raises(BlocklistError, match=rf"000000000000 of 2026-05-03 .* remove {seen.file}$"):
            refuse(version(2, *trusted))
    seen.file.unlink()
    seen.remember(version(2, *trusted))


def test_each_signer_has_a_newest_version(memory: Callable[..., NewestVersions]) -> None:
    """A signer who is no longer trusted does not hold up the others; one more takes nothing back."""
    memory(MINE).remember(version(5, MINE, STRANGERS))
    memory(MINE, THEIRS).remember(version(6, THEIRS))
    assert memory(STRANGERS).newest() is None
    assert memory(MINE).newest() == Seen(version=f"{5:064x}", created=DAY + timedelta(days=5))
    memory(MINE).require_not_older(version(5, MINE))
    with pytest.raises(BlocklistError, match="is older than"):
        memory(MINE, THEIRS).require_not_older(version(5, MINE))
    memory(STRANGERS).require_not_older(version(1, STRANGERS))


def test_an_unsigned_version_says_nothing_of_signed_ones(memory: Callable[..., NewestVersions]) -> None:
    """A policy without signers beside one with signers, on the same store, is apart."""
    memory().remember(version(9, MINE))
    memory(MINE).remember(version(1, MINE))
    with pytest.raises(BlocklistError, match="is older than"):
        memory().remember(version(1, MINE))


def test_each_store_has_a_file(tmp_path: Path) -> None:
    """Two stores in one folder do not know of each other."""
    one, other = (NewestVersions(tmp_path / "state", tmp_path / name) for name in ("one", "other"))
    one.remember(version(5))
    other.remember(version(1))
    assert one.file != other.file


def test_an_operator_may_go_back(memory: Callable[..., NewestVersions]) -> None:
    """Then the newer versions are forgotten, and the older one is the newest."""
    seen = memory(MINE)
    seen.remember(version(5, MINE))
    seen.remember(version(2, MINE), may_go_back=True)
    seen.remember(version(3, MINE))
    with pytest.raises(BlocklistError, match="is older than"):
        seen.remember(version(2, MINE))


def _cut(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-9])


def _replace(file: Path, **keys: Any) -> None:
    file.write_text(json.dumps(json.loads(file.read_text()) | keys))


BROKEN: dict[str, Callable[[Path], object]] = {
    "empty": lambda file: file.write_bytes(b""),
    "cut": _cut,
    "no text": lambda file: file.write_bytes(b"\xff\0" * 50),
    "no mapping": lambda file: file.write_text("[]"),
    "long": lambda file: file.write_text(file.read_text() + " " * (2 << 20) + "x"),
    "deep": lambda file: file.write_text("[" * 200_000),
    "other keys": lambda file: _replace(file, more=1),
    "another store": lambda file: _replace(file, store="/elsewhere"),
    "no version": lambda file: _replace(file, newest={MINE: {"version": "x", "created": "2026-05-01T00:00:00Z"}}),
    "no signer": lambda file: _replace(file, newest={"x": {"version": "0" * 64, "created": "2026-05-01T00:00:00Z"}}),
    "no time": lambda file: _replace(file, newest={MINE: {"version": "0" * 64, "created": "yesterday"}}),
    "no zone": lambda file: _replace(file, newest={MINE: {"version": "0" * 64, "created": "2026-05-01T00:00:00"}}),
    "writable by others": lambda file: file.chmod(0o666),
    "a link": lambda file: (file.rename(file.with_name("x")), file.symlink_to("x")),
    "a folder": lambda file: (file.unlink(), file.mkdir()),
    "a pipe": lambda file: (file.unlink(), os.mkfifo(file)),
}


@pytest.mark.parametrize("kind", BROKEN)
def test_a_file_that_says_nothing_is_no_first_start(memory: Callable[..., NewestVersions], kind: str) -> None:
    """Whatever is wrong with it, no version is taken, and the error names the file."""
    seen = memory(MINE)
    seen.remember(version(5, MINE))
    BROKEN[kind](seen.file)
    for refuse in (seen.remember, seen.require_not_older):
        with pytest.raises(BlocklistError, match=str(seen.file)):
            refuse(version(6, MINE))
    with pytest.raises(BlocklistError):
        seen.newest()


def _file_in_its_place(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder.write_text("")


def _no_parent(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder.parent.rmdir()
    folder.parent.write_text("")


def _read_only(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # The superuser, who may run the tests, writes anywhere; a file system that is mounted read-only answers like this.
    monkeypatch.setattr(newest.os, "access", lambda _, mode: not mode & os.W_OK)


def _writable_by_all(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder.mkdir()
    folder.chmod(0o777)


@pytest.mark.parametrize("spoil", [_file_in_its_place, _no_parent, _read_only, _writable_by_all])
def test_a_folder_that_cannot_be_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, spoil: Callable[[Path, pytest.MonkeyPatch], None]
) -> None:
    """No version is taken where none can be remembered; it is known without trying, and the error says what to do."""
    folder = tmp_path / "inner" / "state"
    folder.parent.mkdir()
    seen = NewestVersions(folder, tmp_path / "store")
    seen.require_writable()
    assert not folder.exists()
    spoil(folder, monkeypatch)
    for refuse in (lambda: seen.remember(version(1)), seen.require_writable):
        with pytest.raises(BlocklistError, match=r"state: none|chmod go-w"):
            refuse()


@pytest.mark.parametrize("name", ["whole_file", "fcntl"])
def test_a_disk_that_fails(memory: Callable[..., NewestVersions], monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """A version that could not be written down is not taken, and what was there stays."""
    seen = memory()
    seen.remember(version(1))

    class Failing:
        LOCK_EX = 0

        def __call__(self, *_: object) -> None:
            raise OSError(28, "No space left on device")

        flock = __call__

    monkeypatch.setattr(newest, name, Failing())
    with pytest.raises(BlocklistError, match=r"No space left on device.*state: none"):
        seen.remember(version(2))
    monkeypatch.undo()
    assert seen.newest() == Seen(version=f"{1:064x}", created=DAY + timedelta(days=1))


def test_a_folder_of_its_own(memory: Callable[..., NewestVersions]) -> None:
    """The folder and its files are for the user of the crawl alone."""
    seen = memory()
    seen.remember(version(1))
    modes = {each.stat().st_mode & 0o777 for each in seen.file.parent.iterdir()}
    assert (seen.file.parent.stat().st_mode & 0o777, modes) == (0o700, {0o600})


RACER = """
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from ingest_guard.blocklist.store.newest import NewestVersions, Opened
from ingest_guard.errors import BlocklistError
folder, first = Path(sys.argv[1]), int(sys.argv[2])
seen = NewestVersions(folder / "state", folder / "store")
for day in range(first, 100, 3):
    try:
        seen.remember(Opened(f"{day:064x}", datetime(2026, 5, 1, 12, tzinfo=UTC) + timedelta(days=day)))
    except BlocklistError as error:
        assert "is older than" in str(error), error
    newest = seen.newest()
    assert int(newest.version, 16) >= day, newest
"""


def test_crawls_at_the_same_time(tmp_path: Path, memory: Callable[..., NewestVersions]) -> None:
    """Processes take turns: none loses what another has remembered, and the newest is left."""
    racers = [
        subprocess.Popen([sys.executable, "-c", RACER, str(tmp_path), str(first)], stderr=subprocess.PIPE)
        for first in range(3)
    ]
    said = [each.communicate(timeout=120)[1].decode() for each in racers]
    assert [each.returncode for each in racers] == [0] * 3, said
    newest_one = memory().newest()
    assert newest_one is not None
    assert int(newest_one.version, 16) == 99
