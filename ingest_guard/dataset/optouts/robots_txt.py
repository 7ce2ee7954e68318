"""What a robots.txt says about usage: Content-Usage and Content-Signal in its groups, and RSL's License.

Groups are those of RFC 9309: lines of user agents, then rules; a blank line ends nothing, and groups of one name are
one group. Of the rules that match a path the longest counts; where several are equally long, a no counts
(draft-ietf-aipref-attach-05, 3.1). A path that the group disallows has no preference. A License stands outside of
groups and holds for everybody (RSL 1.0).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Final, NamedTuple

from ingest_guard.dataset.optouts.paths import PathPattern, target_of
from ingest_guard.dataset.optouts.robots_lines import (
    AGENT,
    ALLOW,
    DISALLOW,
    EVERYBODY,
    LICENSE,
    OF_SITE,
    names_of,
    read_lines,
    split_usage,
)
from ingest_guard.dataset.optouts.rsl import read_robots_license
from ingest_guard.dataset.optouts.said import LONGEST_QUOTE, Signal, quote_words
from ingest_guard.dataset.optouts.usage import INFORMAL, SIGNAL, USAGE, Reading, read_preference
from ingest_guard.policy.records import Purpose

_WHOLE_SITE: Final = PathPattern(("/",))
# Of the paths of one name; a path counts as 64 characters at least, so that there is room for a thousand. A no in rules
# beyond that holds for the whole host.
_MOST_TEXT: Final = 1 << 16
_LEAST_TEXT: Final = 64
_MOST_LICENSES: Final = 10


class UsageRule(NamedTuple):
    """A line about usage: number, :data:`USAGE` or :data:`SIGNAL`, path, words behind it, and its value as written."""

    line: int
    kind: str
    pattern: PathPattern
    words: bytes
    written: bytes


class Statement(NamedTuple):
    """What a line says about the use of an address: its number, the group's name, and the signal."""

    line: int
    group: str
    signal: Signal


class AccessRule(NamedTuple):
    """A line about access: number, True for Allow, and the path as written."""

    line: int
    is_allowed: bool
    path: bytes


@dataclass(eq=False, slots=True)
class Group:
    """All that a file says to one name.

    Attributes
    ----------
    name
        In lower case; :data:`EVERYBODY` for those that have no group, or for lines before any group.
    lines
        Of the user agents, as numbers from 1 on.
    access, usage
        The rules.
    room
        For the paths of further rules about usage.
    beyond
        The first rule with a no for which there was no room.
    """

    name: str
    lines: list[int] = field(default_factory=list)
    access: list[AccessRule] = field(default_factory=list)
    usage: list[UsageRule] = field(default_factory=list)
    room: int = _MOST_TEXT
    beyond: UsageRule | None = None

    def access_rule(self, target: str) -> AccessRule | None:
        """Return the rule that decides about access to a path and query: the longest; of equal ones the Allow."""
        best, rank = None, (-1, False)
        for rule in self.access:
            pattern = PathPattern.parse(rule.path)
            if (pattern.length, rule.is_allowed) > rank and pattern.matches(target):
                best, rank = rule, (pattern.length, rule.is_allowed)
        return best

    def disallows(self, target: str) -> bool:
        """Return whether access to a path and query is forbidden."""
        rule = self.access_rule(target)
        return rule is not None and not rule.is_allowed

    def usage_rules(self, target: str, kind: str) -> list[UsageRule]:
        """Return the longest rules of a kind that match a path and query, in the order of the file."""
        found: list[UsageRule] = []
        longest = 0
        for rule in self.usage:
            length = rule.pattern.length
            if rule.kind == kind and length >= longest and rule.pattern.matches(target):
                found = [*found, rule] if length == longest else [rule]
                longest = length
        return [*found, self.beyond] if self.beyond is not None and self.beyond.kind == kind else found


