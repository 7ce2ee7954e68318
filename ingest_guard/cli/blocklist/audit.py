"""``ingest-guard blocklist audit``: which lists count under a policy, how near, and what a match does."""

import json
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from ingest_guard.guard.audit import Audit, AuditRow, audit
from ingest_guard.policy import Policy


@click.command("audit")
@click.argument("policy_file", metavar="POLICY", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def audit_command(policy_file: Path, *, as_json: bool) -> int:
    """Open the blocklist that POLICY names, and show what counts of it, how near, what follows, what is allowed."""
    found = audit(Policy.load(policy_file))
    if as_json:
        click.echo(json.dumps(found.to_json(), indent=2))
        return 0
    click.echo(f"version     {found.version}")
    if found.allow_digest is None:
        click.echo("allow-list  none")
    else:
        files = ", ".join(found.allow_files)
        click.echo(f"allow-list  {found.allow_entries:,} values, digest {found.allow_digest[:16]}, of {files}")
    Console(highlight=False).print(_table(found))
    return 0


def _table(found: Audit) -> Table:
    table = Table("list", "owner", "severity", "algorithm", "entries", "threshold", "action", "allowed", box=None)
    for row in found.rows:
        table.add_row(*map(Text, _cells(row)))
    return table


def _cells(row: AuditRow) -> tuple[str, ...]:
    within = "does not count" if not row.counts else "exact" if row.threshold is None else f"within {row.threshold:g}"
    named = (row.list_id, row.owner or "-", row.severity or "-", row.algorithm)
    return (*named, f"{row.entries:,}", within, row.action if row.counts else "-", f"{row.allowed:,}")
