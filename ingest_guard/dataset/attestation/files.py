"""The files of an attestation: ``attestation.json``, its signatures (``attestation.json.sig``), ``croissant.json``.

Each is written whole under a hidden name, synced, and renamed. The manifest comes last, so whatever happens meanwhile
leaves the old one, which then does not fit what is beside it, and never half of a new one. Signatures are Ed25519, of
the manifest's SHA-256; the keys are those that sign blocklists (``ingest-guard blocklist keygen --sign FILE``).
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from ingest_guard._clock import now
from ingest_guard.dataset.attestation import croissant, dataset_card, inventory
from ingest_guard.dataset.attestation.inventory import ShardFacts
from ingest_guard.dataset.attestation.manifest import NAME, Manifest, read_manifest
from ingest_guard.dataset.records.schema import Column
from ingest_guard.errors import AttestationError
from ingest_guard.files.atomic import whole_file
from ingest_guard.signing.signature_file import ATTESTATION, MAX_BYTES, Signed

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

SIGNATURE = "attestation.json.sig"


def manifest_digest(folder: str | os.PathLike[str]) -> str:
    """Return the SHA-256 of a folder's manifest, in hex; AttestationError where there is none."""
    return hashlib.sha256(read_manifest(folder)).hexdigest()


def write_manifest(
    folder: str | os.PathLike[str], manifest: Manifest, *, key: Ed25519PrivateKey | None = None
) -> Manifest:
    """Take inventory of a folder, and write its manifest, Croissant file and signature.

    Every shard is read through: rows, size, digest, and the check sets that its records name. An earlier signature is
    removed where no key is given, as it is not one of this manifest.

    Parameters
    ----------
    folder
        With the shards: all files that :func:`~ingest_guard.dataset.shards.names.shard_names` finds.
    manifest
        What is known of them, from a crawl or from :meth:`Manifest.derive`. Its ``shards`` are made anew.
    key
        Who signs it (:func:`ingest_guard.signing.keys.read_signing_key`); None leaves it unsigned.

    Returns
    -------
    Manifest
        As it was written.

    Raises
    ------
    AttestationError
        A shard cannot be read, records name a check set that the manifest does not describe, or the files cannot be
        written.
    """
    where = Path(folder)
    if not where.is_dir():
        raise AttestationError(f"{folder} is no folder; name the one with the shards")
    manifest = with_shards(manifest, inventory.take_all(where))
    return put(where, manifest, inventory.columns_in(where, manifest.shards, manifest.outfit), key)


def with_shards(manifest: Manifest, found: Iterable[ShardFacts], *, may_lack: bool = False) -> Manifest:
    """Return a manifest with the shards that were found.

    Parameters
    ----------
    manifest, found
        What is known, and what is there.
    may_lack
        Whether rows without an attestation are to be expected: items that a policy lets pass without an image.

    Raises
    ------
    AttestationError
        A shard has records that name a check set that the manifest does not describe, or none where each must.
    """
    every = list(found)
    known: set[str | None] = {each.check_set for each in manifest.check_sets}
    if may_lack or manifest.unattested:
        known.add(None)
    for each in every:
        unknown = each.check_sets.keys() - known
        if unknown and manifest.records == "attested":
            raise AttestationError(
                f"{each.shard.name} has {sum(each.check_sets[name] for name in unknown)} records of which nobody knows "
                "what they were held against; take the file out of the folder, or compare its fingerprints with your "
                "lists: ingest-guard recheck"
            )
    update = {
        "shards": tuple(each.shard for each in every),
        "unattested": sum(each.check_sets[None] for each in every),
        "created": now(),
    }
    return manifest.model_copy(update=update)


def put(folder: Path, manifest: Manifest, columns: tuple[Column, ...], key: Ed25519PrivateKey | None) -> Manifest:
    """Write a manifest whose shards are known, with its Croissant file of these columns."""
    described = croissant.to_bytes(manifest, columns)
    manifest = manifest.model_copy(update={"croissant": hashlib.sha256(described).hexdigest()})
    data = manifest.to_bytes()
    if key is None:
        remove(folder, SIGNATURE)
    else:
        write(folder, SIGNATURE, signed(data, key))
    write(folder, croissant.NAME, described)
    if (card := dataset_card.to_bytes(manifest, columns)) is not None and dataset_card.is_own(folder):
        write(folder, dataset_card.NAME, card)
    write(folder, NAME, data)
    return manifest


def remove(folder: Path, *names: str) -> None:
    """Remove files, where they are there; AttestationError where that cannot be done."""
    try:
        for name in names:
            (folder / name).unlink(missing_ok=True)
    except OSError as error:
        raise AttestationError(f"{folder}: an old manifest cannot be removed: {error.strerror}") from None


def write(folder: Path, name: str, data: bytes) -> None:
    """Write one file, whole or not at all; AttestationError where that cannot be done."""
    try:
        with whole_file(folder / name) as file:
            file.write(data)
    except OSError as error:
        raise AttestationError(f"{folder / name} cannot be written: {error.strerror}") from None


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
    path = where / SIGNATURE
    before = path.read_bytes() if path.exists() else None
    write(where, SIGNATURE, signed(data, key, before))
    return signers(where, data)


def signed(data: bytes, key: Ed25519PrivateKey, before: bytes | None = None) -> bytes:
    """Return the content of a signature file for a manifest.

    Parameters
    ----------
    data
        The manifest's bytes.
    key
        Who signs.
    before
        The content of its signature file so far: signatures of these very bytes stay in it.
    """
    digest = hashlib.sha256(data).hexdigest()
    made = ATTESTATION.sign(digest, key)
    others = () if before is None else _read(before).signatures
    kept = [each for each in others if each.public_key != made.public_key and ATTESTATION.holds(each, digest)]
    return ATTESTATION.to_bytes(digest, sorted([*kept, made]))


def signers(folder: Path, data: bytes) -> tuple[bytes, ...]:
    """Return the public keys (32 bytes each) that have signed a manifest; none where there is no signature.

    Raises
    ------
    AttestationError
        The file is damaged or of another manifest, or a signature in it does not hold.
    """
    try:
        with (folder / SIGNATURE).open("rb") as file:
            content = file.read(MAX_BYTES)
    except FileNotFoundError:
        return ()
    except OSError as error:
        raise AttestationError(f"{SIGNATURE} cannot be read: {error.strerror}") from None
    digest = hashlib.sha256(data).hexdigest()
    read = _read(content)
    if read.digest != digest:
        raise AttestationError(
            f"{SIGNATURE} is a signature of another manifest: one of the two was exchanged or changed"
        )
    if not all(ATTESTATION.holds(each, digest) for each in read.signatures):
        raise AttestationError(f"{SIGNATURE}: a signature does not hold; it was changed, or made with another key")
    return tuple(each.public_key for each in read.signatures)


def _read(content: bytes) -> Signed:
    read = ATTESTATION.parse(content)
    if read is None:
        raise AttestationError(f"{SIGNATURE} was changed or damaged: it holds something else than signatures")
    return read
