from __future__ import annotations

import hashlib
import json

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from ingest_guard.signing.signature_file import ATTESTATION, BLOCKLIST, Signature, SignatureFormat

DIGEST = hashlib.sha256(b"x").hexdigest()
BOTH = pytest.mark.parametrize("kind", [BLOCKLIST, ATTESTATION])


def signers(count: int = 2) -> list[Ed25519PrivateKey]:
    """Return the same keys each time, in the order of their public halves."""
    made = [Ed25519PrivateKey.from_private_bytes(bytes([number]) * 32) for number in range(count)]
    return sorted(made, key=lambda key: key.public_key().public_bytes_raw())


@pytest.mark.parametrize(
    ("kind", "context"),
    [(BLOCKLIST, b"ingest_guard blocklist v1\0"), (ATTESTATION, b"ingest_guard attestation v1\n")],
)
def test_what_is_signed_is_bound_to_its_purpose(kind: SignatureFormat, context: bytes) -> None:
    """The signature is Ed25519 over a context and the digest: neither the bare digest nor another purpose fits."""
    (key,) = signers(1)
    made = kind.sign(DIGEST, key)
    key.public_key().verify(made.signature, context + DIGEST.encode())
    assert kind.holds(made, DIGEST)
    assert not kind.holds(made, "0" * 64)
    assert not (ATTESTATION if kind is BLOCKLIST else BLOCKLIST).holds(made, DIGEST)
    assert not kind.holds(Signature(made.public_key, key.sign(DIGEST.encode())), DIGEST)
    assert not kind.holds(Signature(b"\xff" * 32, made.signature), DIGEST)
    assert not kind.holds(Signature(b"short", made.signature), DIGEST)
    assert made.signature.hex() not in repr(made)


@pytest.mark.parametrize(
    ("kind", "name", "key"),
    [
        (BLOCKLIST, "ingest-guard signatures 1", "version"),
        (ATTESTATION, "ingest-guard attestation signatures 1", "sha256"),
    ],
)
def test_the_formats(kind: SignatureFormat, name: str, key: str) -> None:
    """Both files are what earlier releases wrote: these keys, sorted, indented by one, and an end of line."""
    made = [kind.sign(DIGEST, each) for each in signers()]
    listed = [{"public_key": each.public_key.hex(), "signature": each.signature.hex()} for each in made]
    content = {"algorithm": "ed25519", "format": name, "signatures": listed, key: DIGEST}
    data = (json.dumps(content, indent=1, sort_keys=True) + "\n").encode()
    assert kind.to_bytes(DIGEST, made) == data
    assert kind.parse(data) == (DIGEST, tuple(made))


@BOTH
def test_only_one_spelling_is_read(kind: SignatureFormat) -> None:
    """Any changed byte, another order, a signer twice, no signature and other files are not read."""
    made = [kind.sign(DIGEST, each) for each in signers()]
    good = kind.to_bytes(DIGEST, made)
    for position in range(len(good)):
        bad = good[:position] + bytes([good[position] ^ 1]) + good[position + 1 :]
        read = kind.parse(bad)
        assert read is None or (read.digest != DIGEST) or not all(kind.holds(e, DIGEST) for e in read.signatures)
    for found in (made[::-1], made[:1] * 2, []):
        assert kind.parse(kind.to_bytes(DIGEST, found)) is None
    for bad in (b"", b"[]", b"null", b"\xff", b"[" * 60_000, good + b"\n", good.replace(b'": "', b'":"')):
        assert kind.parse(bad) is None
    assert (ATTESTATION if kind is BLOCKLIST else BLOCKLIST).parse(good) is None


@BOTH
def test_bounds(kind: SignatureFormat) -> None:
    """64 signatures are read, 65 are not; a digest is 64 hex digits, keys and signatures are as long as they are."""
    made = [kind.sign(DIGEST, each) for each in signers(65)]
    assert kind.parse(kind.to_bytes(DIGEST, made[:64])) is not None
    assert kind.parse(kind.to_bytes(DIGEST, made)) is None
    assert kind.parse(kind.to_bytes(DIGEST[:-1], made[:1])) is None
    assert kind.parse(kind.to_bytes(DIGEST, [Signature(b"short", made[0].signature)])) is None
