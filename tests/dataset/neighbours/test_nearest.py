from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from ingest_guard.dataset.neighbours import nearest as module
from ingest_guard.dataset.neighbours import unit_rows
from ingest_guard.dataset.neighbours.nearest import Search, Wanted
from ingest_guard.errors import DatasetError

WIDTH = 48


def units(rng: np.random.Generator, count: int, dtype: Any = np.float16) -> Any:
    """Return random rows of about unit length."""
    rows = rng.standard_normal((count, WIDTH))
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(dtype)


def brute(seeds: Any, rows: Any, wanted: Wanted) -> list[set[tuple[int, float]]]:
    """Return the answer in double precision, seed by seed."""
    left, right = seeds.astype(np.float64), rows.astype(np.float64)
    left /= np.linalg.norm(left, axis=1, keepdims=True)
    right /= np.linalg.norm(right, axis=1, keepdims=True)
    similarity = left @ right.T
    answers = []
    for each in similarity:
        chosen = set(np.argsort(-each, kind="stable")[: wanted.k].tolist())
        if wanted.above is not None:
            chosen |= set(np.flatnonzero(each >= wanted.above).tolist())
        answers.append({(row, round(float(each[row]), 5)) for row in chosen})
    return answers


def answers(search: Search, seeds: int) -> list[set[tuple[int, float]]]:
    """Return what a search has found, seed by seed."""
    hits = search.state().hits
    found: list[set[tuple[int, float]]] = [set() for _ in range(seeds)]
    for seed, row, similarity in zip(hits.seed, hits.row, hits.similarity, strict=True):
        found[seed].add((int(row), round(float(similarity), 5)))
    return found


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("wanted", [Wanted(1), Wanted(100), Wanted(0, 0.4), Wanted(5, 0.4), Wanted(3000)])
@pytest.mark.parametrize("threads", [1, 3])
def test_the_answer_is_that_of_a_brute_force(
    monkeypatch: pytest.MonkeyPatch, dtype: Any, wanted: Wanted, threads: int
) -> None:
    """Whatever the type, the number wanted and the threads, and however rows fall into blocks and pieces."""
    monkeypatch.setattr(module, "_BLOCK", 64)
    monkeypatch.setattr(module, "_PIECE", 300)
    monkeypatch.setattr(module, "_POOLED", 500)
    rng = np.random.default_rng(4)
    rows, seeds = units(rng, 2100, dtype), units(rng, 7, np.float32)
    search = Search(seeds, wanted, threads)
    search.scan(rows[:1000], 0)
    search.scan(rows[1000:], 1000)
    found, expected = answers(search, 7), brute(seeds, rows, wanted)
    for mine, theirs in zip(found, expected, strict=True):
        assert {row for row, _ in mine} == {row for row, _ in theirs}
        assert sorted(value for _, value in mine) == pytest.approx(sorted(value for _, value in theirs), abs=2e-5)
    assert search.state().compared == 2100


def test_rows_of_zeros_and_of_no_numbers_are_not_compared() -> None:
    """They are named and counted, and are never among the nearest, not even where all rows are wanted."""
    rng = np.random.default_rng(5)
    rows = units(rng, 40)
    rows[3], rows[5, 2], rows[39, 0] = 0, np.nan, np.inf
    search = Search(units(rng, 2, np.float32), Wanted(40))
    assert search.scan(rows, 100).tolist() == [3, 5, 39]
    state = search.state()
    assert (state.compared, state.not_compared) == (37, 3)
    assert not {103, 105, 139} & set(state.hits.row.tolist())
    assert len(state.hits.row) == 74


def test_equal_rows_are_found_in_their_order() -> None:
    """Of rows that are equally near, the first ones are kept."""
    seed = np.ones((1, WIDTH), np.float32)
    search = Search(seed, Wanted(3))
    search.scan(np.ones((50, WIDTH), np.float16), 0)
    assert search.state().hits.row.tolist() == [0, 1, 2]


