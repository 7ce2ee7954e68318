"""The TDM Reservation Protocol: its values, and the file ``/.well-known/tdmrep.json``.

After the W3C Community Group's specification (https://w3c.github.io/tdm-reservation-protocol/spec/). Of the rules of a
file the first one that matches counts; ``*`` and ``$`` mean what they mean in robots.txt. What a header says goes
before the file, what the page's markup says before both. A policy (``tdm-policy``) is an offer to negotiate: a
reservation stays one.
"""

import json
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from ingest_guard.urls.hosts import as_browsers
from ingest_guard.urls.normalise import escapes, undo_escapes

WELL_KNOWN = "/.well-known/tdmrep.json"

_MOST_RULES = 1000
_LONGEST_PATTERN = 2048
_LONGEST_TARGET = 4096
_MOST_TEXT = 1 << 16
# Path and query are one text here. An asterisk and a dollar sign stay escaped: in a pattern, those that mean themselves
# are.
_ESCAPES = escapes("/?#%&=+;*$")
_PRINTABLE = "".join(map(chr, range(0x21, 0x7F)))
_LITERAL = str.maketrans({"*": "%2A", "$": "%24"})
_RESERVED, _FREE = ("1", "true"), ("0", "false")


def read_reservation(value: Any) -> bool | None:
    """Return True for reserved, False for not reserved, None for anything that the protocol does not know.

    Texts and JSON values; ``true`` and ``false`` are read as 1 and 0, which the protocol allows itself to call them.
    """
    if isinstance(value, bool | int | str):
        text = str(value).strip().lower()
        return True if text in _RESERVED else False if text in _FREE else None
    return None


def combine(values: list[bool | None]) -> bool | None:
    """Return what several headers, or several elements, say together: reserved if one says so."""
    return True if True in values else False if False in values else None


@dataclass(frozen=True, slots=True)
class Rule:
    """A pattern of paths, split at its asterisks, and whether what it matches is reserved."""

    parts: tuple[str, ...]
    is_anchored: bool
    reserved: bool

    def matches(self, target: str) -> bool:
        """Tell whether the pattern matches a path and query from its beginning, in linear time.

        Each part between two asterisks is sought as far to the left as it goes: what follows can only gain by it.
        """
        first, *others = self.parts
        if not target.startswith(first):
            return False
        if not others:
            return not self.is_anchored or len(target) == len(first)
        at = len(first)
        last = others.pop() if self.is_anchored else None
        for part in others:
            at = target.find(part, at)
            if at < 0:
                return False
            at += len(part)
        return last is None or (target.endswith(last) and len(target) - len(last) >= at)


def parse_file(body: bytes) -> tuple[Rule, ...] | None:
    """Return the rules of a ``tdmrep.json`` in their order; None where it is none.

    A rule that lacks its location, or whose reservation is neither 0 nor 1, does not count. The first 1,000 rules do,
    and 64 KiB of their locations.
    """
    try:
        document = json.loads(body.decode("utf-8-sig"))
    except (ValueError, RecursionError):
        return None
    entries = [document] if isinstance(document, dict) else document
    if not isinstance(entries, list):
        return None
    rules, size = [], 0
    for entry in entries[:_MOST_RULES]:
        rule = _rule(entry) if isinstance(entry, dict) else None
        if rule is not None:
            size += sum(map(len, rule.parts))
            if size > _MOST_TEXT:
                break
            rules.append(rule)
    return tuple(rules)


def reserved_by(rules: tuple[Rule, ...], url: str) -> bool | None:
    """Return what the first rule that matches an address says; None where none does, or it is no address."""
    if not rules:
        return None
    target = _target(url)
    if target is None:
        return None
    return next((rule.reserved for rule in rules if rule.matches(target)), None)


def _rule(entry: dict[Any, Any]) -> Rule | None:
    location, reserved = entry.get("location"), read_reservation(entry.get("tdm-reservation"))
    if not isinstance(location, str) or reserved is None or not 0 < len(location) <= _LONGEST_PATTERN:
        return None
    location = location.strip()
    if location.lower().startswith(("http://", "https://")):
        location = "/" + location.split("/", 3)[3] if location.count("/") > 2 else "/"  # noqa: PLR2004 - scheme://host/
    anchored = location.endswith("$")
    pattern = location.removesuffix("$")
    if not pattern.startswith(("/", "*")):
        pattern = "/" + pattern
    return Rule(tuple(map(_spelled, pattern.split("*"))), anchored, reserved)


def _target(url: str) -> str | None:
    read = as_browsers(url)
    if read is None:
        return None
    _, _, path, query = read
    return undo_escapes(f"{path}?{query}".removesuffix("?"), _ESCAPES).translate(_LITERAL)[:_LONGEST_TARGET]


def _spelled(text: str) -> str:
    """Return a part of a pattern in the spelling of addresses (:mod:`ingest_guard.urls.normalise`)."""
    escaped = quote(text, safe=_PRINTABLE, errors="surrogatepass")
    return undo_escapes(escaped, _ESCAPES).replace("$", "%24")
