"""``ingest-guard blocklist info`` and ``verify``: what a blocklist holds, and whether each byte of it is as it was."""

import json
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from ingest_guard.blocklist.build.changes import Comparison, compare
from ingest_guard.blocklist.parts.load import Loaded, load
from ingest_guard.cli.blocklist import options


@click.command("info")
@click.argument("folder", type=options.FOLDER)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def info_command(folder: Path, *, as_json: bool) -> int:
    """Verify the blocklist in FOLDER and show what it holds: counts, never a value. A sealed one needs no key."""
    loaded = load(folder)
    created = loaded.manifest.created_at.isoformat()
    if as_json:
        lists = [
            {
                "id": entry.id,
                "severity": entry.severity,
                "owner": entry.owner,
                "version": entry.version,
                "counts": entry.counts,
                "thresholds": entry.thresholds,
            }
            for entry in loaded.manifest.operators_lists
        ]
        click.echo(json.dumps({"version": loaded.version, "created": created, "lists": lists}, indent=2))
        return 0
    click.echo(f"version  {loaded.version}\ncreated  {created}")
    Console(highlight=False).print(_table(loaded))
    return 0


def _table(loaded: Loaded) -> Table:
    lists = loaded.manifest.operators_lists
    graded = any(entry.severity is not None for entry in lists)
    table = Table("list", *(["severity"] if graded else []), "algorithm", "entries", "threshold", box=None)
    for entry in lists:
        for algorithm, count in entry.counts.items():
            within = entry.thresholds.get(algorithm)
            cells = [entry.id, *([entry.severity or "-"] if graded else []), algorithm, f"{count:,}"]
            unit = _unit(loaded, algorithm)
            table.add_row(*map(Text, [*cells, "exact" if within is None else f"within {within} {unit}"]))
    return table


def _unit(loaded: Loaded, algorithm: str) -> str:
    near = loaded.near.get(algorithm)
    return "bits" if near is None or near.distance == "hamming" else near.distance


@click.command("verify")
@click.argument("folder", type=options.FOLDER)
def verify_command(folder: Path) -> int:
    """Verify every byte of the blocklist in FOLDER. A sealed one needs no key."""
    loaded = load(folder)
    click.echo(f"ok: version {loaded.version}, {len({entry.id for entry in loaded.manifest.operators_lists})} lists")
    return 0


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
    Console(highlight=False).print(_changes_table(comparison))
    return 0


def _changes_table(comparison: Comparison) -> Table:
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
