"""What statistics cannot hold, counted in bounded memory: how long scans took, sizes, and what came from which host.

Nothing here knows a URL, and a host is kept with nothing but numbers. A broad crawl meets millions of hosts: the
largest stay, the others are added up. The counts must not show which host had a match. So drops are one number whatever
the reason, and even that number is left out where too few of a crawl's drops had another reason than a match.

A fault in counting must never decide about a response, so nothing here raises for anything that a response may be.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ingest_guard.urls.hosts import host_of
from ingest_guard.verdict import Outcome, Verdict

SCAN_SECONDS = tuple(mantissa * 10.0**power for power in range(-3, 2) for mantissa in (1, 1.5, 2, 3, 5, 7))
"""Upper bounds of the buckets for the time of a scan: 1 ms to 70 s, six a decade."""
BODY_BYTES = tuple(mantissa * 10**power for power in range(3, 8) for mantissa in (1, 2, 5))
"""Of the size of an image's body: 1 kB to 50 MB."""
LONG_SIDE = (16, 32, 48, 64, 96, 128, 192, 256, 384, 512, 768, 1024, 1536, 2048, 3072, 4096, 8192)
"""Of the longer side of an image, in pixels."""
TEXT_LENGTH = (0, 5, 10, 20, 30, 40, 50, 75, 100, 150, 200, 300, 500, 1000, 2000, 5000)
"""Of the length of a text, in characters."""
_MOST_FORMATS = 40
_UNKNOWN, _OTHERS = "unknown", "others"
_SPARE = 4
"""So many times the wanted hosts are counted, so that one that comes late can still become large."""
_LONGEST = 253
_BITS = 1 << 17
_UNMATCHED_PER_MATCH = 10


class Histogram:
    """Counts of values in buckets; the last bucket takes what is above all bounds.

    Parameters
    ----------
    bounds
        Ascending; a bucket holds values up to and including its bound.
    """

    def __init__(self, bounds: Sequence[float]) -> None:
        self.bounds = tuple(bounds)
        self.counts = [0] * (len(self.bounds) + 1)
        self.total = 0.0

    def add(self, value: float) -> None:
        """Count a value."""
        self.counts[bisect_left(self.bounds, value)] += 1
        self.total += value

    def to_json(self) -> dict[str, Any]:
        """Return the counts of all buckets, and the sum of all values."""
        return {"counts": list(self.counts), "sum": round(self.total, 6)}


@dataclass(slots=True)
class HostCount:
    """Images that passed, their bytes, and images that were dropped."""

    passed: int = 0
    size: int = 0
    dropped: int = 0

    def add(self, other: HostCount) -> None:
        """Take another count into this one."""
        self.passed += other.passed
        self.size += other.size
        self.dropped += other.dropped


