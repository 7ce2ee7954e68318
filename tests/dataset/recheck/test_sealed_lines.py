from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest

from ingest_guard.blocklist.transfer import encryption
from ingest_guard.dataset.recheck.sealed_lines import open_lines, refuse_inside, require_recipients, write_lines
from ingest_guard.errors import BlocklistError, DatasetError, PolicyError

LINES = [{"notes": 1}, {"uid": "x"}]


@pytest.mark.parametrize("is_sealed", [False, True])
def test_what_is_written_is_read(tmp_path: Path, *, is_sealed: bool) -> None:
    """Lines come back as they were, sealed or not, from a file that is for its owner alone."""
    identity = tmp_path / "key"
    _, recipient = encryption.write_identity(identity)
    recipients = [recipient] if is_sealed else []
    path = write_lines(tmp_path / "notes", LINES, recipients, what="notes")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert (b"uid" in path.read_bytes()) is not is_sealed
    with open_lines(path, identity, what="notes") as file:
        assert [json.loads(line) for line in file.read().splitlines()] == LINES
    assert [entry.name for entry in tmp_path.iterdir() if entry.name.startswith(".")] == []


def test_what_cannot_be_opened(tmp_path: Path) -> None:
    """A file that is not there, a sealed one without its key, and one for somebody else are errors."""
    _, recipient = encryption.write_identity(tmp_path / "key")
    encryption.write_identity(tmp_path / "other")
    path = write_lines(tmp_path / "notes", LINES, [recipient], what="notes")
    with pytest.raises(PolicyError, match="cannot be read"), open_lines(tmp_path / "no", None, what="notes"):
        pass
    with pytest.raises(PolicyError, match="--identity"), open_lines(path, None, what="notes"):
        pass
    with pytest.raises(BlocklistError), open_lines(path, tmp_path / "other", what="notes") as file:
        file.read()


def test_what_cannot_be_written(tmp_path: Path) -> None:
    """A file is never written over, and nothing half written is left."""
    path = write_lines(tmp_path / "notes", LINES, [], what="notes")
    before = path.read_bytes()
    for place in (path, tmp_path / "nowhere" / "notes"):
        with pytest.raises(DatasetError, match=r"the notes cannot be written \(.+\); nothing went"):
            write_lines(place, LINES, [], what="notes", then="; nothing went")
    assert path.read_bytes() == before
    assert [entry.name for entry in tmp_path.iterdir()] == ["notes"]
    with pytest.raises(BlocklistError):
        require_recipients(["age1wrong"])


def test_where_it_may_lie(tmp_path: Path) -> None:
    """Neither among the records, by whatever path, nor in another file's place."""
    data = tmp_path / "data"
    (data / "inner").mkdir(parents=True)
    (tmp_path / "link").symlink_to(data)
    for place in (data, data / "inner", tmp_path / "link", tmp_path / "other" / ".." / "data"):
        with pytest.raises(PolicyError, match=r"--notes .* not for publication"):
            refuse_inside("--notes", place / "notes", data, what="notes")
    refuse_inside("--notes", tmp_path / "notes", data, what="notes")
    (tmp_path / "notes").symlink_to("nowhere")
    with pytest.raises(PolicyError, match="never written over"):
        refuse_inside("--notes", tmp_path / "notes", data, what="notes")


def test_the_second_name_of_a_file_goes(tmp_path: Path) -> None:
    """What a run that was killed between naming a file and forgetting its hidden name has left goes with the next."""
    path = write_lines(tmp_path / "notes", LINES, [], what="notes")
    (tmp_path / ".notes.123.part").hardlink_to(path)
    with pytest.raises(PolicyError, match="never written over"):
        refuse_inside("--notes", path, what="notes")
    assert [entry.name for entry in tmp_path.iterdir()] == ["notes"]
