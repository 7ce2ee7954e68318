from __future__ import annotations

import io
import mmap
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from ingest_guard.blocklist.index.sorted_rows import array_over
from ingest_guard.errors import BlocklistError

if TYPE_CHECKING:
    from pathlib import Path


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
