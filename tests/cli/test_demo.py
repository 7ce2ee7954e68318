from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from demo import run as demo
from ingest_guard.cli.main import cli


def run(*arguments: str) -> Result:
    """Run the command."""
    return CliRunner().invoke(cli, ["demo", *arguments], standalone_mode=False)


@pytest.mark.parametrize(("arguments", "folder"), [([], None), (["--folder", "x y"], Path("x y"))])
@pytest.mark.parametrize("code", [0, 1, 4])
def test_demo_is_run(monkeypatch: pytest.MonkeyPatch, arguments: list[str], folder: Path | None, code: int) -> None:
    """The command runs the demo where it is told, and ends as the demo does."""
    asked: list[Any] = []
    monkeypatch.setattr(demo, "run_demo", lambda where: asked.append(where) or code)
    assert run(*arguments).return_value == code
    assert asked == [folder]


def test_demo_without_its_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the extra is not installed, it says how to install it."""
    monkeypatch.setitem(sys.modules, "demo.run", None)
    done = run()
    assert done.return_value == 4
    assert "pip install 'ingest-guard[demo]'" in done.output
