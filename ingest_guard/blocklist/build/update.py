"""A day's changes -> a new version, without a rebuild: :func:`update`.

The files of the base are taken over as hard links. What came is written beside them, as small filters, tables and
indexes; what went is remembered by row. Several updates make one such layer, not several.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ingest_guard.blocklist.build.activate import DEFAULT_KEEP, activate
from ingest_guard.blocklist.build.build import check_sources
from ingest_guard.blocklist.build.changes import MAX_SHRINK, refuse_shrunk
from ingest_guard.blocklist.build.collect import MAX_REJECTED_SHARE, CollectedList, ListSource, collect
from ingest_guard.blocklist.build.edits import Changes
from ingest_guard.blocklist.build.layers import is_of_base
from ingest_guard.blocklist.build.report import BuildReport
from ingest_guard.blocklist.parts.load import Loaded, load
from ingest_guard.blocklist.parts.seal import open_sealer
from ingest_guard.blocklist.store.draft import VersionDraft, building
from ingest_guard.blocklist.store.manifest import refuse_old_addresses
from ingest_guard.errors import BlocklistError
from ingest_guard.hashing.conformance import require_conformance

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey


def update(
    folder: Path | str,
    sources: Iterable[ListSource],
    *,
    removals: Iterable[ListSource] = (),
    key: bytes | None = None,
    accept: bool = False,
    keep: int = DEFAULT_KEEP,
    max_shrink: float = MAX_SHRINK,
    max_rejected: float = MAX_REJECTED_SHARE,
    signing_key: Ed25519PrivateKey | None = None,
) -> BuildReport:
    """Apply changes to the current version of a store and make the result the current one.

    Parameters
    ----------
    folder
        The store.
    sources
        What came, a file a list: its values are added. Where the source names its records, a record that the list holds
        already is replaced, and one that is withdrawn goes, with the values that no other record has.
    removals
        What goes by value: each value of these files is taken out of its list.
    key
        Of a keyed blocklist.
    accept
        Leave rejected rows out however many they are, let lists shrink, and leave withdrawn records listed that cannot
        be found because the store has no table of keys.
    keep
        How many versions to retain, the new one included.
    max_shrink, max_rejected
        As of a build.
    signing_key
        Sign the version with it before it becomes the current one.

    Returns
    -------
    BuildReport
        ``accepted`` counts the values that were not there before, ``superseded`` those that went.

    Raises
    ------
    ListFormatError
        Unknown format, unreadable file, or too many rows that cannot be used.
    BlocklistError
        No store there, a list that it does not hold, a wrong key, something to take out of what cannot be taken from,
        a list that shrinks, another build at work, hashes that come out otherwise than imagehash's here.
    """
    folder = Path(folder)
    came, went = list(sources), list(removals)
    if not came and not went:
        raise BlocklistError("nothing to update from; name a file: --list ID:FORMAT:FILE")
    for each in (came, went):
        check_sources(each)
    with building(folder):
        loaded = load(folder, unchecked=is_of_base)
        refuse_old_addresses(loaded.manifest, loaded.where)
        sealer = open_sealer(loaded.manifest.salt, loaded.manifest.sealed, key, str(loaded.where))
        _refuse_unknown(loaded, [*came, *went])

        def collect_all(files: Sequence[ListSource]) -> dict[str, CollectedList]:
            return {
                source.list_id: collect(source, sealer, accept=accept, allow_empty=True, max_rejected=max_rejected)
                for source in files
            }

        changes, added = Changes(loaded, sealer, accept=accept), collect_all(came)
        require_conformance(name for each in added.values() for held in each.parts.values() for name in held)
        reports = changes.apply(added, collect_all(went))
        if not accept:
            refuse_shrunk(reports, Counter(), max_shrink)
        draft = VersionDraft(folder)
        manifest = changes.write(draft)
        version, removed = activate(folder, draft, manifest.to_bytes(), keep, signing_key=signing_key)
    return BuildReport(str(folder), version, manifest.created, reports, removed, loaded.version)


def _refuse_unknown(loaded: Loaded, sources: Sequence[ListSource]) -> None:
    known = {entry.id for entry in loaded.manifest.operators_lists}
    if unknown := sorted({source.list_id for source in sources} - known):
        raise BlocklistError(
            f"the blocklist holds no list {unknown[0]!r}; it holds: {', '.join(sorted(known)) or 'none'}. Correct the "
            "id, or bring a new list in with: ingest-guard blocklist build"
        )
