"""The description of a list, and the checks that refuse a blocklist: empty, too old, or without its hashers."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import MappingProxyType

from ingest_guard.blocklist.store.manifest import ListEntry
from ingest_guard.errors import BlocklistError
from ingest_guard.hashing import algorithms
from ingest_guard.hashing.registry import GROUP

# A clock that is a little wrong is common; a blocklist from next week would never grow stale.
_CLOCK_SKEW = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class ListInfo:
    """One list of a blocklist, or that part of one to which the source gave one severity.

    Attributes
    ----------
    id
        As the operator named it.
    version
        Digest of what it held when the blocklist was built, and of how it changed since.
    owner, source
        Whose it is and where it came from, as far as the operator said.
    counts
        Algorithm -> number of values.
    thresholds
        Near algorithm -> bits apart (of byte vectors: distance) that still count as a match.
    severity
        The source's classification of what is in this part (``A1``, ``2``); None where it gave none.
    """

    id: str
    version: str
    owner: str | None
    source: str
    counts: Mapping[str, int]
    thresholds: Mapping[str, float]
    severity: str | None = None


def list_infos(entries: Iterable[ListEntry]) -> Iterator[ListInfo]:
    """Yield the description of each part of a manifest, in its order."""
    for entry in entries:
        counts, thresholds = MappingProxyType(dict(entry.counts)), MappingProxyType(dict(entry.thresholds))
        yield ListInfo(entry.id, entry.version, entry.owner, entry.source, counts, thresholds, entry.severity)


def refuse_empty(lists: Sequence[ListInfo], where: Path) -> None:
    """Refuse a blocklist without lists, and lists without entries."""
    advice = "build it from a list that has some, or allow it: allow_empty: true"
    if not lists:
        raise BlocklistError(f"{where} holds no list, so nothing would be blocked; {advice}")
    held: Counter[str] = Counter()
    for info in lists:
        held[info.id] += sum(info.counts.values())
    for list_id, count in held.items():
        if not count:
            raise BlocklistError(f"{where}: list {list_id} has no entry, so it would block nothing; {advice}")


def refuse_old(created: datetime, max_age: timedelta, where: Path) -> None:
    """Refuse a blocklist that is older than allowed, or from the future."""
    age = datetime.now(UTC) - created
    if age > max_age:
        raise BlocklistError(
            f"{where} is {_format_span(age)} old, more than the {_format_span(max_age)} allowed; fetch the lists and "
            "rebuild it: ingest-guard blocklist build"
        )
    if age < -_CLOCK_SKEW:
        raise BlocklistError(f"{where} was built {_format_span(-age)} in the future; set the clock, then rebuild it")


def refuse_without_hashers(sizes: Mapping[str, int], distances: Mapping[str, str]) -> None:
    """Refuse values that no hasher here computes: an image that they know would pass as unknown.

    Parameters
    ----------
    sizes, distances
        Near algorithm -> bytes of a value; how values are compared.
    """
    for name, size in sizes.items():
        algorithm = algorithms.find(name)
        if algorithm is None:
            raise BlocklistError(
                f"the blocklist holds {name} values, and no hasher of that name is installed (entry point group "
                f"{GROUP}); install the package that brings it in this environment, or rebuild the blocklist without "
                "such values: ingest-guard blocklist build"
            )
        if (algorithm.length, algorithm.distance) != (size, distances[name]):
            raise BlocklistError(
                f"the blocklist holds {name} values of {size} bytes, compared by {distances[name]}; the installed "
                f"hasher makes {algorithm.length} bytes, compared by {algorithm.distance}; install the release of its "
                "package that the list was made for, or rebuild the blocklist: ingest-guard blocklist build"
            )


def _format_span(span: timedelta) -> str:
    seconds = int(span.total_seconds())
    for unit, size in (("days", 86_400), ("hours", 3_600), ("minutes", 60)):
        if seconds >= 2 * size:
            return f"{seconds // size} {unit}"
    return f"{seconds} seconds"
