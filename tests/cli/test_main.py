from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import click
import pytest

from ingest_guard import BlocklistError, PolicyError, __version__
from ingest_guard.cli import main as package_main
from ingest_guard.cli import main as run
from ingest_guard.cli.main import _COMMANDS, cli

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.fixture
def exit_code(monkeypatch: pytest.MonkeyPatch) -> Callable[..., int]:
    """Return the command line as a function of its arguments."""

    def call(*arguments: str) -> int:
        monkeypatch.setattr("sys.argv", ["ingest-guard", *arguments])
        with pytest.raises(SystemExit) as stopped:
            run()
        assert isinstance(stopped.value.code, int)
        return stopped.value.code

    return call


def test_version_and_help(exit_code: Callable[..., int], capsys: pytest.CaptureFixture[str]) -> None:
    """Both end well, and help names every command."""
    assert exit_code("--version") == 0
    assert __version__ in capsys.readouterr().out
    assert exit_code("-h") == 0
    shown = capsys.readouterr().out
    assert all(f"  {name} " in shown for name in _COMMANDS)


@pytest.mark.parametrize("name", list(_COMMANDS))
def test_every_command_has_help(exit_code: Callable[..., int], capsys: pytest.CaptureFixture[str], name: str) -> None:
    """Each command says what it does."""
    assert exit_code(name, "--help") == 0
    assert "Usage: ingest-guard" in capsys.readouterr().out


def test_unknown_command(exit_code: Callable[..., int], capsys: pytest.CaptureFixture[str]) -> None:
    """A typo is wrong use."""
    assert exit_code("chek") == 2
    assert "No such command" in capsys.readouterr().err


def test_no_command(exit_code: Callable[..., int], capsys: pytest.CaptureFixture[str]) -> None:
    """Without a command there is help."""
    assert exit_code() in {0, 2}
    shown = capsys.readouterr()
    assert "Usage:" in shown.out + shown.err


@pytest.mark.parametrize(
    ("error", "code", "text"),
    [
        (PolicyError("policy p: line 3"), 2, "ingest-guard: policy p: line 3\n"),
        (BlocklistError("b is not there"), 4, "ingest-guard: b is not there\n"),
        (RuntimeError("secret"), 4, "ingest-guard: failed unexpectedly (RuntimeError); this is a fault of ours\n"),
        (MemoryError(), 4, "ingest-guard: failed unexpectedly (MemoryError); this is a fault of ours\n"),
        (BrokenPipeError(), 4, "ingest-guard: failed unexpectedly (BrokenPipeError); this is a fault of ours\n"),
        (KeyboardInterrupt(), 130, "Stopped.\n"),
        (click.Abort(), 130, "Stopped.\n"),
    ],
)
def test_errors_are_one_line(  # noqa: PLR0917 - fixtures and parameters
    exit_code: Callable[..., int],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    error: BaseException,
    code: int,
    text: str,
) -> None:
    """No traceback, and above all not Python's exit code 1: that would say that something matched."""

    @click.command()
    def boom() -> None:
        raise error

    monkeypatch.setattr(cli, "get_command", lambda *_: boom)
    assert exit_code("check") == code
    assert capsys.readouterr().err.lstrip("\n") == text


def test_check_loads_no_scrapy() -> None:
    """The commands that need no crawler start without it."""
    program = "import sys; from ingest_guard.cli.main import cli; cli.get_command(None, 'check'); "
    program += "cli.get_command(None, 'blocklist'); assert 'scrapy' not in sys.modules"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


def test_help_loads_nothing() -> None:
    """It is there at once: the list of commands needs none of their modules, nor the guard's libraries."""
    program = "import sys; from ingest_guard.cli.main import cli; cli(['--help'], standalone_mode=False); "
    program += "assert not {'numpy', 'PIL', 'pydantic', 'scrapy'} & sys.modules.keys()"
    assert subprocess.run([sys.executable, "-c", program], check=False, capture_output=True).returncode == 0


@pytest.mark.parametrize("group", [cli, cli.get_command(click.Context(cli), "blocklist")], ids=["all", "blocklist"])
def test_help_has_a_line_for_each_command(group: click.Group) -> None:
    """Whole sentences, short enough for a terminal of 80 columns; what is named is there."""
    ctx = click.Context(group, terminal_width=80, max_content_width=80)
    listed = group.get_help(ctx).partition("Commands:\n")[2].splitlines()
    assert [line.split()[0] for line in listed] == group.list_commands(ctx)
    assert all(len(line) <= 80 and not line.endswith("...") for line in listed)
    assert all(group.get_command(ctx, name) is not None for name in group.list_commands(ctx))


def test_entry_point() -> None:
    """The package's main is what the entry point names."""
    assert package_main is run
