"""What a scan of one image found, and how it travels from a worker to its parent."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any, NamedTuple

from ingest_guard.guard import view_hashes
from ingest_guard.guard.view_hashes import NAME, VIEW, check_rows
from ingest_guard.imaging.metadata.assertions import ENTRIES, USES
from ingest_guard.imaging.metadata.statements import MOST_STATEMENTS
from ingest_guard.imaging.metadata.xmp import VALUES
from ingest_guard.verdict import ImageFacts, Match, Reason, Statement

_MOST_MATCHES = 10_000
MOST_HITS = 64
"""Entries of the lists that a scan names; an image that is near to more of them names the nearest."""
_FORMAT = re.compile(r"[A-Z0-9]{1,16}")
_HEX = re.compile(r"[0-9a-f]*")
_SCORE = re.compile(r"score_[a-z0-9_]{3,65}")
_PDQ_DIGITS = 64
_SAID = {
    "iptc": re.compile("|".join(VALUES)),
    "c2pa": re.compile(rf"(?:cawg|c2pa)\.(?:{'|'.join(ENTRIES)}): (?:{'|'.join(USES)})|unreadable"),
}
# Twice the longest value that a hasher may have.
_MOST_DIGITS = 8192


class Hit(NamedTuple):
    """One entry of a list that an image is near to; the number means nothing outside of its version of the blocklist.

    Only the count of images that an entry matches needs it (:mod:`ingest_guard.guard.flood`).
    """

    list_id: str
    algorithm: str
    entry: int


@dataclass(frozen=True, slots=True)
class Scan:
    """What a scan of one image found; the near half of a verdict."""

    matches: tuple[Match, ...] = ()
    reason: Reason | None = None
    image: ImageFacts | None = None
    low_detail: bool = False
    hits: tuple[Hit, ...] = ()

    def to_wire(self) -> bytes:
        """Return this as JSON."""
        facts = self.image
        return json.dumps(
            {
                "matches": [[m.list_id, m.algorithm, m.distance, m.view] for m in self.matches],
                "hits": self.hits,
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
                    view_hashes.to_rows(facts.hashes),
                    facts.statements,
                    dict(facts.scores),
                ],
            }
        ).encode()

    @classmethod
    def from_wire(cls, wire: bytes) -> Scan:
        """Read what :meth:`to_wire` wrote; ValueError, KeyError or TypeError for anything else."""
        read: dict[str, Any] = json.loads(wire)
        return cls(
            matches=tuple(_read_match(row) for row in check_rows(read["matches"], _MOST_MATCHES)),
            hits=tuple(
                Hit(_name(list_id), _name(algorithm), _number(entry))
                for list_id, algorithm, entry in check_rows(read["hits"], MOST_HITS)
            ),
            reason=None if read["reason"] is None else Reason(read["reason"]),
            low_detail=bool(read["low_detail"]),
            image=None if read["image"] is None else _read_facts(*read["image"]),
        )


def _read_match(read: list[Any]) -> Match:
    """Return a match that looks as matches do: its names become keys of statistics."""
    list_id, algorithm, distance, view = read
    if type(view) is not str or not VIEW.fullmatch(view):
        raise TypeError("a view that is none")
    return Match(_name(list_id), _name(algorithm), _number(distance), view)


def _name(read: Any) -> str:
    if type(read) is not str or not NAME.fullmatch(read):
        raise TypeError("a name that is none")
    return read


def _number(read: Any) -> int:
    if type(read) is not int or not 0 <= read < 1 << 63:
        raise TypeError("a number that is none")
    return read


def _read_facts(*read: Any) -> ImageFacts:
    """Return facts that look as facts do; a worker may have been taken over, and records are made of this."""
    kind, width, height, frames, quality, fingerprints, hashes, statements, scores = read
    numbers = (width, height, frames, 0 if quality is None else quality)
    if not all(type(number) is int for number in numbers):
        raise TypeError("facts of an image of other types")
    if type(kind) is not str or not _FORMAT.fullmatch(kind) or not isinstance(fingerprints, dict):
        raise TypeError("facts of an image of other types")
    for name, value in fingerprints.items():
        longest = _PDQ_DIGITS if name == "pdq" else _MOST_DIGITS
        if type(value) is not str or len(value) > longest or not _HEX.fullmatch(value):
            raise TypeError("a fingerprint that is none")
    said = tuple(_read_statement(row) for row in check_rows(statements, MOST_STATEMENTS))
    if not isinstance(scores, dict) or not all(map(_is_score, scores, scores.values())):
        raise TypeError("a score that is none")
    return ImageFacts(kind, width, height, frames, quality, fingerprints, view_hashes.from_rows(hashes), said, scores)


def _is_score(column: str, score: Any) -> bool:
    return _SCORE.fullmatch(column) is not None and type(score) is float and 0 <= score <= 1


def _read_statement(read: list[Any]) -> Statement:
    """Return a statement in words that a standard has, or that the reader has for others."""
    standard, said = read
    if type(said) is not str or standard not in _SAID or not _SAID[standard].fullmatch(said):
        raise TypeError("a statement that is none")
    return Statement(standard, said)
