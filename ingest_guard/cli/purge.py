"""``ingest-guard purge``: empty HTTP caches and waiting requests, and check what media stores hold."""

import os
from datetime import UTC, datetime

import click

from ingest_guard.cli.main import NOT_SCANNED, OK
from ingest_guard.scrapy_plugin.core.settings import load_policy
from ingest_guard.scrapy_plugin.startup import doctor
from ingest_guard.scrapy_plugin.stores import stores
from ingest_guard.scrapy_plugin.stores.purge import Findings, purge
from ingest_guard.scrapy_plugin.stores.stores import Store

_FOUND = 1
_FORMATS = ("%Y-%m-%d", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M:%SZ")


@click.command("purge")
@click.option("--dry-run", is_flag=True, help="Count what would be removed; change nothing.")
@click.option(
    "--since",
    type=click.DateTime(formats=_FORMATS),
    help="Of media stores, check only files written at or after this time (UTC). Their markers stay as they are.",
)
def command(*, dry_run: bool, since: datetime | None) -> int:
    """Remove what this Scrapy project has stored without the guard, or what its lists know by now.

    HTTP caches and the waiting requests of job directories go whole. Each file of a local media store is checked, and
    goes where it matches a list or cannot be scanned. The stores are those of the project and of each of its spiders.
    Prints counts alone. Let no crawl run meanwhile. Start it in the folder in which crawls are started: relative
    folders count from there.

    Exit code: 0 nothing is left that must go, 1 with --dry-run: something would be removed, 3 a store holds files that
    could not be checked or removed, 2 wrong use, 4 the guard itself failed.
    """
    settings = doctor.project_settings(os.getcwd())  # noqa: PTH109 - as Scrapy finds its project
    each = doctor.settings_of_all(settings)
    found = list(dict.fromkeys(store for one in each for store in stores.all_stores(one)))
    begin = since.replace(tzinfo=UTC).timestamp() if since else 0.0
    codes = {OK}
    for store, findings in purge(found, load_policy(settings), dry_run=dry_run, since=begin):
        click.echo(_format_findings(store, findings, dry_run=dry_run))
        codes |= {NOT_SCANNED} if findings.left or findings.is_shared else set()
        codes |= {_FOUND} if dry_run and findings.bad else set()
    for name in sorted({name for one in each for name in stores.remote_stores(one)}):
        click.echo(f"{name} is not on this machine: look through it there, or with 'ingest-guard check'")
        codes.add(NOT_SCANNED)
    if not any(store.folder.is_dir() for store in found):
        click.echo("No cache, media store or job directory here.")
    return next(code for code in (NOT_SCANNED, _FOUND, OK) if code in codes)


def _format_findings(store: Store, findings: Findings, *, dry_run: bool) -> str:
    if findings.is_shared:
        return f"{store}: left as it is, as the working folder or another store lies in it: give it a folder of its own"
    verb = "would be removed" if dry_run else "removed"
    if store.kind == stores.MEDIA:
        text = (
            f"{store}: {findings.looked_at:,} looked at, {findings.bad:,} {verb} "
            f"({findings.matched:,} matched, {findings.not_scannable:,} not scannable)"
        )
    else:
        text = f"{store}: {findings.whole:,} files {verb}"
    if findings.left:
        text += (
            f"; {len(findings.left):,} files were left, because they are no part of it, are links, or could not be "
            "removed: remove them by hand"
        )
    return text
