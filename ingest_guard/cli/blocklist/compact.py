"""``ingest-guard blocklist compact``: the base and what came since made one base."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from ingest_guard.blocklist.build.compact import compact
from ingest_guard.cli.blocklist import options, output

if TYPE_CHECKING:
    from pathlib import Path

    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey


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
