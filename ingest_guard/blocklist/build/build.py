"""List files -> a new version in a store: :func:`build`."""

from __future__ import annotations

import secrets
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ingest_guard.blocklist.build.activate import DEFAULT_KEEP, activate
from ingest_guard.blocklist.build.changes import MAX_SHRINK, note_changes, previous_version, refuse_shrunk
from ingest_guard.blocklist.build.collect import MAX_REJECTED_SHARE, ListSource, collect, version_of
from ingest_guard.blocklist.build.report import BuildReport, ListReport
from ingest_guard.blocklist.build.write import GENERATOR, IndexEntry, by_kind, stem, write_filter, write_rows
from ingest_guard.blocklist.canary import plant
from ingest_guard.blocklist.index.sorted_rows import ListValues
from ingest_guard.blocklist.parts import bloom, near
from ingest_guard.blocklist.parts.contents import is_near
from ingest_guard.blocklist.parts.seal import Sealer
from ingest_guard.blocklist.store import manifest as manifests
from ingest_guard.blocklist.store.draft import VersionDraft, building
from ingest_guard.errors import BlocklistError
from ingest_guard.hashing import algorithms
from ingest_guard.hashing.conformance import require_conformance
from ingest_guard.lists import reader
from ingest_guard.urls.normalise import ADDRESS_FORMAT

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

MAX_LISTS = 1 << 16

