"""Spawning's ``ai.txt``: the groups and rules of a robots.txt, which say what data sets for training may take.

It is looked up on the host of the image itself (https://spawning.substack.com/p/aitxt-a-new-way-for-websites-to-set).
Most files have types in place of paths (``Disallow: *.jpg``), so a rule counts for ``.JPG``, too. The longest rule that
matches counts, and of equally long ones a Disallow.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Final, NamedTuple

from ingest_guard.dataset.optouts.paths import PathPattern, target_of
from ingest_guard.dataset.optouts.robots_txt import AccessRule, RobotsFile
from ingest_guard.dataset.optouts.said import Signal, quote_words

AI_TXT: Final = "ai_txt"
PATH: Final = "/ai.txt"

# Of all patterns together; one counts as 32 characters at least.
_MOST_TEXT: Final = 1 << 16
_LEAST_TEXT: Final = 32
_WHOLE_SITE: Final = PathPattern(("/",))


class Rule(NamedTuple):
    """A pattern of paths, whether what it matches may be taken, and the path as written."""

    pattern: PathPattern
    is_allowed: bool
    path: bytes


@dataclass(frozen=True, slots=True)
class AiFile:
    """The rules of an ``ai.txt`` for one crawler, group by group, and its SHA-256 in hexadecimal.

    Without rules where there is no such file. ``beyond`` is the first Disallow for which there was no room.
    """

    groups: tuple[tuple[Rule, ...], ...] = ()
    digest: str | None = None
    beyond: Rule | None = None

    @property
    def weight(self) -> int:
        """Characters of its patterns."""
        return sum(max(_LEAST_TEXT, len(rule.path)) for rules in self.groups for rule in rules)

    def signal(self, url: str) -> Signal | None:
        """Return what the file says of an address; None where it says nothing. A no of one group is a no."""
        target = target_of(url) if self.groups or self.beyond else None
        if target is None:
            return None
        targets = dict.fromkeys((target, target.lower()))
        said = [rule for rules in self.groups for each in targets if (rule := _decisive(rules, each))]
        said += [self.beyond] if self.beyond is not None else []
        decisive = min(said, key=lambda rule: rule.is_allowed, default=None)
        if decisive is None:
            return None
        words = quote_words((b"Allow: " if decisive.is_allowed else b"Disallow: ") + decisive.path)
        return Signal("ai.txt", AI_TXT, words, "yes" if decisive.is_allowed else "no", self.digest)


NO_FILE: Final = AiFile()


def parse_file(body: bytes, names: Collection[str], further: Collection[str] = ()) -> AiFile | None:
    """Return what an ``ai.txt`` says; None where the body is markup, as many hosts have it for every address.

    Parameters
    ----------
    body
        Of the file. It is the caller who cuts it.
    names, further
        As for :class:`~ingest_guard.dataset.optouts.robots_txt.RobotsFile`. What stands before any group holds as well.
    """
    if body.removeprefix(b"\xef\xbb\xbf").lstrip().startswith(b"<"):
        return None
    file = RobotsFile(body, names, further)
    left = _MOST_TEXT
    groups: list[tuple[Rule, ...]] = []
    beyond = None
    for group in (file.preamble, *file.groups):
        rules, left, forbidden = _compile(group.access, left)
        groups += [rules] if rules else []
        beyond = beyond or forbidden
    return AiFile(tuple(groups), file.digest, beyond)


def _compile(access: Iterable[AccessRule], left: int) -> tuple[tuple[Rule, ...], int, Rule | None]:
    """Return the rules for which there is room, what room is left, and the first Disallow behind them."""
    rules = []
    for line in access:
        left -= max(_LEAST_TEXT, len(line.path))
        if left >= 0:
            rules.append(Rule(PathPattern.parse(line.path), line.is_allowed, line.path))
        elif not line.is_allowed:
            return tuple(rules), left, Rule(_WHOLE_SITE, is_allowed=False, path=line.path)
    return tuple(rules), left, None


def _decisive(rules: tuple[Rule, ...], target: str) -> Rule | None:
    found = (rule for rule in rules if rule.pattern.matches(target))
    return max(found, key=lambda rule: (rule.pattern.length, not rule.is_allowed), default=None)
