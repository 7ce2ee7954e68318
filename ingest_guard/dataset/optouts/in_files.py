"""What the statements inside an image file mean for a data set: PLUS ``DataMining`` and the CAWG assertion.

``DMI-PROHIBITED`` and its kinds follow the PLUS vocabulary; an entry of the assertion that is ``constrained`` is not
allowed without more information, as the specification says. A value in words that a standard does not have is a no.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from ingest_guard.dataset.optouts.said import Decision, Signal
from ingest_guard.policy.records import Purpose
from ingest_guard.verdict import Statement

IPTC: Final = "iptc"
C2PA: Final = "c2pa"

_ALL: Final = frozenset({"train-ai", "ai-input", "search"})
_TRAINING: Final = frozenset({"train-ai"})
# What values are about that are not about everything.
_OF_VALUES: Final = {
    "DMI-UNSPECIFIED": frozenset[str](),
    "DMI-PROHIBITED-AIMLTRAINING": _TRAINING,
    "DMI-PROHIBITED-GENAIMLTRAINING": _TRAINING,
    "DMI-PROHIBITED-EXCEPTSEARCHENGINEINDEXING": frozenset({"train-ai", "ai-input"}),
}
_OF_ENTRIES: Final = {
    "ai_training": _TRAINING,
    "ai_generative_training": _TRAINING,
    "ai_inference": frozenset({"ai-input"}),
    "data_mining": _ALL,
}
_ALLOWED: Final = "allowed"


def read_statements(statements: Iterable[Statement], purposes: tuple[Purpose, ...] = ("train-ai",)) -> list[Signal]:
    """Return what the statements of a file say about some purposes; what cannot be read is a no."""
    return [
        Signal("file", IPTC, said, _of_word(said, purposes))
        if standard == IPTC
        else Signal("file", C2PA, said, _of_assertion(said, purposes))
        for standard, said in statements
    ]


def _of_word(word: str, purposes: tuple[Purpose, ...]) -> Decision:
    if word == "DMI-ALLOWED":
        return "yes"
    return "unknown" if _OF_VALUES.get(word, _ALL).isdisjoint(purposes) else "no"


def _of_assertion(said: str, purposes: tuple[Purpose, ...]) -> Decision:
    label, _, use = said.partition(": ")
    about = _OF_ENTRIES.get(label.rpartition(".")[2], _ALL)
    if about.isdisjoint(purposes):
        return "unknown"
    return "yes" if use == _ALLOWED else "no"
