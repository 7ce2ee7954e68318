from __future__ import annotations

import base64
import os
from typing import TYPE_CHECKING

import pytest

from ingest_guard.blocklist.parts.seal import read_key
from ingest_guard.errors import BlocklistError

if TYPE_CHECKING:
    from pathlib import Path

KEY = bytes(range(100, 140))


@pytest.mark.parametrize("text", [KEY.hex(), KEY.hex().upper() + "\n", f" {base64.b64encode(KEY).decode()}\n"])
def test_a_key_is_hex_or_base64(text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A variable or a file that is its owner's alone gives the key, whatever white space is around it."""
    monkeypatch.setenv("THE_KEY", text)
    assert read_key(env="THE_KEY") == KEY
    path = tmp_path / "key"
    path.write_text(text, encoding="ascii")
    path.chmod(0o600)
    assert read_key(file=path) == read_key(file=str(path)) == KEY


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "key of 0 bytes is too short, 32 are needed"),
        ("ab" * 31, "key of 31 bytes is too short"),
        (base64.b64encode(bytes(31)).decode(), "key of 31 bytes"),
        ("secret!" * 9, "neither hex nor Base64"),
        ("abc" * 31, "neither hex nor Base64"),
    ],
)
def test_what_is_no_key_is_refused_unseen(text: str, said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A short or malformed key is an error that says how to make one, and does not show it."""
    monkeypatch.setenv("THE_KEY", text)
    with pytest.raises(BlocklistError, match=f"THE_KEY.*{said}.*openssl rand -hex 32") as caught:
        read_key(env="THE_KEY")
    assert not text or text not in str(caught.value)
    assert caught.value.__cause__ is None


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o666])
def test_a_file_that_others_may_read_is_refused(tmp_path: Path, mode: int) -> None:
    """A key that group or others can get at is none, also for the superuser."""
    path = tmp_path / "key"
    path.write_text(KEY.hex(), encoding="ascii")
    path.chmod(mode)
    with pytest.raises(BlocklistError, match=f"mode {mode:04o}.*chmod 600"):
        read_key(file=path)


def test_what_is_not_there_is_named(tmp_path: Path) -> None:
    """No variable, no file, a folder, a FIFO, both or neither: clear errors, at once."""
    with pytest.raises(BlocklistError, match="NO_SUCH_KEY is not set"):
        read_key(env="NO_SUCH_KEY")
    with pytest.raises(BlocklistError, match="gone cannot be opened: No such file"):
        read_key(file=tmp_path / "gone")
    os.mkfifo(tmp_path / "fifo", 0o600)
    with pytest.raises(BlocklistError, match="fifo is not a key file"):
        read_key(file=tmp_path / "fifo")
    for both in ({}, {"env": "A", "file": tmp_path}):
        with pytest.raises(BlocklistError, match="one environment variable or one file"):
            read_key(**both)
