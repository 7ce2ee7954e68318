"""``ingest-guard blocklist info`` and ``verify``: what a blocklist holds, and whether each byte of it is as it was."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from ingest_guard.blocklist.parts.load import load
from ingest_guard.cli.blocklist import options

if TYPE_CHECKING:
    from pathlib import Path

    from ingest_guard.blocklist.parts.load import Loaded


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
