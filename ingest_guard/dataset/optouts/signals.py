"""What one response says of its own use: its headers, the ``meta`` elements if it is a page, its host's robots.txt."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import islice
from typing import Final

from ingest_guard.dataset.optouts.in_files import C2PA, IPTC
from ingest_guard.dataset.optouts.rsl import RSL, read_links
from ingest_guard.dataset.optouts.rules import REASONS, parse_rules
from ingest_guard.dataset.optouts.said import Signal, Source, quote_words
from ingest_guard.dataset.optouts.tdmrep import combine, read_reservation
from ingest_guard.dataset.optouts.usage import INFORMAL, SIGNAL, USAGE, read_preference
from ingest_guard.pages.licenses import RSL_NAME
from ingest_guard.policy.records import OptOutPolicy, Purpose

TDM: Final = "tdm_reservation"
UNREAD_PAGE: Final = "unread_page"
ORDER: Final = (*REASONS, TDM, USAGE, SIGNAL, RSL, INFORMAL, IPTC, C2PA)
"""All that a response can say, in the order in which it is counted where it says several things."""
OF_MARKUP: Final = (*REASONS, TDM, RSL, INFORMAL)
"""What the markup of a page can say."""

# Dates take their time to be read, and a server may send hundreds of headers.
_MOST_HEADERS: Final = 32
_MOST_SIGNALS: Final = 64
_OF_ROBOTS: Final = frozenset({"robots", "x-robots-tag"})
_OF_USAGE: Final = {"content-usage": USAGE, "content-signal": SIGNAL}


@dataclass(frozen=True, slots=True)
class Signals:
    """What was said.

    Attributes
    ----------
    said
        Each signal once. A page whose markup could not be read may say anything: :data:`UNREAD_PAGE`.
    """

    said: tuple[Signal, ...] = ()

    @property
    def tdm(self) -> bool | None:
        """Whether rights to text and data mining are reserved; None where nothing is said."""
        decisions = {signal.decision for signal in self.said if signal.name == TDM}
        return True if "no" in decisions else False if "yes" in decisions else None

    @property
    def weight(self) -> int:
        """About how many bytes it takes."""
        return 200 + sum(300 + len(signal.said) for signal in self.said)

    def decide(self, policy: OptOutPolicy) -> Signal | None:
        """Return the first signal, of those that the policy heeds, that keeps this out; None where there is none."""
        if not self.said:
            return None
        denials = {signal.name: signal for signal in reversed(self.said) if signal.decision == "no"}
        for name in ORDER:
            if name in denials and getattr(policy, name):
                return denials[name]
        return denials.get(UNREAD_PAGE) if any(getattr(policy, name) for name in OF_MARKUP) else None

    def reason(self, policy: OptOutPolicy) -> str | None:
        """Return the name of the signal that :meth:`decide` returns."""
        decisive = self.decide(policy)
        return None if decisive is None else decisive.name

    def and_then(self, inner: Signals) -> Signals:
        """Return these with those of something inside: signals add up, a reservation there goes before one here."""
        if not (self.said and inner.said):
            return self if self.said else inner
        overrules = inner.tdm is not None
        return signals(*(each for each in self.said if not (overrules and each.name == TDM)), *inner.said)


NONE = Signals()
UNREAD = Signals((Signal("page", UNREAD_PAGE, "", "no"),))


def signals(*said: Signal) -> Signals:
    """Return signals without doubles; of more than 64, those with a no come first."""
    found = tuple(dict.fromkeys(said))
    if len(found) > _MOST_SIGNALS:
        found = tuple(sorted(found, key=lambda each: each.decision != "no"))[:_MOST_SIGNALS]
    return Signals(found) if found else NONE


def of_headers(robots: Iterable[bytes], tdm: Iterable[bytes], names: Collection[str], now: datetime) -> Signals:
    """Return what the values of ``X-Robots-Tag`` and ``tdm-reservation`` say to the crawler of these names."""
    found: list[Signal] = []
    for value in islice(robots, _MOST_HEADERS):
        found += _rules("header", value.decode("latin-1"), names, now)
    # Several values of one header may come in one line.
    found += _reservations("header", [part for value in tdm for part in value.decode("latin-1").split(",")])
    return signals(*found)


def of_usage_headers(
    usage: Iterable[bytes], signal: Iterable[bytes], links: Iterable[bytes], purposes: tuple[Purpose, ...]
) -> Signals:
    """Return what the values of ``Content-Usage``, ``Content-Signal`` and ``Link`` say about some purposes.

    Several lines of Content-Usage are one dictionary, as RFC 9651 (4.2) has it; each line of Content-Signal counts.
    """
    lines = list(islice(usage, _MOST_HEADERS))
    found = [*_preference("header", USAGE, b", ".join(lines), purposes)] if lines else []
    for value in islice(signal, _MOST_HEADERS):
        found += _preference("header", SIGNAL, value, purposes)
    return signals(*found, *read_links(links))


def of_metas(
    metas: Iterable[tuple[str, str]],
    names: Collection[str],
    now: datetime,
    purposes: tuple[Purpose, ...] = ("train-ai",),
) -> Signals:
    """Return what the ``meta`` elements of a page say to the crawler of these names, and what licence it has.

    Parameters
    ----------
    metas
        Name, in lower case, and content of each.
    names
        That mean this crawler, in lower case.
    now
        With a time zone.
    purposes
        What the data set is for.
    """
    found: list[Signal] = []
    values: list[str] = []
    for name, content in metas:
        if name == "tdm-reservation":
            values.append(content)
        elif name in _OF_ROBOTS or name in names:
            found += _rules("page", content, names, now)
        elif name in _OF_USAGE:
            # No draft knows these in markup: what they say is meant all the same.
            said = read_preference(_OF_USAGE[name], content.encode("utf-8", "replace"), purposes)
            found += [Signal("page", INFORMAL, quote_words(content), "no") for _, decision in said if decision == "no"]
        elif name == "link":
            links = read_links([content.encode("latin-1", "replace")])
            found += [replace(each, source="page") for each in links]
        elif name == RSL_NAME:
            found.append(Signal("page", RSL, quote_words(content), "no"))
    return signals(*found, *_reservations("page", values))


def _rules(source: Source, value: str, names: Collection[str], now: datetime) -> Iterator[Signal]:
    for name in sorted(parse_rules(value, names, now), key=REASONS.index):
        yield Signal(source, name, quote_words(value), "no")


def _reservations(source: Source, values: list[str]) -> Iterator[Signal]:
    decision = combine([read_reservation(value) for value in values])
    if values:
        words = quote_words(", ".join(value.strip() for value in values[:_MOST_HEADERS]))
        yield Signal(source, TDM, words, "unknown" if decision is None else "no" if decision else "yes")


def _preference(source: Source, kind: str, value: bytes, purposes: tuple[Purpose, ...]) -> Iterator[Signal]:
    for name, decision in read_preference(kind, value, purposes):
        yield Signal(source, name, quote_words(value), decision)
