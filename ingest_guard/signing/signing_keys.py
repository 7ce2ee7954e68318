"""Keys of those who sign: private ones in PEM (PKCS 8, as openssl writes them), public ones in PEM or 64 hex digits."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from ingest_guard.errors import BlocklistError
from ingest_guard.signing import keyfiles

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

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
    return keyfiles.write_pair(Path(path), pem, public), public


def read_signing_key(path: Path | str) -> Ed25519PrivateKey:
    """Read a private Ed25519 key.

    Raises
    ------
    BlocklistError
        The file cannot be read, others have access to it, or it holds something else.
    """
    from cryptography.exceptions import UnsupportedAlgorithm  # noqa: PLC0415 - see write_signing_key
    from cryptography.hazmat.primitives import serialization  # noqa: PLC0415 - see write_signing_key
    from cryptography.hazmat.primitives.asymmetric.ed25519 import (  # noqa: PLC0415 - see write_signing_key
        Ed25519PrivateKey,
    )

    data = keyfiles.read_private(path)
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
    text = keyfiles.read_public(path).strip()
    if _HEX.fullmatch(text):
        return bytes.fromhex(text)
    return _from_pem(text, path)


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
