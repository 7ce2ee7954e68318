"""A manifest written anew for a folder that has one, or had: and a further signature for one that stays as it is."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from ingest_guard.dataset.attestation import draft as drafts
from ingest_guard.dataset.attestation import files, inventory, signing
from ingest_guard.dataset.attestation.manifest import Manifest, read_manifest
from ingest_guard.dataset.attestation.model import About
from ingest_guard.dataset.shards.location import lock_folder
from ingest_guard.errors import AttestationError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey


def reissue(
    folder: str | os.PathLike[str], *, about: About | None = None, key: Ed25519PrivateKey | None = None
) -> Manifest:
    """Write a folder's manifest anew, from its manifest, or from the draft of a crawl that did not end well.

    Parameters
    ----------
    folder
        With the shards. No crawl may be writing into it.
    about
        What the operator says of the data set; None keeps what was said.
    key
        Who signs it; None leaves it unsigned.

    Raises
    ------
    AttestationError
        Nothing is known of the folder; a shard was changed or is gone; or records name a check set that the manifest
        does not describe.
    """
    where = Path(folder)
    known = drafts.read_earlier(where)
    if known is None:
        raise AttestationError(
            f"{folder} has no manifest, and no draft of one: nothing is known of how its records were made; compare "
            "their fingerprints with your lists: ingest-guard recheck"
        )
    if about is not None:
        known = known.model_copy(update={"about": about})
    with _keep_crawls_out(where):
        found = inventory.take_all(where)
        drafts.require_unchanged(where, known.shards, found)
        manifest = files.with_shards(known.counted(), found)
        written = files.put(where, manifest, inventory.columns_in(where, manifest.shards, manifest.outfit), key)
        files.remove(where, drafts.DRAFT)
    return written


@contextmanager
def _keep_crawls_out(folder: Path) -> Iterator[None]:
    try:
        descriptor = lock_folder(folder)
    except BlockingIOError:
        raise AttestationError(f"a crawl is writing to {folder}; wait for its end") from None
    try:
        yield
    finally:
        os.close(descriptor)


def countersign(folder: str | os.PathLike[str], sha256: str, key: Ed25519PrivateKey) -> tuple[bytes, ...]:
    """Add a signature to a manifest that was verified; return the public keys of all who have signed it.

    Parameters
    ----------
    folder
        Of the manifest.
    sha256
        Of the manifest that was verified: another one is not signed.
    key
        Who signs.

    Raises
    ------
    AttestationError
        The manifest is another one by now, or the signature cannot be written.
    """
    where = Path(folder)
    data = read_manifest(where)
    if hashlib.sha256(data).hexdigest() != sha256:
        raise AttestationError("the manifest was exchanged since it was verified; verify it again")
    path = where / signing.NAME
    before = path.read_bytes() if path.exists() else None
    files.write(where, signing.NAME, signing.signed(data, key, before))
    return signing.signers(where, data)
