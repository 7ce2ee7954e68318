"""``ingest-guard incidents ...``: is a log whole, what is in it, and what became of it; for the officer."""

import click

from ingest_guard.cli.main import LazyGroup

_HERE = "ingest_guard.cli.incidents"
_COMMANDS = {
    "expire": (f"{_HERE}.settling:expire_command", "Remove what is settled and older than the retention"),
    "export": (f"{_HERE}.exporting:export_command", "Write reports of entries, one for each page"),
    "list": (f"{_HERE}.listing:list_command", "List what is in a log, by page and host"),
    "mark": (f"{_HERE}.settling:mark_command", "Write into the journal what became of entries"),
    "show": (f"{_HERE}.listing:show_command", "Show all that is known of entries"),
    "verify": (f"{_HERE}.verifying:verify_command", "Say up to where a log is whole"),
}


@click.group("incidents", cls=LazyGroup, commands_at=_COMMANDS)
def command() -> None:
    """Verify and open a log of incidents. Opening needs the officer's key: never do it on a machine that crawls."""
