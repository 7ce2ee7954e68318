"""What statistics cannot hold, counted in bounded memory: how long scans took, what came from which host, sizes.

Nothing here knows a URL, and of a host nothing is kept but numbers. A fault in counting must never decide about a
response, so nothing here raises for anything that a response may be.
"""

from __future__ import annotations

from bisect import bisect_left
from typing import TYPE_CHECKING, Any

from ingest_guard.scrapy_plugin.core.hostcounts import HostCounts
from ingest_guard.urls.hosts import host_of
from ingest_guard.verdict import Outcome

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ingest_guard.verdict import Verdict

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


class Meter:
    """What one crawl has seen.

    Parameters
    ----------
    hosts
        How many hosts are told apart in the end; those with less are counted together.

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
