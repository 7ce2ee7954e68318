from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest
from support.course import write_course

from ingest_guard.cli import main

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Run = Callable[..., int]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Run:
    """Return what runs the command and gives back its exit code."""

    def call(*arguments: str) -> int:
        monkeypatch.setattr(sys, "argv", ["ingest-guard", "report", *arguments])
        with pytest.raises(SystemExit) as end:
            main()
        return int(end.value.code or 0)

    return call


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder with a made-up crawl."""
    write_course(tmp_path / "set", hours=0.2, hosts=5)
    return tmp_path / "set"


def test_the_page_is_written_beside_the_records(run: Run, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Without -o the page is DIR/report.html; nothing else is left, and the command says where it is."""
    assert run(str(folder)) == 0
    assert (folder / "report.html").read_text(encoding="utf-8").startswith("<!DOCTYPE html>")
    assert sorted(file.name for file in folder.iterdir()) == ["report.html", "telemetry.jsonl"]
    assert f"Wrote {folder / 'report.html'} (" in capsys.readouterr().out


def test_the_page_goes_where_it_is_wanted(run: Run, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """-o names a file, or standard output; --name is its heading."""
    assert run(str(folder), "-o", str(folder / "page.html"), "--name", "Ours & theirs") == 0
    assert "<h1>Ours &amp; theirs</h1>" in (folder / "page.html").read_text(encoding="utf-8")
    capsys.readouterr()
    assert run(str(folder), "-o", "-") == 0
    assert capsys.readouterr().out.startswith("<!DOCTYPE html>")


def test_what_cannot_be_done_is_said(
    run: Run, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A folder without a crawl and a place that cannot be written are wrong use, in one line each."""
    (tmp_path / "empty").mkdir()
    assert run(str(tmp_path / "empty")) == 2
    assert "holds neither telemetry.jsonl nor records" in capsys.readouterr().err
    assert run(str(folder), "-o", str(tmp_path / "missing" / "page.html")) == 2
    assert "cannot be written (No such file or directory)" in capsys.readouterr().err


def test_without_jinja2_the_extra_is_named(
    run: Run, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whoever has not installed the extra is told how."""
    monkeypatch.setitem(sys.modules, "jinja2", None)
    assert run(str(folder)) == 4
    assert "pip install 'ingest-guard[report]'" in capsys.readouterr().err
