"""What a scan of one image found, and how it travels from a worker to its parent."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

from ingest_guard.verdict import ImageFacts, Match, Reason

_FORMAT = re.compile(r"[A-Z0-9]{1,16}")
_HEX = re.compile(r"[0-9a-f]*")
_PDQ_DIGITS = 64
# Twice the longest value that a hasher may have.
_MOST_DIGITS = 8192


@dataclass(frozen=True, slots=True)
class Scan:
    """What a scan of one image found; the near half of a verdict."""

    matches: tuple[Match, ...] = ()
    reason: Reason | None = None
    image: ImageFacts | None = None
    low_detail: bool = False

    def to_wire(self) -> bytes:
        """Return this as JSON."""
        facts = self.image
        return json.dumps(
            {
                "matches": [[m.list_id, m.algorithm, m.distance, m.view] for m in self.matches],
                "reason": self.reason,
                "low_detail": self.low_detail,
                "image": facts
                and [
                    facts.format,
                    facts.width,
                    facts.height,
                    facts.frames,
                    facts.pdq_quality,
                    dict(facts.fingerprints),
                ],
            }
        ).encode()

    @classmethod
    def from_wire(cls, wire: bytes) -> Scan:
        """Read what :meth:`to_wire` wrote; ValueError, KeyError or TypeError for anything else."""
        read: dict[str, Any] = json.loads(wire)
        return cls(
            matches=tuple(Match(str(i), str(a), int(d), str(v)) for i, a, d, v in read["matches"]),
            reason=None if read["reason"] is None else Reason(read["reason"]),
            low_detail=bool(read["low_detail"]),
            image=None if read["image"] is None else _read_facts(*read["image"]),
        )


def _read_facts(*read: Any) -> ImageFacts:
    """Return facts that look as facts do; a worker may have been taken over, and records are made of this."""
    kind, width, height, frames, quality, fingerprints = read
    numbers = (width, height, frames, 0 if quality is None else quality)
    if not all(type(number) is int for number in numbers):
        raise TypeError("facts of an image of other types")
    if type(kind) is not str or not _FORMAT.fullmatch(kind) or not isinstance(fingerprints, dict):
        raise TypeError("facts of an image of other types")
    for name, value in fingerprints.items():
        longest = _PDQ_DIGITS if name == "pdq" else _MOST_DIGITS
        if type(value) is not str or len(value) > longest or not _HEX.fullmatch(value):
            raise TypeError("a fingerprint that is none")
    return ImageFacts(kind, width, height, frames, quality, fingerprints)
