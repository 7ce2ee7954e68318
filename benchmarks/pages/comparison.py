"""Generated pages in Chromium and in the guard: what is shown must not pass."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from support.devtools import browser

from benchmarks.pages.generator import make_page
from benchmarks.pages.judge import Judge, older_state
from benchmarks.pages.window import COLUMNS, ROWS, Window
from ingest_guard.scrapy_plugin.check.inspection import PASSING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from benchmarks.pages.generator import Page

SHEET: Final = COLUMNS * ROWS
_A_BROWSER: Final = 20
"""Sheets that one browser process shows."""


@dataclass
class Comparison:
    """What became of the pages.

    Attributes
    ----------
    pages, shown
        How many there were, and how many of them Chromium showed the photograph of.
    missed
        Seeds of those that were shown and would pass.
    missed_by_older
        The same for the other state of the project.
    refused_unshown
        Counts of the pages that are refused, though Chromium does not show them, by outcome and reason.
    cells
        (dimension, value) -> pages and shown pages.
    """

    pages: int = 0
    shown: int = 0
    missed: list[int] = field(default_factory=list)
    missed_by_older: list[int] = field(default_factory=list)
    refused_unshown: Counter[str] = field(default_factory=Counter)
    cells: dict[tuple[str, str], list[int]] = field(default_factory=dict)

    def add(self, page: Page, *, is_shown: bool) -> None:
        """Count a page."""
        self.pages += 1
        self.shown += is_shown
        for cell in page.cells.items():
            row = self.cells.setdefault(cell, [0, 0])
            row[0] += 1
            row[1] += is_shown


def compare(seeds: range, policy: Path, state: Path | None = None, older: Path | None = None) -> Comparison:
    """Compare pages.

    Parameters
    ----------
    seeds
        One page each.
    policy
        Of a guard whose list has the photograph.
    state
        A file that remembers which seeds Chromium showed, so that a run can be taken up again, or repeated with a
        changed guard without a browser.
    older
        A checkout of another state of the project; what it lets through of the shown pages is counted.
    """
    judge = Judge(policy)
    result = Comparison()
    for pages, shown in _shown(seeds, judge, state):
        for page in pages:
            result.add(page, is_shown=page.seed in shown)
            verdict = judge.check(page)
            if page.seed in shown and verdict.outcome in PASSING:
                result.missed.append(page.seed)
                print(f"missed: seed {page.seed} {page.cells}", flush=True)
            elif page.seed not in shown and verdict.outcome not in PASSING:
                result.refused_unshown[f"{verdict.outcome.value} {verdict.reason or ''}".strip()] += 1
    if older is not None:
        result.missed_by_older = _missed_by(older, policy, judge, state, seeds)
    return result


def _missed_by(older: Path, policy: Path, judge: Judge, state: Path | None, seeds: range) -> list[int]:
    limit = judge.guard.policy.limits.bytes
    with older_state(older, policy) as guard:
        return [
            page.seed
            for pages, shown in _shown(seeds, judge, state)
            for page in pages
            if page.seed in shown and guard.passes(page, limit)
        ]


def _shown(seeds: range, judge: Judge, state: Path | None) -> Iterator[tuple[list[Page], set[int]]]:
    """Yield sheets of pages, and the seeds of those that Chromium shows: from the file, as far as that goes."""
    known = read_state(state)
    starts = list(range(seeds.start, seeds.stop, SHEET))
    while starts:
        if starts[0] in known:
            start = starts.pop(0)
            yield _sheet(start, seeds), known[start]
            continue
        with browser() as chromium, Window(chromium) as window:
            for _ in range(_A_BROWSER):
                if not starts or starts[0] in known:
                    break
                start = starts.pop(0)
                pages = _sheet(start, seeds)
                shown = {page.seed for page, image in zip(pages, window.show(pages), strict=True) if judge.knows(image)}
                known[start] = shown
                if state is not None and len(pages) == SHEET:
                    with state.open("a", encoding="utf-8") as file:
                        file.write(json.dumps([start, sorted(shown)]) + "\n")
                yield pages, shown


def _sheet(start: int, seeds: range) -> list[Page]:
    return [make_page(seed) for seed in range(start, min(start + SHEET, seeds.stop))]


def read_state(state: Path | None) -> dict[int, set[int]]:
    """Return which seeds were shown, by the first seed of each sheet."""
    if state is None or not state.exists():
        return {}
    rows = [json.loads(line) for line in state.read_text(encoding="utf-8").splitlines()]
    return {start: set(shown) for start, shown in rows}


def report(result: Comparison, seconds: float) -> None:
    """Print the figures."""
    share = result.shown / max(1, result.pages)
    print(f"{result.pages} pages, {result.shown} shown by Chromium ({share:.0%}), {result.pages / seconds:.1f} pages/s")
    for dimension in dict.fromkeys(dimension for dimension, _ in result.cells):
        rows = {value: row for (of, value), row in sorted(result.cells.items()) if of == dimension}
        hit = sum(1 for _, shown in rows.values() if shown)
        cells = ", ".join(f"{value} {shown}/{pages}" for value, (pages, shown) in rows.items())
        print(f"{dimension}: {hit} of {len(rows)} shown: {cells}")
    print(f"refused though not shown: {dict(result.refused_unshown)}")
    print(f"missed: {len(result.missed)} {result.missed[:50]}")
