"""Preferences about usage in one line: ``Content-Usage`` of the IETF, and ``Content-Signal`` of Cloudflare.

Content-Usage is a dictionary of RFC 9651 (draft-ietf-aipref-attach-05, draft-ietf-aipref-vocab-08): labels ``train-ai``
and ``search``, values ``y`` and ``n``. The last of several equal labels counts; a value that is neither is unknown; in
a line that is no dictionary, everything is unknown. Content-Signal (contentsignals.org,
draft-romm-aipref-contentsignals) has ``search``, ``ai-input`` and ``ai-train``, ``yes`` and ``no``.

Hosts write more than either has: labels of older drafts, those of the other header, ``no`` for ``n``, capital letters.
What denies a use in such words is :data:`INFORMAL`, a reason of its own.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import lru_cache
from types import MappingProxyType
from typing import Any, Final, TypeAlias

import http_sf

from ingest_guard.dataset.optouts.said import Decision
from ingest_guard.imaging.sniffing.patterns import linear
from ingest_guard.policy.records import Purpose

USAGE: Final = "content_usage"
SIGNAL: Final = "content_signal"
INFORMAL: Final = "informal_usage"

Reading: TypeAlias = tuple[tuple[str, Decision], ...]
"""Names of reasons, and what is decided under each."""

_LONGEST: Final = 1 << 14
_LONGEST_REMEMBERED: Final = 256
_VALUES: Final[Mapping[str, Mapping[str, bool]]] = MappingProxyType(
    {USAGE: {"y": True, "n": False}, SIGNAL: {"yes": True, "no": False}}
)
# What each purpose is called, and further labels that mean more than one of them.
_LABELS: Final[Mapping[str, Mapping[Purpose, str]]] = MappingProxyType(
    {
        USAGE: {"train-ai": "train-ai", "search": "search"},
        SIGNAL: {"train-ai": "ai-train", "ai-input": "ai-input", "search": "search"},
    }
)
_OF_EVERYTHING: Final = frozenset({"all", "bots", "tdm"})
# Where a line says something about the purpose itself, a no to one of these is about something else.
_OF_OTHER_USES: Final = frozenset({"ai-use", "ai-input", "ai-output"})
_OF_AI: Final = frozenset({"ai", "genai"}) | _OF_OTHER_USES
_INFORMAL_LABELS: Final[Mapping[Purpose, frozenset[str]]] = MappingProxyType(
    {
        "train-ai": _OF_EVERYTHING
        | _OF_AI
        | {"train-ai", "ai-train", "train-genai", "genai-train", "train", "training", "ai-training", "train-ml"}
        | {"foundation-model", "foundation-model-production"},
        "ai-input": _OF_EVERYTHING | _OF_AI,
        "search": _OF_EVERYTHING | {"search"},
    }
)
_NO: Final = frozenset(
    {"n", "no", "none", "false", "0", "deny", "denied", "disallow", "disallowed", "forbidden", "prohibited", "never"}
)
_PAIR: Final = linear(rb"([A-Za-z][A-Za-z0-9_.-]*)[ \t]*[=:][ \t]*[\"'?(]*([A-Za-z0-9]+)")
# Of Content-Signal's ``use``: with these, what is fetched is not to be kept (immediate), or only to be linked to.
_NOT_FULL: Final = frozenset({"immediate", "reference"})


def read_preference(kind: str, value: bytes, purposes: tuple[Purpose, ...]) -> Reading:
    """Return what a line says about the use for some purposes.

    Parameters
    ----------
    kind
        :data:`USAGE` or :data:`SIGNAL`.
    value
        Of one line, without a path and without a comment. Only the first 16 KiB count.
    purposes
        A no to one of them is a no.

    Returns
    -------
    tuple of (name, decision)
        First under ``kind``; then, where the line denies a use in other words than those of its specification,
        :data:`INFORMAL` and ``no``.
    """
    value = value[:_LONGEST].strip(b" \t")
    return _read_short(kind, value, purposes) if len(value) <= _LONGEST_REMEMBERED else _read(kind, value, purposes)


def _read(kind: str, value: bytes, purposes: tuple[Purpose, ...]) -> Reading:
    known = _read_usage(value) if kind == USAGE else _read_signal(value)
    labels = _LABELS[kind]
    strict = [known.get(labels.get(purpose, "")) for purpose in purposes]
    decision: Decision = "no" if False in strict else "yes" if True in strict else "unknown"
    if decision != "no" and _denies_informally(kind, value, known, purposes, is_unknown=decision == "unknown"):
        return ((kind, decision), (INFORMAL, "no"))
    return ((kind, decision),)


# Hosts write the same few lines.
_read_short = lru_cache(maxsize=1024)(_read)


def _read_usage(value: bytes) -> dict[str, bool | None]:
    try:
        found: Any = http_sf.parse(value, tltype="dictionary")
    except http_sf.StructuredFieldError:
        return {}
    # A member is its value and its parameters; those of the draft are tokens, and a string is none.
    return {
        label: _VALUES[USAGE].get(str(member)) if isinstance(member, http_sf.Token) else None
        for label, (member, _) in found.items()
    }


def _read_signal(value: bytes) -> dict[str, bool | None]:
    """Return what each key says; of several equal ones the more restrictive counts."""
    found: dict[str, bool | None] = {}
    for part in value.decode("latin-1").lower().split(","):
        key, _, said = (each.strip() for each in part.partition("="))
        meaning = _VALUES[SIGNAL].get(said)
        found[key] = False if found.get(key) is False else meaning
    return found


def _denies_informally(
    kind: str, value: bytes, known: Mapping[str, bool | None], purposes: tuple[Purpose, ...], *, is_unknown: bool
) -> bool:
    own = _LABELS[kind]
    understood = {label for label in own.values() if known.get(label) is not None}
    for label, said in _pairs(value):
        if label == "use" and kind == SIGNAL and is_unknown and "train-ai" in purposes and said in _NOT_FULL:
            return True
        if label in _OF_OTHER_USES and not is_unknown:
            continue
        # Of equal labels in a dictionary the last counts.
        if said in _NO and label not in understood and not known.get(label):
            # A label that the specification has for another purpose is not one of an older draft.
            meant = {each for each, name in own.items() if name == label} or set(purposes)
            if any(label in _INFORMAL_LABELS[purpose] for purpose in meant.intersection(purposes)):
                return True
    return False


def _pairs(value: bytes) -> Iterator[tuple[str, str]]:
    for match in _PAIR.finditer(value):
        yield match[1].decode("ascii").lower().replace("_", "-"), match[2].decode("ascii").lower()
