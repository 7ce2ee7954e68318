"""``ingest-guard doctor``: whether each spider of this project would be guarded, also if ADDONS is emptied."""

import logging
import os

import click
from rich.console import Console
from rich.markup import escape

from ingest_guard.scrapy_plugin.startup import doctor
from ingest_guard.scrapy_plugin.startup.doctor import Finding
from ingest_guard.scrapy_plugin.startup.doctor_checks import examine_environment

_HEALTHY, _UNGUARDED = 0, 1


@click.command("doctor")
def command() -> int:
    """Load every spider of the Scrapy project in this folder and say whether it would be guarded.

    Also looks at what lies around: caches, media stores, job directories, download handlers, extensions and pipelines
    of others, the log, swap, core dumps, the age of the blocklist.

    Exit code: 0 all is well, 1 a crawl would not start or not be guarded, 4 there is no project that can be read.
    """
    logging.disable(logging.CRITICAL)
    console = Console(soft_wrap=True, highlight=False)
    settings = doctor.project_settings(os.getcwd())  # noqa: PTH109 - as Scrapy finds its project
    spiders = doctor.examine_spiders(settings)
    findings = [*doctor.examine_project(settings), *examine_environment(settings), *spiders]
    for finding in findings:
        _print(console, finding)
    if not spiders:
        console.print("No spider in this project yet.")
    return _HEALTHY if all(finding.good for finding in findings) else _UNGUARDED


def _print(console: Console, finding: Finding) -> None:
    if finding.is_note:
        mark = "[yellow]note[/yellow]"
    else:
        mark = "[green]ok  [/green]" if finding.good else "[bold red]BAD [/bold red]"
    console.print(f"{mark} {escape(finding.text)}")
    for line in finding.advice:
        console.print(f"      -> {line}", markup=False)