class HostCounts:
    """Counts for the largest hosts, and one for all others.

    Parameters
    ----------
    wanted
        How many hosts :meth:`to_json` lists; 0 for none.

    Notes
    -----
    Four times as many are followed; when there are more, the smaller half is added up. A host that comes back later
    begins anew, so its count may be too low; the sum of all counts is exact. The number of different hosts is estimated
    by linear counting (Whang, Vander-Zanden and Taylor, 1990) in 128 KiB: within 1 % up to some hundred thousands.
    """

    def __init__(self, wanted: int) -> None:
        self._wanted = wanted
        self._most = max(1, wanted) * _SPARE
        self._hosts: dict[str, HostCount] = {}
        self._others = HostCount()
        self._seen = bytearray(_BITS)

    def add(self, host: str, *, passed: bool, size: int) -> None:
        """Count an image."""
        if not self._wanted:
            return
        host = host if len(host) <= _LONGEST else host[:_LONGEST]
        count = self._hosts.get(host)
        if count is None:
            self._seen[hash(host) % _BITS] = 1
            count = self._hosts[host] = HostCount()
            if len(self._hosts) > self._most:
                self._let_go(keeping=host)
        if passed:
            count.passed += 1
            count.size += size
        else:
            count.dropped += 1

    def distinct(self) -> int:
        """Return how many different hosts there were: exact while all are followed, else an estimate."""
        if not (self._others.passed or self._others.dropped):
            return len(self._hosts)
        free = self._seen.count(0)
        return max(len(self._hosts), round(-_BITS * math.log(max(free, 1) / _BITS)))

    def to_json(self, *, with_dropped: bool) -> dict[str, Any]:
        """Return the largest hosts as ``[host, passed, bytes, dropped]``, and the others.

        Parameters
        ----------
        with_dropped
            Whether to show what was dropped (see :func:`may_show_dropped`). Without it, hosts where nothing passed are
            left out: their presence alone would show it.
        """
        shown = [(host, count) for host, count in self._hosts.items() if with_dropped or count.passed]
        shown.sort(key=lambda pair: (-_images(pair[1], with_dropped=with_dropped), pair[0]))
        others = HostCount()
        others.add(self._others)
        for _, count in shown[self._wanted :]:
            others.add(count)
        return {
            "distinct": self.distinct(),
            "hosts": [[host, *_row(count, with_dropped=with_dropped)] for host, count in shown[: self._wanted]],
            "others": _row(others, with_dropped=with_dropped),
        }

    def _let_go(self, keeping: str) -> None:
        by_size = sorted(self._hosts.items(), key=lambda pair: -(pair[1].passed + pair[1].dropped))
        kept = dict(by_size[: self._most // 2])
        for host, count in by_size[self._most // 2 :]:
            if host == keeping:
                kept[host] = count
            else:
                self._others.add(count)
        self._hosts = kept


class Meter:
    """What one crawl has seen.

    Parameters
    ----------
    hosts
        How many hosts are listed in the end; the smaller ones are counted together.

    Attributes
    ----------
    scans, bodies, sides, texts
        Histograms: seconds of a scan with its wait for a worker; bytes of images that passed; pixels of the longer
        side, and characters of the text, of records.
    formats
        Format -> [passed, dropped].
    hosts
        What came from which host.
    """

    def __init__(self, hosts: int) -> None:
        self.scans = Histogram(SCAN_SECONDS)
        self.bodies = Histogram(BODY_BYTES)
        self.sides = Histogram(LONG_SIDE)
        self.texts = Histogram(TEXT_LENGTH)
        self.formats: dict[str, list[int]] = {}
        self.hosts = HostCounts(hosts)

    def note_scan(self, seconds: float) -> None:
        """Count a scan."""
        self.scans.add(seconds)

    def note_verdict(self, url: str, verdict: Verdict, size: int) -> None:
        """Count a response that was checked; pages are no concern of this."""
        if verdict.outcome is Outcome.NOT_AN_IMAGE:
            return
        passed = verdict.outcome is Outcome.NO_KNOWN_MATCH
        self._format(verdict.image.format if verdict.image else _UNKNOWN)[0 if passed else 1] += 1
        if passed:
            self.bodies.add(size)
        self.hosts.add(host_of(url), passed=passed, size=size)

    def note_record(self, record: Any) -> None:
        """Count a record that left."""
        if not isinstance(record, dict):
            return
        alt, width, height = (record.get(name) for name in ("alt", "width", "height"))
        if isinstance(width, int) and isinstance(height, int):
            self.sides.add(max(width, height))
            self.texts.add(len(alt) if isinstance(alt, str) else 0)

    def bounds(self) -> dict[str, list[float]]:
        """Return the upper bounds of the histograms' buckets."""
        return {name: list(histogram.bounds) for name, histogram in self._histograms().items()}

    def to_json(self) -> Mapping[str, Any]:
        """Return everything but the hosts."""
        return {
            **{name: histogram.to_json() for name, histogram in self._histograms().items()},
            "formats": {name: list(counts) for name, counts in self.formats.items()},
        }

    def _histograms(self) -> dict[str, Histogram]:
        return {"scan": self.scans, "body": self.bodies, "side": self.sides, "text": self.texts}

    def _format(self, name: str) -> list[int]:
        if name not in self.formats and len(self.formats) >= _MOST_FORMATS:
            name = _OTHERS
        return self.formats.setdefault(name, [0, 0])


def may_show_dropped(matched: int, not_scannable: int) -> bool:
    """Return whether the drops of single hosts may be shown without giving away which host had a match.

    Either nothing matched, or at least ten times as many images were dropped for another reason.
    """
    return not matched or not_scannable >= _UNMATCHED_PER_MATCH * matched


def _images(count: HostCount, *, with_dropped: bool) -> int:
    return count.passed + count.dropped if with_dropped else count.passed


def _row(count: HostCount, *, with_dropped: bool) -> list[int | None]:
    return [count.passed, count.size, count.dropped if with_dropped else None]


PREFIX = "ingest_guard/"


def own_counts(stats: Mapping[str, Any]) -> dict[str, int]:
    """Return the guard's counters, sorted by name and without the prefix."""
    # dict() copies in one step: the metrics are read in another thread.
    own = {name.removeprefix(PREFIX): value for name, value in dict(stats).items() if name.startswith(PREFIX)}
    return {name: value for name, value in sorted(own.items()) if type(value) is int}


def failed_feeds(stats: Mapping[str, Any]) -> int:
    """Return how many files of Scrapy's feeds could not be stored."""
    return sum(value for name, value in stats.items() if name.startswith("feedexport/failed_count/"))
