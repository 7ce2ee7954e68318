"""``ingest-guard blocklist diff``: what two versions have in common, in numbers."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from ingest_guard.blocklist.build.changes import compare
from ingest_guard.cli.blocklist import options

if TYPE_CHECKING:
    from pathlib import Path

    from ingest_guard.blocklist.build.changes import Comparison


@click.command("diff")
@click.argument("a", type=options.FOLDER)
@click.argument("b", type=options.FOLDER)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def diff_command(a: Path, b: Path, *, as_json: bool) -> int:
    """Show how B differs from A, two blocklists or versions of one (FOLDER/versions/...): counts, never a value."""
    comparison = compare(a, b)
    if as_json:
        click.echo(json.dumps(comparison.to_json(), indent=2))
        return 0
    click.echo(f"A  {comparison.a}\nB  {comparison.b}")
    Console(highlight=False).print(_table(comparison))
    return 0


def _table(comparison: Comparison) -> Table:
    graded = any(severity is not None for _, severity, _ in comparison.changes)
    table = Table(box=None, pad_edge=False)
    for name in ("list", *(["severity"] if graded else []), "algorithm"):
        table.add_column(name, overflow="fold")
    for name in ("in A", "in B", "added", "removed", "kept"):
        table.add_column(name, justify="right", no_wrap=True)
    for (list_id, severity, algorithm), change in comparison.changes.items():
        numbers = (change.before, change.after, change.added, change.removed, change.kept)
        # A filter without its values cannot say which came and which went.
        spoken = ["?" if number is None else f"{number:,}" for number in numbers]
        table.add_row(*map(Text, [list_id, *([severity or "-"] if graded else []), algorithm, *spoken]))
    return table
