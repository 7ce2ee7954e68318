from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest_guard.blocklist.index import HammingIndex, bands, probe, words

Found = list[tuple[int, int, int]]


def brute(values: np.ndarray, queries: np.ndarray, limits: np.ndarray) -> Found:
    """Compare everything with everything, the slow and obvious way."""
    out = []
    for number, query in enumerate(queries):
        apart = np.unpackbits(values ^ query, axis=1).sum(axis=1).tolist() if len(values) else []
        near = sorted((distance, entry) for entry, distance in enumerate(apart) if distance <= limits[number])
        out += [(number, entry, distance) for distance, entry in near]
    return out


def rows(found: tuple[np.ndarray, np.ndarray, np.ndarray]) -> Found:
    """Return a search's columns as rows."""
    return list(zip(*(column.tolist() for column in found), strict=True))


def flipped(rng: np.random.Generator, value: np.ndarray, bits: int) -> np.ndarray:
    """Return a value with some bits flipped."""
    unpacked = np.unpackbits(value)
    unpacked[rng.choice(unpacked.size, bits, replace=False)] ^= 1
    return np.packbits(unpacked)


def banded(monkeypatch: pytest.MonkeyPatch, count: int) -> None:
    """Fix the number of bands, however few the entries; 0 for the flat scan."""
    monkeypatch.setattr(bands, "plan", lambda _, bits, *__, **___: bands.split(bits, count) if count else ())


