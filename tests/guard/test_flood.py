from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from ingest_guard.guard import flood
from ingest_guard.guard.flood import FloodBreaker

if TYPE_CHECKING:
    from collections.abc import Iterable

    import pytest

HIT = ("floods", "pdq", 7)


def image(number: int) -> str:
    """Return the SHA-256 of an image."""
    return hashlib.sha256(str(number).encode()).hexdigest()


def alarms(breaker: FloodBreaker, images: Iterable[int], hit: tuple[str, str, int | str] = HIT) -> list[int]:
    """Let an entry match images; return those at which an alarm was raised."""
    return [each for each in images if breaker.note("v", [hit], image(each))]


def test_alarm_is_raised_once_at_the_first_image_too_many() -> None:
    """Exactly the limit is no flood; one more is, once; everything after it is silent."""
    breaker = FloodBreaker(3)
    assert breaker.note("v", [HIT], image(0)) == []
    assert alarms(breaker, [1, 2]) == []
    assert breaker.note("v", [HIT], image(3)) == [("floods", "pdq")]
    assert alarms(breaker, range(20)) == []


def test_the_same_image_counts_once() -> None:
    """However often it comes by."""
    assert alarms(FloodBreaker(3), [1, 2, 3, 1, 2, 3, 3, 3, 3]) == []


def test_entries_are_counted_apart() -> None:
    """Another list, algorithm, entry or version is another entry; a digest is told from a number."""
    breaker = FloodBreaker(2)
    others: list[tuple[str, str, int | str]] = [("other", "pdq", 7), ("floods", "phash", 7), ("floods", "pdq", 8)]
    for hit in [*others, ("floods", "md5", "0" * 32)]:
        assert alarms(breaker, [1, 2], hit) == []
    assert breaker.note("another version", [HIT], image(9)) == []
    assert alarms(breaker, [1, 2, 3]) == [3]


def test_several_entries_of_one_image() -> None:
    """Each counts for itself, and each raises its own alarm."""
    breaker = FloodBreaker(1)
    hits = [HIT, ("other", "pdq", 3)]
    assert breaker.note("v", hits, image(1)) == []
    assert breaker.note("v", hits, image(2)) == [("floods", "pdq"), ("other", "pdq")]


def test_switched_off() -> None:
    """A limit of 0 counts nothing."""
    breaker = FloodBreaker(0)
    assert alarms(breaker, range(50)) == []
    assert not breaker._images


def test_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Entries that matched longest ago are forgotten first; what floods is remembered."""
    monkeypatch.setattr(flood, "_MOST_ENTRIES", 3)
    breaker = FloodBreaker(2)
    for number in range(10):
        breaker.note("v", [HIT], image(number % 2))
        breaker.note("v", [("other", "pdq", number)], image(number))
    assert len(breaker._images) == 3
    assert alarms(breaker, [99]) == [99]
    assert breaker._total == sum(len(images) for images in breaker._images.values())


def test_images_are_bounded_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """One entry may have all the images that are remembered, but no more in sum."""
    monkeypatch.setattr(flood, "_MOST_IMAGES", 10)
    breaker = FloodBreaker(8)
    for entry in range(5):
        for number in range(7):
            breaker.note("v", [("l", "pdq", entry)], image(number))
    assert breaker._total == sum(len(images) for images in breaker._images.values()) <= 10


def test_alarms_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of very many alarms the oldest are forgotten."""
    monkeypatch.setattr(flood, "_MOST_ALARMS", 2)
    breaker = FloodBreaker(1)
    for entry in range(5):
        assert alarms(breaker, [1, 2], ("l", "pdq", entry)) == [2]
    assert len(breaker._alarmed) == 2


def test_no_digest_is_kept_as_it_is() -> None:
    """What is in memory is keyed, with a key of this process: neither image nor entry can be read from it."""
    breaker, other = FloodBreaker(9), FloodBreaker(9)
    for each in (breaker, other):
        each.note("v", [("l", "md5", image(0)[:32])], image(0))
    assert list(breaker._images) != list(other._images)
    assert image(0)[:16] not in str(breaker._images)
