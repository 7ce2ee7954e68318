"""``ingest-guard crawl``: ``scrapy crawl`` with an exit code that tells whether the records may be used."""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path
from typing import Any

import click
from scrapy.cmdline import execute

from ingest_guard.cli.main import FAILED, OK, STOPPED
from ingest_guard.scrapy_plugin.completion import COMPLETION_SETTING
from ingest_guard.scrapy_plugin.jobs import RECOVER_SETTING

# The operator's own bounds: a crawl that reaches one has done what it was asked to do.
_OWN_BOUND = "closespider_"
_FINISHED = "finished"


@click.command("crawl", context_settings={"ignore_unknown_options": True, "allow_interspersed_args": True})
@click.argument("spider")
@click.argument("options", nargs=-1, type=click.UNPROCESSED)
@click.option(
    "--completion",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Where to write how the crawl ended: lists, counts, reason. Only a guarded crawl that ended well writes it.",
)
@click.option(
    "--recover",
    is_flag=True,
    help="After a crash: start again from the first pages, and leave out what has a record in the feeds.",
)
def command(spider: str, options: tuple[str, ...], completion: Path | None, *, recover: bool) -> int:
    """Run SPIDER as 'scrapy crawl' does, with the same options, and tell by the exit code how it ended.

    Exit code: 0 the crawl ended well, 4 the guard failed or was not there, 5 the crawl was stopped before its end or a
    feed could not be stored; anything else is Scrapy's.
    """
    with tempfile.TemporaryDirectory(prefix="ingest-guard-") as folder:
        file = (completion or Path(folder, "completion.json")).absolute()
        file.unlink(missing_ok=True)
        settings = ["-s", f"{COMPLETION_SETTING}={file}", *(["-s", f"{RECOVER_SETTING}=True"] if recover else [])]
        code = _run(["scrapy", "crawl", spider, *options, *settings])
        return code or _judged(file)


def _run(arguments: list[str]) -> int:
    """Run a command of Scrapy in this process; return its exit code."""
    before, sys.argv = sys.argv, arguments
    try:
        execute(arguments)
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    finally:
        sys.argv = before
    return OK


def _judged(file: Path) -> int:
    """Return the exit code for what a crawl left behind, and say why where it is not 0."""
    try:
        facts: dict[str, Any] = json.loads(file.read_bytes())
    except FileNotFoundError:
        click.echo("ingest-guard: the guard failed or was not part of this crawl; do not use its records.", err=True)
        return FAILED
    reason = facts["finish_reason"]
    if reason != _FINISHED and not reason.startswith(_OWN_BOUND):
        click.echo(f"ingest-guard: the crawl was stopped before its end ({reason}).", err=True)
        return STOPPED
    if facts["feeds_failed"]:
        click.echo("ingest-guard: a feed could not be stored; the log says why.", err=True)
        return STOPPED
    return OK