@pytest.mark.parametrize(
    ("size", "radius", "count"),
    [(8, 8, 0), (8, 8, 3), (8, 4, 4), (8, 0, 3), (32, 31, 0), (32, 31, 11), (32, 31, 16), (32, 12, 11), (32, 12, 32)],
)
def test_search_finds_what_brute_force_finds(
    monkeypatch: pytest.MonkeyPatch, size: int, radius: int, count: int
) -> None:
    """Flat or banded, a search returns every entry within each query's own distance, sorted."""
    banded(monkeypatch, count)
    rng = np.random.default_rng(size * 100 + radius)
    values = rng.integers(0, 256, (400, size), dtype=np.uint8)
    values[7] = values[3]
    values[50:90] = [flipped(rng, values[3], int(rng.integers(0, radius + 3))) for _ in range(40)]
    queries = np.stack([flipped(rng, values[3 + at], int(rng.integers(0, radius + 2))) for at in range(30)])
    index = HammingIndex.build(values, radius)
    everywhere = np.full(len(queries), radius)
    assert rows(index.search(queries)) == brute(values, queries, everywhere)
    caps = rng.integers(0, radius + 1, len(queries))
    assert rows(index.search(queries, caps)) == brute(values, queries, caps)
    assert rows(index.search(queries, radius // 2)) == brute(values, queries, everywhere // 2)


@st.composite
def problems(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray, np.ndarray, int, int]:
    """Draw values close to each other, queries close to them, limits, a radius and a number of bands."""
    size, least = draw(st.sampled_from([(8, 3), (32, 12)]))
    radius = draw(st.integers(0, 6 if size == 8 else 24))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    bases = rng.integers(0, 256, (draw(st.integers(1, 3)), size), dtype=np.uint8)
    if draw(st.booleans()):
        bases[0] = draw(st.sampled_from([0, 255]))
    near = [flipped(rng, bases[at % len(bases)], int(rng.integers(0, 2 * radius + 2))) for at in range(40)]
    values = np.stack(near[: draw(st.integers(1, 30))])
    queries = np.stack(near[30 : 30 + draw(st.integers(1, 10))])
    limits = rng.integers(0, radius + 1, len(queries))
    return values, queries, limits, radius, draw(st.integers(least, 20))


@given(problem=problems())
@settings(max_examples=80, deadline=None)
def test_search_is_exact_on_crowded_values(problem: tuple[np.ndarray, np.ndarray, np.ndarray, int, int]) -> None:
    """However values crowd and whatever the number of bands, nothing is missed and nothing is invented."""
    values, queries, limits, radius, count = problem
    with pytest.MonkeyPatch.context() as monkeypatch:
        banded(monkeypatch, count)
        index = HammingIndex.build(values, radius)
    assert rows(index.search(queries, limits)) == brute(values, queries, limits)


def test_crowded_buckets_are_compared_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """A bucket larger than what is compared at a time, and queries in several parts, lose nothing."""
    banded(monkeypatch, 12)
    monkeypatch.setattr(probe, "_CANDIDATES", 7)
    monkeypatch.setattr(probe, "_PROBES", 10)
    monkeypatch.setattr(probe, "_HOPELESS", 1e9)
    rng = np.random.default_rng(3)
    base = rng.integers(0, 256, 32, dtype=np.uint8)
    values = np.stack([flipped(rng, base, int(rng.integers(0, 12))) for _ in range(60)])
    queries = np.stack([flipped(rng, base, int(rng.integers(0, 12))) for _ in range(9)])
    limits = np.array([31, 15, 31, 0, 20, 20, 31, 8, 3])
    assert rows(HammingIndex.build(values).search(queries, limits)) == brute(values, queries, limits)


def test_hopeless_queries_are_compared_with_everything(monkeypatch: pytest.MonkeyPatch) -> None:
    """A query whose buckets hold much of the list falls back to the flat scan; the others do not."""
    banded(monkeypatch, 12)
    monkeypatch.setattr(probe, "_CANDIDATES", 16)
    rng = np.random.default_rng(4)
    values = rng.integers(0, 256, (300, 32), dtype=np.uint8)
    values[:200] = values[0]
    queries = values[[0, 250, 251]]
    scanned = []

    scan = probe.scan

    def counted(entries: np.ndarray, asked: np.ndarray, limits: np.ndarray) -> Any:
        scanned.append(len(asked))
        return scan(entries, asked, limits)

    monkeypatch.setattr(probe, "scan", counted)
    found = rows(HammingIndex.build(values).search(queries))
    assert found == brute(values, queries, np.full(3, 31))
    assert scanned == [1]


def test_complement_is_256_bits_away() -> None:
    """Every bit different is a distance of 256, not of 0."""
    values = np.full((5000, 32), 0xAA, np.uint8)
    opposite = np.full((5000, 32), 0x55, np.uint8)
    assert set(words.distances(words.as_words(values), words.as_words(opposite)).tolist()) == {256}
    assert len(HammingIndex.build(values).search(opposite[:1])[0]) == 0


@pytest.mark.parametrize("size", [8, 32])
def test_no_entries_and_no_queries_are_valid(size: int) -> None:
    """Empty lists and empty batches find nothing, with the right types."""
    empty = np.empty((0, size), np.uint8)
    some = np.ones((3, size), np.uint8)
    for index, queries in [(HammingIndex.build(empty, 8), some), (HammingIndex.build(some, 8), empty)]:
        found = index.search(queries)
        assert [column.dtype for column in found] == [np.int64, np.int64, np.int16]
        assert [len(column) for column in found] == [0, 0, 0]
        assert rows(index.search(queries, np.zeros(len(queries), np.int64))) == []


def test_duplicates_keep_their_own_numbers() -> None:
    """Equal entries are all found, in the order of their numbers."""
    values = np.full((3, 32), 0x3C, np.uint8)
    found = HammingIndex.build(values).search(values[:1])
    assert rows(found) == [(0, 0, 0), (0, 1, 0), (0, 2, 0)]
    assert [column.dtype for column in found] == [np.int64, np.int64, np.int16]


@pytest.mark.parametrize(
    "limit",
    [32, -1, np.array([31, 32]), np.array([0, -1]), np.array([1]), np.array([[1, 1]]), 1.5, np.array([1.0, 2.0])],
)
def test_distances_out_of_bounds_are_value_errors(limit: Any) -> None:
    """A distance above the index's own, below 0, fractional, or one too few: ValueError."""
    index = HammingIndex.build(np.ones((4, 32), np.uint8))
    with pytest.raises(ValueError, match="max_distance"):
        index.search(np.ones((2, 32), np.uint8), limit)


@pytest.mark.parametrize(
    "wrong",
    [
        np.ones(32, np.uint8),
        np.ones((2, 16), np.uint8),
        np.ones((2, 32), np.int64),
        [[1] * 32],
        np.ones((1, 8), np.uint8),
    ],
)
def test_queries_of_another_shape_are_value_errors(wrong: Any) -> None:
    """Queries that are not uint8 rows as long as the entries: ValueError."""
    with pytest.raises(ValueError, match="queries"):
        HammingIndex.build(np.ones((4, 32), np.uint8)).search(wrong)


@pytest.mark.parametrize("distance", [-1, 257, True])
def test_build_refuses_senseless_distances(distance: int) -> None:
    """An index can be built for 0 to as many bits as a value has."""
    with pytest.raises(ValueError, match="max_distance"):
        HammingIndex.build(np.ones((4, 32), np.uint8), distance)


def test_build_refuses_more_than_its_numbers_can_hold(monkeypatch: pytest.MonkeyPatch) -> None:
    """More entries than a 32-bit position can address are an error, never a wrong answer."""
    banded(monkeypatch, 12)
    monkeypatch.setattr("ingest_guard.blocklist.index.tables.MAX_SLOTS", 47)
    with pytest.raises(ValueError, match="too many"):
        HammingIndex.build(np.ones((4, 32), np.uint8))


def test_strided_values_are_read_right() -> None:
    """A view with gaps gives the same answers as its copy."""
    wide = np.random.default_rng(1).integers(0, 256, (20, 64), dtype=np.uint8)
    index = HammingIndex.build(wide[::2, :32])
    assert rows(index.search(wide[::2, :32], 0)) == [(number, number, 0) for number in range(10)]
    assert len(index) == 10


def test_queries_of_one_picture_and_of_many_find_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """Few queries are probed at once, many by distance and in parts: all that is near is found either way."""
    banded(monkeypatch, 16)
    rng = np.random.default_rng(12)
    values = rng.integers(0, 256, (4000, 32), dtype=np.uint8)
    limits = np.array([31, 23, 15, 31, 8, 0] * 4)
    queries = np.stack([flipped(rng, values[n], int(n % (limit + 1))) for n, limit in enumerate(limits)])
    index = HammingIndex.build(values)
    wanted = brute(values, queries, limits)
    assert rows(index.search(queries, limits)) == wanted
    for most in (1, 500, 5000):
        monkeypatch.setattr(probe, "_PROBES", most)
        assert rows(index.search(queries, limits)) == wanted
    assert rows(index.search(rng.integers(0, 256, (3, 32), dtype=np.uint8), 3)) == []
