"""Reading ``telemetry.jsonl``: its runs, with as many samples as a page can show, in bounded memory.

The file may end in the middle of a line, may have been edited, and may come from somewhere else: a line that is not as
it must be is left out.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

HISTOGRAMS = ("scan", "body", "side", "text")
_MOST_SAMPLES = 1024
_LONGEST_LINE = 1 << 22
_MOST_NAMES = 2000
_HIGHEST = 1 << 62
_DAY = re.compile(r"\d{4}-\d\d-\d\d")


@dataclass(frozen=True, slots=True)
class Sample:
    """What a run had counted at one moment, and what its queues were like.

    Attributes
    ----------
    elapsed
        Seconds since the run began.
    counts
        The guard's statistics; ``responses`` among them.
    queues, memory
        Numbers of the moment.
    list_age
        Seconds.
    histograms
        Name -> counts of the buckets.
    formats
        Format -> (passed, dropped).
    """

    elapsed: float
    counts: Mapping[str, int]
    queues: Mapping[str, int]
    memory: Mapping[str, int]
    list_age: float
    histograms: Mapping[str, tuple[int, ...]]
    formats: Mapping[str, tuple[int, int]]


@dataclass(slots=True)
class Run:
    """One start of the crawl.

    Attributes
    ----------
    id, started, spider, guard
        As its first line says.
    bounds
        Histogram -> upper bounds of its buckets; there is one bucket more.
    samples
        In order of time; thinned out where there are many, the last always there.
    lists
        (seconds since the start, what was in use from then on).
    hosts
        The last table of hosts; None where there is none.
    incidents_since
        Day of the first incident that waits in the log; empty where there is none.
    ended, reason
        When and why, where it came to a proper end.
    """

    id: str
    started: str = ""
    spider: str = ""
    guard: str = ""
    bounds: dict[str, tuple[float, ...]] = field(default_factory=dict)
    samples: list[Sample] = field(default_factory=list)
    lists: list[tuple[float, dict[str, Any]]] = field(default_factory=list)
    hosts: dict[str, Any] | None = None
    ended: str = ""
    reason: str = ""
    failed: bool = False
    incidents_since: str = ""
    _stride: int = 1
    _skipped: int = 0
    _last: Sample | None = None

    def add(self, sample: Sample) -> None:
        """Take a sample in; every second one goes when there are too many."""
        self._last = sample
        self._skipped += 1
        if self._skipped < self._stride:
            return
        self._skipped = 0
        self.samples.append(sample)
        if len(self.samples) > _MOST_SAMPLES:
            del self.samples[1::2]
            self._stride *= 2

    def close(self) -> None:
        """Make sure that the last sample is there: it has the totals."""
        if self._last is not None and (not self.samples or self.samples[-1] is not self._last):
            self.samples.append(self._last)


def read_telemetry(file: Path) -> list[Run]:
    """Return the runs in a file, in the order of their beginnings; none where there is no file.

    Raises
    ------
    OSError
        The file is there and cannot be read.
    """
    runs: dict[str, Run] = {}
    for line in _lines(file):
        _take(runs, line)
    for run in runs.values():
        run.close()
    return [run for run in runs.values() if run.samples]


def _take(runs: dict[str, Run], line: dict[str, Any]) -> None:
    name = line.get("run")
    if not isinstance(name, str) or (name not in runs and len(runs) >= _MOST_NAMES):
        return
    run = runs.setdefault(name, Run(name))
    match line.get("kind"):
        case "start":
            run.started, run.spider, run.guard = (_text(line.get(key)) for key in ("time", "spider", "guard"))
            run.bounds = {key: bounds for key in HISTOGRAMS if (bounds := _bounds(line.get("bounds"), key))}
        case "sample":
            run.add(_sample(line, run.bounds))
            since = _text(line.get("incidents_since"))
            run.incidents_since = since if _DAY.fullmatch(since) else run.incidents_since
        case "lists":
            run.lists.append((_seconds(line.get("elapsed")), line))
        case "hosts":
            run.hosts = line
        case "end":
            run.ended, run.reason = _text(line.get("time")), _text(line.get("reason"))
            run.failed = line.get("failed") is True


def _lines(file: Path) -> Iterator[dict[str, Any]]:
    if not file.exists():
        return
    with file.open("rb") as lines:
        while raw := lines.readline(_LONGEST_LINE):
            try:
                line = json.loads(raw)
            except (ValueError, RecursionError):
                continue
            if isinstance(line, dict):
                yield line


def _sample(line: dict[str, Any], bounds: Mapping[str, tuple[float, ...]]) -> Sample:
    counts = _numbers(line.get("counts"))
    counts["responses"] = number(line.get("responses"))
    return Sample(
        elapsed=_seconds(line.get("elapsed")),
        counts=counts,
        queues=_numbers(line.get("queues")),
        memory=_numbers(line.get("memory")),
        list_age=_seconds(line.get("list_age")),
        histograms={name: _buckets(line.get(name), len(edges) + 1) for name, edges in bounds.items()},
        formats={name: _pair(value) for name, value in _mapping(line.get("formats")).items()},
    )


def number(value: Any) -> int:
    """Return a count; 0 for what is none."""
    return value if type(value) is int and 0 <= value <= _HIGHEST else 0


def _seconds(value: Any) -> float:
    return float(value) if type(value) in (int, float) and 0 <= value <= _HIGHEST else 0.0


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _mapping(value: Any) -> dict[str, Any]:
    return dict(list(value.items())[:_MOST_NAMES]) if isinstance(value, dict) else {}


def _numbers(value: Any) -> dict[str, int]:
    return {name: number(each) for name, each in _mapping(value).items()}


def _pair(value: Any) -> tuple[int, int]:
    passed, dropped = value if isinstance(value, list) and len(value) == 2 else (0, 0)  # noqa: PLR2004 - a pair
    return number(passed), number(dropped)


def _bounds(value: Any, name: str) -> tuple[float, ...]:
    found = _mapping(value).get(name)
    edges = tuple(_seconds(each) for each in found) if isinstance(found, list) else ()
    return edges if list(edges) == sorted(set(edges)) else ()


def _buckets(value: Any, size: int) -> tuple[int, ...]:
    found = _mapping(value).get("counts")
    counts = tuple(number(each) for each in found) if isinstance(found, list) else ()
    return counts if len(counts) == size else (0,) * size
