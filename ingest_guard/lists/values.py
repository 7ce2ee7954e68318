"""The text of a value -> its bytes: hex, base64, base32, and numbers with commas between them.

Lists write the same 144 bytes as 288 hex digits, 192 characters of base64, or 144 numbers. The length of a
text says which it was, as the algorithm says how many bytes there must be; a text that fits none is rejected.
"""

import base64
import binascii
from collections.abc import Callable, Sequence
from functools import lru_cache

from ingest_guard.hashing.algorithms import built_in, find, get
from ingest_guard.lists.entries import MAX_TEXT, Entry, Rejected, Unsupported

ANY = ("hex", "base64", "base32", "bytes")
"""All encodings, in the order in which they are tried."""

PHOTODNA = "pdna"
"""What lists call it (NCMEC) and what unsupported values of it are counted as; ``photodna`` is the other name."""

_LONGEST_KEY = 512
_URL_SAFE = bytes.maketrans(b"-_", b"+/")


def value_row(
    algorithm: str,
    text: str,
    row: int,
    *,
    key: str | None = None,
    severity: str | None = None,
    encodings: Sequence[str] = ("hex",),
) -> Entry | Rejected:
    """Make an entry of a value's text, or say why there is none.

    Parameters
    ----------
    algorithm
        Its name in the table of algorithms; not ``url`` or ``domain``, whose values are no bytes.
    text
        The value as listed; white space around it does not matter.
    row, key, severity
        As in :class:`~ingest_guard.lists.entries.Entry`.
    encodings
        Which of :data:`ANY` the text may be in.

    Raises
    ------
    BlocklistError
        There is no such algorithm, or its plug-in is broken.
    """
    known = built_in(algorithm) or get(algorithm)
    if len(text) == known.length * 2 and "hex" in encodings:
        # Nearly all values of all lists.
        try:
            return Entry(known.name, binascii.unhexlify(text), row, key, severity)
        except ValueError:
            return Rejected(row, "not_hex")
    value = decoded(text.strip(), known.length, encodings)
    if isinstance(value, str):
        return Rejected(row, value)
    return Entry(known.name, value, row, key, severity)


def photodna_row(
    text: str, row: int, *, key: str | None = None, severity: str | None = None
) -> Entry | Rejected | Unsupported:
    """Make an entry of a PhotoDNA hash, where a hasher plug-in claims ``pdna`` or ``photodna``; else unsupported.

    Raises
    ------
    BlocklistError
        The plug-in is broken.
    """
    claimed = find(PHOTODNA) or find("photodna")
    if claimed is None:
        return Unsupported(row, PHOTODNA)
    return value_row(claimed.name, text, row, key=key, severity=severity, encodings=("hex", "base64", "bytes"))


def decoded(text: str, size: int, encodings: Sequence[str] = ("hex",)) -> bytes | str:
    """Return the `size` bytes that a text stands for; or, as ``str``, the reason why it stands for none.

    ``bad_length``: it is as long as no such value in any of the encodings. ``not_hex`` and so on: it is as long, but
    not made of what that encoding is made of. ``bad_value`` where more than one encoding was possible.
    """
    if len(text) > MAX_TEXT:
        return "too_long"
    reasons = []
    for name in encodings:
        lengths, decode = _decoders(name, size)
        if lengths is not None and len(text) not in lengths:
            continue
        try:
            value = decode(text)
        except ValueError:
            value = b""
        if len(value) == size:
            return value
        reasons.append(f"not_{name}")
    if not reasons or reasons == ["not_bytes"]:
        return "bad_length" if "," not in text else "not_bytes"
    return reasons[0] if len(reasons) == 1 else "bad_value"


@lru_cache(maxsize=256)
def _decoders(name: str, size: int) -> tuple[frozenset[int] | None, Callable[[str], bytes]]:
    """Return which lengths a text of `size` bytes can have (None: any), and what decodes it."""
    if name == "hex":
        return frozenset({2 * size}), binascii.unhexlify
    if name == "base64":
        return frozenset({-(-size // 3) * 4, -(-size * 4 // 3)}), _base64
    if name == "base32":
        return frozenset({-(-size // 5) * 8, -(-size * 8 // 5)}), _base32
    if name == "bytes":
        return None, _numbers
    raise ValueError(f"no encoding is called {name!r}; there are {', '.join(ANY)}")


def _base64(text: str) -> bytes:
    raw = text.encode("ascii").translate(_URL_SAFE)
    return base64.b64decode(raw + b"=" * (-len(raw) % 4), validate=True)


def _base32(text: str) -> bytes:
    raw = text.encode("ascii")
    return base64.b32decode(raw + b"=" * (-len(raw) % 8), casefold=True)


def _numbers(text: str) -> bytes:
    """Decode ``12,0,255``; with spaces or in brackets, too."""
    inner = text[1:-1] if text.startswith("[") and text.endswith("]") else text
    parts = [part.strip() for part in inner.split(",")]
    if not all(part.isascii() and part.isdecimal() and len(part) <= 3 for part in parts):  # noqa: PLR2004 - up to 255
        raise ValueError("no numbers")
    return bytes(map(int, parts))


def key_of(*parts: object) -> str | None:
    """Return what a source calls a record, from one or more texts or numbers; None where one is missing or absurd."""
    words = [str(part).strip() if isinstance(part, (str, int)) and not isinstance(part, bool) else "" for part in parts]
    key = "/".join(words)
    return key if all(words) and len(key) <= _LONGEST_KEY else None
