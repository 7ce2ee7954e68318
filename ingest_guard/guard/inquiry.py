"""What is known of a body before anything in it was decoded: its kind, exact matches, and what is to be scanned."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from ingest_guard.imaging.sniffing.sniff import Kind
from ingest_guard.verdict import Match, Reason


@dataclass(frozen=True, slots=True)
class Part:
    """One image to scan: the body itself, or an image inside it.

    Attributes
    ----------
    data
        Its bytes.
    sha256
        Of these bytes, lower-case hex.
    embedded
        True for an image inside a text.
    may_doubt
        False where it can match, and what is wrong with it is no doubt about the text: no browser shows it, or it is
        an empty spacer.
    """

    data: bytes = field(repr=False)
    sha256: str = field(repr=False)
    embedded: bool = False
    may_doubt: bool = True


class ExactHit(NamedTuple):
    """A value on a list that an image has, and which image that is; never shown, never kept as it is."""

    list_id: str
    algorithm: str
    value: str
    sha256: str


@dataclass(frozen=True, slots=True)
class Inquiry:
    """What is known of a body before anything was decoded.

    Attributes
    ----------
    is_unread
        True for a text that may hold inline bodies: it is to be read, and
        :meth:`~ingest_guard.guard.guard.Guard.finish` takes the reading.
    """

    kind: Kind
    digests: Mapping[str, str] = field(repr=False)
    matches: tuple[Match, ...]
    parts: tuple[Part, ...]
    reason: Reason | None = None
    hits: tuple[ExactHit, ...] = field(default=(), repr=False)
    is_unread: bool = False
