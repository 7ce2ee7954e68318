"""Ed25519 signatures, and the JSON files that keep them: one format for blocklists, one for manifests of data sets.

What is signed is a SHA-256 in hex, behind a text that says what it is of, so that no signature made for one purpose
fits another. A file has one spelling only: it is refused when any byte of it was changed.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

MAX_SIGNATURES = 64
MAX_BYTES = 1 << 16

_DIGEST = re.compile(r"[0-9a-f]{64}")
_KEY_BYTES = 32
_SIGNATURE_BYTES = 64


@dataclass(frozen=True, slots=True, order=True)
class Signature:
    """A signature (64 bytes), and the public key of its signer (32 bytes)."""

    public_key: bytes
    signature: bytes = field(repr=False)


class Signed(NamedTuple):
    """The content of a signature file: the SHA-256 that was signed, and the signatures by their keys."""

    digest: str
    signatures: tuple[Signature, ...]


@dataclass(frozen=True, slots=True)
class SignatureFormat:
    """How one kind of thing is signed, and how the file with its signatures is written.

    Attributes
    ----------
    name
        ``format`` in the file.
    digest_key
        The key in the file that the digest has.
    context
        The text before the digest.
    """

    name: str
    digest_key: str
    context: bytes

    def sign(self, digest: str, key: Ed25519PrivateKey) -> Signature:
        """Sign a digest."""
        return Signature(key.public_key().public_bytes_raw(), key.sign(self._message(digest)))

    def holds(self, signature: Signature, digest: str) -> bool:
        """Tell whether a signature is one of this digest by its key."""
        # Here, so that scan workers and crawls without a signer do not load OpenSSL.
        from cryptography.exceptions import InvalidSignature  # noqa: PLC0415 - see above
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey  # noqa: PLC0415 - see above

        try:
            key = Ed25519PublicKey.from_public_bytes(signature.public_key)
            key.verify(signature.signature, self._message(digest))
        except (InvalidSignature, ValueError):
            return False
        return True

    def to_bytes(self, digest: str, signatures: Sequence[Signature]) -> bytes:
        """Return the content of a file with signatures, which are sorted."""
        content = {
            "format": self.name,
            "algorithm": "ed25519",
            self.digest_key: digest,
            "signatures": [
                {"public_key": each.public_key.hex(), "signature": each.signature.hex()} for each in signatures
            ],
        }
        return (json.dumps(content, sort_keys=True, indent=1) + "\n").encode()

    def parse(self, data: bytes) -> Signed | None:
        """Read the content of a file; None if :meth:`to_bytes` did not write it. No signature is verified."""
        try:
            content = json.loads(data)
            digest = content[self.digest_key]
            found = tuple(
                Signature(bytes.fromhex(each["public_key"]), bytes.fromhex(each["signature"]))
                for each in content["signatures"]
            )
        except (ValueError, TypeError, KeyError, RecursionError):
            return None
        sizes = {(len(each.public_key), len(each.signature)) for each in found}
        sound = sizes == {(_KEY_BYTES, _SIGNATURE_BYTES)} and len(found) <= MAX_SIGNATURES and in_order(found)
        if not sound or not isinstance(digest, str) or not _DIGEST.fullmatch(digest):
            return None
        return Signed(digest, found) if self.to_bytes(digest, found) == data else None

    def _message(self, digest: str) -> bytes:
        return self.context + digest.encode()


BLOCKLIST = SignatureFormat("ingest-guard signatures 1", "version", b"ingest_guard blocklist v1\0")
ATTESTATION = SignatureFormat("ingest-guard attestation signatures 1", "sha256", b"ingest_guard attestation v1\n")


def in_order(signatures: Sequence[Signature]) -> bool:
    """Tell whether they are sorted by key, one for each key: the only order that files have them in."""
    keys = [signature.public_key for signature in signatures]
    return keys == sorted(set(keys))
