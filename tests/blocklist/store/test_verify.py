from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

import numpy as np
import pytest
from blocklist.helpers import poke

from ingest_guard.blocklist.blocklist import Blocklist
from ingest_guard.errors import BlocklistError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from blocklist.helpers import Made


def changed(at: int, by: int) -> Callable[[bytes], bytes]:
    """Return what changes one byte."""
    return lambda data: data[:at] + bytes([data[at] ^ by]) + data[at + 1 :]


def test_files_and_folders_are_read_only(made: Made) -> None:
    """Files are 0444 in a folder of 0555."""
    assert made.version_folder.stat().st_mode & 0o7777 == 0o555
    assert {path.stat().st_mode & 0o7777 for path in made.version_folder.iterdir()} == {0o444}
    assert (made.folder / "current").stat().st_mode & 0o7777 == 0o444


def test_any_changed_byte_is_refused(made: Made) -> None:
    """Wherever one byte of any file of a version differs, it does not open, and the error names the file."""
    rng = np.random.default_rng(1)
    for path in sorted(made.version_folder.iterdir()):
        size = path.stat().st_size
        positions = {*range(min(size, 24)), *rng.integers(0, size, 40).tolist(), size - 1}
        for position in sorted(positions):
            by = int(rng.integers(1, 256))
            poke(path, changed(position, by))
            with pytest.raises(BlocklistError, match=f"{path.name}.*changed.*blocklist build"):
                Blocklist.open(made.folder)
            poke(path, changed(position, by))
    Blocklist.open(made.folder).close()


@pytest.mark.parametrize("change", [lambda data: data[:-1], lambda data: data + b"\0", lambda _: b""])
def test_another_size_is_refused(made: Made, change: Callable[[bytes], bytes]) -> None:
    """A longer, shorter or emptied file does not open."""
    for path in sorted(made.version_folder.iterdir()):
        before = path.read_bytes()
        poke(path, change)
        with pytest.raises(BlocklistError, match=f"{path.name}"):
            Blocklist.open(made.folder)
        poke(path, lambda _, before=before: before)


def test_a_missing_file_is_refused(made: Made) -> None:
    """Without any one of its files a version does not open."""
    for path in sorted(made.version_folder.iterdir()):
        hidden = made.folder.parent / path.name
        made.version_folder.chmod(0o755)
        path.rename(hidden)
        with pytest.raises(BlocklistError, match=f"{path.name} (is missing|does not exist)"):
            Blocklist.open(made.folder)
        hidden.rename(path)


def test_an_additional_file_is_refused(made: Made) -> None:
    """A file, or a folder, that the manifest does not name is refused."""
    made.version_folder.chmod(0o755)
    extra = made.version_folder / "more.npy"
    extra.write_bytes(b"")
    with pytest.raises(BlocklistError, match=r"more.npy does not belong"):
        Blocklist.open(made.folder)
    extra.unlink()
    extra.mkdir()
    with pytest.raises(BlocklistError, match=r"more.npy does not belong"):
        Blocklist.open(made.folder)


@pytest.mark.parametrize("bit", [0o020, 0o002])
def test_writable_by_others_is_refused(made: Made, bit: int) -> None:
    """A file or folder that its group or others may write to is refused, also for the superuser."""
    inside = sorted(made.version_folder.iterdir())
    for path in [made.folder, made.folder / "current", made.folder / "versions", made.version_folder, *inside]:
        mode = path.stat().st_mode & 0o777
        path.chmod(mode | bit)
        with pytest.raises(BlocklistError, match="chmod go-w"):
            Blocklist.open(made.folder)
        path.chmod(mode)
    Blocklist.open(made.folder).close()


def test_symbolic_links_are_refused(made: Made) -> None:
    """A link in the place of a folder or file is refused, wherever it points."""
    inside = sorted(made.version_folder.iterdir())
    made.version_folder.chmod(0o755)
    for path in [*inside, made.version_folder, made.folder / "versions", made.folder / "current", made.folder]:
        real = made.folder.parent / "real"
        path.rename(real)
        path.symlink_to(real)
        with pytest.raises(BlocklistError, match=r"symbolic link.*real path"):
            Blocklist.open(made.folder)
        path.unlink()
        real.rename(path)
    Blocklist.open(made.folder).close()


def test_a_fifo_in_a_files_place_does_not_hold_things_up(made: Made) -> None:
    """What is no regular file is refused at once."""
    made.version_folder.chmod(0o755)
    path = next(made.version_folder.glob("*.bloom"))
    path.unlink()
    os.mkfifo(path, 0o444)
    with pytest.raises(BlocklistError, match="not a regular file"):
        Blocklist.open(made.folder)


def test_a_manifest_beyond_all_measure_is_refused(made: Made) -> None:
    """A manifest of many megabytes is refused before it is read."""
    poke(made.version_folder / "manifest.json", lambda data: data + b" " * (1 << 24))
    with pytest.raises(BlocklistError, match="bytes long"):
        Blocklist.open(made.folder)


def test_a_renamed_version_is_refused(made: Made) -> None:
    """A version under another name than its manifest's digest does not open."""
    other = made.folder / "versions" / ("0" * 64)
    shutil.copytree(made.version_folder, other)
    with pytest.raises(BlocklistError, match="its digest is not the folder's name"):
        Blocklist.open(other)
    plain = made.folder / "versions" / "mine"
    shutil.copytree(made.version_folder, plain)
    with pytest.raises(BlocklistError, match="was renamed"):
        Blocklist.open(plain)


def test_no_folder_is_a_clear_error(tmp_path: Path) -> None:
    """A path that does not exist, is a file, or holds no blocklist says so and what to do."""
    with pytest.raises(BlocklistError, match=r"nowhere does not exist.*blocklist build"):
        Blocklist.open(tmp_path / "nowhere")
    (tmp_path / "file").write_text("x", encoding="ascii")
    with pytest.raises(BlocklistError, match="file is not a folder"):
        Blocklist.open(tmp_path / "file")
    with pytest.raises(BlocklistError, match=r"holds no blocklist.*blocklist build"):
        Blocklist.open(tmp_path)


def test_an_unreadable_file_is_a_clear_error(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that may not be read is an error of this package that says so."""
    before = os.open

    def refuse(path: str, *args: int, **options: int) -> int:
        if str(path).endswith(".bloom"):
            raise PermissionError(13, "Permission denied")
        return before(path, *args, **options)

    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(BlocklistError, match="bloom cannot be opened: Permission denied"):
        Blocklist.open(made.folder)
