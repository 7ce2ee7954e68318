"""The rules of ``X-Robots-Tag`` and ``meta name=robots``, as far as they say that content must not be used.

After Google's specification of both, which others follow: rules are comma-separated, case does not matter, the most
restrictive one counts, a name and a colon address what follows in the same header to one crawler. ``noai`` and
``noimageai`` come from DeviantArt, ``noml`` from Mojeek (noml.info).
"""

import re
from collections.abc import Collection, Iterable, Iterator
from datetime import datetime

from ingest_guard.dataset.optouts.dates import parse_date

REASONS = ("noai", "noimageai", "noml", "noindex", "noimageindex", "unavailable_after")
"""What a page or an image may say of itself, in the order in which it is counted where it says several things."""

_WITH_VALUE = frozenset({"max-snippet", "max-image-preview", "max-video-preview"})
_EVERYBODY = frozenset({"*", "robots"})
# ``none`` is short for noindex and nofollow.
_MEANING = {"none": "noindex", **{name: name for name in REASONS if name != "unavailable_after"}}
_SEPARATORS = re.compile(r"[,;]")
_LONGEST = 1 << 14
_LONGEST_DATE = 64
# ``Sat, 25 Jun 2033 15:00:00 GMT`` and ``June 25, 2033, 15:00 GMT`` have commas of their own.
_MOST_PARTS_OF_A_DATE = 3


def parse_rules(value: str, names: Collection[str], now: datetime, *, is_addressed: bool = True) -> set[str]:
    """Return which of :data:`REASONS` a header or a meta element's content says to this crawler.

    Parameters
    ----------
    value
        Of one header, or of one ``content``. Only the first 16 KiB count.
    names
        That mean this crawler, in lower case; see :func:`~ingest_guard.dataset.optouts.rules.agent_names`.
    now
        With a time zone: what ``unavailable_after`` is compared with.
    is_addressed
        False where the value is not for this crawler, unless a name in it says so.
    """
    parts = _SEPARATORS.split(value[:_LONGEST])
    found: set[str] = set()
    heard = is_addressed
    at = 0
    while at < len(parts):
        part, used = parts[at], 1
        name, colon, rest = part.partition(":")
        name = name.strip().lower()
        if colon and name not in _WITH_VALUE and name != "unavailable_after":
            heard = _means_us(name, names)
            part = rest
            name, colon, rest = part.partition(":")
            name = name.strip().lower()
        if colon and name == "unavailable_after":
            date, used = _date(rest, parts[at + 1 : at + _MOST_PARTS_OF_A_DATE])
            if heard and date is not None and date <= now:
                found.add("unavailable_after")
        elif heard and not colon:
            found.update(_plain(part))
        at += used
    return found


def _plain(part: str) -> Iterator[str]:
    # Blanks between rules are not in the specification, but on pages.
    return (meaning for word in part.split() if (meaning := _MEANING.get(word.lower())))


def _means_us(name: str, names: Collection[str]) -> bool:
    return name in _EVERYBODY or name.partition("/")[0].strip() in names


def _date(first: str, others: list[str]) -> tuple[datetime | None, int]:
    """Return a date, and how many parts it took; None and 1 where it is none."""
    text = first
    for used, other in enumerate([*others, ""], start=1):
        if len(text) > _LONGEST_DATE:
            break
        if (date := parse_date(text)) is not None:
            return date, used
        text = f"{text},{other}"
    return None, 1


_PRODUCT = re.compile(r"([A-Za-z][A-Za-z0-9._-]*)/[0-9]")
_ADDRESS = re.compile(r"https?://[^\s;)]*", re.IGNORECASE)
_FIRST = re.compile(r"\s*([A-Za-z][A-Za-z0-9._-]*)")
# What crawlers put in front of, or around, their own name to be served what browsers are.
_BROWSERS = frozenset(
    {"applewebkit", "chrome", "chromium", "edg", "edge", "firefox", "gecko", "headlesschrome", "khtml", "mobile"}
    | {"mozilla", "opera", "safari", "version"}
)
_LONGEST_AGENT = 2048


def agent_names(user_agents: Iterable[str | None], further: Iterable[str] = ()) -> frozenset[str]:
    """Return the names, in lower case, that mean this crawler.

    Parameters
    ----------
    user_agents
        Values of the User-Agent header that the crawler sends, and of what it looks for in robots.txt. Of
        ``MyBot/2.0 (+https://mybot.example)`` the name is ``mybot``; of ``Mozilla/5.0 (compatible; MyBot/2.0)`` too.
        A value that names nothing but browsers has no name.
    further
        Names that the operator adds.
    """
    names = {name.lower() for name in further}
    for value in user_agents:
        if value:
            names.update(_names(value[:_LONGEST_AGENT]))
    return frozenset(names)


def _names(user_agent: str) -> set[str]:
    user_agent = _ADDRESS.sub(" ", user_agent)
    found = {match[1].lower() for match in _PRODUCT.finditer(user_agent)}
    if first := _FIRST.match(user_agent):
        found.add(first[1].lower())
    return found - _BROWSERS
