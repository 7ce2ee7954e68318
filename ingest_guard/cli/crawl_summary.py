"""How a crawl ended, in words: a table of what became of pages and images, and what to type next.

Counts and names of lists and reasons alone: no address, so that nothing shows where a match was found.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from rich.console import Console, RenderableType
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from ingest_guard.scrapy_plugin.check.robots import UNREACHABLE
from ingest_guard.scrapy_plugin.core.meter import PREFIX
from ingest_guard.scrapy_plugin.spider import no_pages

_Rows = Iterator[tuple[str, str]]
_HOUR, _DAY = 3600, 86400


def show(facts: Mapping[str, Any], folder: str | None, console: Console | None = None) -> None:
    """Print the end of a crawl on stderr, where its log and its progress are.

    Parameters
    ----------
    facts
        Of its completion file.
    folder
        Of its data set; None where it makes none.
    console
        Where to print instead.
    """
    console = console or Console(stderr=True, highlight=False)
    console.print(_table(facts))
    for line in _after(facts, folder):
        console.print(line, soft_wrap=True)  # so that a command can be copied


def _table(facts: Mapping[str, Any]) -> Table:
    table = Table(title="What happened", title_justify="left", title_style="bold", show_header=False, box=None)
    table.add_column(overflow="fold")
    table.add_column(justify="right", overflow="fold")
    for label, value in _rows(facts):
        style = "bold" if label == "records" else ""
        # The indentation goes along with the lines into which a narrow terminal breaks a label.
        indent = len(label) - len(label.lstrip())
        table.add_row(_indented(label.strip(), indent), value, style=style)
    return table


def _indented(label: str, indent: int) -> RenderableType:
    grid = Table.grid(padding=0)
    grid.add_column(width=indent)
    grid.add_column(overflow="fold")
    grid.add_row("", Text(label))
    return grid if indent else Text(label)


def _rows(facts: Mapping[str, Any]) -> _Rows:
    counts: Mapping[str, int] = facts["counts"]

    def count(name: str) -> str:
        return f"{counts.get(name, 0):,}"

    if "spider/pages" in counts:
        yield "pages", count("spider/pages")
    else:
        yield "pages and other texts", count("not_an_image")
    yield "images", count("checked")
    yield "  no known match", count("no_known_match")
    yield "  matched", count("matched")
    yield from _section(counts, "matched/", "    by list: ")
    yield "  held", count("held")
    yield from _section(counts, "held/", "    by list: ")
    yield "  not scannable", count("not_scannable")
    yield from _section(counts, "not_scannable/", "    because: ")
    for label, section in (("opted out", "opted_out/"), ("filtered", "filtered/"), ("refused", "refused/")):
        if total := _total(counts, section):
            yield label, f"{total:,}"
            yield from _section(counts, section, "  because: ")
    if unpaid := counts.get("images_dropped/payment_required", 0):
        yield "images that their hosts want to be paid for (402)", f"{unpaid:,}"
    yield from _robots(facts)
    yield "records", count("records")
    if "shards" in counts:
        yield "shards", count("shards")
    if (age := _age(facts)) is not None:
        yield "age of the lists", age


def _section(counts: Mapping[str, int], section: str, words: str) -> _Rows:
    for name, number in counts.items():
        if name.startswith(section):
            yield f"{words}{name.removeprefix(section)}", f"{number:,}"


def _total(counts: Mapping[str, int], section: str) -> int:
    return sum(number for name, number in counts.items() if name.startswith(section))


def _robots(facts: Mapping[str, Any]) -> _Rows:
    counts = facts["counts"]
    if forbidden := facts.get("scrapy", {}).get("robotstxt/forbidden", 0):
        yield "requests forbidden by robots.txt", f"{forbidden:,}"
        if unreachable := counts.get("robots_unreachable", 0):
            yield "  because it cannot be had", f"{unreachable:,}"
    hosts = {reason: counts.get(f"robots_files/{reason}", 0) for reason in UNREACHABLE}
    if total := sum(hosts.values()):
        yield "robots.txt that cannot be had", f"{total:,}"
        yield from ((f"  because: {reason}", f"{number:,}") for reason, number in hosts.items() if number)


def _age(facts: Mapping[str, Any]) -> str | None:
    created, ended = facts.get("lists_created"), facts.get("ended")
    if not created or not ended:
        return None
    seconds = int((datetime.fromisoformat(ended) - datetime.fromisoformat(created)).total_seconds())
    return f"{seconds // _DAY} d {seconds % _DAY // _HOUR} h"


def statistics(facts: Mapping[str, Any]) -> dict[str, Any]:
    """Return the statistics in a completion file, each by its full name."""
    return {**{PREFIX + name: number for name, number in facts["counts"].items()}, **facts.get("scrapy", {})}


def _after(facts: Mapping[str, Any], folder: str | None) -> Iterator[str]:
    counts = facts["counts"]
    if no_pages.is_empty(counts):
        yield f"[bold]{escape(no_pages.sentence(statistics(facts)))}.[/]"
    elif not counts.get("records", 0):
        yield "[bold]No record was made: the table says what became of the images.[/]"
    if folder is not None and facts.get("attested"):
        place = escape(shlex.quote(_short(folder)))
        yield f"Next: [bold]ingest-guard report {place}[/]"
        if counts.get("records", 0):
            yield f"When your lists have grown: [bold]ingest-guard recheck {place} --policy POLICY -o CLEAN[/]"


def _short(folder: str) -> str:
    """Return a folder as one would type it here."""
    inside = Path(folder)
    return str(inside.relative_to(Path.cwd())) if inside.is_relative_to(Path.cwd()) else folder
