"""``ingest-guard blocklist update``: a day's changes, written beside the base."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from ingest_guard.blocklist.build.collect import ListSource
from ingest_guard.blocklist.build.compact import compact
from ingest_guard.blocklist.build.update import update
from ingest_guard.cli.blocklist import options, output
from ingest_guard.policy import Policy

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey


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
    removals: list[ListSource],
    *,
    policy: Policy | None,
    max_rejected: float,
    max_shrink: float,
    keep: int,
    key_env: str | None,
    key_file: Path | None,
    signing_key: Ed25519PrivateKey | None,
    report_file: Path | None,
    accept: bool,
    as_json: bool,
) -> int:
    """Add what changed since the last build (new rows, withdrawals) to the blocklist in FOLDER, without a rebuild."""
    report = update(
        folder,
        sources,
        removals=removals,
        key=options.key_of(key_env, key_file, policy),
        signing_key=signing_key,
        accept=accept,
        keep=keep,
        max_shrink=max_shrink,
        max_rejected=max_rejected,
    )
    output.print_report(report, as_json=as_json, file=report_file, whole=False)
    return 0


@click.command("compact")
@click.argument("folder", type=options.FOLDER)
@options.keep
@options.signing
@options.reports
def compact_command(
    folder: Path, *, keep: int, signing_key: Ed25519PrivateKey | None, report_file: Path | None, as_json: bool
) -> int:
    """Make one base of the base and the updates of the blocklist in FOLDER. A sealed one needs no key."""
    output.print_report(compact(folder, keep=keep, signing_key=signing_key), as_json=as_json, file=report_file)
    return 0
