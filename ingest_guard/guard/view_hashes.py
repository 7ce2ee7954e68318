"""The fingerprints of all frames and views of an image, for records that are to be compared again later.

They are collected where the image is scanned, and only where the policy says ``records.record_hashes: all``: a record
with them is some kilobytes long, of an animation some hundred.
"""

import re
from typing import Any

from ingest_guard.verdict import ViewHash

MOST = 1024
"""Fingerprints that a record has at most."""
_MOST_DIGITS = 1 << 19
_LONGEST = 8192
_QUALITY = 100
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
VIEW = re.compile(r"[a-z0-9_:/.-]{1,128}", re.IGNORECASE)
_HEX = re.compile(r"[0-9a-f]+")
_NATIVE = "native"


class ViewHashes:
    """Collect the fingerprints of one image.

    What several views share is kept once for each algorithm and radius: frames of an animation often look the same.
    Where there are more than :data:`MOST`, the native views of all frames come before all others.
    """

    def __init__(self) -> None:
        self._found: dict[tuple[str, str, str], ViewHash] = {}
        self._frames: dict[str, int] = {}
        self._natives = 0

    def add(self, algorithm: str, name: str, value: str, quality: int | None = None) -> None:
        """Add the fingerprint of a view.

        Parameters
        ----------
        algorithm
            Its name.
        name
            Of frame and view, as in :class:`~ingest_guard.verdict.Match`: ``native``, ``mirror``, ``frame:3/mirror``.
        value
            Lower-case hex.
        quality
            Of a PDQ value.
        """
        frame, view = _split(name)
        number = self._frames.setdefault(frame, len(self._frames))
        is_native = view == _NATIVE
        # Turned and mirrored views are compared within less, so a value that a turn shares with a frame stands apart.
        key = (algorithm, view.rpartition("/")[2] if not is_native else view, value)
        if key in self._found or (self._natives if is_native else len(self._found)) >= MOST:
            return
        self._natives += is_native
        self._found[key] = ViewHash(algorithm, number, view, value, quality)

    def kept(self) -> tuple[ViewHash, ...]:
        """Return what a record takes, in the order of frames."""
        natives_first = sorted(self._found.values(), key=lambda each: each.view != _NATIVE)[:MOST]
        digits, kept = 0, []
        for each in natives_first:
            digits += len(each.value)
            if digits > _MOST_DIGITS:
                break
            kept.append(each)
        return tuple(sorted(kept, key=lambda each: each.frame))


def to_rows(hashes: tuple[ViewHash, ...]) -> list[list[Any]]:
    """Return them as JSON takes them."""
    return [[each.algorithm, each.frame, each.view, each.value, each.quality] for each in hashes]


def from_rows(read: Any) -> tuple[ViewHash, ...]:
    """Read what :func:`to_rows` returned, from a worker that may have been taken over; TypeError for anything else."""
    return tuple(_read(*row) for row in check_rows(read, MOST))


def check_rows(read: Any, most: int) -> list[list[Any]]:
    """Return what a worker sent if it is a list of rows, and no longer than `most`; TypeError otherwise."""
    if not isinstance(read, list) or len(read) > most or not all(isinstance(row, list) for row in read):
        raise TypeError("no list of rows, or too long a one")
    return read


def as_records(hashes: tuple[ViewHash, ...]) -> list[dict[str, Any]]:
    """Return them as a record's column ``hashes`` has them."""
    names = ("algorithm", "frame", "view", "value", "quality")
    return [dict(zip(names, row, strict=True)) for row in to_rows(hashes)]


def _split(name: str) -> tuple[str, str]:
    """``frame:3/black/mirror`` -> ``frame:3``, ``black/mirror``; ``black`` -> ``native``, ``black``."""
    parts = name.split("/")
    start = next(
        (n for n, part in enumerate(parts) if ":" not in part and part not in ("thumbnail", _NATIVE)), len(parts)
    )
    return "/".join(parts[:start]) or _NATIVE, "/".join(parts[start:]) or _NATIVE


def _read(algorithm: Any, frame: Any, view: Any, value: Any, quality: Any) -> ViewHash:
    texts = ((algorithm, NAME), (view, VIEW), (value, _HEX))
    if not all(type(text) is str and len(text) <= _LONGEST and pattern.fullmatch(text) for text, pattern in texts):
        raise TypeError("a fingerprint that is none")
    if type(frame) is not int or not 0 <= frame < 1 << 31:
        raise TypeError("a frame that is none")
    if quality is not None and (type(quality) is not int or not 0 <= quality <= _QUALITY):
        raise TypeError("a quality that is none")
    return ViewHash(algorithm, frame, view, value, quality)
