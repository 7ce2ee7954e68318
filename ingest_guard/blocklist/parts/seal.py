"""What is stored of a value: the value itself, or, in a keyed blocklist, what its key makes of it.

What a key is worth differs. Of an **exact value** HMAC-SHA-256 is stored: without the key there is no way to find out
whether a given file is listed. That is cryptographic. The bits of a **near value** are exchanged and some of them
inverted, all values of an algorithm in the same way, as anything else would change their distances: who holds some
pictures that are listed can work the exchange out. That is obfuscation, and keeps off no more than a glance or a tool
that reads lists. Of byte vectors the bytes are exchanged, and some of them counted from 255 down, which leaves L1 and
L2 as they are.

Addresses and domains are HMAC-SHA-256 in every blocklist; without a key of the operator's the salt in the manifest is
used, so that no table of other people's digests fits, but who has the file can try addresses.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import os
import re
from collections.abc import Callable
from functools import cached_property, lru_cache
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ingest_guard.errors import BlocklistError
from ingest_guard.hashing import algorithms
from ingest_guard.hashing.algorithms import Kind
from ingest_guard.signing.keys import read_private

_DIGEST = 32
_BLOCK = 64
_CHUNK = 1 << 15
_LABEL = "ingest-guard/1"


class Sealer:
    """Turn values into what one blocklist stores of them, and back-to-front nothing.

    Parameters
    ----------
    salt
        32 bytes from the manifest; no secret.
    key
        The operator's key; None for a blocklist that is not keyed.
    """

    def __init__(self, salt: bytes, key: bytes | None = None) -> None:
        self._salt = salt
        self._key = key
        self._near = lru_cache(maxsize=64)(self._near_plan)
        self._keyed = lru_cache(maxsize=64)(self._keyed_states)

    @property
    def sealed(self) -> bool:
        """Whether a key of the operator's is used."""
        return self._key is not None

    @cached_property
    def check(self) -> str | None:
        """Hex that the manifest of a keyed blocklist holds, to recognise a wrong key; None without a key."""
        return None if self._key is None else self._derived("check", self._salt).hex()

    def stored_size(self, name: str) -> int:
        """Return the bytes that are stored of a value of an algorithm."""
        algorithm = algorithms.get(name)
        return _DIGEST if self._hashes(algorithm.kind) else algorithm.length

    def seal(self, name: str, values: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
        """Return what is stored of values, uint8[n, size]: themselves where nothing is keyed."""
        kind = algorithms.get(name).kind
        if self._hashes(kind):
            hashed = self._hasher(name)
            out = np.empty((len(values), _DIGEST), np.uint8)
            for start in range(0, len(values), _CHUNK):
                raw, size = values[start : start + _CHUNK].tobytes(), values.shape[1]
                digests = b"".join([hashed(raw[at : at + size]) for at in range(0, len(raw), size)])
                out[start : start + _CHUNK] = np.frombuffer(digests, np.uint8).reshape(-1, _DIGEST)
            return out
        if self._key is None or kind in (Kind.EXACT, Kind.URL):
            return values
        return self.seal_near(name, values, of_bytes=kind is Kind.VECTOR)

    def seal_one(self, name: str, value: bytes) -> bytes:
        """Return what is stored of one exact value or address."""
        return self._hasher(name)(value) if self._hashes(algorithms.get(name).kind) else value

    def seal_near(self, name: str, values: npt.NDArray[np.uint8], *, of_bytes: bool) -> npt.NDArray[np.uint8]:
        """Return what is stored of near values, whose plug-in need not be installed; distances stay as they are."""
        if self._key is None:
            return values
        order, mask = self._near(name, values.shape[1], of_bytes)
        if of_bytes:
            return np.ascontiguousarray(values[:, order] ^ mask)
        out = np.empty(values.shape, np.uint8)
        for start in range(0, len(values), _CHUNK):
            bits = np.unpackbits(values[start : start + _CHUNK], axis=1)
            out[start : start + _CHUNK] = np.packbits(bits[:, order], axis=1) ^ mask
        return out

    def is_plain(self, name: str) -> bool:
        """Tell whether values of an algorithm are stored as they are."""
        return self._key is None and algorithms.get(name).kind is not Kind.URL

    def record(self, key: str) -> int:
        """Return a 64-bit digest of the name that a source gives a record; never 0, which stands for no name."""
        text = key.encode("utf-8", "surrogatepass")
        return int.from_bytes(hashlib.blake2b(text, digest_size=8, key=self._records).digest(), "little") or 1

    @cached_property
    def canary_seed(self) -> bytes:
        """What the canary is made from: the same for all blocklists without a key, a secret where there is one."""
        return b"" if self._key is None else self._derived("canary")

    @cached_property
    def _records(self) -> bytes:
        return self._derived("records")

    def _hashes(self, kind: Kind) -> bool:
        return kind is Kind.URL or (kind is Kind.EXACT and self._key is not None)

    def _derived(self, label: str, more: bytes = b"") -> bytes:
        secret = self._salt if self._key is None else self._key
        return hmac.digest(secret, f"{_LABEL}/{label}\0".encode() + more, "sha256")

    def _keyed_states(self, name: str) -> tuple[hashlib._Hash, hashlib._Hash]:
        padded = self._derived(f"exact/{name}").ljust(_BLOCK, b"\0")
        return (
            hashlib.sha256(bytes(byte ^ 0x36 for byte in padded)),
            hashlib.sha256(bytes(byte ^ 0x5C for byte in padded)),
        )

    def _hasher(self, name: str) -> Callable[[bytes], bytes]:
        """Return HMAC-SHA-256 under the algorithm's own key; both halves of it keyed once for millions of values."""
        inside, outside = self._keyed(name)

        def hashed(value: bytes) -> bytes:
            inner, outer = inside.copy(), outside.copy()
            inner.update(value)
            outer.update(inner.digest())
            return outer.digest()

        return hashed

    def _near_plan(
        self,
        name: str,
        size: int,
        of_bytes: bool,  # noqa: FBT001 - lru_cache tells positional arguments apart cheaply
    ) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.uint8]]:
        """Return the order of the bits (or bytes) of a value and the mask on the result."""
        places = size if of_bytes else size * 8
        numbers = self._stream(f"order/{name}", places * 8).view("<u8")
        mask = self._stream(f"mask/{name}", size)
        if of_bytes:
            mask = (mask & 1).astype(np.uint8) * np.uint8(255)
        return np.argsort(numbers, kind="stable"), mask

    def _stream(self, label: str, size: int) -> npt.NDArray[np.uint8]:
        blocks = [self._derived(f"{label}/{number}") for number in range(-(-size // _DIGEST))]
        return np.frombuffer(b"".join(blocks), np.uint8)[:size]


def open_sealer(salt: str, sealed: str | None, key: bytes | None, where: str) -> Sealer:
    """Return the sealer of a version, if the key is the one that it was built with.

    Parameters
    ----------
    salt, sealed
        From its manifest.
    key
        The operator's key, or None.
    where
        Which version, for error texts.

    Raises
    ------
    BlocklistError
        A key is missing, wrong, or given for a blocklist that has none.
    """
    sealer = Sealer(bytes.fromhex(salt), key)
    if sealed is None and key is not None:
        raise BlocklistError(
            f"{where} is not sealed, but a key is given for it: it may have been exchanged. Build it "
            "with the key, or remove list_key from the policy"
        )
    if sealed is not None and key is None:
        raise BlocklistError(
            f"{where} is sealed, and opens with its key only; name where that is: list_key: {{env: NAME}} or "
            "{file: PATH} in the policy, --key-env or --key-file on the command line"
        )
    if sealed is not None and not hmac.compare_digest(sealed, sealer.check or ""):
        raise BlocklistError(f"{where} was sealed with another key; give the one that it was built with")
    return sealer


LEAST_BYTES = 32
"""Bytes that a key must have at least."""

_HEX = re.compile(r"(?:[0-9A-Fa-f]{2})+")
_MAKE_ONE = "make one: openssl rand -hex 32"


def read_key(env: str | None = None, file: Path | str | None = None) -> bytes:
    """Return the key that an environment variable or a file holds, in hex or Base64.

    Parameters
    ----------
    env
        Name of the variable.
    file
        Path of the file, which only its owner may read or write.

    Raises
    ------
    BlocklistError
        Not exactly one of the two is named; nothing there, or no key of 32 bytes or more; others may read the file.
    """
    if (env is None) == (file is None):
        raise BlocklistError("the key of a blocklist comes from one environment variable or one file; name one of them")
    if env is not None:
        text = os.environ.get(env)
        if text is None:
            raise BlocklistError(
                f"environment variable {env} is not set; put the blocklist's key there, or {_MAKE_ONE}"
            )
        return _decode(text, f"environment variable {env}")
    return _decode(read_private(Path(str(file))).decode("ascii", "replace"), f"key file {file}")


def _decode(text: str, where: str) -> bytes:
    text = text.strip()
    try:
        key = bytes.fromhex(text) if _HEX.fullmatch(text) else base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        # Without its cause, whose text may quote a part of the key.
        raise BlocklistError(f"{where} holds neither hex nor Base64; {_MAKE_ONE}") from None
    if len(key) < LEAST_BYTES:
        raise BlocklistError(f"{where}: a key of {len(key)} bytes is too short, {LEAST_BYTES} are needed; {_MAKE_ONE}")
    return key
