"""What one response says of its own use: its headers, and the ``meta`` elements if it is a page."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime
from itertools import islice

from ingest_guard.dataset.optouts.rules import REASONS, parse_rules
from ingest_guard.dataset.optouts.tdmrep import combine, read_reservation
from ingest_guard.policy.records import OptOutPolicy

# Dates take their time to be read, and a server may send hundreds of headers.
_MOST_HEADERS = 32


@dataclass(frozen=True, slots=True)
class Signals:
    """What was said.

    Attributes
    ----------
    rules
        Of :data:`~ingest_guard.dataset.optouts.rules.REASONS`, in their order.
    tdm
        Whether rights to text and data mining are reserved; None where nothing is said.
    is_unread
        True for a page whose markup could not be read: it may say anything.
    """

    rules: tuple[str, ...] = ()
    tdm: bool | None = None
    is_unread: bool = False

    def reason(self, policy: OptOutPolicy) -> str | None:
        """Return the first reason, of those that the policy heeds, to keep this out; None where there is none."""
        heeded = next((rule for rule in self.rules if getattr(policy, rule)), None)
        if heeded is None and self.tdm and policy.tdm_reservation:
            return "tdm_reservation"
        if heeded is None and self.is_unread and any(getattr(policy, name) for name in (*REASONS, "tdm_reservation")):
            return "unread_page"
        return heeded

    def and_then(self, inner: Signals) -> Signals:
        """Return these with those of something inside: rules add up, a reservation there goes before one here."""
        tdm = self.tdm if inner.tdm is None else inner.tdm
        return Signals(_ordered({*self.rules, *inner.rules}), tdm, self.is_unread or inner.is_unread)


NONE = Signals()
UNREAD = Signals(is_unread=True)


def of_headers(robots: Iterable[bytes], tdm: Iterable[bytes], names: Collection[str], now: datetime) -> Signals:
    """Return what the values of ``X-Robots-Tag`` and ``tdm-reservation`` say to the crawler of these names."""
    found: set[str] = set()
    for value in islice(robots, _MOST_HEADERS):
        found |= parse_rules(value.decode("latin-1"), names, now)
    # Several values of one header may come in one line.
    values = [read_reservation(part) for value in tdm for part in value.decode("latin-1").split(",")]
    return Signals(_ordered(found), combine(values)) if found or values else NONE


def of_metas(metas: Iterable[tuple[str, str]], names: Collection[str], now: datetime) -> Signals:
    """Return what the ``meta`` elements of a page say to the crawler of these names.

    Parameters
    ----------
    metas
        Name, in lower case, and content of each.
    names
        That mean this crawler, in lower case.
    now
        With a time zone.
    """
    found: set[str] = set()
    values: list[bool | None] = []
    for name, content in metas:
        if name == "tdm-reservation":
            values.append(read_reservation(content))
        elif name in {"robots", "x-robots-tag"} or name in names:
            found |= parse_rules(content, names, now)
    return Signals(_ordered(found), combine(values)) if found or values else NONE


def _ordered(found: Collection[str]) -> tuple[str, ...]:
    return tuple(reason for reason in REASONS if reason in found)