__all__ = ["DEFAULT_KEEP", "MAX_REJECTED_SHARE", "MAX_SHRINK", "BuildReport", "ListSource", "build"]


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
    confirm: bool = False,
    key: bytes | None = None,
    max_shrink: float = MAX_SHRINK,
    max_rejected: float = MAX_REJECTED_SHARE,
    signing_key: Ed25519PrivateKey | None = None,
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
        Leave rejected rows out however many they are, and let lists shrink or go.
    allow_empty
        Allow no list at all, and lists without entries.
    keep
        How many versions to retain, the new one included.
    confirm
        Keep sorted tables of exact values, which confirm a filter's hits, and which updates, compaction and exact
        comparisons need; for lists with keys of records, tables of those too.
    key
        Seal the blocklist with it (:mod:`ingest_guard.blocklist.parts.seal`).
    max_shrink
        Share of its entries in the current version that a list may lose without `accept`.
    max_rejected
        Share of its rows that may be rejected without `accept`.
    signing_key
        Sign the version with it before it becomes the current one.

    Raises
    ------
    ListFormatError
        Unknown format, unreadable file, or too many rows that cannot be used.
    BlocklistError
        A bad id, threshold, share or error rate; no entry; a list that shrank; another build at work; the folder is
        writable by others; hashes of the imagehash family that are listed come out otherwise than imagehash's here.
    """
    folder = Path(folder)
    listed = sorted(sources, key=lambda source: source.list_id)
    _check(listed, error_rate, keep, allow_empty=allow_empty)
    chosen = _thresholds(listed, thresholds or {}, accept_false_matches=accept_false_matches)
    with building(folder):
        previous = previous_version(folder)
        salt = previous.manifest.salt if previous else secrets.token_hex(32)
        sealer = Sealer(bytes.fromhex(salt), key)
        lists = [
            collect(source, sealer, accept=accept, allow_empty=allow_empty, max_rejected=max_rejected)
            for source in listed
        ]
        require_conformance(name for each in lists for held in each.parts.values() for name in held)
        gone = note_changes(previous, lists, sealer) if previous else Counter[str]()
        if not accept:
            refuse_shrunk([each.report for each in lists], gone, max_shrink)
        draft = VersionDraft(folder)
        parts = [
            _Part(each.source, severity, held, chosen.get(each.source.list_id, {}), each.report)
            for each in lists
            for severity, held in each.parts.items()
        ]
        parts.append(_plant_canary(parts, sealer))
        entries = [part.write(draft, error_rate, confirm=confirm) for part in parts]
        bits, vectors = by_kind(_write_indexes(draft, parts))
        manifest = manifests.Manifest(
            format=manifests.FORMAT,
            addresses=ADDRESS_FORMAT,
            created=manifests.now(),
            generator=GENERATOR,
            error_rate=error_rate,
            confirm=confirm,
            salt=salt,
            sealed=sealer.check,
            lists=entries,
            indexes=bits,
            vectors=vectors,
            files=dict(draft.files),
        )
        version, removed = activate(folder, draft, manifest.to_bytes(), keep, signing_key=signing_key)
    return BuildReport(
        str(folder),
        version,
        manifest.created,
        [each.report for each in lists],
        removed,
        previous.version if previous else None,
        gone,
    )


def _check(sources: Sequence[ListSource], error_rate: float, keep: int, *, allow_empty: bool) -> None:
    if not sources and not allow_empty:
        raise BlocklistError("no list to build from; name one: --list ID:FORMAT:FILE")
    check_sources(sources)
    if not 0 < error_rate <= bloom.LARGEST_ERROR_RATE:
        raise BlocklistError(
            f"error rate: expected more than 0 and at most {bloom.LARGEST_ERROR_RATE}, got {error_rate}"
        )
    if keep < 1:
        raise BlocklistError(f"keep: expected at least 1 version, got {keep}")


def check_sources(sources: Sequence[ListSource]) -> None:
    """Refuse what no version can be made of, before anything is read: bad or doubled ids, unknown formats."""
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


@dataclass(frozen=True, slots=True)
class _Part:
    """The entries of one severity of one list, to be written."""

    source: ListSource
    severity: str | None
    held: Mapping[str, ListValues]
    wanted: Mapping[str, float]
    report: ListReport

    @property
    def thresholds(self) -> dict[str, float]:
        within = {name: algorithms.get(name).threshold for name in self.held if is_near(name)}
        return {**within, **self.wanted}

    def write(self, draft: VersionDraft, error_rate: float, *, confirm: bool) -> manifests.ListEntry:
        exact: dict[str, manifests.ExactEntry] = {}
        keys: dict[str, manifests.KeysEntry] = {}
        for name, held in self.held.items():
            beginning = stem(self.source.list_id, self.severity, name)
            if not is_near(name):
                layer, rate = write_filter(draft, beginning, held.values, error_rate, confirm=confirm)
                exact[name] = manifests.ExactEntry(layers=[layer])
                self.report.error_rates[name] = max(rate, self.report.error_rates.get(name, 0.0))
            if confirm and held.keys is not None:
                keys[name] = manifests.KeysEntry(base=write_rows(draft, beginning, "keys", held.keys))
        return manifests.ListEntry(
            id=self.source.list_id,
            severity=self.severity,
            owner=None if self.source.owner is None else _text(self.source.owner),
            source=_text(f"{self.source.format}:{Path(self.source.path).name}"),
            version=version_of({name: held.values for name, held in self.held.items()}),
            counts={name: len(held.values) for name, held in self.held.items()},
            thresholds=self.thresholds,
            exact=exact,
            keys=keys,
        )


def _plant_canary(parts: Iterable[_Part], sealer: Sealer) -> _Part:
    """Return the canary as a list of its own."""
    held = plant(sealer, {name for part in parts for name in part.held})
    source = ListSource(manifests.CANARY, "generated", Path("canary"))
    return _Part(source, None, held, {}, ListReport(manifests.CANARY, source.format, ""))


def _text(text: str) -> str:
    """Return text that every JSON reader takes: a file's name need not be UTF-8."""
    return text.encode("utf-8", "replace").decode()


def _write_indexes(draft: VersionDraft, parts: Sequence[_Part]) -> dict[str, list[IndexEntry]]:
    """Write one near index an algorithm, over all parts."""
    indexes: dict[str, list[IndexEntry]] = {}
    for name in sorted({name for part in parts for name in part.held if is_near(name)}):
        lists = {number: part.held[name].values for number, part in enumerate(parts) if name in part.held}
        largest = int(max(part.thresholds.get(name, 0) for part in parts))
        indexes[name] = [near.write(name, lists, max(algorithms.get(name).build_radius, largest), draft.write_array)]
    return indexes
