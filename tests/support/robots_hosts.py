"""Hosts with a robots.txt, made at random, and what the right answer is for each of their paths.

The answer comes from how a host was made, not from reading its file: the maker decides what each path says, and writes
it in one of the many ways that mean the same.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field

OWN, PARTNER = "mybot", "ccbot"
PATHS = ("/a.jpg", "/img/a.jpg", "/img/deep/a.jpg", "/open/a.jpg", "/closed/a.jpg")
_FOLDERS = {"/a.jpg": ("/",), "/img/a.jpg": ("/", "/img/"), "/img/deep/a.jpg": ("/", "/img/", "/img/deep/")}
_FOLDERS |= {"/open/a.jpg": ("/", "/open/"), "/closed/a.jpg": ("/", "/closed/")}
_ENDS = (b"\n", b"\r\n", b"\r")
_USAGE = {
    "no": ("train-ai=n", "train-ai=n, search=y", "search=y,train-ai=n", "train-ai=y, train-ai=n", "train-ai=n;a=b"),
    "yes": ("train-ai=y", "train-ai=y, search=n", "train-ai=n, train-ai=y"),
    "unknown": ("search=n", "train-ai=maybe", "other=n", "train-ai"),
    "meant": ("train-genai=n", "ai=n", "Train-AI=n", "train-ai=no", "bots=n, search=y", "train-ai=n,"),
}
_SIGNAL = {
    "no": ("search=yes, ai-train=no", "ai-train=no", "search=yes,ai-train=no,use=reference", "AI-TRAIN=NO"),
    "yes": ("search=yes, ai-train=yes", "ai-train=yes, ai-input=no"),
    "unknown": ("search=yes", "search=no, ai-input=no", "use=full"),
    "meant": ("ai-train=n", "use=reference", "train-ai=n"),
}
_NAMES = {
    "content_usage": ("Content-Usage", "content-usage", "CONTENT-USAGE"),
    "content_signal": ("Content-Signal", "content-signal"),
}
_REASONS = ("content_usage", "content_signal", "rsl_license", "informal_usage")


@dataclass
class Host:
    """A robots.txt, and for each path why it is kept out: None, ``robots_txt``, or the name of a signal."""

    robots: bytes
    answers: dict[str, str | None]


@dataclass
class _Group:
    """What is said to some names: by folder, and what is closed."""

    names: tuple[str, ...]
    usage: dict[str, dict[str, str]] = field(default_factory=lambda: {"content_usage": {}, "content_signal": {}})
    closed: set[str] = field(default_factory=set)

    def reasons(self, path: str) -> set[str]:
        """Return all that keeps a path out."""
        if any(folder in self.closed for folder in _FOLDERS[path]):
            return {"robots_txt"}
        found = set()
        for kind, by_folder in self.usage.items():
            deepest = next((folder for folder in reversed(_FOLDERS[path]) if folder in by_folder), None)
            said = by_folder[deepest] if deepest is not None else "unknown"
            if said in {"no", "meant"}:
                found.add(kind if said == "no" else "informal_usage")
        return found


def make_host(seed: int) -> Host:
    """Return a host; equal seeds give equal hosts."""
    dice = random.Random(seed)
    groups = _groups(dice)
    has_license = dice.random() < 0.15
    early = dice.choice(("no", "yes", "unknown", None, None, None, None, None))
    lines = _lines(dice, groups, early, has_license=has_license)
    own = [group for group in groups if OWN in group.names]
    heard = own or [group for group in groups if "*" in group.names]
    heard += [group for group in groups if PARTNER in group.names and group not in heard]
    answers: dict[str, str | None] = {}
    for path in PATHS:
        found = set().union(*(group.reasons(path) for group in heard)) if heard else set()
        if "robots_txt" not in found:
            found |= {"rsl_license"} if has_license else set()
            found |= {"content_signal"} if early == "no" else set()
        order = ("robots_txt", *_REASONS)
        answers[path] = next((reason for reason in order if reason in found), None)
    bom = b"\xef\xbb\xbf" if dice.random() < 0.1 else b""
    return Host(bom + dice.choice(_ENDS).join(lines) + dice.choice((b"", b"\n")), answers)


def _groups(dice: random.Random) -> list[_Group]:
    names = [("*",), (OWN,), (PARTNER,), ("otherbot",), ("gptbot", "claudebot")]
    if dice.random() < 0.2:
        names[dice.randrange(4)] = ("otherbot", dice.choice(("*", OWN, PARTNER)))
        names = [each for at, each in enumerate(names) if not any(set(each) & set(other) for other in names[:at])]
    chosen = [_Group(each) for each in dice.sample(names, dice.randint(0, len(names)))]
    for group in chosen:
        for by_folder in group.usage.values():
            for folder in ("/", "/img/", "/img/deep/", "/open/"):
                if dice.random() < 0.3:
                    by_folder[folder] = dice.choice(("no", "no", "yes", "unknown", "meant"))
        if dice.random() < 0.25:
            group.closed.add(dice.choice(("/", "/closed/", "/img/deep/")))
    return chosen


def _lines(dice: random.Random, groups: list[_Group], early: str | None, *, has_license: bool) -> list[bytes]:
    """Return the lines of a file, in one of the ways that mean the same."""
    blocks = [_block(dice, group) for group in groups]
    if blocks and dice.random() < 0.3:  # groups of one name are one group
        at = dice.randrange(len(blocks))
        names = [line for line in blocks[at] if line.lower().lstrip().startswith("user-agent")]
        rules = [line for line in blocks[at] if line not in names]
        half = len(rules) // 2
        if rules[:half] and rules[half:]:
            blocks[at : at + 1] = [[*names, *rules[:half]], [*names, *rules[half:]]]
    dice.shuffle(blocks)
    lines = [] if early is None else [f"Content-Signal: {dice.choice(_SIGNAL[early])}"]
    for block in blocks:
        lines += [*block, *([""] if dice.random() < 0.7 else [])]
    if has_license:
        # Outside of groups; wherever it stands it holds for all.
        lines.insert(dice.choice((0, len(lines))), f"{dice.choice(('License', 'license'))}: https://rsl.example/l.xml")
    return [noisy.encode() for line in lines for noisy in _noise(dice, line)]


def _block(dice: random.Random, group: _Group) -> list[str]:
    spelled = {OWN: ("mybot", "MyBot", "MYBOT"), PARTNER: ("CCBot", "ccbot"), "*": ("*",)}
    agents = [
        f"{dice.choice(('User-agent', 'User-Agent', 'user-agent'))}: {dice.choice(spelled.get(name, (name,)))}"
        for name in group.names
    ]
    rules = [f"{dice.choice(('Disallow', 'disallow'))}: {folder}" for folder in sorted(group.closed)]
    for kind, by_folder in group.usage.items():
        for folder, said in by_folder.items():
            lines = _USAGE if kind == "content_usage" else _SIGNAL
            words = dice.choice(lines[said])
            path = "" if folder == "/" and dice.random() < 0.5 else folder + dice.choice((" ", "  ", "\t"))
            rules.append(f"{dice.choice(_NAMES[kind])}:{dice.choice(('', ' '))}{path}{words}")
            if said == "no" and dice.random() < 0.2:  # equal paths: the more restrictive counts
                rules.append(f"{dice.choice(_NAMES[kind])}: {folder} {dice.choice(lines['yes'])}")
    rules += dice.sample(["Allow: /nothing/", "Disallow:", "Crawl-delay: 1", "Noindex: /x"], dice.randint(0, 2))
    dice.shuffle(rules)
    # A group without a rule would go on to the next line of user agents.
    return [*agents, *(rules or ["Allow: /nothing/"])]


def _noise(dice: random.Random, line: str) -> list[str]:
    if line and dice.random() < 0.2:
        line = dice.choice(("  ", "\t", "")) + line + dice.choice(("  ", "\t", "", " # train-ai=n"))
    around = ["# Content-Usage: train-ai=n", "", "   ", "# License: https://rsl.example/"]
    return [line, dice.choice(around)] if dice.random() < 0.15 else [line]
