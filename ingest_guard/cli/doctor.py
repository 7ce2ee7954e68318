"""``ingest-guard doctor``: whether each spider of this project would be guarded, even if somebody empties ADDONS."""

from __future__ import annotations

import logging
import os
from typing import TYPE_CHECKING

import click
from rich.console import Console
from rich.markup import escape

from ingest_guard.scrapy_plugin import diagnosis

if TYPE_CHECKING:
    from collections.abc import Iterable

_HEALTHY, _UNGUARDED = 0, 1


@click.command("doctor")
def command() -> int:
    """Load every spider of the Scrapy project in this folder and tell whether it would be guarded.

    Exit code: 0 all is well, 1 a crawl would not start or not be guarded, 4 there is no project that can be read.
    """
    logging.disable(logging.CRITICAL)
    console = Console(soft_wrap=True, highlight=False)
    settings = diagnosis.project_settings(os.getcwd())  # noqa: PTH109 - as Scrapy finds its project
    project = diagnosis.examine_project(settings)
    spiders = diagnosis.examine_spiders(settings)
    for finding in project:
        _print(console, finding.good, finding.text, finding.advice)
    for finding in spiders:
        _print(console, finding.good, finding.text, finding.advice)
    if not spiders:
        console.print("No spider in this project yet.")
    return _HEALTHY if all(finding.good for finding in [*project, *spiders]) else _UNGUARDED


def _print(console: Console, good: bool, text: str, advice: Iterable[str]) -> None:  # noqa: FBT001 - one call site
    console.print(f"[green]ok  [/green] {escape(text)}" if good else f"[bold red]BAD [/bold red] {escape(text)}")
    for line in advice:
        console.print(f"      -> {line}", markup=False)
