from __future__ import annotations

import io
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from rich.console import Console

from demo import processes, run
from demo.__main__ import main
from demo.listed import originals
from demo.processes import build_blocklist, crawl
from demo.run import run_demo
from demo.workfolder import WorkFolder, copy_project
from ingest_guard.errors import IngestGuardError

if TYPE_CHECKING:
    from support.traces import Needles

    from demo.site import Site

_ROOT = Path(__file__).parents[2]


@pytest.fixture
def ready(site: Site, monkeypatch: pytest.MonkeyPatch) -> Site:
    """Let the demo use the site that the other tests use, which saves building it again."""
    monkeypatch.setattr(run, "build_site", lambda _seed: site)
    return site


def _console() -> tuple[Console, io.StringIO]:
    output = io.StringIO()
    return Console(file=output, width=100), output


def test_the_demo_drops_what_it_must_and_nothing_else(ready: Site, tmp_path: Path) -> None:
    """The whole demo, with a real crawl in a folder with a space in its name, ends with 0 and finds no trace."""
    console, output = _console()
    folder = tmp_path / "a folder"
    code = run_demo(folder, console=console)
    text = output.getvalue()
    assert code == 0, text
    assert "0 traces in" in text
    assert f"{len(ready.records)} records" in text
    lines = (folder / "project" / "records.jsonl").read_text(encoding="utf-8").splitlines()
    assert {(json.loads(line)["alt"]) for line in lines} == {alt for _path, alt in ready.records}
    assert list((folder / "project").rglob("response_body")), "the HTTP cache was not in use"
    assert (folder / "project" / "job" / "requests.seen").is_file(), "the job directory was not in use"


def test_a_crawl_that_does_not_start_is_told_with_its_reason(tmp_path: Path) -> None:
    """Without a blocklist the guard refuses to start, and the demo shows its words."""
    work = WorkFolder(tmp_path)
    copy_project(work.project)
    with pytest.raises(IngestGuardError, match=r"(?s)exit code 1 .*blocklist"):
        crawl(work, "http://127.0.0.1:9/", lambda _stats: None)


def test_a_crawl_that_does_not_end_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A crawl over its time is killed and is an error."""
    work = WorkFolder(tmp_path)
    copy_project(work.project)
    monkeypatch.setattr(processes, "CRAWL_SECONDS", 0.0)
    with pytest.raises(IngestGuardError, match="did not end within"):
        crawl(work, "http://127.0.0.1:9/", lambda _stats: None)


def test_a_list_that_cannot_be_built_is_told(tmp_path: Path) -> None:
    """A list that is not in its format stops the demo with the builder's words."""
    wrong = tmp_path / "wrong.txt"
    wrong.write_text("md5 not-a-hash\n")
    with pytest.raises(IngestGuardError, match="blocklist build ended with exit code"):
        build_blocklist(tmp_path / "blocklist", {"wrong": wrong})


def _fake_crawl(work: WorkFolder, start: str, progress: Any) -> dict[str, Any]:
    """Stand in for a crawl without a guard that kept the listed files and wrote a record of one."""
    for number, original in enumerate(originals().values()):
        (work.temporary / f"left-{number:02}").write_bytes(original.file)
    url = f"{start}photos/cup.jpg"
    record = {"url": url, "final_url": url, "alt": "A cup of coffee", "width": 1, "height": 1, "format": "JPEG"}
    (work.project / "records.jsonl").write_text(json.dumps(record) + "\n")
    stats = {"finish_reason": "finished", "ingest_guard/checked": 1}
    progress(stats)
    return stats


@pytest.fixture
def unguarded(ready: Site, needles: Needles, monkeypatch: pytest.MonkeyPatch) -> Site:
    """Let the demo run without a crawl, as if the guard had let everything through."""
    monkeypatch.setattr(run, "crawl", _fake_crawl)
    monkeypatch.setattr(run, "build_blocklist", lambda _folder, _lists: "")
    monkeypatch.setattr(run, "Needles", lambda _flagged, _harmless: needles)
    return ready


def test_the_demo_fails_where_a_guard_fails(unguarded: Site, tmp_path: Path) -> None:
    """Listed images that were kept and recorded make the demo fail; they are named with their files, ten at most."""
    console, output = _console()
    assert run_demo(tmp_path / "work", console=console) == 1
    text = output.getvalue()
    assert "/photos/cup.jpg: a record was written" in text
    assert re.search(r"tmp/left-\d\d: bytes of ", text)
    assert re.search(r"and \d+ more traces", text)


def test_the_demo_fails_where_its_search_is_blind(unguarded: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """A search that does not find the control traces makes the demo fail; a temporary folder is removed."""
    monkeypatch.setattr(run, "find_traces", lambda *_: [])
    folders: list[Path] = []
    monkeypatch.setattr(run, "copy_project", lambda target: folders.append(copy_project(target)))
    console, output = _console()
    assert run_demo(console=console) == 1
    assert "the control trace was not found: base64" in output.getvalue()
    assert not folders[0].exists()


def test_what_keeps_the_demo_from_running_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """An error of the set-up gives one message and exit code 4."""
    (tmp_path / "mine").touch()
    assert main(["--folder", str(tmp_path)]) == 4
    assert "The demo could not be run." in capsys.readouterr().out


def test_the_package_can_be_run(tmp_path: Path) -> None:
    """``python -m demo`` is the same, as ``make demo`` starts it."""
    (tmp_path / "mine").touch()
    command = [sys.executable, "-m", "demo", "--folder", str(tmp_path)]
    env = {**os.environ, "PYTHONPATH": "tests"}
    done = subprocess.run(command, cwd=_ROOT, env=env, capture_output=True, text=True, check=False)
    assert (done.returncode, "The demo could not be run." in done.stdout) == (4, True), done.stderr
