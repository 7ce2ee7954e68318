from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from blocklist.helpers import lines_of

from ingest_guard.blocklist.blocklist import Blocklist
from ingest_guard.blocklist.build import activate
from ingest_guard.blocklist.build import build as builds
from ingest_guard.blocklist.build.build import ListSource, build
from ingest_guard.blocklist.store import draft as publish
from ingest_guard.blocklist.store import versions
from ingest_guard.errors import BlocklistError, ListFormatError

if TYPE_CHECKING:
    from collections.abc import Callable

    from blocklist.helpers import Made


class Killed(BaseException):
    """Stands for SIGKILL: nothing in the package catches it, and nothing cleans up after it."""


@pytest.fixture
def source(list_file: Callable[..., Path]) -> ListSource:
    """Return a source of one MD5."""
    return ListSource("mine", "plain", list_file("md5 " + "ab" * 16))


def test_the_report_counts_what_went_in(made: Made) -> None:
    """The report holds counts and measured error rates, as lines and as JSON."""
    report = made.report
    assert json.loads(json.dumps(report.to_json()))["lists"][0]["accepted"]["pdq"] == 40
    assert 0 < report.lists[0].error_rates["md5"] <= 1e-9
    text = "\n".join(report.lines())
    assert "known: 63 rows of" in text
    assert "md5 20, pdq 40" in text
    assert report.version[:12] in text


def test_the_report_tells_what_was_left_out(tmp_path: Path, list_file: Callable[..., Path]) -> None:
    """Rejected rows, degenerate values, duplicates and removed versions stand in the report, by row number."""
    path = list_file(
        "md5 " + "ab" * 16, "md5 " + "AB" * 16, "md5 1", f"md5 {hashlib.md5(b'', usedforsecurity=False).hexdigest()}"
    )
    for _ in range(2):
        report = build(tmp_path / "s", [ListSource("x", "plain", path)], accept=True, keep=1)
    text = "\n".join(report.lines())
    for expected in ("rejected, bad_length: 1 (row 3)", "degenerate md5: 1 (row 4)", "duplicates, md5: 1", "removed 1"):
        assert expected in text
    assert report.to_json()["lists"][0]["rejected"] == {"bad_length": {"count": 1, "first_rows": [3]}}


def test_a_large_list_is_banded(tmp_path: Path, list_file: Callable[..., Path]) -> None:
    """A list that is too long for the flat scan is stored with tables, and every entry is found."""
    pdq = np.random.default_rng(9).integers(0, 256, (25_000, 32), dtype=np.uint8)
    build(tmp_path / "s", [ListSource("big", "plain", list_file(*lines_of(pdq, [])))])
    opened = Blocklist.open(tmp_path / "s")
    assert list(tmp_path.glob("s/versions/*/pdq.bitmap.npy"))
    assert opened.match_near("pdq", pdq[:500] ^ np.eye(1, 32, dtype=np.uint8))[2].tolist() == [1] * 500


def test_thresholds_are_built_in(tmp_path: Path, list_file: Callable[..., Path]) -> None:
    """A threshold above the default needs consent where it is risky, and widens the index."""
    path = list_file("pdq " + "0f" * 32, "phash 0123456789abcdef")
    wanted = {"x": {"pdq": 40, "phash": 10}}
    sources = [ListSource("x", "plain", path)]
    with pytest.raises(BlocklistError, match=r"list x, pdq: 40.*accept_false_matches"):
        build(tmp_path / "s", sources, thresholds=wanted)
    build(tmp_path / "s", sources, thresholds=wanted, accept_false_matches=True)
    opened = Blocklist.open(tmp_path / "s")
    assert dict(opened.lists[0].thresholds) == {"pdq": 40, "phash": 10}
    query = np.frombuffer(b"\xff" * 10 + b"\x0f" * 22, np.uint8)[None]
    assert opened.match_near("pdq", query)[2].tolist() == [40]
    with pytest.raises(BlocklistError, match="list 'y' that is not being built"):
        build(tmp_path / "s", sources, thresholds={"y": {"pdq": 1}})


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"error_rate": 0.0}, "error rate"),
        ({"error_rate": 0.5}, "error rate"),
        ({"keep": 0}, "keep: expected at least 1"),
        ({"sources": []}, "no list to build from"),
        ({"ids": ["ingest-guard-canary"]}, "reserved"),
        ({"ids": ["a/b"]}, "expected 1 to 64"),
        ({"ids": ["same", "Same"]}, "used twice"),
        ({"format": "xml"}, "unknown list format 'xml'; known formats:"),
    ],
)
def test_wrong_use_is_refused_before_anything_is_made(
    tmp_path: Path, source: ListSource, change: dict[str, Any], said: str
) -> None:
    """Bad ids, formats, rates and numbers are errors, and no store is made."""
    sources = change.pop("sources", None)
    if sources is None:
        form = change.pop("format", "plain")
        sources = [ListSource(list_id, form, source.path) for list_id in change.pop("ids", ["mine"])]
    with pytest.raises(BlocklistError, match=said):
        build(tmp_path / "s", sources, **change)
    assert not (tmp_path / "s").exists()


