"""``ingest-guard blocklist build``: list files -> a new version."""

from pathlib import Path
from typing import Any

import click

from ingest_guard.blocklist.build.build import build
from ingest_guard.blocklist.build.collect import ListSource
from ingest_guard.blocklist.parts import bloom
from ingest_guard.cli.blocklist import options, output
from ingest_guard.policy import Policy


def _thresholds(ctx: click.Context, param: click.Parameter, values: tuple[str, ...]) -> dict[str, dict[str, int]]:
    """Return list id -> algorithm -> bits."""
    chosen: dict[str, dict[str, int]] = {}
    for value in values:
        parts = value.split(":")
        if len(parts) != 3 or not parts[2].isdecimal():  # noqa: PLR2004 - as the metavar says
            raise click.BadParameter(f"{value!r} is not ID:ALGORITHM:BITS, as in my-list:pdq:20", ctx=ctx, param=param)
        chosen.setdefault(parts[0], {})[parts[1]] = int(parts[2])
    return chosen


@click.command("build")
@click.argument("folder", type=options.FOLDER)
@options.policy
@options.lists
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
@options.brakes
@click.option("--allow-empty", is_flag=True, help="Build even if there is no list, or one without entries.")
@options.keep
@click.option(
    "--confirm",
    is_flag=True,
    help="Keep the exact values, too: hits are confirmed against them, and single values can be withdrawn by 'update'.",
)
@click.option(
    "--error-rate",
    metavar="RATE",
    type=click.FloatRange(0, bloom.LARGEST_ERROR_RATE, min_open=True),
    default=bloom.DEFAULT_ERROR_RATE,
    show_default=True,
    help="Chance that a filter takes a digest for listed that is not.",
)
@options.key
@options.signing
@options.reports
def build_command(
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
    """Read list files and write a new version of the blocklist in FOLDER."""
    report = build(folder, options.owned(sources, policy), key=options.key_of(key_env, key_file, policy), **chosen)
    output.print_report(report, as_json=as_json, file=report_file)
    return 0
