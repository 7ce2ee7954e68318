"""The last steps of every new version: the draft gets its name, proves that it opens, and becomes the current one."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ingest_guard.blocklist.parts.load import load
from ingest_guard.blocklist.store import signatures as store_signatures
from ingest_guard.blocklist.store.draft import VersionDraft, discard, point_to, retain
from ingest_guard.signing.signature_file import BLOCKLIST, Signature

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

DEFAULT_KEEP = 3


def activate(
    folder: Path,
    draft: VersionDraft,
    manifest: bytes,
    keep: int,
    *,
    signatures: Sequence[Signature] = (),
    signing_key: Ed25519PrivateKey | None = None,
) -> tuple[str, list[str]]:
    """Make a draft the current version.

    Parameters
    ----------
    folder, draft
        The store, whose lock the caller holds; what was written so far.
    manifest
        The bytes of the manifest.
    keep
        How many versions to retain, this one included.
    signatures, signing_key
        Signatures that came with it; and a key to sign it with, before anything points to it.

    Returns
    -------
    the version, and the older ones that retention removed

    Raises
    ------
    BlocklistError
        It does not open, as it would not for any crawl, or its signatures cannot be written. It never becomes the
        current version.
    """
    path = draft.finish(manifest)
    try:
        # Every digest once more, of the very files that the version is made of: what was taken over included.
        load(path)
        made = [] if signing_key is None else [BLOCKLIST.sign(path.name, signing_key)]
        # Before the pointer: a crawl that demands a signer looks as soon as that has moved.
        store_signatures.write(folder, path.name, [*signatures, *made])
    except Exception:
        discard(path)
        raise
    return path.name, use(folder, path.name, keep)


def use(folder: Path, version: str, keep: int) -> list[str]:
    """Make a version of a store the current one; return the older ones that retention removed."""
    point_to(folder, version)
    removed = retain(folder, version, keep)
    store_signatures.prune(folder)
    return removed
