from __future__ import annotations

import io
import mmap
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest_guard.blocklist.index.sorted_rows import (
    among,
    array_over,
    different,
    different_rows,
    distinct_pairs,
    row_of,
    rows_of,
)
from ingest_guard.errors import BlocklistError

if TYPE_CHECKING:
    from pathlib import Path


def drawn(data: Any, size: int) -> np.ndarray:
    """Draw values, many of them alike in all bytes but the last, with zeros at either end."""
    alike = st.sampled_from([b"\0" * size, b"\xff" * size, b"\0" * (size - 1) + b"\1", b"\1" + b"\0" * (size - 1)])
    rows = data.draw(st.lists(alike | st.binary(min_size=size, max_size=size), max_size=15))
    return np.frombuffer(b"".join(rows), np.uint8).reshape(-1, size)


@given(data=st.data(), size=st.sampled_from([1, 8, 16, 20, 32]))
def test_each_value_is_found_in_its_row(data: Any, size: int) -> None:
    """One by one or many at once, a value's row is found, and -1 where there is none."""
    table, wanted = different(drawn(data, size)), drawn(data, size)
    there = [row.tobytes() for row in table]
    expected = [there.index(row.tobytes()) if row.tobytes() in there else -1 for row in wanted]
    assert rows_of(table, wanted).tolist() == expected
    assert [row_of(table, row.tobytes()) for row in wanted] == expected


@given(data=st.data(), size=st.sampled_from([1, 8, 20]))
def test_rows_lead_back_to_values(data: Any, size: int) -> None:
    """Different values come with the number that each of the original rows has among them."""
    values = drawn(data, size)
    found, rows = different_rows(values)
    assert [row.tobytes() for row in found] == sorted({row.tobytes() for row in values})
    assert (found[rows] == values).all()


@given(numbers=st.lists(st.integers(0, 9)), ordered=st.sets(st.integers(0, 9)))
def test_membership(numbers: list[int], ordered: set[int]) -> None:
    """Numbers and keys are told apart by whether they stand in a sorted array."""
    expected = [number in ordered for number in numbers]
    assert among(np.array(numbers, np.int64), np.array(sorted(ordered), np.int64)).tolist() == expected
    assert among(np.array(numbers, np.uint64), np.array(sorted(ordered), np.uint64)).tolist() == expected


@given(st.lists(st.tuples(st.integers(0, 2**64 - 1) | st.integers(0, 2), st.integers(0, 3))))
def test_pairs(pairs: list[tuple[int, int]]) -> None:
    """Pairs of key and row are sorted, and each is there once."""
    keys = np.array([key for key, _ in pairs], np.uint64)
    rows = np.array([row for _, row in pairs], np.int64)
    assert [tuple(pair) for pair in distinct_pairs(keys, rows).tolist()] == sorted(set(pairs))


def mapped(path: Path, data: bytes) -> mmap.mmap:
    """Return a read-only map of a file with this content."""
    path.write_bytes(data)
    with path.open("rb") as file:
        return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)


def saved(array: np.ndarray[Any, Any]) -> bytes:
    """Return what np.save writes, pickles included."""
    file = io.BytesIO()
    np.save(file, array, allow_pickle=True)
    return file.getvalue()


@pytest.mark.parametrize("shape", [(0,), (0, 32), (5,), (3, 32)])
@pytest.mark.parametrize("dtype", ["u1", "<u2", "<u8", "<i4", "<i8"])
def test_arrays_are_views_of_the_map(tmp_path: Path, shape: tuple[int, ...], dtype: str) -> None:
    """What np.save wrote is read without a copy, and cannot be written to."""
    array = np.arange(np.prod(shape), dtype=dtype).reshape(shape)
    found = array_over(mapped(tmp_path / "a.npy", saved(array)), "a.npy")
    assert found.dtype == array.dtype
    assert found.tolist() == array.tolist()
    assert not found.size or (not found.flags.writeable and not found.flags.owndata)


@pytest.mark.parametrize(
    "data",
    [
        b"garbage" * 20,
        b"\x93NUMPY",
        saved(np.array([{}], dtype=object)),
        saved(np.zeros(3)),
        saved(np.zeros(3, np.int16)),
        saved(np.zeros(3, ">i8")),
        saved(np.asfortranarray(np.zeros((3, 4), np.uint8))),
        saved(np.zeros(3, np.uint8))[:-1],
        saved(np.zeros(3, np.uint8)) + b"\0",
        saved(np.zeros(3, np.uint8)).replace(b"\x93NUMPY\x01", b"\x93NUMPY\x02"),
        saved(np.zeros(3, np.uint8)).replace(b"'descr': ", b"__import__"),
        saved(np.zeros(3, np.uint8)).replace(b"(3,)", b"(-3,"),
        saved(np.zeros(3, [("a", "u1"), ("b", "O")])),
    ],
)
def test_anything_else_is_refused(tmp_path: Path, data: bytes) -> None:
    """Pickles, other types and orders, other sizes and garbage are refused; nothing is evaluated."""
    with pytest.raises(BlocklistError, match=r"a\.npy is not an array.*rebuild"):
        array_over(mapped(tmp_path / "a.npy", data), "a.npy")
