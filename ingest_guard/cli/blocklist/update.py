"""``ingest-guard blocklist update``: a day's changes, written beside the base."""

from pathlib import Path
from typing import Any

import click

from ingest_guard.blocklist.build.collect import ListSource
from ingest_guard.blocklist.build.compact import compact
from ingest_guard.blocklist.build.update import update
from ingest_guard.cli.blocklist import options, output
from ingest_guard.policy import Policy


@click.command("update")
@click.argument("folder", type=options.FOLDER)
@options.policy
@options.lists
@options.removals
@options.brakes
@options.keep
@options.key
@options.signing
@options.reports
def update_command(
    folder: Path,
    sources: list[ListSource],
    *,
    policy: Policy | None,
    key_env: str | None,
    key_file: Path | None,
    report_file: Path | None,
    as_json: bool,
    **chosen: Any,
) -> int:
    """Add what changed since the last build (new rows, withdrawals) to the blocklist in FOLDER, without a rebuild."""
    report = update(folder, sources, key=options.key_of(key_env, key_file, policy), **chosen)
    output.print_report(report, as_json=as_json, file=report_file, whole=False)
    return 0


@click.command("compact")
@click.argument("folder", type=options.FOLDER)
@options.keep
@options.signing
@options.reports
def compact_command(folder: Path, *, report_file: Path | None, as_json: bool, **chosen: Any) -> int:
    """Make one base of the base and the updates of the blocklist in FOLDER. A sealed one needs no key."""
    output.print_report(compact(folder, **chosen), as_json=as_json, file=report_file)
    return 0
