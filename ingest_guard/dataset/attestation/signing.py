"""Who vouches for a manifest: ``attestation.json.sig``, Ed25519 signatures of its SHA-256.

The keys are those that sign blocklists (``ingest-guard blocklist keygen --sign FILE``).
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

from ingest_guard.errors import AttestationError
from ingest_guard.signing.signature_file import ATTESTATION, MAX_BYTES, Signed

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

NAME = "attestation.json.sig"


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
        with (folder / NAME).open("rb") as file:
            content = file.read(MAX_BYTES)
    except FileNotFoundError:
        return ()
    except OSError as error:
        raise AttestationError(f"{NAME} cannot be read: {error.strerror}") from None
    digest = hashlib.sha256(data).hexdigest()
    read = _read(content)
    if read.digest != digest:
        raise AttestationError(f"{NAME} is a signature of another manifest: one of the two was exchanged or changed")
    if not all(ATTESTATION.holds(each, digest) for each in read.signatures):
        raise AttestationError(f"{NAME}: a signature does not hold; it was changed, or made with another key")
    return tuple(each.public_key for each in read.signatures)


def _read(content: bytes) -> Signed:
    read = ATTESTATION.parse(content)
    if read is None:
        raise AttestationError(f"{NAME} was changed or damaged: it holds something else than signatures")
    return read