def test_too_many_lists_are_refused(tmp_path: Path, source: ListSource, monkeypatch: pytest.MonkeyPatch) -> None:
    """More lists than an entry's owner number can name are an error."""
    monkeypatch.setattr(builds, "MAX_LISTS", 1)
    with pytest.raises(BlocklistError, match="2 lists are more than the 1"):
        build(tmp_path / "s", [source, ListSource("b", "plain", source.path)])


def test_a_failing_build_leaves_the_old_version(made: Made) -> None:
    """A list file that cannot be used changes nothing, and what it left is cleared by the next build."""
    path = made.folder.parent / "list.txt"
    bad = ListSource("known", "plain", made.folder.parent / "gone.txt")
    with pytest.raises(ListFormatError):
        build(made.folder, [bad])
    assert Blocklist.open(made.folder).version == made.report.version
    build(made.folder, [ListSource("known", "plain", path)])
    assert not list(made.folder.glob("**/.building-*"))


def test_a_full_disk_leaves_the_old_version(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    """An error of the file system is one of this package, and the old version stays."""
    source = ListSource("known", "plain", made.folder.parent / "list.txt")
    with monkeypatch.context() as patched:

        def full(*_: object) -> None:
            raise OSError(28, "No space left on device", "some.file")

        patched.setattr(os, "fsync", full)
        with pytest.raises(
            BlocklistError, match=r"some.file: No space left on device; the blocklist was left as it was"
        ):
            build(made.folder, [source])
    assert Blocklist.open(made.folder).version == made.report.version


def test_killed_at_any_step_the_store_opens(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    """Wherever a build is killed, the old or the new version opens, and the next build clears up and succeeds."""
    source = ListSource("known", "plain", made.folder.parent / "list.txt")
    seen: set[bool] = set()
    step, ended = 0, False
    while not ended:
        step += 1
        before = versions.current_version(made.folder)
        with monkeypatch.context() as patched:
            count = kill_after(patched, step)
            try:
                build(made.folder, [source], keep=1)
                ended = True
            except Killed:
                pass
        assert count[0] >= min(step, count[0])
        current = Blocklist.open(made.folder).version
        seen.add(current == before)
    assert seen == {True, False}
    assert step > 20
    build(made.folder, [source], keep=1)
    names = {path.name for path in made.folder.iterdir()} | {path.name for path in (made.folder / "versions").iterdir()}
    assert names == {".lock", "current", "versions", versions.current_version(made.folder)}


def kill_after(patched: pytest.MonkeyPatch, steps: int) -> list[int]:
    """Kill this "process" before its n-th change to the disk; return the running count."""
    count = [0]

    def counted(before: Callable[..., Any]) -> Callable[..., Any]:
        def run(*args: Any, **options: Any) -> Any:
            count[0] += 1
            if count[0] == steps:
                raise Killed
            return before(*args, **options)

        return run

    for owner, name in [
        (os, "fsync"),
        (os, "fchmod"),
        (Path, "rename"),
        (Path, "replace"),
        (Path, "chmod"),
        (Path, "mkdir"),
        (Path, "hardlink_to"),
    ]:
        patched.setattr(owner, name, counted(getattr(owner, name)))
    patched.setattr(publish.shutil, "rmtree", counted(publish.shutil.rmtree))
    return count


def test_a_second_builder_is_turned_away_until_the_first_is_killed(tmp_path: Path, source: ListSource) -> None:
    """While one process builds no other can; SIGKILL lets go of the lock and leaves a store that builds."""
    folder, pipe = tmp_path / "s", tmp_path / "pipe"
    os.mkfifo(pipe)
    code = (
        "import sys; from pathlib import Path; from ingest_guard.blocklist.build.build import ListSource, build;"
        "build(Path(sys.argv[1]), [ListSource('slow', 'plain', Path(sys.argv[2]))])"
    )
    # Opening the pipe returns when the builder has the lock and opens it too; it then waits for a list to read.
    with subprocess.Popen([sys.executable, "-c", code, folder, pipe]) as first, pipe.open("wb"):
        with pytest.raises(BlocklistError, match=r"another build is at work.*wait"):
            build(folder, [source])
        first.send_signal(signal.SIGKILL)
        assert first.wait() == -signal.SIGKILL
    leftover = folder / "versions" / ".building-x"
    leftover.mkdir()
    (leftover / "half.npy").write_bytes(b"half")
    leftover.chmod(0o555)
    (folder / ".current.1.part").write_bytes(b"half")
    report = build(folder, [source])
    assert {path.name for path in (folder / "versions").iterdir()} == {report.version}
    assert not (folder / ".current.1.part").exists()


def test_a_store_that_others_may_write_to_is_refused(tmp_path: Path, source: ListSource) -> None:
    """Building into a folder that its group may write to is refused, also for the superuser."""
    folder = tmp_path / "s"
    folder.mkdir()
    folder.chmod(0o775)
    with pytest.raises(BlocklistError, match="chmod go-w"):
        build(folder, [source])


def test_the_umask_changes_nothing(tmp_path: Path, source: ListSource) -> None:
    """Whatever the umask, a new store opens."""
    for umask in (0o000, 0o002, 0o077):
        before = os.umask(umask)
        try:
            build(tmp_path / f"s{umask}", [source])
        finally:
            os.umask(before)
        assert Blocklist.open(tmp_path / f"s{umask}").lists


def test_a_version_is_no_store(made: Made, source: ListSource) -> None:
    """Building into a version's own folder is refused."""
    with pytest.raises(BlocklistError, match="two levels above"):
        build(made.version_folder, [source])


def test_a_file_is_no_store(source: ListSource) -> None:
    """Building into a file is refused."""
    with pytest.raises(BlocklistError, match=r"list\.txt"):
        build(source.path, [source])


def test_names_that_are_no_text_do_not_matter(tmp_path: Path, source: ListSource) -> None:
    """A list file whose name is not UTF-8 gives a version that opens."""
    path = source.path.rename(tmp_path / "li\udcffst.txt")
    build(tmp_path / "s", [ListSource("mine", "plain", path, owner="\udcff")])
    assert Blocklist.open(tmp_path / "s").lists[0].source == "plain:li?st.txt"


def test_what_cannot_be_opened_never_becomes_current(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    """A build opens its own result before it points to it."""

    def broken(_: object) -> None:
        raise BlocklistError("does not open")

    monkeypatch.setattr(activate, "load", broken)
    with pytest.raises(BlocklistError, match="does not open"):
        build(made.folder, [ListSource("known", "plain", made.folder.parent / "list.txt")])
    assert versions.current_version(made.folder) == made.report.version


def test_an_old_version_that_cannot_be_removed_is_reported(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where retention fails, the error says that the new version is in use."""

    def refuse(_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(publish, "_remove", refuse)
    with pytest.raises(BlocklistError, match=r"is in use, but an older one.*Permission denied.*by hand"):
        build(made.folder, [ListSource("known", "plain", made.folder.parent / "list.txt")], keep=1)
    assert versions.current_version(made.folder) != made.report.version
