from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from blocklist.packs import state
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519, x25519

from ingest_guard.blocklist.transfer import encryption
from ingest_guard.errors import BlocklistError
from ingest_guard.signing import keys

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def key(tmp_path: Path) -> Path:
    """Make a signing key; return its file."""
    keys.write_signing_key(tmp_path / "signer")
    return tmp_path / "signer"


def public(path: Path) -> bytes:
    """Return the public half of a key."""
    return keys.read_public_key(keys.public_path(path))


def test_keygen_files(tmp_path: Path) -> None:
    """The secret is its owner's alone, the public half is for all, and neither is ever written over."""
    beside, text = keys.write_signing_key(tmp_path / "signer")
    assert beside == tmp_path / "signer.pub"
    assert (tmp_path / "signer").stat().st_mode & 0o7777 == 0o600
    assert beside.read_text() == f"{text}\n"
    before = state(tmp_path)
    for path in (tmp_path / "signer", tmp_path / "fresh"):
        (tmp_path / "fresh.pub").touch()
        with pytest.raises(BlocklistError, match="exists; a key is never written over another"):
            keys.write_signing_key(path)
        with pytest.raises(BlocklistError, match="exists; a key is never written over another"):
            encryption.write_identity(path)
    (tmp_path / "fresh.pub").unlink()
    assert state(tmp_path) == before
    with pytest.raises(BlocklistError, match="cannot be written: No such file"):
        keys.write_signing_key(tmp_path / "missing" / "key")


def test_public_keys_are_read_from_hex_or_files(tmp_path: Path, key: Path) -> None:
    """Hex, a file of hex and a file of PEM are the same key."""
    expected = public(key)
    pem = tmp_path / "pem"
    pem.write_bytes(
        ed25519.Ed25519PublicKey.from_public_bytes(expected).public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
    )
    for given in (expected.hex(), f" {expected.hex().upper()}\n", pem, str(pem), str(key) + ".pub"):
        assert keys.read_public_key(given) == expected


def test_what_is_no_public_key(tmp_path: Path, key: Path) -> None:
    """Other text, missing files, private keys, other kinds of key and files open to others are refused."""
    other = x25519.X25519PrivateKey.generate().public_key()
    files = {
        "x25519": other.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo),
        "junk": b"junk",
        "short": b"ab" * 31,
        "private": key.read_bytes(),
        "binary": b"\xff\xfe",
        "large": b"a" * (1 << 17),
    }
    for name, data in files.items():
        (tmp_path / name).write_bytes(data)
        with pytest.raises(BlocklistError, match=f"{name} is not a"):
            keys.read_public_key(tmp_path / name)
    for text in ("ab" * 31, str(tmp_path / "missing")):
        with pytest.raises(BlocklistError, match="neither a public key of 64 hex digits nor a file"):
            keys.read_public_key(text)
    with pytest.raises(BlocklistError, match="cannot be opened: No such file"):
        keys.read_public_key(tmp_path / "missing")
    with pytest.raises(BlocklistError, match="is not a key file"):
        keys.read_public_key(tmp_path)
    keys.public_path(key).chmod(0o646)
    with pytest.raises(BlocklistError, match="can be written to by"):
        keys.read_public_key(keys.public_path(key))


def test_what_is_no_signing_key(tmp_path: Path) -> None:
    """Other kinds of key, other files, locked keys and keys that others may read are refused; no byte is quoted."""
    private = ed25519.Ed25519PrivateKey.generate()
    plain = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8)
    files = {
        "x25519": x25519.X25519PrivateKey.generate().private_bytes(*plain, serialization.NoEncryption()),
        "junk": b"secret junk",
        "locked": private.private_bytes(*plain, serialization.BestAvailableEncryption(b"word")),
    }
    for name, data in files.items():
        (tmp_path / name).write_bytes(data)
        (tmp_path / name).chmod(0o600)
        with pytest.raises(BlocklistError, match=f"{name} is (not a private|protected)") as caught:
            keys.read_signing_key(tmp_path / name)
        assert "secret" not in str(caught.value)
    (tmp_path / "junk").chmod(0o604)
    with pytest.raises(BlocklistError, match="mode 0604"):
        keys.read_signing_key(tmp_path / "junk")
