"""The command ``ingest-guard``, and what its parts share: exit codes, error output, groups that import on demand."""

import sys
from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import Any

import click

from ingest_guard._version import __version__
from ingest_guard.errors import IngestGuardError, PolicyError

OK, MATCHED, WRONG_USE, NOT_SCANNED, FAILED, STOPPED, NOTHING_READ = range(7)

_COMMANDS = {
    "attest": ("ingest_guard.cli.attest:command", "Show, verify, write and sign what a data set says of itself"),
    "blocklist": ("ingest_guard.cli.blocklist:command", "Build blocklists from your lists, look at them, move them"),
    "check": ("ingest_guard.cli.check:command", "Check image files, and print a verdict of each"),
    "crawl": ("ingest_guard.cli.crawl:command", "Run a spider as 'scrapy crawl' does, with the guard in it"),
    "doctor": ("ingest_guard.cli.doctor:command", "Check that each spider of this project is guarded"),
    "explain": ("ingest_guard.cli.explain:command", "Say why the opt-outs of an address are heeded or not"),
    "incidents": ("ingest_guard.cli.incidents:command", "Verify, open and settle a log of incidents"),
    "init": ("ingest_guard.cli.init:command", "Write a policy with every key explained"),
    "neighbours": ("ingest_guard.cli.neighbours:command", "Find records whose embeddings lie near to known ones"),
    "purge": ("ingest_guard.cli.purge:command", "Remove what the project has stored without the guard"),
    "recheck": ("ingest_guard.cli.recheck:command", "Compare a data set's fingerprints with a newer blocklist"),
    "second-opinion": ("ingest_guard.cli.second_opinion:command", "Ask services about near and held incidents"),
    "report": ("ingest_guard.cli.report:command", "Write one HTML page about a crawl"),
}


class LazyGroup(click.Group):
    """A group that imports a command's module when it is called: ``check`` needs no Scrapy, ``doctor`` does.

    Parameters
    ----------
    commands_at
        Name -> ``module:attribute`` of a command, and what the group's help says of it.
    """

    def __init__(self, *arguments: Any, commands_at: Mapping[str, tuple[str, str]], **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._commands_at = commands_at

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of all commands, sorted."""
        del ctx
        return sorted(self._commands_at)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a command; None for a name that is not one."""
        del ctx
        if cmd_name not in self._commands_at:
            return None
        module, name = self._commands_at[cmd_name][0].split(":")
        command: click.Command = getattr(import_module(module), name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of commands without importing one."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, self._commands_at[name][1]) for name in self.list_commands(ctx)])


def print_signers(signers: Sequence[str]) -> None:
    """Print one line for each public key (hex) that has signed something."""
    for signer in signers:
        click.echo(f"signed by {signer}")
    if not signers:
        click.echo("not signed")


@click.group(cls=LazyGroup, commands_at=_COMMANDS, context_settings={"help_option_names": ["-h", "--help"]})
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
