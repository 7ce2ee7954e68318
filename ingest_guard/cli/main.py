"""The command ``ingest-guard`` and what all its parts share: exit codes and how errors are told."""

from __future__ import annotations

import sys
from importlib import import_module

import click

from ingest_guard._version import __version__
from ingest_guard.errors import IngestGuardError, PolicyError

OK, MATCHED, WRONG_USE, NOT_SCANNED, FAILED, STOPPED = 0, 1, 2, 3, 4, 5

_COMMANDS = {
    "blocklist": "ingest_guard.cli.blocklist",
    "check": "ingest_guard.cli.check",
    "crawl": "ingest_guard.cli.crawl",
    "demo": "ingest_guard.cli.demo",
    "doctor": "ingest_guard.cli.doctor",
    "init": "ingest_guard.cli.init",
    "purge": "ingest_guard.cli.purge",
}


class _Lazy(click.Group):
    """Imports a command's module when it is asked for: ``check`` needs no Scrapy, ``doctor`` does."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        del ctx
        return sorted(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        del ctx
        if cmd_name not in _COMMANDS:
            return None
        command: click.Command = import_module(_COMMANDS[cmd_name]).command
        return command


@click.group(cls=_Lazy, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="ingest-guard")
def cli() -> None:
    """Check images against known-abuse hash lists before anything can store them."""


def main() -> None:
    """Run the command line; errors are one line on stderr."""
    try:
        sys.exit(cli(prog_name="ingest-guard", standalone_mode=False) or OK)
    except click.ClickException as error:
        error.show()
        sys.exit(WRONG_USE)
    except (click.Abort, KeyboardInterrupt):
        click.echo("Stopped.", err=True)
        sys.exit(130)
    except PolicyError as error:
        click.echo(f"ingest-guard: {error}", err=True)
        sys.exit(WRONG_USE)
    except IngestGuardError as error:
        click.echo(f"ingest-guard: {error}", err=True)
        sys.exit(FAILED)
    except Exception as error:  # noqa: BLE001 - Python's own exit code for it is 1, and that says: a match
        click.echo(f"ingest-guard: failed unexpectedly ({type(error).__name__}); this is a fault of ours", err=True)
        sys.exit(FAILED)
