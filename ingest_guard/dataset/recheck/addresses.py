"""Addresses of records against the addresses and domains that lists hold."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from ingest_guard.blocklist.blocklist import Blocklist
    from ingest_guard.dataset.recheck.gained import Baseline

# Pages show many images, and follow each other in a shard.
_REMEMBERED = 1 << 16
_LONGEST_REMEMBERED = 512


class Addresses:
    """Ask a blocklist about addresses; the same one is looked up once.

    Parameters
    ----------
    blocklist
        What counts of it.
    since
        Earlier versions: a list that held an address (or its domain) in all of them does not count for it.
    """

    def __init__(self, blocklist: Blocklist, since: Sequence[Baseline] = ()) -> None:
        self._blocklist = blocklist
        self._since = since
        self._known: OrderedDict[str, tuple[str, ...]] = OrderedDict()

    def lists(self, urls: Iterable[str | None]) -> list[str]:
        """Return the lists that hold any of some addresses."""
        return list(dict.fromkeys(list_id for url in urls if url for list_id in self._of(url)))

    def _of(self, url: str) -> tuple[str, ...]:
        known = self._known.get(url)
        if known is None:
            known = self._look_up(url)
            if len(url) <= _LONGEST_REMEMBERED:
                self._known[url] = known
                if len(self._known) > _REMEMBERED:
                    self._known.popitem(last=False)
        return known

    def _look_up(self, url: str) -> tuple[str, ...]:
        found = self._blocklist.match_url(url)
        if not found or not self._since:
            return tuple(found)
        before = set.intersection(*(each.url_lists(url) for each in self._since))
        return tuple(list_id for list_id in found if list_id not in before)
