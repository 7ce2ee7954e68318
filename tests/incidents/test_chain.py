from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from incidents.samples import fill

from ingest_guard.errors import IncidentError
from ingest_guard.incidents import chain
from ingest_guard.incidents.lines import LONGEST, read_lines, segments
from ingest_guard.incidents.log import Log

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

KEY, OTHER = Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()
PUBLIC = KEY.public_key().public_bytes_raw().hex()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Write a signed log of several segments."""
    log = Log(tmp_path / "log", "r1", KEY, segment_bytes=2500)
    log.append(why="start")
    for _ in range(6):
        log.append(["c2VhbGVk"] * 3, why="interval")
    log.append(why="end")
    return tmp_path / "log"


def test_a_whole_log_verifies(folder: Path) -> None:
    """Numbers, chain and signatures hold; the summary says who signed and how far it goes."""
    found = chain.verify(folder, keys=[PUBLIC])
    assert (found.is_whole, found.entries, found.stubs, found.last, found.keys) == (True, 18, 0, 18, {PUBLIC})
    assert found.last_checkpoint is not None
    assert found.first_day is not None
    said = chain.summary(found.last_checkpoint)
    assert said.keys() == {"entries", "head", "time", "run", "why", "key", "signature"}
    assert (said["entries"], said["why"], said["key"]) == (18, "end", PUBLIC)


def _lines(folder: Path) -> list[tuple[Path, int, bytes]]:
    return [(line.segment, line.number, line.raw) for line in read_lines(folder)]


def _write(folder: Path, lines: list[tuple[Path, int, bytes]]) -> None:
    for path in segments(folder):
        path.write_bytes(b"".join(raw + b"\n" for segment, _, raw in lines if segment == path))


def _remove(lines: list[tuple[Path, int, bytes]], at: int) -> None:
    del lines[at]


def _swap(lines: list[tuple[Path, int, bytes]], at: int) -> None:
    (first, n, a), (second, m, b) = lines[at], lines[at - 1]
    lines[at], lines[at - 1] = (first, n, b), (second, m, a)


def _double(lines: list[tuple[Path, int, bytes]], at: int) -> None:
    lines.insert(at, lines[at])


def _change(lines: list[tuple[Path, int, bytes]], at: int) -> None:
    segment, number, raw = lines[at]
    lines[at] = (segment, number, raw.replace(b"c2VhbGVk", b"c2VhbGVl").replace(b'"interval"', b'"INTERVAL"'))


def _respell(lines: list[tuple[Path, int, bytes]], at: int) -> None:
    segment, number, raw = lines[at]
    lines[at] = (segment, number, raw.replace(b",", b", ", 1))


def _forge_stub(lines: list[tuple[Path, int, bytes]], at: int) -> None:
    segment, number, raw = lines[at]
    value = json.loads(raw)
    if "sealed" in value:
        value["sha256"] = "0" * 64
        del value["sealed"]
    lines[at] = (segment, number, json.dumps(value).encode())


def _spoil(lines: list[tuple[Path, int, bytes]], at: int) -> None:
    lines[at] = (*lines[at][:2], b"x" * (LONGEST + 9))


TAMPERING = [_remove, _swap, _double, _change, _respell, _forge_stub, _spoil]


@pytest.mark.parametrize("tamper", TAMPERING)
def test_tampering_at_each_line_is_found(
    tamper: Callable[[list[tuple[Path, int, bytes]], int], None], folder: Path
) -> None:
    """A line that was removed, moved, doubled, changed or replaced is found, wherever it stands.

    The last line, a checkpoint, is found missing by the copy of it that stands elsewhere.
    """
    lines = _lines(folder)
    last = chain.verify(folder).last_checkpoint
    assert last is not None
    for at in range(1, len(lines)):
        changed = list(lines)
        tamper(changed, at)
        if changed == lines:
            continue
        _write(folder, changed)
        assert not chain.verify(folder, checkpoints=[last], keys=[PUBLIC]).is_whole, at
    _write(folder, lines)
    assert chain.verify(folder, checkpoints=[last], keys=[PUBLIC]).is_whole


@pytest.mark.parametrize("tamper", TAMPERING)
def test_tampering_at_each_entry_of_a_thousand_is_named(
    tamper: Callable[[list[tuple[Path, int, bytes]], int], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every tenth entry at a time, all of them in ten turns: each place is named by its line."""
    monkeypatch.setattr(chain, "MOST_PROBLEMS", 10_000)
    log = Log(tmp_path / "log", "r1", KEY)
    log.append(why="start")
    log.append(["c2VhbGVk"] * 1000, why="end")
    lines = _lines(log.folder)
    assert chain.verify(log.folder, keys=[PUBLIC]).is_whole
    for turn in range(10):
        changed, places = list(lines), range(turn + 1, 1001, 10)
        for at in reversed(places):
            tamper(changed, at)
        _write(log.folder, changed)
        named = {
            int(found[1]) for each in chain.verify(log.folder).problems if (found := re.search(r"line (\d+)", each))
        }
        shift = (len(_lines(log.folder)) - len(lines)) // len(places)
        for number, at in enumerate(places):
            line = at + 1 + shift * number
            assert named & {line - 1, line, line + 1}, at


def test_a_segment_that_is_gone_is_found(folder: Path) -> None:
    """Whichever segment is removed, the last one included."""
    last = chain.verify(folder).last_checkpoint
    assert last is not None
    for path in segments(folder):
        content = path.read_bytes()
        path.unlink()
        assert not chain.verify(folder, checkpoints=[last]).is_whole
        path.write_bytes(content)


def test_a_log_signed_by_somebody_else_is_found(tmp_path: Path) -> None:
    """A whole log that another key signed, or none, does not pass for one of the key that counts."""
    for number, key in enumerate((OTHER, None)):
        log = Log(tmp_path / f"{number}", "r1", key)
        log.append(["c2VhbGVk"], why="end")
        assert chain.verify(log.folder).is_whole
        assert "not signed by a key that counts" in chain.verify(log.folder, keys=[PUBLIC]).problems[0]


@pytest.mark.parametrize("name", ["key", "signature"])
@pytest.mark.parametrize("value", ["00", "zz", "0" * 64, "0" * 128, None])
def test_a_wrong_signature_is_found(name: str, value: str | None, folder: Path) -> None:
    """A checkpoint with another key or signature, also at the very end."""
    path, _, raw = _lines(folder)[-1]
    changed = json.dumps({**json.loads(raw), name: value}, separators=(",", ":")).encode()
    path.write_bytes(path.read_bytes().replace(raw, changed))
    assert not chain.verify(folder).is_whole


def test_problems_are_named_up_to_a_hundred(tmp_path: Path) -> None:
    """A file of rubbish does not fill the memory with complaints."""
    fill(tmp_path, 1)
    segments(tmp_path)[0].write_bytes(b"nonsense\n" * 300)
    assert len(chain.verify(tmp_path).problems) == chain.MOST_PROBLEMS


def test_a_folder_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    """Nothing to verify is not the same as whole."""
    with pytest.raises(IncidentError, match="cannot be read"):
        chain.verify(tmp_path / "missing")
    (tmp_path / "000001.log").mkdir()
    with pytest.raises(IncidentError, match="cannot be read"):
        chain.verify(tmp_path)
