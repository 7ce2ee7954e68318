"""Who vouches for a manifest: ``attestation.json.sig``, Ed25519 signatures of its SHA-256.

The keys are those that sign blocklists (``ingest-guard blocklist keygen --sign FILE``). What is signed begins with a
text of its own, so that no signature of a blocklist fits, nor the other way round.
"""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ingest_guard.errors import AttestationError

if TYPE_CHECKING:
    from pathlib import Path

    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

NAME = "attestation.json.sig"
CONTEXT = b"ingest_guard attestation v1\n"
_MAX_BYTES = 1 << 16
_MAX_SIGNATURES = 64


class _Signature(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    public_key: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    signature: Annotated[str, Field(pattern=r"^[0-9a-f]{128}$")]


class _File(BaseModel):
    """``attestation.json.sig``."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: Literal["ingest-guard attestation signatures 1"] = "ingest-guard attestation signatures 1"
    algorithm: Literal["ed25519"] = "ed25519"
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    signatures: Annotated[tuple[_Signature, ...], Field(min_length=1, max_length=_MAX_SIGNATURES)]

    def to_bytes(self) -> bytes:
        return (json.dumps(self.model_dump(), indent=1, sort_keys=True) + "\n").encode()


def message(data: bytes) -> bytes:
    """Return what is signed: a text that says what for, and the SHA-256 of the manifest's bytes in hex."""
    return CONTEXT + hashlib.sha256(data).hexdigest().encode()


def signed(data: bytes, key: Ed25519PrivateKey, before: bytes | None = None) -> bytes:
    """Return the content of a signature file for a manifest.

    Parameters
    ----------
    data
        The manifest's bytes.
    key
        Who signs.
    before
        The content of its signature file so far: whoever signed these very bytes already stays in it.
    """
    public = key.public_key().public_bytes_raw().hex()
    made = _Signature(public_key=public, signature=key.sign(message(data)).hex())
    others = () if before is None else _read(before).signatures
    kept = [each for each in others if each.public_key != public and _holds(each, data)]
    ordered = sorted([*kept, made], key=lambda each: each.public_key)
    return _File(sha256=hashlib.sha256(data).hexdigest(), signatures=tuple(ordered)).to_bytes()


def signers(folder: Path, data: bytes) -> tuple[bytes, ...]:
    """Return the public keys (32 bytes each) that have signed a manifest; none where there is no signature.

    Raises
    ------
    AttestationError
        The file is damaged or of another manifest, or a signature in it does not hold.
    """
    try:
        with (folder / NAME).open("rb") as file:
            content = file.read(_MAX_BYTES)
    except FileNotFoundError:
        return ()
    except OSError as error:
        raise AttestationError(f"{NAME} cannot be read: {error.strerror}") from None
    read = _read(content)
    if read.sha256 != hashlib.sha256(data).hexdigest():
        raise AttestationError(f"{NAME} is a signature of another manifest: one of the two was exchanged or changed")
    if not all(_holds(each, data) for each in read.signatures):
        raise AttestationError(f"{NAME}: a signature does not hold; it was changed, or made with another key")
    return tuple(bytes.fromhex(each.public_key) for each in read.signatures)


def _read(content: bytes) -> _File:
    try:
        read = _File.model_validate_json(content)
    except ValidationError:
        read = None
    # The one spelling, so that no byte of the file can be changed unseen.
    if read is None or read.to_bytes() != content:
        raise AttestationError(f"{NAME} was changed or damaged: it holds something else than signatures")
    return read


def _holds(signature: _Signature, data: bytes) -> bool:
    from cryptography.exceptions import InvalidSignature  # noqa: PLC0415 - OpenSSL is loaded where it is needed
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey  # noqa: PLC0415 - as above

    try:
        key = Ed25519PublicKey.from_public_bytes(bytes.fromhex(signature.public_key))
        key.verify(bytes.fromhex(signature.signature), message(data))
    except (InvalidSignature, ValueError):
        return False
    return True
