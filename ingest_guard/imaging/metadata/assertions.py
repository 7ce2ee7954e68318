"""Assertions about training and data mining, in C2PA manifests: ``cawg.training-mining`` and ``c2pa.training-mining``.

After the CAWG training and data mining assertion 1.1 and the C2PA specification (11.1, JUMBF: ISO/IEC 19566-5). An
assertion is found by its label, wherever its box lies: containers wrap manifests in several ways, and a manifest holds
those of the pictures that it was made from. Signatures are not looked at: an opt-out counts
without one.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Final

from ingest_guard.imaging.metadata.cbor import CborError, decode

UNREADABLE: Final = "unreadable"
OTHER: Final = "other"
"""A use in words that the specification does not have."""
USES: Final = ("allowed", "notAllowed", "constrained", OTHER)
ENTRIES: Final = ("ai_training", "ai_generative_training", "data_mining", "ai_inference")

_NAME: Final = b".training-mining"
_MAKERS: Final = (b"cawg", b"c2pa")
# What stands between the name of a description box and the label: a type of 16 bytes, and the toggles.
_BEFORE_LABEL: Final = 17
_HEADER: Final = 8
_MOST_TRIES: Final = 64
_MOST_BOXES: Final = 8
_LARGEST: Final = 1 << 20
_SPELLED: Final = {use.lower(): use for use in USES}


class AssertionReader:
    """Read the parts of one file: of more than 64 assertions, those beyond are not read."""

    def __init__(self) -> None:
        self._tries = 0

    def read(self, piece: bytes) -> Iterator[str]:
        """Yield what a part of a file asserts, such as ``cawg.ai_training: notAllowed``.

        An assertion whose content cannot be read is :data:`UNREADABLE`.
        """
        at = piece.find(_NAME)
        while at >= 0:
            if _is_label(piece, at):
                self._tries += 1
                if self._tries > _MOST_TRIES:
                    yield UNREADABLE
                    return
                yield from _statements(_content(piece, at - 4 - _BEFORE_LABEL - _HEADER))
            at = piece.find(_NAME, at + 1)


def _is_label(piece: bytes, at: int) -> bool:
    """Return whether this is the label of a description box; it may go on with a version or a number (``.v2__1``)."""
    start, stop = at - 4 - _BEFORE_LABEL, at + len(_NAME)
    is_described = piece[at - 4 : at] in _MAKERS and piece[start - 4 : start] == b"jumd"
    return is_described and piece[stop : stop + 1] in {b"\0", b".", b"_"}


def _content(piece: bytes, at: int) -> Any:
    """Return what the box holds whose description begins here; None where that cannot be read."""
    # The description lies in a box of boxes, which says where all of it ends.
    end = at - _HEADER + int.from_bytes(piece[at - _HEADER : at - 4], "big")
    if piece[at - 4 : at] != b"jumb" or not at < end <= len(piece):
        return None
    for _ in range(_MOST_BOXES):
        size, name = int.from_bytes(piece[at : at + 4], "big"), piece[at + 4 : at + _HEADER]
        stop = at + size if size else end
        if stop > end or not _HEADER <= stop - at <= _LARGEST:
            return None
        if name in {b"cbor", b"json"}:
            return _parsed(name, piece[at + _HEADER : stop])
        at = stop
    return None


def _parsed(name: bytes, content: bytes) -> Any:
    try:
        return decode(content) if name == b"cbor" else json.loads(content, object_pairs_hook=_single_keys)
    except (CborError, ValueError, RecursionError):
        return None


def _single_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a key twice")
    return found


def _statements(assertion: Any) -> Iterator[str]:
    entries = assertion.get("entries") if isinstance(assertion, dict) else None
    if not isinstance(entries, dict):
        yield UNREADABLE
        return
    for label, entry in entries.items():
        maker, _, name = label.rpartition(".")
        if name in ENTRIES and maker.encode("ascii", "replace") in _MAKERS:
            use = entry.get("use") if isinstance(entry, dict) else None
            yield f"{label}: {_SPELLED.get(use.lower(), OTHER) if isinstance(use, str) else OTHER}"
