"""``ingest-guard purge``: look through what caches, media stores and job directories hold, and remove what must go."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from ingest_guard.cli.main import NOT_SCANNED, OK
from ingest_guard.scrapy_plugin.startup import doctor as diagnosis
from ingest_guard.scrapy_plugin.stores import stores
from ingest_guard.scrapy_plugin.stores.purge import Purge

if TYPE_CHECKING:
    from ingest_guard.scrapy_plugin.stores.purge import Findings
    from ingest_guard.scrapy_plugin.stores.stores import Store

_FOUND = 1
_FORMATS = ("%Y-%m-%d", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M:%SZ")


@click.command("purge")
@click.option("--dry-run", is_flag=True, help="Count what would be removed; change nothing.")
@click.option(
    "--since",
    type=click.DateTime(formats=_FORMATS),
    help="Look only at what was written at or after this time (UTC). The stores' markers stay as they are.",
)
def command(*, dry_run: bool, since: datetime | None) -> int:
    """Look through what this Scrapy project has stored, and remove what matches a list or cannot be scanned.

    HTTP caches, local media stores and job directories of the project and of each of its spiders. Prints counts alone.
    Let no crawl run meanwhile. Start it in the folder in which crawls are started: relative folders count from there.

    Exit code: 0 nothing is left that must go, 1 with --dry-run: something would be removed, 3 a store holds files that
    could not be looked through, 2 wrong use, 4 the guard itself failed.
    """
    settings = diagnosis.project_settings(os.getcwd())  # noqa: PTH109 - as Scrapy finds its project
    each = diagnosis.settings_of_all(settings)
    found = list(dict.fromkeys(store for one in each for store in stores.all_stores(one)))
    begin = since.replace(tzinfo=UTC).timestamp() if since else 0.0
    codes = {OK}
    for store, findings in Purge(settings, dry_run=dry_run, since=begin).run(found):
        click.echo(_line(store, findings, dry_run=dry_run))
        codes |= {NOT_SCANNED} if findings.left else set()
        codes |= {_FOUND} if dry_run and findings.bad else set()
    for name in sorted({name for one in each for name in stores.remote_stores(one)}):
        click.echo(f"{name} is not on this machine: look through it there, or with 'ingest-guard check'")
        codes.add(NOT_SCANNED)
    if not any(store.folder.is_dir() for store in found):
        click.echo("No cache, media store or job directory here.")
    return next(code for code in (NOT_SCANNED, _FOUND, OK) if code in codes)


def _line(store: Store, findings: Findings, *, dry_run: bool) -> str:
    verb = "would be removed" if dry_run else "removed"
    text = (
        f"{store}: {findings.looked_at:,} looked at, {findings.bad:,} {verb} "
        f"({findings.matched:,} matched, {findings.not_scannable:,} not scannable)"
    )
    if findings.left:
        text += f"; {findings.left:,} files could not be looked through and were left: remove them by hand"
    return text
