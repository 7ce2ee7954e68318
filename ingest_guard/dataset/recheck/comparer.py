""":class:`Comparer`: fingerprints of many records at once against a blocklist, by the rules of a crawl."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ingest_guard.blocklist.batch_exact import Batch, Sieve
from ingest_guard.blocklist.blocklist import Blocklist
from ingest_guard.blocklist.list_info import ListInfo
from ingest_guard.blocklist.parts.load import load
from ingest_guard.blocklist.store.manifest import CANARY
from ingest_guard.dataset.recheck.added_entries import Baseline, fresh_entries
from ingest_guard.dataset.recheck.near import Addresses, NearEntries
from ingest_guard.dataset.tables.fingerprints import Fingerprints

ADDRESS = "url"
"""What a hit on an address is called, whether the list holds the address or its domain."""


class Hit(NamedTuple):
    """One record that a list knows, and by what; no value of either."""

    row: int
    list_id: str
    severity: str | None
    algorithm: str


class Comparer:
    """Compare with what counts of a blocklist, or with what of it is new.

    Parameters
    ----------
    blocklist
        Governed by a policy already: thresholds, severities and the allow-list are in it.
    folder
        Of its very version.
    since
        Earlier versions: what all of them held does not count.

    Attributes
    ----------
    exact, near
        Algorithms that there is something to compare with; of near ones with the bytes of a value.
    near_entries
        Near algorithm -> how many entries are compared.
    addresses
        Whether addresses are compared.
    names
        All that is compared: algorithms, and ``url`` for addresses; empty where the lists, or what they gained, hold
        nothing.
    """

    def __init__(self, blocklist: Blocklist, folder: Path, since: Sequence[Baseline] = ()) -> None:
        lookups = blocklist.lookups
        self._since = since
        self._sealer = lookups.sealer
        self._allowed = lookups.allowance.values
        self._infos: dict[int, ListInfo] = {n: info for n, info in lookups.parts if info.id != CANARY}
        self._exact: dict[str, list[tuple[ListInfo, Sieve]]] = {}
        for info, name, values in lookups.exact:
            if name in blocklist.exact_algorithms and info.id != CANARY and len(values) and self._may_gain(info, name):
                self._exact.setdefault(name, []).append((info, Sieve(values)))
        now = load(folder) if since else None
        self._near: dict[str, NearEntries] = {}
        for name in sorted(blocklist.near_algorithms):
            fresh = None if now is None else fresh_entries(now, self._infos, name, since)
            entries = NearEntries(lookups, self._infos, name, fresh)
            if entries.count:
                self._near[name] = entries
        self._addresses = Addresses(blocklist, since) if lookups.addresses else None
        self.exact = frozenset(self._exact)
        self.near = {name: entries.size for name, entries in self._near.items()}
        self.near_entries = {name: entries.count for name, entries in self._near.items()}
        self.addresses = bool(lookups.addresses)
        self.names = (*sorted(self.exact), *self.near, *([ADDRESS] if self.addresses else []))

    def compare(self, prints: Fingerprints) -> list[Hit]:
        """Return what the lists know of some records: each record, list and algorithm once, sorted by row."""
        hits: dict[Hit, None] = {}
        for found in (self._of_exact(prints), self._of_near(prints), self._of_addresses(prints)):
            hits.update(dict.fromkeys(found))
        return sorted(hits, key=lambda hit: hit.row)

    def _of_exact(self, prints: Fingerprints) -> Iterator[Hit]:
        for name, each in prints.exact.items():
            if name not in self._exact or not len(each.values):
                continue
            batch = Batch(self._sealer.seal(name, each.values))
            allowed = self._allowed.get(name, frozenset())
            for info, sieve in self._exact[name]:
                for at in sieve.held(batch).tolist():
                    stored, value = batch.stored[at].tobytes(), each.values[at].tobytes()
                    if stored not in allowed and self._is_new(info, name, value):
                        yield Hit(int(each.rows[at]), info.id, info.severity, name)

    def _is_new(self, info: ListInfo, name: str, value: bytes) -> bool:
        return not self._since or not all(
            each.counted(info, name) and each.holds(info, name, value) for each in self._since
        )

    def _may_gain(self, info: ListInfo, name: str) -> bool:
        return not self._since or not all(each.counted(info, name) and each.same(info) for each in self._since)

    def _of_near(self, prints: Fingerprints) -> Iterator[Hit]:
        for name, several in prints.near.items():
            entries = self._near.get(name)
            if entries is None:
                continue
            for each in several:
                query, part, _ = entries.search(each.values, each.caps)
                pairs = np.unique(np.stack([each.rows[query], part], axis=1), axis=0)
                for row, number in pairs.tolist():
                    info = self._infos[number]
                    yield Hit(row, info.id, info.severity, name)

    def _of_addresses(self, prints: Fingerprints) -> Iterator[Hit]:
        if self._addresses is None:
            return
        for row, urls in enumerate(zip(*prints.urls, strict=True) if prints.urls else ()):
            for list_id in self._addresses.lists(urls):
                yield Hit(row, list_id, None, ADDRESS)

    def is_compared(self, prints: Fingerprints) -> npt.NDArray[np.bool_]:
        """Tell which records have anything that was compared."""
        compared = np.zeros(prints.count, bool)
        for name, each in prints.exact.items():
            if name in self._exact:
                compared[each.rows] = True
        for name, several in prints.near.items():
            for one in several if name in self._near else ():
                compared[one.rows] = True
        if self._addresses is not None:
            for urls in prints.urls:
                compared |= np.fromiter(map(bool, urls), bool, prints.count)
        return compared
