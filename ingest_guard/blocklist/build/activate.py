"""The last steps of a build, an update and a compaction: the draft gets its name, proves that it opens, and is used."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ingest_guard.blocklist.parts.load import load
from ingest_guard.blocklist.store import signatures
from ingest_guard.blocklist.store.draft import discard, point_to, retain
from ingest_guard.errors import BlocklistError
from ingest_guard.signing.signature_file import BLOCKLIST

if TYPE_CHECKING:
    from pathlib import Path

    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    from ingest_guard.blocklist.store.draft import Draft
    from ingest_guard.blocklist.store.manifest import Manifest

DEFAULT_KEEP = 3


def activate(
    folder: Path, draft: Draft, manifest: Manifest, keep: int, signing_key: Ed25519PrivateKey | None = None
) -> tuple[str, list[str]]:
    """Make a draft the current version; with a key, sign it before anything points to it.

    Returns
    -------
    the version, and the older ones that retention removed

    Raises
    ------
    BlocklistError
        It does not open, as it would not for any crawl, or its signature cannot be written. It never becomes the
        current version.
    """
    path = draft.finish(manifest)
    try:
        # Every digest once more, of the very files that the version is made of: what was taken over included.
        load(path)
        if signing_key is not None:
            # First of all: crawls that demand a signer look at what the pointer names.
            signatures.write(folder, path.name, [BLOCKLIST.sign(path.name, signing_key)])
    except BlocklistError:
        discard(path)
        raise
    point_to(folder, path.name)
    removed = retain(folder, path.name, keep)
    if signing_key is not None:
        signatures.prune(folder)
    return path.name, removed
