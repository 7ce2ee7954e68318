"""The names by which a crawler is addressed: the product tokens of its User-Agent, and what its operator adds."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

_PRODUCT = re.compile(r"([A-Za-z][A-Za-z0-9._-]*)/[0-9]")
_ADDRESS = re.compile(r"https?://[^\s;)]*", re.IGNORECASE)
_FIRST = re.compile(r"\s*([A-Za-z][A-Za-z0-9._-]*)")
# What crawlers put in front of, or around, their own name to be served what browsers are.
_BROWSERS = frozenset(
    {"applewebkit", "chrome", "chromium", "edg", "edge", "firefox", "gecko", "headlesschrome", "khtml", "mobile"}
    | {"mozilla", "opera", "safari", "version"}
)
_LONGEST = 2048


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
            names.update(_names(value[:_LONGEST]))
    return frozenset(names)


def _names(user_agent: str) -> set[str]:
    user_agent = _ADDRESS.sub(" ", user_agent)
    found = {match[1].lower() for match in _PRODUCT.finditer(user_agent)}
    if first := _FIRST.match(user_agent):
        found.add(first[1].lower())
    return found - _BROWSERS
