"""Counts for each host, of which a broad crawl meets millions: the largest stay, the others are added up.

Which host had a match must not be told, nor be found out. So what was dropped is one number, whyever it was dropped,
and not even that is told where too few of a crawl's drops had another reason than a match.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

_SPARE = 4
"""So many times the wanted hosts are counted, so that one that comes late can still become large."""
_LONGEST = 253
_BITS = 1 << 17
_UNMATCHED_PER_MATCH = 10


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
        How many hosts :meth:`to_json` tells apart; 0 for none.

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
            Whether to tell what was dropped (see :func:`may_tell_dropped`). Without it, hosts of which nothing passed
            are left out: that they are there would tell.
        """
        told = [(host, count) for host, count in self._hosts.items() if with_dropped or count.passed]
        told.sort(key=lambda pair: (-_images(pair[1], with_dropped=with_dropped), pair[0]))
        others = HostCount()
        others.add(self._others)
        for _, count in told[self._wanted :]:
            others.add(count)
        return {
            "distinct": self.distinct(),
            "hosts": [[host, *_row(count, with_dropped=with_dropped)] for host, count in told[: self._wanted]],
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


def may_tell_dropped(matched: int, not_scannable: int) -> bool:
    """Tell whether the drops of single hosts may be told: nobody can conclude from them which host had a match.

    Either nothing matched, or at least ten times as many images were dropped for another reason.
    """
    return not matched or not_scannable >= _UNMATCHED_PER_MATCH * matched


def _images(count: HostCount, *, with_dropped: bool) -> int:
    return count.passed + count.dropped if with_dropped else count.passed


def _row(count: HostCount, *, with_dropped: bool) -> list[int | None]:
    return [count.passed, count.size, count.dropped if with_dropped else None]
