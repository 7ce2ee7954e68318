"""The whole demo, from an empty folder to a verdict: ``make demo``."""

from __future__ import annotations

import contextlib
import json
import tempfile
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from support.traces import Needles, find_traces
from support.traces.control import plant

from demo.compare import deviations, expected_counts
from demo.listed import write_lists
from demo.processes import build_blocklist, crawl, serving
from demo.report import Report
from demo.site import SEED, Site, build_site
from demo.workfolder import WorkFolder, copy_project, remove_tree
from ingest_guard.errors import IngestGuardError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.console import Console

_SHOWN_TRACES = 10


def run_demo(folder: Path | None = None, *, seed: int = SEED, console: Console | None = None) -> int:
    """Run the demo and show it.

    Parameters
    ----------
    folder
        Where everything goes, and stays to be looked at. A temporary folder that is removed at the end unless given.
    seed
        What the site is made from.
    console
        Where to write; standard output unless given.

    Returns
    -------
    int
        0 if everything that had to be dropped was dropped, nothing else was, and no file of the crawl holds a trace of
        what was dropped; 1 if not; 4 if the demo could not be run.
    """
    report = Report(console)
    try:
        with _work_folder(folder) as work:
            problems = _run(work, seed, report)
            report.verdict(problems)
            if folder is not None:
                report.console.print(f"[dim]Everything is still there to look at: {work.root}[/]", soft_wrap=True)
            return 1 if problems else 0
    except IngestGuardError as error:
        report.console.print(f"The demo could not be run. {error}", style="red", markup=False, soft_wrap=True)
        return 4


@contextlib.contextmanager
def _work_folder(folder: Path | None) -> Iterator[WorkFolder]:
    if folder is not None:
        yield WorkFolder(folder)
        return
    path = Path(tempfile.mkdtemp(prefix="ingest-guard-demo-"))
    try:
        yield WorkFolder(path)
    finally:
        remove_tree(path)


def _run(work: WorkFolder, seed: int, report: Report) -> list[str]:
    with report.step("Building the demo site:") as result:
        site = build_site(seed)
        site.write(work.site)
        result(f"{len(site.pages)} pages, {len(site.image_paths)} images")
    with report.step("Building the blocklist:") as result:
        copy_project(work.project)
        lists = write_lists(work.lists, seed)
        build_blocklist(work.blocklist, lists)
        result(" and ".join(lists))
    with serving(work.site) as address:
        report.console.print(f"Serving the site at {address}/")
        with report.crawling(expected_counts(site)["checked"]) as progress:
            stats = crawl(work, f"{address}/", progress)
    records = _read_records(work.project / "records.jsonl")
    report.summary(stats)
    report.records(records, address)
    return [*deviations(site, address, records, stats), *_check_traces(work, site, report)]


def _read_records(file: Path) -> list[dict[str, Any]]:
    with file.open(encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def _check_traces(work: WorkFolder, site: Site, report: Report) -> list[str]:
    """Search what the crawl wrote; then prove with planted traces that the search finds what is there."""
    problems = []
    with report.step("Searching the crawl's files for traces of what was dropped:") as result:
        needles = Needles(site.dropped, site.kept)
        places = work.written_by_the_crawl()
        traces = find_traces(places, needles)
        files = sum(1 for place in places for file in (place, *place.rglob("*")) if file.is_file())
        result(f"{len(traces)} traces in {files} files")
    for trace in traces[:_SHOWN_TRACES]:
        words = f" (under {trace.how})" if trace.how else ""
        problems.append(f"{trace.file.relative_to(work.root)}: {trace.what} of {trace.name}{words}")
    problems += [f"and {len(traces) - _SHOWN_TRACES} more traces"] if len(traces) > _SHOWN_TRACES else []
    with report.step("Searching for planted control traces:") as result:
        planted = plant(work.control, site.dropped)
        found = Counter(trace.file for trace in find_traces([work.control], needles))
        missed = [kind for kind, file in planted.items() if not found[file]]
        remove_tree(work.control)
        result(f"{len(planted) - len(missed)} of {len(planted)} found")
    return [*problems, *(f"the control trace was not found: {kind}" for kind in missed)]
