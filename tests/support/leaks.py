"""Twins: the same project crawled with the guard and without it, and a search of everything that each of them wrote."""

from __future__ import annotations

import contextlib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from ingest_guard.hashing.pdq import pdq
from support.crawl import GUARDED, Crawl, Project
from support.pictures import drawn, encode
from support.traces import Needles, find_traces

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

HOARD = (Path(__file__).parent / "leaks_hoard.py").read_text(encoding="utf-8")
PREFIX = "/listed/"
"""What the path of every listed image begins with, so that its address is known where it is seen."""
UNGUARDED: dict[str, Any] = dict.fromkeys(GUARDED)
# What the tests themselves put down: statistics that are searched by name, and events without a byte in them.
_OWN = ("events.jsonl",)
_NEAR = 31
_RECORDING = {"tested.hoard.Recording": 0}


@cache
def listed(number: int) -> bytes:
    """Return one of the listed images: all look alike, and no two have more than a table in common."""
    size = (240 + 4 * (number % 40), 180 + 3 * (number % 40))
    return encode(drawn(1).resize(size), "JPEG", quality=50 + number % 45)


@cache
def small(number: int) -> bytes:
    """Return a listed image whose address, written as a ``data:`` URL, is shorter than 2083 characters."""
    return encode(drawn(1).resize((48 + 4 * number, 36 + 3 * number)), "JPEG", quality=20 + number)


@cache
def safe(number: int = 0) -> bytes:
    """Return an image that nobody lists."""
    return encode(drawn(100 + number), "JPEG", quality=50 + number % 45)


@cache
def _tables() -> tuple[bytes, ...]:
    """Return harmless images with the tables that all JPEG files of the same quality share."""
    return tuple(encode(drawn(99), "JPEG", quality=quality) for quality in (*range(20, 30), *range(50, 95)))


@cache
def fingerprint() -> str:
    """Return the PDQ of what all listed images show."""
    return pdq(np.asarray(drawn(1).convert("L")))[0].hex()


LISTS = {"a": [f"pdq {fingerprint()}"]}


@dataclass(frozen=True)
class Twin:
    """One of the twins: a crawl, and what it left.

    Attributes
    ----------
    crawl
        What became of it.
    project
        The folder of the project.
    flagged
        Name -> listed body that was served.
    """

    crawl: Crawl
    project: Path
    flagged: Mapping[str, bytes]

    @cached_property
    def traces(self) -> dict[str, set[str]]:
        """Place -> names of the listed images of which something was found there.

        A place is a file or folder in ``out``, or in ``out/hoard`` (there one for each way), or ``project``.
        """
        found: dict[str, set[str]] = {}
        for trace in find_traces([self.crawl.out, self.project], Needles(self.flagged, _tables())):
            found.setdefault(self._place(trace.file), set()).add(trace.name)
        return found

    def left(self, place: str) -> set[str]:
        """Return the names of the listed images of which something was found in a place."""
        return self.traces.get(place, set())

    def left_in_logs(self) -> dict[str, set[str]]:
        """Return the same for what loggers were given: logger -> names."""
        return {place[4:]: names for place, names in self.traces.items() if place.startswith("log ")}

    def reached(self, way: str) -> bool:
        """Tell whether anything at all was kept on a way: if not, that nothing listed was says little."""
        return (self.crawl.out / "hoard" / way).exists()

    def looks(self, folder: str) -> int:
        """Return how many pictures in a folder of ``out`` look like the listed ones; a store may encode them anew."""
        found = 0
        for file in (self.crawl.out / folder).rglob("*"):
            with contextlib.suppress(OSError):
                value = pdq(np.asarray(Image.open(file).convert("L")))[0]
                found += (int.from_bytes(value, "big") ^ int(fingerprint(), 16)).bit_count() <= _NEAR
        return found

    def files(self) -> Iterator[tuple[str, str]]:
        """Yield (place, text) of all files that the crawl wrote, as far as they can be read as text."""
        for file in sorted(self.crawl.out.rglob("*")):
            if file.is_file() and file.name not in _OWN:
                yield self._place(file), file.read_bytes().decode("latin-1")

    def told(self, what: str) -> list[dict[str, Any]]:
        """Return the events of a kind."""
        return [event for event in self.crawl.events if what in event]

    def _place(self, file: Path) -> str:
        try:
            parts = file.relative_to(self.crawl.out).parts
        except ValueError:
            return "project"
        return parts[1] if parts[0] == "hoard" and len(parts) > 1 else parts[0]


@dataclass(frozen=True)
class Case:
    """How one of the twins differs from the other."""

    settings: Mapping[str, Any]
    policy: str = ""

    def configure(self, project: Project, **settings: Any) -> None:
        """Write the settings of a project anew: these of the case, with some more."""
        project.set(**{**GUARDED, "EXTENSIONS": _RECORDING, **self.settings, **settings})


def twins(
    folder: Path,
    spider: str,
    cases: Mapping[str, Case],
    flagged: Mapping[str, bytes],
    *,
    modules: Mapping[str, str] | None = None,
    prepare: Callable[[Project], None] | None = None,
    run: Callable[[Project, Case], Crawl] | None = None,
    arguments: Mapping[str, object] | None = None,
) -> dict[str, Twin]:
    """Crawl the same project once for each case, two at a time.

    Parameters
    ----------
    folder
        For the projects.
    spider
        Source of the module with the spider ``tested``.
    cases
        Name -> settings, ``GUARDED`` unless these say otherwise, and policy.
    flagged
        Name -> listed body.
    modules
        Further modules of the project; ``hoard`` is there.
    prepare
        Called with each project before its crawl.
    run
        What to do instead of ``scrapy crawl tested``; gets the project and the case.
    arguments
        Of the spider.
    """

    def crawl(item: tuple[str, Case]) -> Twin:
        name, case = item
        settings = {"EXTENSIONS": _RECORDING, **case.settings}
        sources = {"hoard": HOARD, **(modules or {})}
        project = Project(folder / name, spider, LISTS, settings=settings, policy=case.policy, modules=sources)
        if prepare is not None:
            prepare(project)
        done = run(project, case) if run is not None else project.crawl(**(arguments or {}))
        return Twin(done, project.project, flagged)

    with ThreadPoolExecutor(2) as pool:
        return dict(zip(cases, pool.map(crawl, cases.items()), strict=True))


def guarded_and_not(settings: Mapping[str, Any] | None = None, policy: str = "") -> dict[str, Case]:
    """Return the two cases of most tests."""
    ordinary = dict(settings or {})
    return {"guarded": Case(ordinary, policy), "unguarded": Case({**ordinary, **UNGUARDED})}


def addresses(texts: Iterable[str], *, before_a_verdict: Iterable[str] = ()) -> list[str]:
    """Return the lines that show the address of a listed image, beside those of loggers that write before a verdict."""
    return [
        line
        for text in texts
        for line in text.splitlines()
        if PREFIX in line and not any(f"[{name}]" in line for name in before_a_verdict)
    ]
