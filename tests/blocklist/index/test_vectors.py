from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest_guard.blocklist.index.vectors import VectorIndex

if TYPE_CHECKING:
    from pathlib import Path


def by_hand(values: np.ndarray, queries: np.ndarray, distance: str, threshold: float) -> list[tuple[int, float, int]]:
    """Return query, distance and entry of every pair within the threshold, sorted."""
    found = []
    for number, query in enumerate(queries.astype(np.int64)):
        for entry, value in enumerate(values.astype(np.int64)):
            apart = np.abs(value - query)
            length = float(apart.sum() if distance == "l1" else np.sqrt((apart**2).sum()))
            if length <= threshold:
                found.append((number, length, entry))
    return sorted(found)


@settings(max_examples=80, deadline=None)
@given(
    st.tuples(st.integers(0, 60), st.integers(0, 6), st.sampled_from([1, 2, 7, 8, 9, 16, 144])),
    st.sampled_from(["l1", "l2"]),
    st.floats(0, 1),
    st.integers(0, 10_000),
)
def test_every_entry_within_the_threshold_is_found_and_no_other(
    sizes: tuple[int, int, int], distance: str, share: float, seed: int
) -> None:
    """Whatever the sizes: the same pairs as by hand, sorted by query, distance, entry; duplicates each."""
    n, m, length = sizes
    rng = np.random.default_rng(seed)
    bases = rng.integers(0, 256, (4, length))
    values = np.clip(bases[rng.integers(0, 4, n)] + rng.integers(-9, 10, (n, length)), 0, 255).astype(np.uint8)
    queries = np.clip(bases[rng.integers(0, 4, m)] + rng.integers(-9, 10, (m, length)), 0, 255).astype(np.uint8)
    largest = 255 * length if distance == "l1" else 255 * length**0.5
    threshold = share**3 * largest
    query, entry, apart = VectorIndex.build(values).search(queries, distance, threshold)
    got = list(zip(query.tolist(), apart.tolist(), entry.tolist(), strict=True))
    expected = by_hand(values, queries, distance, threshold)
    assert [(q, e) for q, _, e in got] == [(q, e) for q, _, e in expected]
    np.testing.assert_allclose(apart, [d for _, d, _ in expected])
    assert (query.dtype, entry.dtype, apart.dtype) == (np.int64, np.int64, np.float64)


@pytest.mark.parametrize("distance", ["l1", "l2"])
def test_the_threshold_itself_still_matches(distance: str) -> None:
    """An entry exactly at the threshold is within it; anything more is not."""
    values = np.zeros((1, 144), np.uint8)
    query = values.copy()
    query[0, 3:7] = 50  # 200 in L1, 100 in L2
    exact = {"l1": 200.0, "l2": 100.0}[distance]
    index = VectorIndex.build(values)
    assert len(index.search(query, distance, exact)[0]) == 1
    assert len(index.search(query, distance, exact - 0.001)[0]) == 0


def test_what_was_saved_opens_as_it_was(tmp_path: Path) -> None:
    """An opened index is mapped, finds the same, and says its size."""
    values = np.random.default_rng(0).integers(0, 256, (500, 144), dtype=np.uint8)
    built = VectorIndex.build(values)
    built.save(tmp_path)
    opened = VectorIndex.open(tmp_path)
    assert len(opened) == 500
    assert opened.length == 144
    for one, other in zip(built.search(values[:5], "l1", 9000), opened.search(values[:5], "l1", 9000), strict=True):
        np.testing.assert_array_equal(one, other)


def test_files_that_do_not_belong_together_are_refused(tmp_path: Path) -> None:
    """A missing or foreign file is an error at opening, not a wrong answer."""
    VectorIndex.build(np.zeros((3, 16), np.uint8)).save(tmp_path)
    np.save(tmp_path / "sums.npy", np.zeros(4, np.int64))
    with pytest.raises(ValueError, match="do not belong together"):
        VectorIndex.open(tmp_path)
    (tmp_path / "parts.npy").unlink()
    with pytest.raises(FileNotFoundError):
        VectorIndex.open(tmp_path)


def test_arrays_go_in_as_they_came_out() -> None:
    """An index can be kept as arrays by whoever stores them; any that is missing or of another type is refused."""
    values = np.random.default_rng(0).integers(0, 256, (20, 16), dtype=np.uint8)
    arrays = VectorIndex.build(values).arrays()
    assert VectorIndex.from_arrays(arrays).search(values[:1], "l1", 0)[1].tolist() == [0]
    with pytest.raises(ValueError, match="is made of values, entries, sums, parts"):
        VectorIndex.from_arrays({name: array for name, array in arrays.items() if name != "sums"})
    with pytest.raises(ValueError, match="do not belong together"):
        VectorIndex.from_arrays({**arrays, "entries": arrays["entries"].astype(np.int32)})


@pytest.mark.parametrize("wrong", [np.zeros(4, np.uint8), np.zeros((2, 4)), np.zeros((2, 0), np.uint8), "no"])
def test_values_that_are_no_vectors_are_refused(wrong: object) -> None:
    """Neither an index nor a query is made of something else."""
    with pytest.raises(ValueError, match="uint8 array of shape"):
        VectorIndex.build(wrong)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="uint8 array of shape"):
        VectorIndex.build(np.zeros((1, 4), np.uint8)).search(wrong, "l1", 1)  # type: ignore[arg-type]


def test_a_wrong_search_is_refused() -> None:
    """Other lengths, other distances and thresholds below zero are mistakes of the caller."""
    index = VectorIndex.build(np.zeros((1, 4), np.uint8))
    with pytest.raises(ValueError, match="queries have 5 bytes, the index holds vectors of 4"):
        index.search(np.zeros((1, 5), np.uint8), "l1", 1)
    for distance, threshold in (("l3", 1), ("l1", -1), ("l2", float("nan"))):
        with pytest.raises(ValueError, match="search needs"):
            index.search(np.zeros((1, 4), np.uint8), distance, threshold)  # type: ignore[arg-type]
