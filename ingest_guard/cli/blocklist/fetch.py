"""``ingest-guard blocklist fetch``: fetch the lists of services that share hashes."""

import json
import os
from collections import Counter
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table

from ingest_guard.lists.fetch.errors import SourcesError
from ingest_guard.lists.fetch.run import FetchOutcome, fetch
from ingest_guard.lists.fetch.sources import load

_OK, _FAILED = 0, 4
_EACH = 100
"""Pages between two lines of progress."""


@click.command("fetch")
@click.argument("file", metavar="SOURCES.yaml", type=click.Path(path_type=Path, dir_okay=False))
@click.option(
    "-o",
    "--output",
    "folder",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("lists"),
    show_default=True,
    help="Where the journals and checkpoints go; for you alone to read.",
)
@click.option("--only", "wanted", metavar="ID", multiple=True, help="Fetch this source only. Repeatable.")
@click.option("--full", is_flag=True, help="Fetch everything anew; what there is counts until that is done.")
@click.option("--json", "as_json", is_flag=True, help="Print the report as JSON.")
def fetch_command(file: Path, folder: Path, wanted: tuple[str, ...], *, full: bool, as_json: bool) -> int:
    """Fetch what is new at the sources in SOURCES.yaml; go on where the last fetch stopped, wherever that was.

    Build with what it wrote: 'ingest-guard blocklist build FOLDER --list ID:journal:lists/ID.journal'.
    """
    # Whatever this process makes is for its owner only.
    os.umask(0o077)
    sources = load(file)
    unknown = sorted(set(wanted) - {source.id for source in sources})
    if unknown:
        known = ", ".join(source.id for source in sources)
        raise SourcesError(f"sources {file}: there is no source {', '.join(unknown)}; there are {known}")
    chosen = [source for source in sources if not wanted or source.id in wanted]
    outcomes = fetch(chosen, folder, full=full, progress=_progress)
    if as_json:
        click.echo(json.dumps({"sources": [outcome.to_json() for outcome in outcomes]}, indent=2))
    else:
        _print(outcomes)
    failed = [outcome for outcome in outcomes if outcome.error]
    for outcome in failed:
        click.echo(f"ingest-guard: source {outcome.id}: {outcome.error}", err=True)
    return _FAILED if failed else _OK


def _progress(outcome: FetchOutcome) -> None:
    if outcome.tally.pages % _EACH == 0:
        click.echo(f"{outcome.id}: {outcome.tally.pages:,} pages, {outcome.tally.records:,} records", err=True)


def _print(outcomes: list[FetchOutcome]) -> None:
    table = Table("source", "pages", "accepted", "removed", "rejected", "unsupported", "state", box=None)
    for outcome in outcomes:
        tally = outcome.tally
        state = "complete" if outcome.error is None else "failed"
        table.add_row(
            outcome.id,
            f"{tally.pages:,}",
            _counts(tally.accepted),
            f"{tally.removed:,}",
            _counts(tally.rejected),
            _counts(tally.unsupported),
            state,
        )
    Console(width=None if Console().is_terminal else 160).print(table)


def _counts(counter: Counter[str]) -> str:
    return ", ".join(f"{name} {count:,}" for name, count in sorted(counter.items())) or "0"
