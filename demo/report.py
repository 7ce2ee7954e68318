"""What the demo shows: live progress, tables, records. On a terminal it moves; in a file it is plain lines."""

from __future__ import annotations

import contextlib
import json
import time
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from demo.compare import PREFIX

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

_FEW = 5
_LINE_EVERY = 2.0


class Report:
    """Writes to one console.

    Parameters
    ----------
    console
        Where to write; standard output unless given.
    """

    def __init__(self, console: Console | None = None) -> None:
        self.console = console or Console(highlight=False, soft_wrap=False)

    @contextlib.contextmanager
    def step(self, words: str) -> Iterator[Callable[[str], None]]:
        """Show a step: its words, then the result that the caller hands over, and the time it took."""
        start = time.monotonic()
        results: list[str] = []
        with self.console.status(escape(words)) if self.console.is_terminal else contextlib.nullcontext():
            yield results.append
        seconds = time.monotonic() - start
        self.console.print(f"[bold]{escape(words)}[/] {escape(', '.join(results))} [dim]({seconds:.1f} s)[/]")

    @contextlib.contextmanager
    def crawling(self, total: int) -> Iterator[Callable[[Mapping[str, Any]], None]]:
        """Show a crawl's progress; yields a function that takes its statistics so far."""
        if self.console.is_terminal:
            yield from self._moving(total)
        else:
            yield from self._lines(total)

    def _moving(self, total: int) -> Iterator[Callable[[Mapping[str, Any]], None]]:
        columns = (
            TextColumn("[bold]Crawling[/]"),
            BarColumn(bar_width=24),
            TextColumn("{task.description}"),
            TimeElapsedColumn(),
        )
        with Progress(*columns, console=self.console) as progress:
            task = progress.add_task("starting", total=total)

            def update(stats: Mapping[str, Any]) -> None:
                progress.update(task, completed=stats.get(f"{PREFIX}checked", 0), description=_so_far(stats))

            yield update

    def _lines(self, total: int) -> Iterator[Callable[[Mapping[str, Any]], None]]:
        start = said = time.monotonic()
        last = ""

        def update(stats: Mapping[str, Any]) -> None:
            nonlocal said, last
            now, news = time.monotonic(), _so_far(stats)
            if news != last and (now - said >= _LINE_EVERY or stats.get("finish_reason")):
                said, last = now, news
                self.console.print(f"[bold]Crawling:[/] {now - start:4.1f} s, {news} (of {total} images)")

        yield update

    def summary(self, stats: Mapping[str, Any]) -> None:
        """Show what the guard counted."""
        table = Table(title="What happened", title_justify="left", show_header=False)
        table.add_column(min_width=34)
        table.add_column(justify="right", min_width=6)
        table.add_row("pages read", str(stats.get("gallery/pages", 0)))
        table.add_row("images checked", _count(stats, "checked"))
        table.add_row("  no known match", _count(stats, "no_known_match"))
        table.add_row("  matched", _count(stats, "matched"))
        for section, label in (("matched/", "by list"), ("matched_by/", "by algorithm")):
            for name, count in _section(stats, section):
                table.add_row(f"    {label}: {escape(name)}", count)
        table.add_row("  not scannable", _count(stats, "not_scannable"))
        for name, count in _section(stats, "not_scannable/"):
            table.add_row(f"    because: {escape(name)}", count)
        table.add_row("no image at all (pages, too)", _count(stats, "not_an_image"))
        table.add_row("[bold]records written[/]", f"[bold]{_count(stats, 'records')}[/]")
        self.console.print(table)

    def records(self, records: Sequence[Mapping[str, Any]], address: str) -> None:
        """Show the first few records: one in full, some in short (URLs without the site's address)."""
        if not records:
            return
        self.console.print("[bold]The first record[/]")
        self.console.print(escape(json.dumps(records[0], indent=2, ensure_ascii=False)), soft_wrap=True)
        table = Table(title="The next records, in short", title_justify="left")
        for name in ("alt", "url", "size", "format"):
            table.add_column(name, overflow="fold")
        for record in records[1:_FEW]:
            size = f"{record.get('width')} x {record.get('height')}"
            fields = (record.get("alt"), str(record.get("url")).removeprefix(address), size, record.get("format"))
            table.add_row(*(escape(str(field)) for field in fields))
        self.console.print(table)

    def verdict(self, problems: Sequence[str]) -> None:
        """Show the end: what went otherwise than it must, or that nothing did."""
        for problem in problems:
            self.console.print(f"[red]WRONG[/] {escape(problem)}", soft_wrap=True)
        if problems:
            self.console.print(f"[bold red]The demo failed: {len(problems)} deviations.[/]")
        else:
            self.console.print(
                "[bold green]Done: everything that had to be dropped was dropped, and nothing else was.[/]"
            )


def _so_far(stats: Mapping[str, Any]) -> str:
    if PREFIX + "checked" not in stats:
        return "starting"
    dropped = sum(int(stats.get(PREFIX + name, 0)) for name in ("matched", "not_scannable"))
    return f"{_count(stats, 'checked'):>3} images checked, {dropped:>2} dropped, {_count(stats, 'records'):>3} records"


def _count(stats: Mapping[str, Any], name: str) -> str:
    return str(stats.get(PREFIX + name, 0))


def _section(stats: Mapping[str, Any], section: str) -> list[tuple[str, str]]:
    start = PREFIX + section
    return sorted((name.removeprefix(start), str(count)) for name, count in stats.items() if name.startswith(start))