class RobotsFile:
    """What a robots.txt says to one crawler.

    Parameters
    ----------
    body
        Of the file. It is the caller who cuts it.
    names
        The crawler's own, in lower case: where none of them has a group, those for everybody count.
    further
        Names of others that count as addressed to the crawler, in lower case, where they have a group.
    purposes
        What the data set is for.

    Attributes
    ----------
    digest
        SHA-256 of the body, in hexadecimal.
    groups
        Those that count. Each is asked by itself, and a no of one of them is a no.
    preamble
        What stands before any group.
    licenses
        Lines that name an RSL licence.
    further
        Those of the further names that have a group.
    weight
        About how many bytes it takes.
    """

    def __init__(
        self,
        body: bytes,
        names: Collection[str],
        further: Collection[str] = (),
        purposes: tuple[Purpose, ...] = ("train-ai",),
    ) -> None:
        self.digest = sha256(body).hexdigest()
        self.preamble = Group(EVERYBODY)
        self.licenses: list[Statement] = []
        self._purposes = purposes
        found = self._read(body, {*names, *further, EVERYBODY})
        own = [found[name] for name in sorted(names) if name in found]
        if not own and EVERYBODY in found:
            own = [found[EVERYBODY]]
        others = [found[name] for name in sorted(set(further).difference(names)) if name in found]
        self.groups = (*own, *others)
        self.further = frozenset(group.name for group in others)
        each = (self.preamble, *self.groups)
        rules = [rule for group in each for rule in group.usage]
        self._has_rules = bool(rules) or any(group.beyond for group in each)
        self._has_paths = any(rule.pattern != _WHOLE_SITE for rule in rules)
        self._of_site: tuple[Signal, ...] | None = None
        self.weight = 1000 + sum(600 + len(rule.words) for rule in rules) + 400 * len(self.licenses)
        self.weight += sum(100 + len(rule.path) for group in each for rule in group.access)

    @property
    def is_silent(self) -> bool:
        """Whether it says nothing about usage, and nothing to the further names."""
        return not (self._has_rules or self.licenses or self.further)

    def signals(self, url: str) -> tuple[Signal, ...]:
        """Return what the file says about the use of an address that may be fetched; linear in its rules."""
        if self._has_paths:
            return self._signals(url)
        if self._of_site is None:
            self._of_site = self._signals(url)
        return self._of_site

    def _signals(self, url: str) -> tuple[Signal, ...]:
        return tuple(dict.fromkeys(each.signal for each in self.statements(url, is_allowed=True)))

    def statements(self, url: str, *, is_allowed: bool = False) -> Iterator[Statement]:
        """Yield what the file says about the use of an address, line by line.

        Parameters
        ----------
        url
            Absolute.
        is_allowed
            True where it is known that the file allows the access. Otherwise the rules of each group are asked: a path
            that one of them disallows has no preference there.
        """
        target = target_of(url) if self._has_rules else None
        if target is not None:
            for group in (self.preamble, *self.groups):
                rules = [rule for kind in (USAGE, SIGNAL) for rule in group.usage_rules(target, kind)]
                if rules and (is_allowed or not group.disallows(target)):
                    for rule in rules:
                        yield from self._read_rule(rule, group)
        yield from self.licenses

    def _read_rule(self, rule: UsageRule, group: Group) -> Iterator[Statement]:
        for name, decision in self._reading(rule, is_in_group=group is not self.preamble):
            signal = Signal("robots.txt", name, quote_words(rule.written), decision, self.digest)
            yield Statement(rule.line, group.name, signal)

    def _reading(self, rule: UsageRule, *, is_in_group: bool) -> Reading:
        reading = read_preference(rule.kind, rule.words, self._purposes)
        if is_in_group or rule.kind == SIGNAL:
            return reading
        # Outside of groups the draft knows no Content-Usage; it is meant for everybody.
        return tuple((INFORMAL if name == USAGE else name, decision) for name, decision in reading)

    def _read(self, body: bytes, wanted: Collection[str]) -> dict[str, Group]:
        found: dict[str, Group] = {}
        current: list[Group] = [self.preamble]
        is_in_names = False
        for number, name, value in read_lines(body):
            if name == AGENT:
                current = current if is_in_names else []
                is_in_names = True
                for token in names_of(value).intersection(wanted):
                    group = found.setdefault(token, Group(token))
                    group.lines.append(number)
                    if group not in current:
                        current.append(group)
            elif name == LICENSE:
                self._add_license(number, value)
            elif name != OF_SITE:
                is_in_names = False
                self._add_rule(current, number, name, value)
        return found

    def _add_license(self, number: int, value: bytes) -> None:
        signal = read_robots_license(value, self.digest)
        if signal is not None and len(self.licenses) < _MOST_LICENSES:
            self.licenses.append(Statement(number, EVERYBODY, signal))

    def _add_rule(self, groups: Iterable[Group], number: int, name: str, value: bytes) -> None:
        if name in {ALLOW, DISALLOW}:
            if value:
                rule = AccessRule(number, name == ALLOW, value)
                for group in groups:
                    group.access.append(rule)
        elif name in {USAGE, SIGNAL}:
            path, words = split_usage(value)
            written = value[:LONGEST_QUOTE]
            for group in groups:
                group.room -= _LEAST_TEXT + len(path)
                if group.room >= 0:
                    group.usage.append(UsageRule(number, name, PathPattern.parse(path), words, written))
                elif group.beyond is None and self._is_denial(name, words):
                    group.beyond = UsageRule(number, name, _WHOLE_SITE, words, written)

    def _is_denial(self, kind: str, words: bytes) -> bool:
        return any(decision == "no" for _, decision in read_preference(kind, words, self._purposes))
