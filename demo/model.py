"""What the demo site is made of: :class:`Resource`, :class:`Expectation`, :class:`Placed`."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Fate(StrEnum):
    """What must become of an address of the site."""

    RECORD = "record"
    """An image that no list knows: one record for each place that shows it."""
    MATCH = "match"
    """Known to a list, or with something inside that is: dropped."""
    NOT_SCANNABLE = "not_scannable"
    """Nothing can be said about it: dropped."""
    NOT_AN_IMAGE = "not_an_image"
    """Calls itself an image and is none: no record."""
    HTTP_ERROR = "http_error"
    """The server does not have it: no record."""
    FORBIDDEN = "forbidden"
    """robots.txt says no: never asked for, no record."""
    UNREACHED = "unreached"
    """Shown only by a page that is dropped itself: never asked for, no record."""

    def __str__(self) -> str:
        return self.value


@dataclass(frozen=True, slots=True)
class Resource:
    """One answer of the server.

    Attributes
    ----------
    path
        The path of its URL, percent-encoded.
    plain
        The body before any Content-Encoding.
    content_type
        What the server claims.
    status
        The HTTP status.
    headers
        Further headers.
    sent
        The body as it goes over the wire; ``plain`` where None.
    """

    path: str
    plain: bytes
    content_type: str
    status: int = 200
    headers: tuple[tuple[str, str], ...] = ()
    sent: bytes | None = None

    @property
    def body(self) -> bytes:
        """The bytes that go over the wire."""
        return self.plain if self.sent is None else self.sent


@dataclass(frozen=True, slots=True)
class Expectation:
    """The right answer for one resource.

    Attributes
    ----------
    fate
        What must become of it.
    why
        What it is, in words for a report.
    lists
        The lists that know it, sorted; empty unless the fate is ``match``.
    reason
        Why it cannot be scanned; None unless the fate is ``not_scannable``.
    """

    fate: Fate
    why: str
    lists: tuple[str, ...] = ()
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Placed:
    """A resource that a page shows as an image.

    Attributes
    ----------
    resource
        What the server answers.
    expectation
        The right answer.
    alt
        The alt text next to it.
    """

    resource: Resource
    expectation: Expectation
    alt: str
