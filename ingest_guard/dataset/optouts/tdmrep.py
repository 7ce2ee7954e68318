"""The TDM Reservation Protocol: its values, and the file ``/.well-known/tdmrep.json``.

After the W3C Community Group's specification (https://w3c.github.io/tdm-reservation-protocol/spec/). Of the rules of a
file the first one that matches counts; ``*`` and ``$`` mean what they mean in robots.txt. What a header says goes
before the file, what the page's markup says before both. A policy (``tdm-policy``) is an offer to negotiate: a
reservation stays one.
"""

import json
from dataclasses import dataclass
from typing import Any

from ingest_guard.dataset.optouts.paths import PathPattern, target_of
from ingest_guard.dataset.optouts.said import LONGEST_QUOTE, Signal, quote_words

TDM_FILE = "tdm_file"
WELL_KNOWN = "/.well-known/tdmrep.json"

_MOST_RULES = 1000
_LONGEST_PATTERN = 2048
_MOST_TEXT = 1 << 16
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
    """A pattern of paths, whether what it matches is reserved, and the beginning of its location as written."""

    pattern: PathPattern
    reserved: bool
    location: str = ""

    @property
    def weight(self) -> int:
        """Characters of its pattern."""
        return sum(map(len, self.pattern.parts))


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
            size += rule.weight
            if size > _MOST_TEXT:
                break
            rules.append(rule)
    return tuple(rules)


def rule_for(rules: tuple[Rule, ...], url: str) -> Rule | None:
    """Return the first rule that matches an address; None where none does, or it is no address."""
    target = target_of(url) if rules else None
    return None if target is None else next((rule for rule in rules if rule.pattern.matches(target)), None)


def reserved_by(rules: tuple[Rule, ...], url: str) -> bool | None:
    """Return what the first rule that matches an address says; None where none does, or it is no address."""
    rule = rule_for(rules, url)
    return None if rule is None else rule.reserved


@dataclass(frozen=True, slots=True)
class TdmFile:
    """The rules of a ``tdmrep.json``, and its SHA-256 in hexadecimal; without rules where there is none."""

    rules: tuple[Rule, ...] = ()
    digest: str | None = None

    @property
    def weight(self) -> int:
        """Characters of its patterns."""
        return sum(rule.weight for rule in self.rules)

    def signal(self, url: str) -> Signal | None:
        """Return what the file says of an address; None where it says nothing."""
        rule = rule_for(self.rules, url)
        if rule is None:
            return None
        words = f"location {rule.location}, tdm-reservation {int(rule.reserved)}"
        return Signal("tdmrep.json", TDM_FILE, quote_words(words), "no" if rule.reserved else "yes", self.digest)


NO_FILE = TdmFile()


def _rule(entry: dict[Any, Any]) -> Rule | None:
    location, reserved = entry.get("location"), read_reservation(entry.get("tdm-reservation"))
    if not isinstance(location, str) or reserved is None or not 0 < len(location) <= _LONGEST_PATTERN:
        return None
    location = location.strip()
    if location.lower().startswith(("http://", "https://")):
        location = "/" + location.split("/", 3)[3] if location.count("/") > 2 else "/"  # noqa: PLR2004 - scheme://host/
    return Rule(PathPattern.parse(location), reserved, entry["location"][:LONGEST_QUOTE])
