"""What the statements of image files decide."""

from __future__ import annotations

import pytest

from ingest_guard.dataset.optouts.in_files import read_statements
from ingest_guard.dataset.optouts.said import Signal
from ingest_guard.dataset.optouts.signals import of_headers, signals
from ingest_guard.imaging.metadata.assertions import ENTRIES, USES
from ingest_guard.imaging.metadata.statements import MOST_STATEMENTS
from ingest_guard.imaging.metadata.xmp import VALUES
from ingest_guard.policy.records import OptOutPolicy
from ingest_guard.verdict import Statement

ALL = ("train-ai", "ai-input", "search")
# Statement -> the purposes that it forbids; None where it allows.
WORDS = {
    "DMI-PROHIBITED": ALL,
    "DMI-PROHIBITED-AIMLTRAINING": ("train-ai",),
    "DMI-PROHIBITED-GENAIMLTRAINING": ("train-ai",),
    "DMI-PROHIBITED-EXCEPTSEARCHENGINEINDEXING": ("train-ai", "ai-input"),
    "DMI-PROHIBITED-SEECONSTRAINT": ALL,
    "DMI-PROHIBITED-SEEEMBEDDEDRIGHTSEXPR": ALL,
    "DMI-PROHIBITED-SEELINKEDRIGHTSEXPR": ALL,
    "DMI-UNSPECIFIED": (),
    "DMI-ALLOWED": None,
    "other": ALL,
    "unreadable": ALL,
}
ASSERTIONS = {
    f"{maker}.{name}: {use}": purposes
    for maker in ("cawg", "c2pa")
    for name, purposes in {
        "ai_training": ("train-ai",),
        "ai_generative_training": ("train-ai",),
        "data_mining": ALL,
        "ai_inference": ("ai-input",),
    }.items()
    for use in ("notAllowed", "constrained", "other")
}


def decision(standard: str, said: str, *purposes: str) -> str:
    """Return what one statement decides."""
    (signal,) = read_statements([Statement(standard, said)], purposes)
    assert (signal.source, signal.name, signal.said, signal.digest) == ("file", standard, said, None)
    return signal.decision


@pytest.mark.parametrize("purpose", ALL)
def test_words_of_iptc(purpose: str) -> None:
    """A prohibition counts for the uses that it is about; what has no word of the vocabulary for all."""
    assert set(WORDS) == set(VALUES)
    for word, forbidden in WORDS.items():
        expected = "yes" if forbidden is None else "no" if purpose in forbidden else "unknown"
        assert decision("iptc", word, purpose) == expected, word


@pytest.mark.parametrize("purpose", ALL)
def test_assertions_of_c2pa(purpose: str) -> None:
    """All but ``allowed`` is a no to the uses that an entry is about; what cannot be read is a no."""
    for said, forbidden in ASSERTIONS.items():
        assert decision("c2pa", said, purpose) == ("no" if purpose in forbidden else "unknown"), said
    assert decision("c2pa", "unreadable", purpose) == "no"
    assert decision("c2pa", "cawg.data_mining: allowed", purpose) == "yes"


@pytest.mark.parametrize("purposes", [[purpose] for purpose in ALL])
def test_a_no_cannot_be_crowded_out(purposes: list[str]) -> None:
    """All that keeps nothing out fits into what a worker sends of one file, so that a no has room beside it."""
    said = [Statement("iptc", value) for value in VALUES]
    said += [
        Statement("c2pa", f"{maker}.{name}: {use}") for maker in ("cawg", "c2pa") for name in ENTRIES for use in USES
    ]
    assert sum(each.decision != "no" for each in read_statements(said, purposes)) < MOST_STATEMENTS


def test_one_of_several_purposes_is_enough() -> None:
    """A data set for two uses needs both of them."""
    assert decision("iptc", "DMI-PROHIBITED-AIMLTRAINING", "search", "train-ai") == "no"


def test_each_has_a_switch_and_clears_nothing() -> None:
    """What a file allows takes nothing back of what a header forbids."""
    yes = read_statements([Statement("iptc", "DMI-ALLOWED"), Statement("c2pa", "cawg.data_mining: allowed")])
    assert signals(*yes).decide(OptOutPolicy()) is None
    no = read_statements([Statement("iptc", "DMI-PROHIBITED"), Statement("c2pa", "unreadable")])
    assert signals(*yes, *no).reason(OptOutPolicy()) == "iptc"
    assert signals(*yes, *no).reason(OptOutPolicy(iptc=False)) == "c2pa"
    assert signals(*yes, *no).reason(OptOutPolicy(iptc=False, c2pa=False)) is None
    denied = signals(Signal("header", "noai", "noai", "no"))
    assert denied.and_then(signals(*yes)).reason(OptOutPolicy()) == "noai"
    assert of_headers([], [b"0"], (), None).and_then(signals(*no)).reason(OptOutPolicy()) == "iptc"
