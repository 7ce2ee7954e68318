"""``ingest-guard demo``: a whole guarded crawl of a local site, to look at."""

from __future__ import annotations

from pathlib import Path

import click

from ingest_guard.cli.main import FAILED


@click.command("demo")
@click.option(
    "--folder",
    type=click.Path(path_type=Path, file_okay=False),
    help="Where everything goes, and stays to be looked at; a temporary folder if not given.",
)
def command(folder: Path | None) -> int:
    """Build a site and a blocklist, crawl the site with the guard, and search all that was written for what was listed.

    Exit code: 0 all is as it must be, 1 it is not, 4 the demo cannot be run.
    """
    try:
        from demo.run import run_demo  # noqa: PLC0415 - its pictures come with an extra
    except ModuleNotFoundError as error:
        advice = "install it with: pip install 'ingest-guard[demo]'"
        click.echo(f"ingest-guard: the demo needs {error.name}; {advice}", err=True)
        return FAILED
    return run_demo(folder)
