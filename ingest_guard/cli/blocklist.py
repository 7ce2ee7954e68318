"""``ingest-guard blocklist``: build a blocklist from list files, and look at one."""

from __future__ import annotations

import json
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table

from ingest_guard.blocklist.artifact import Blocklist
from ingest_guard.blocklist.build import DEFAULT_KEEP, ListSource, build


@click.group("blocklist")
def command() -> None:
    """Build blocklists from the lists that you hold, and look at them."""


def _sources(ctx: click.Context, param: click.Parameter, values: tuple[str, ...]) -> list[ListSource]:
    """Split each at its first two colons: a file's name may hold more."""
    sources = []
    for value in values:
        parts = value.split(":", 2)
        if len(parts) != 3 or not all(parts):  # noqa: PLR2004 - as the metavar says
            raise click.BadParameter(
                f"{value!r} is not ID:FORMAT:FILE, as in my-list:plain:hashes.txt", ctx=ctx, param=param
            )
        sources.append(ListSource(parts[0], parts[1], Path(parts[2])))
    return sources


def _thresholds(ctx: click.Context, param: click.Parameter, values: tuple[str, ...]) -> dict[str, dict[str, int]]:
    """Return list id -> algorithm -> bits."""
    chosen: dict[str, dict[str, int]] = {}
    for value in values:
        parts = value.split(":")
        if len(parts) != 3 or not parts[2].isdecimal():  # noqa: PLR2004 - as the metavar says
            raise click.BadParameter(f"{value!r} is not ID:ALGORITHM:BITS, as in my-list:pdq:20", ctx=ctx, param=param)
        chosen.setdefault(parts[0], {})[parts[1]] = int(parts[2])
    return chosen


@command.command("build")
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False))
@click.option(
    "--list",
    "sources",
    metavar="ID:FORMAT:FILE",
    callback=_sources,
    multiple=True,
    help="A list file, what it is to be called, and its format: plain. Repeatable.",
)
@click.option(
    "--threshold",
    "thresholds",
    metavar="ID:ALGORITHM:BITS",
    callback=_thresholds,
    multiple=True,
    help="How near is a match, where the default is not wanted. Repeatable.",
)
@click.option(
    "--accept-false-matches",
    is_flag=True,
    help="Allow thresholds beyond an eighth of the bits, or a plug-in's default.",
)
@click.option("--accept", is_flag=True, help="Build even if many rows of a list cannot be used.")
@click.option("--allow-empty", is_flag=True, help="Build even if there is no list, or one without entries.")
@click.option("--keep", type=click.IntRange(1), default=DEFAULT_KEEP, show_default=True, help="Versions to retain.")
@click.option("--json", "as_json", is_flag=True, help="Print the report as JSON.")
def build_command(
    folder: Path,
    sources: list[ListSource],
    thresholds: dict[str, dict[str, int]],
    *,
    accept_false_matches: bool,
    accept: bool,
    allow_empty: bool,
    keep: int,
    as_json: bool,
) -> int:
    """Read list files and write a new version of the blocklist in FOLDER."""
    report = build(
        folder,
        sources,
        thresholds=thresholds,
        accept_false_matches=accept_false_matches,
        accept=accept,
        allow_empty=allow_empty,
        keep=keep,
    )
    click.echo(json.dumps(report.to_json(), indent=2) if as_json else "\n".join(report.lines()))
    return 0


@command.command("info")
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def info_command(folder: Path, *, as_json: bool) -> int:
    """Verify the blocklist in FOLDER and show what it holds: counts, never a value."""
    with Blocklist.open(folder, allow_empty=True) as blocklist:
        lists = [
            {
                "id": info.id,
                "owner": info.owner,
                "version": info.version,
                "counts": dict(info.counts),
                "thresholds": dict(info.thresholds),
            }
            for info in blocklist.lists
        ]
        created = blocklist.created.isoformat()
        if as_json:
            click.echo(json.dumps({"version": blocklist.version, "created": created, "lists": lists}, indent=2))
            return 0
        click.echo(f"version  {blocklist.version}\ncreated  {created}")
        table = Table("list", "algorithm", "entries", "threshold", box=None, header_style="bold")
        for info in blocklist.lists:
            for algorithm, count in info.counts.items():
                near = info.thresholds.get(algorithm)
                unit = "bits" if (how := blocklist.near_distances.get(algorithm)) == "hamming" else how
                table.add_row(info.id, algorithm, f"{count:,}", "exact" if near is None else f"within {near} {unit}")
        Console().print(table)
    return 0


@command.command("verify")
@click.argument("folder", type=click.Path(path_type=Path))
def verify_command(folder: Path) -> int:
    """Verify every byte of the blocklist in FOLDER."""
    with Blocklist.open(folder, allow_empty=True) as blocklist:
        click.echo(f"ok: version {blocklist.version}, {len(blocklist.lists)} lists")
    return 0
