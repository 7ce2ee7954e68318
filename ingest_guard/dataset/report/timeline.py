"""Runs joined to one line of time: totals, rates, shares of scans within a time."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from ingest_guard.dataset.report.telemetry import Run, Sample

Points = list[tuple[float, float]]
"""(seconds, value), ascending in time."""


@dataclass(frozen=True, slots=True)
class Moment:
    """A sample, with the totals over all runs until then.

    Attributes
    ----------
    at
        Seconds of crawling since the first start; pauses do not count.
    """

    at: float
    sample: Sample
    counts: Counter[str]
    scans: tuple[int, ...]


class Timeline:
    """All runs of a crawl, one after the other.

    Parameters
    ----------
    runs
        In order. What they count begins at 0 in each.

    Attributes
    ----------
    moments
        The samples of all runs.
    resumed
        Seconds at which a run began, but for the first.
    """

    def __init__(self, runs: Sequence[Run]) -> None:
        self.runs = runs
        self.moments: list[Moment] = []
        self.resumed: list[float] = []
        self.starts: list[float] = []
        self.scan_bounds = next((run.bounds["scan"] for run in reversed(runs) if "scan" in run.bounds), ())
        offset, before, scans = 0.0, Counter[str](), (0,) * (len(self.scan_bounds) + 1)
        for run in runs:
            self.starts.append(offset)
            if self.moments:
                self.resumed.append(offset)
            for sample in run.samples:
                took = sample.histograms.get("scan", ())
                took = took if run.bounds.get("scan") == self.scan_bounds and took else (0,) * len(scans)
                together = tuple(a + b for a, b in zip(scans, took, strict=True))
                at = max(offset + sample.elapsed, self.moments[-1].at if self.moments else 0.0)
                self.moments.append(Moment(at, sample, before + Counter(sample.counts), together))
            offset, before, scans = self.moments[-1].at, self.moments[-1].counts, self.moments[-1].scans

    @property
    def seconds(self) -> float:
        """How long the crawl has been at work."""
        return self.moments[-1].at if self.moments else 0.0

    @property
    def totals(self) -> Counter[str]:
        """What was counted in all."""
        return self.moments[-1].counts if self.moments else Counter()

    def histogram(self, name: str) -> tuple[tuple[float, ...], tuple[int, ...]]:
        """Return bounds and counts over all runs; of those that have the last run's bounds."""
        bounds = next((run.bounds[name] for run in reversed(self.runs) if name in run.bounds), ())
        total = [0] * (len(bounds) + 1)
        for run in self.runs:
            if run.bounds.get(name) == bounds:
                for index, count in enumerate(run.samples[-1].histograms.get(name, ())):
                    total[index] += count
        return bounds, tuple(total)

    def formats(self) -> dict[str, tuple[int, int]]:
        """Return format -> (passed, dropped) over all runs."""
        passed, dropped = Counter[str](), Counter[str]()
        for run in self.runs:
            for name, (good, bad) in run.samples[-1].formats.items():
                passed[name] += good
                dropped[name] += bad
        return {name: (passed[name], dropped[name]) for name in {**passed, **dropped}}

    def thinned(self, most: int) -> list[Moment]:
        """Return at most about so many moments, evenly spread over the time, the last one among them."""
        step = self.seconds / most or 1.0
        kept: dict[int, Moment] = {min(int(moment.at / step), most - 1): moment for moment in self.moments}
        return list(kept.values())

    def rate(self, names: Sequence[str], most: int) -> Points:
        """Return how many a second there were, between each moment and the one before."""
        points: Points = []
        for earlier, later in self._steps(most):
            gained = sum(later.counts[name] - earlier.counts[name] for name in names)
            points.append((later.at, max(0, gained) / (later.at - earlier.at)))
        return points

    def sums(self, names: Sequence[str], most: int) -> Points:
        """Return how many there had been at each moment."""
        return [(moment.at, float(sum(moment.counts[name] for name in names))) for moment in self.thinned(most)]

    def scan_times(self, share: float, most: int) -> Points:
        """Return within which time so large a share of the scans was done, between two moments each."""
        points: Points = []
        for earlier, later in self._steps(most):
            counts = [b - a for a, b in zip(earlier.scans, later.scans, strict=True)]
            if sum(counts) > 0:
                points.append((later.at, quantile(self.scan_bounds, counts, share)))
        return points

    def _steps(self, most: int) -> list[tuple[Moment, Moment]]:
        """Return neighbours, all about as far apart: over a moment, a rate says nothing.

        The last sample comes when the crawl ends, however short a time after the one before.
        """
        moments = self.thinned(most)
        shortest = self.seconds / max(1, len(moments) - 1) / 2
        kept = moments[:1]
        for moment in moments[1:]:
            if moment.at - kept[-1].at < shortest and len(kept) > 1:
                kept.pop()
            kept.append(moment)
        return [(a, b) for a, b in pairwise(kept) if b.at > a.at]


def quantile(bounds: Sequence[float], counts: Sequence[int], share: float) -> float:
    """Return the value below which a share of all values is, evenly spread inside of a bucket.

    The last bucket has no upper bound: its values count as the highest bound.
    """
    wanted, below = share * sum(counts), 0
    for index, count in enumerate(counts):
        if count and below + count >= wanted:
            if index == len(bounds):
                break
            low = bounds[index - 1] if index else 0.0
            return low + (bounds[index] - low) * (wanted - below) / count
        below += count
    return bounds[-1] if bounds else 0.0
