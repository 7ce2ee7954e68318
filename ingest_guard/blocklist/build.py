"""List files -> a new version in a store: :func:`build`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
import numpy.typing as npt

from ingest_guard._version import __version__
from ingest_guard.blocklist import algorithms, bloom, near
from ingest_guard.blocklist import manifest as manifests
from ingest_guard.blocklist.collect import Collected, ListSource, collect
from ingest_guard.blocklist.load import load
from ingest_guard.blocklist.publish import Draft, locked, point_to, retain
from ingest_guard.blocklist.report import BuildReport
from ingest_guard.errors import BlocklistError
from ingest_guard.lists import reader

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

MAX_LISTS = 1 << 16
DEFAULT_KEEP = 3

__all__ = ["DEFAULT_KEEP", "BuildReport", "ListSource", "build"]


def build(
    folder: Path | str,
    sources: Iterable[ListSource],
    *,
    error_rate: float = bloom.DEFAULT_ERROR_RATE,
    thresholds: Mapping[str, Mapping[str, float]] | None = None,
    accept_false_matches: bool = False,
    accept: bool = False,
    allow_empty: bool = False,
    keep: int = DEFAULT_KEEP,
) -> BuildReport:
    """Read list files, write a new version, and make it the current one.

    Parameters
    ----------
    folder
        The store; made if it does not exist.
    sources
        The list files, with different ids.
    error_rate
        Chance that a filter takes a digest for listed that is not, at most 1e-3.
    thresholds
        List id -> near algorithm -> bits (of byte vectors: distance), where the defaults are not wanted.
    accept_false_matches
        Allow thresholds above an eighth of the bits; of byte vectors, above the plug-in's default.
    accept
        Leave rejected rows out however many they are.
    allow_empty
        Allow no list at all, and lists without entries.
    keep
        How many versions to retain, the new one included.

    Raises
    ------
    ListFormatError
        Unknown format, unreadable file, or too many rows that cannot be used.
    BlocklistError
        A bad id, threshold or error rate; no entry; another build at work; the folder is writable by others.
    """
    folder = Path(folder)
    listed = sorted(sources, key=lambda source: source.list_id)
    _check(listed, error_rate, keep, allow_empty=allow_empty)
    chosen = _thresholds(listed, thresholds or {}, accept_false_matches=accept_false_matches)
    try:
        with locked(folder):
            lists = [collect(source, accept=accept, allow_empty=allow_empty) for source in listed]
            draft = Draft(folder)
            entries = [_list_entry(draft, each, chosen.get(each.source.list_id, {}), error_rate) for each in lists]
            indexes = _indexes(draft, lists, entries)
            bits = {name: entry for name, entry in indexes.items() if isinstance(entry, manifests.IndexEntry)}
            vectors = {name: entry for name, entry in indexes.items() if isinstance(entry, manifests.VectorEntry)}
            manifest = manifests.Manifest(
                format=1,
                created=manifests.now(),
                generator=f"ingest-guard {__version__}",
                lists=entries,
                indexes=bits,
                vectors=vectors,
                files=dict(draft.files),
            )
            path = draft.finish(manifest)
            # As any crawl will open it: what cannot be opened never becomes the current version.
            load(path)
            point_to(folder, path.name)
            removed = retain(folder, path.name, keep)
    except OSError as error:
        raise BlocklistError(
            f"{error.filename or folder}: {error.strerror}; the blocklist was left as it was"
        ) from error
    return BuildReport(str(folder), path.name, manifest.created, [each.report for each in lists], removed)


def _check(sources: Sequence[ListSource], error_rate: float, keep: int, *, allow_empty: bool) -> None:
    if not sources and not allow_empty:
        raise BlocklistError("no list to build from; name one: --list ID:FORMAT:FILE")
    if len(sources) > MAX_LISTS:
        raise BlocklistError(f"{len(sources)} lists are more than the {MAX_LISTS} that one blocklist can hold")
    seen: set[str] = set()
    for source in sources:
        manifests.check_list_id(source.list_id)
        # Files are named for their lists, and some file systems do not tell upper from lower case.
        if source.list_id.lower() in seen:
            raise BlocklistError(f"list id {source.list_id!r} is used twice; give each list its own")
        seen.add(source.list_id.lower())
        reader(source.format)
    if not 0 < error_rate <= bloom.LARGEST_ERROR_RATE:
        raise BlocklistError(
            f"error rate: expected more than 0 and at most {bloom.LARGEST_ERROR_RATE}, got {error_rate}"
        )
    if keep < 1:
        raise BlocklistError(f"keep: expected at least 1 version, got {keep}")


def _thresholds(
    sources: Sequence[ListSource], wanted: Mapping[str, Mapping[str, float]], *, accept_false_matches: bool
) -> dict[str, dict[str, float]]:
    known = {source.list_id for source in sources}
    for list_id, chosen in wanted.items():
        if list_id not in known:
            raise BlocklistError(f"thresholds for a list {list_id!r} that is not being built; check the id")
        for name, value in chosen.items():
            where = f"threshold of list {list_id}, {name}"
            algorithms.check_threshold(name, value, accept_false_matches=accept_false_matches, where=where)
    return {list_id: dict(chosen) for list_id, chosen in wanted.items()}


def _list_entry(
    draft: Draft, collected: Collected, thresholds: Mapping[str, float], error_rate: float
) -> manifests.ListEntry:
    source = collected.source
    filters: dict[str, str] = {}
    within: dict[str, float] = {}
    for name, values in collected.values.items():
        algorithm = algorithms.get(name)
        if algorithm.compared:
            within[name] = thresholds.get(name, algorithm.default_threshold)
            continue
        file_name = filters[name] = f"{source.list_id}.{name}.bloom"

        def fill(file: BinaryIO, name: str = name, values: npt.NDArray[np.uint8] = values) -> None:
            collected.report.error_rates[name] = bloom.write(file, _hex(values), len(values), error_rate)

        draft.write(file_name, fill)
    return manifests.ListEntry(
        id=source.list_id,
        owner=None if source.owner is None else _text(source.owner),
        source=_text(f"{source.format}:{Path(source.path).name}"),
        version=collected.version,
        counts={name: len(values) for name, values in collected.values.items()},
        thresholds={**within, **thresholds},
        filters=filters,
    )


def _text(text: str) -> str:
    """Return text that every JSON reader takes: a file's name need not be UTF-8."""
    return text.encode("utf-8", "replace").decode()


def _hex(values: npt.NDArray[np.uint8]) -> Iterator[str]:
    size = values.shape[1] * 2
    for start in range(0, len(values), 1 << 14):
        text = values[start : start + (1 << 14)].tobytes().hex()
        for at in range(0, len(text), size):
            yield text[at : at + size]


def _indexes(
    draft: Draft, lists: Sequence[Collected], entries: Sequence[manifests.ListEntry]
) -> dict[str, manifests.IndexEntry | manifests.VectorEntry]:
    """Write one near index an algorithm, over all lists."""
    names = sorted({name for entry in entries for name in entry.counts} - {n for e in entries for n in e.filters})
    return {
        name: near.write(
            name,
            [each.values.get(name) for each in lists],
            max(entry.thresholds.get(name, 0) for entry in entries),
            lambda file_name, array: _write_array(draft, file_name, array),
        )
        for name in names
    }


def _write_array(draft: Draft, name: str, array: npt.NDArray[Any]) -> None:
    draft.write(name, lambda file: np.save(file, array, allow_pickle=False))
