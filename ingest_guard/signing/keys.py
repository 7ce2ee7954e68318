"""Files with keys in them, and the Ed25519 keys that sign blocklists and manifests.

Private files are written for their owner alone, and refused where others can read them. Private Ed25519 keys are in PEM
(PKCS 8, as openssl writes them), public ones in PEM or 64 hex digits.
"""

from __future__ import annotations

import os
import re
import stat
from pathlib import Path
from typing import TYPE_CHECKING

from ingest_guard.errors import BlocklistError
from ingest_guard.files.atomic import whole_file
from ingest_guard.files.safe import check_mode

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

_PRIVATE = 0o600
_PUBLIC = 0o644
_MAX_BYTES = 1 << 16
_HEX = re.compile(r"[0-9a-fA-F]{64}")


def write_signing_key(path: Path | str) -> tuple[Path, str]:
    """Make a signing key: the private half in `path` (mode 0600), the public one in ``<path>.pub``.

    Returns
    -------
    path of the public half, the public key as 64 hex digits

    Raises
    ------
    BlocklistError
        Either file exists, or cannot be written.
    """
    # cryptography is imported where it is used: scan workers and crawls without a signer do not load OpenSSL.
    from cryptography.hazmat.primitives import serialization  # noqa: PLC0415 - see above
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey  # noqa: PLC0415 - see above

    key = Ed25519PrivateKey.generate()
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    public = key.public_key().public_bytes_raw().hex()
    return write_pair(Path(path), pem, public), public


def read_signing_key(path: Path | str) -> Ed25519PrivateKey:
    """Read a private Ed25519 key.

    Raises
    ------
    BlocklistError
        The file cannot be read, others have access to it, or it holds something else.
    """
    from cryptography.exceptions import UnsupportedAlgorithm  # noqa: PLC0415 - see write_signing_key
    from cryptography.hazmat.primitives import serialization  # noqa: PLC0415 - see write_signing_key
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey  # noqa: PLC0415 - see write_signing_key

    data = read_private(path)
    try:
        key = serialization.load_pem_private_key(data, None)
    except TypeError:
        raise BlocklistError(f"{path} is protected by a passphrase; a key for unattended use has none") from None
    except (ValueError, UnsupportedAlgorithm):
        key = None
    if not isinstance(key, Ed25519PrivateKey):
        raise BlocklistError(
            f"{path} is not a private Ed25519 key in PEM; make one: ingest-guard blocklist keygen --sign FILE"
        )
    return key


def read_public_key(text_or_path: str | Path) -> bytes:
    """Return the 32 bytes of a public Ed25519 key.

    Parameters
    ----------
    text_or_path
        64 hex digits; or the path of a file that holds them, or a public key in PEM. A ``Path`` is always a file.

    Raises
    ------
    BlocklistError
        Neither; or the file cannot be read, is writable by others, or holds something else.
    """
    if isinstance(text_or_path, str) and _HEX.fullmatch(text_or_path.strip()):
        return bytes.fromhex(text_or_path)
    path = Path(text_or_path)
    if isinstance(text_or_path, str) and not path.exists():
        raise BlocklistError(
            f"{str(text_or_path)[:200]!r} is neither a public key of 64 hex digits nor a file with one; "
            "ingest-guard blocklist keygen --sign FILE writes it to FILE.pub"
        )
    text = read_public(path).strip()
    if _HEX.fullmatch(text):
        return bytes.fromhex(text)
    return _from_pem(text, path)


def public_path(path: Path) -> Path:
    """Return where the public half of the key in `path` stands."""
    return path.with_name(path.name + ".pub")


def write_pair(path: Path, private: bytes, public: str) -> Path:
    """Write a private key to `path` and its public half beside it; return the latter's path.

    Raises
    ------
    BlocklistError
        Either exists already, or cannot be written.
    """
    beside = public_path(path)
    for each in (path, beside):
        if os.path.lexists(each):
            raise BlocklistError(f"{each} exists; a key is never written over another: choose a new name")
    _write_new(path, private, _PRIVATE)
    _write_new(beside, f"{public}\n".encode(), _PUBLIC)
    return beside


def read_private(path: Path | str) -> bytes:
    """Return the content of a file with a secret in it.

    Raises
    ------
    BlocklistError
        It cannot be read, is too long for a key, or others than its owner may read or write it.
    """
    return _read(Path(path), private=True)


def read_public(path: Path | str) -> str:
    """Return the text of a file with public keys in it.

    Raises
    ------
    BlocklistError
        It cannot be read, is too long for keys or no text, or others than its owner may write to it.
    """
    try:
        return _read(Path(path), private=False).decode("ascii")
    except UnicodeDecodeError:
        raise BlocklistError(f"{path} is not a text file, so it holds no key that this release reads") from None


def _from_pem(text: str, path: Path) -> bytes:
    from cryptography.exceptions import UnsupportedAlgorithm  # noqa: PLC0415 - see write_signing_key
    from cryptography.hazmat.primitives import serialization  # noqa: PLC0415 - see write_signing_key
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey  # noqa: PLC0415 - as above

    try:
        key = serialization.load_pem_public_key(text.encode())
    except (ValueError, UnsupportedAlgorithm):
        key = None
    if not isinstance(key, Ed25519PublicKey):
        raise BlocklistError(f"{path} is not a public Ed25519 key: expected 64 hex digits, or PEM as openssl writes it")
    return key.public_bytes_raw()


def _write_new(path: Path, data: bytes, mode: int) -> None:
    try:
        with whole_file(path, mode, replace=False) as file:
            file.write(data)
    except OSError as error:
        raise BlocklistError(f"{path} cannot be written: {error.strerror}") from None


def _read(path: Path, *, private: bool) -> bytes:
    # Links are followed: mounted secrets are links. What counts is who may change or read the file that is read.
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise BlocklistError(f"{path} cannot be opened: {error.strerror}; check the path") from None
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode) or status.st_size > _MAX_BYTES:
            raise BlocklistError(f"{path} is not a key file; check the path")
        if not private:
            check_mode(status, str(path))
        elif status.st_mode & (stat.S_IRWXG | stat.S_IRWXO):
            raise BlocklistError(
                f"{path} holds a secret, and others than its owner have access to it (mode "
                f"{stat.S_IMODE(status.st_mode):04o}): chmod 600 {path}, and if others may have read it, make a new key"
            )
        return os.read(descriptor, _MAX_BYTES)
    finally:
        os.close(descriptor)
