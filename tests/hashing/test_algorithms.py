from __future__ import annotations

import pytest

from ingest_guard.errors import BlocklistError
from ingest_guard.hashing import algorithms
from ingest_guard.hashing.algorithms import Kind


def test_names_hold_the_documented_algorithms() -> None:
    """The table knows what the plain list format documents."""
    assert set(algorithms.names()) == {
        "md5",
        "sha1",
        "sha256",
        "pdq",
        "phash",
        "dhash",
        "ahash",
        "whash",
        "url",
        "domain",
    }


@pytest.mark.parametrize(("name", "size", "threshold"), [("pdq", 32, 31), ("phash", 8, 4), ("whash", 8, 4)])
def test_default_thresholds(name: str, size: int, threshold: int) -> None:
    """PDQ matches within 31 of 256 bits and 64-bit hashes within 4 where nobody says otherwise."""
    algorithm = algorithms.get(name)
    assert (algorithm.length, algorithm.threshold, algorithm.kind) == (size, threshold, Kind.NEAR)


def test_unknown_name_is_an_error_that_names_the_known() -> None:
    """Asking for an unknown algorithm names those there are."""
    assert algorithms.find("photodna") is None
    with pytest.raises(BlocklistError, match=r"unknown algorithm 'photodna'; known: md5, sha1.*plug-in"):
        algorithms.get("photodna")


@pytest.mark.parametrize(("name", "value"), [("pdq", 0), ("pdq", 32), ("phash", 8)])
def test_sound_thresholds_pass(name: str, value: int) -> None:
    """Thresholds up to an eighth of the bits need no consent."""
    assert algorithms.check_threshold(name, value) == value


@pytest.mark.parametrize(("name", "value"), [("pdq", 33), ("phash", 9), ("phash", 16)])
def test_risky_thresholds_need_consent(name: str, value: int) -> None:
    """Thresholds above an eighth of the bits need accept_false_matches."""
    with pytest.raises(BlocklistError, match=r"unrelated pictures.*accept_false_matches"):
        algorithms.check_threshold(name, value)
    assert algorithms.check_threshold(name, value, accept_false_matches=True) == value


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("pdq", 65, "more than 64"),
        ("phash", 17, "more than 16"),
        ("pdq", -1, "from 0"),
        ("pdq", True, "from 0"),
        ("pdq", 1.5, "from 0"),
        ("md5", 0, "compared exactly"),
        ("none", 0, "unknown algorithm"),
    ],
)
def test_impossible_thresholds_are_refused(name: str, value: object, said: str) -> None:
    """No consent makes a threshold sound that is no number of bits, too large, or for an exact algorithm."""
    with pytest.raises(BlocklistError, match=said):
        algorithms.check_threshold(name, value, accept_false_matches=True)  # type: ignore[arg-type]
