"""``ingest-guard report``: one HTML page about a crawl."""

from pathlib import Path

import click

from ingest_guard.cli.main import FAILED, OK, WRONG_USE
from ingest_guard.errors import DatasetError
from ingest_guard.files.atomic import whole_file

_DEFAULT = "report.html"


@click.command("report")
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@click.option(
    "-o",
    "--output",
    "output",
    metavar="FILE",
    type=click.Path(path_type=Path, dir_okay=False, allow_dash=True),
    help=f"Where to write the page; '-' for standard output. DIR/{_DEFAULT} if not given.",
)
@click.option("--name", help="What the page is headed with; the folder's name if not given.")
def command(folder: Path, output: Path | None, name: str | None) -> int:
    """Write one HTML page about the crawl that made DIR: what was checked, how it went, what was left out.

    The page needs nothing but itself: it holds no image and asks the network for nothing.

    Exit code: 0 written, 2 DIR holds nothing of a crawl or the page cannot be written, 4 jinja2 is not installed.
    """
    try:
        from ingest_guard.dataset.report.page import build_report  # noqa: PLC0415 - only this command needs it

        page = build_report(folder, name=name)
    except DatasetError as error:
        click.echo(f"ingest-guard: {error}", err=True)
        return WRONG_USE
    except ModuleNotFoundError as error:
        advice = "install it with: pip install 'ingest-guard[report]'"
        click.echo(f"ingest-guard: the report needs {error.name}; {advice}", err=True)
        return FAILED
    if str(output) == "-":
        click.echo(page)
        return OK
    file = output or folder / _DEFAULT
    try:
        with whole_file(file) as target:
            target.write(page.encode())
    except OSError as error:
        click.echo(f"ingest-guard: {file} cannot be written ({error.strerror})", err=True)
        return WRONG_USE
    click.echo(f"Wrote {file} ({len(page) / 1000:.0f} kB)")
    return OK