def test_a_search_goes_on_where_it_was_left() -> None:
    """What was found before an interruption and what comes after make the same answer as one pass."""
    rng = np.random.default_rng(6)
    rows, seeds = units(rng, 900), units(rng, 4, np.float32)
    whole, first, second = (Search(seeds, Wanted(10, 0.3)) for _ in range(3))
    whole.scan(rows, 0)
    first.scan(rows[:400], 0)
    second.resume(first.state())
    second.scan(rows[400:], 400)
    assert answers(second, 4) == answers(whole, 4)
    assert second.state().compared == 900


@pytest.mark.parametrize("seeds", [np.empty((0, WIDTH)), np.zeros((1, WIDTH)), np.full((2, WIDTH), np.nan)])
def test_seeds_that_are_no_vectors_are_refused(seeds: Any) -> None:
    """No seed, a seed of zeros or of no numbers is an error."""
    with pytest.raises(DatasetError, match="the seeds are no vectors"):
        Search(seeds, Wanted(1))


def test_a_similarity_that_everything_has_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where more rows are that similar than can be kept, the search says so instead of filling the memory."""
    monkeypatch.setattr(module, "MOST_HITS", 100)
    search = Search(np.ones((1, WIDTH), np.float32), Wanted(0, 0.5))
    with pytest.raises(DatasetError, match="raise --above"):
        search.scan(np.ones((200, WIDTH), np.float16), 0)


def test_half_floats_are_converted_exactly() -> None:
    """Each of the 65,536 half floats becomes the number that NumPy makes of it, or sends its row to NumPy."""
    every = np.arange(1 << 16, dtype=np.uint16).view(np.float16).reshape(-1, 1)
    room = np.empty((len(every), 1), np.float32)
    for rows in (every, np.nan_to_num(every, nan=1, posinf=1, neginf=1), every[::-1]):
        block, _, usable = unit_rows.prepare(rows, np.empty((0, 1), np.float32), room)
        expected = rows.astype(np.float32)
        fine = np.isfinite(expected[:, 0]) & (expected[:, 0] != 0)
        assert np.array_equal(usable, fine)
        # What is far from 1 is divided by its largest number.
        near = fine & (np.abs(expected[:, 0]) > 1e-3)
        assert np.array_equal(block[near], expected[near])
        assert np.array_equal(np.sign(block[fine]), np.sign(expected[fine]))


@pytest.mark.parametrize(
    ("dtype", "scale"),
    [
        *((dtype, scale) for dtype in ("<f2", ">f2") for scale in (1e-4, 1, 100)),
        *((dtype, scale) for dtype in ("<f4", ">f4", "<f8", ">f8") for scale in (1e-30, 1e-20, 1e-4, 1, 1e20, 1e37)),
    ],
)
def test_the_length_of_a_row_does_not_matter(dtype: str, scale: float) -> None:
    """A row is compared by its direction, however long it is, in either order of bytes; its neighbours stay as near."""
    rng = np.random.default_rng(9)
    rows, seeds = units(rng, 50, np.float64), units(rng, 3, np.float32)
    rows[::2] *= scale
    search = Search(seeds, Wanted(50))
    assert search.scan(rows.astype(dtype), 0).tolist() == []
    found, expected = search.state().hits, brute(seeds, rows, Wanted(50))
    for seed in range(3):
        mine = dict(zip(found.row[found.seed == seed].tolist(), found.similarity[found.seed == seed], strict=True))
        assert mine == pytest.approx(dict(expected[seed]), abs=2e-3 if dtype.endswith("2") else 1e-5)


@pytest.mark.parametrize("width", [1, 2, 48])
def test_a_search_that_does_not_see_planted_rows_fails(width: int) -> None:
    """In each piece of the data rows are planted; where their products are wrong, the search ends."""
    rng = np.random.default_rng(10)
    search = Search(rng.standard_normal((20, width)), Wanted(3))
    rows = rng.standard_normal((30, width)).astype(np.float16)
    search.scan(rows, 0)
    assert set(search.state().hits.row.tolist()) <= set(range(30))
    search.seeds = -search.seeds
    with pytest.raises(DatasetError, match="planted"):
        search.scan(rows, 30)
