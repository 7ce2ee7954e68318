from __future__ import annotations

import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ingest_guard.dataset.embeddings import arrays
from ingest_guard.errors import DatasetError

KINDS: dict[str, Callable[[np.random.Generator], Any]] = {
    "half": lambda rng: rng.standard_normal((50, 7)).astype(np.float16),
    "single": lambda rng: rng.standard_normal((50, 7)).astype(np.float32),
    "double, big-endian": lambda rng: rng.standard_normal((50, 3)).astype(">f8"),
    "whole numbers": lambda rng: rng.integers(0, 100, 50),
    "texts": lambda rng: rng.integers(0, 100, 50).astype("U8"),
    "three dimensions": lambda rng: rng.standard_normal((50, 2, 3)).astype(np.float32),
    "one column in Fortran order": lambda rng: np.asfortranarray(rng.standard_normal((50, 1))),
    "structures": lambda rng: np.array([(n, n / 2) for n in rng.integers(0, 9, 50)], [("a", "i4"), ("b", "f4")]),
}
GONE = {
    "none": [],
    "first": [0],
    "last": [49],
    "some": [0, 3, 4, 17, 49],
    "all but one": list(range(49)),
    "all": list(range(50)),
}


@pytest.mark.parametrize("gone", GONE)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("ending", ["npy", "npz", "npz, packed"])
def test_rows_are_cut(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, gone: str, ending: str) -> None:
    """Every row that stays is its source's row, byte for byte, whatever the type and however large the blocks are."""
    monkeypatch.setattr(arrays, "_BLOCK_BYTES", 100)
    array = KINDS[kind](np.random.default_rng(1))
    source, target = tmp_path / f"x.{ending[:3]}", tmp_path / f"y.{ending[:3]}"
    if ending == "npy":
        np.save(source, array)
    else:
        (np.savez_compressed if ending.endswith("packed") else np.savez)(source, one=array, two=array[::-1])
    assert arrays.count_rows(source) == 50
    rows = np.array(GONE[gone], np.int64)
    arrays.write_without(source, rows, target)
    loaded = np.load(target, allow_pickle=False)
    for found, whole in (
        [(loaded, array)] if ending == "npy" else [(loaded["one"], array), (loaded["two"], array[::-1])]
    ):
        expected = np.delete(whole, rows, axis=0)
        assert found.dtype == whole.dtype
        assert found.shape == expected.shape
        assert found.tobytes() == np.ascontiguousarray(expected).tobytes()
    assert arrays.count_rows(target) == 50 - len(rows)
    if ending != "npy":
        methods = [{info.compress_type for info in zipfile.ZipFile(path).infolist()} for path in (source, target)]
        assert methods[0] == methods[1]


def objects(path: Path) -> None:
    """Write objects."""
    np.save(path, np.array([{}], object), allow_pickle=True)


def no_rows(path: Path) -> None:
    """Write a single number."""
    np.save(path, np.float32(1))


def fortran(path: Path) -> None:
    """Write columns one after another."""
    np.save(path, np.asfortranarray(np.ones((3, 2))))


def short(path: Path) -> None:
    """Write an array that was cut off."""
    np.save(path, np.ones((3, 2)))
    path.write_bytes(path.read_bytes()[:-1])


def long(path: Path) -> None:
    """Write an array with something behind it."""
    np.save(path, np.ones((3, 2)))
    path.write_bytes(path.read_bytes() + b"x")


def huge(path: Path) -> None:
    """Write a header that promises more than there is anywhere."""
    np.save(path, np.ones((3, 2)))
    path.write_bytes(path.read_bytes().replace(b"(3, 2), }      ", b"(99999999, 2),}"))


def text(path: Path) -> None:
    """Write no array at all."""
    path.write_text("no array")


def uneven(path: Path) -> None:
    """Write arrays of different lengths."""
    np.savez(path, a=np.ones(3), b=np.ones(4))


def other_member(path: Path) -> None:
    """Write an archive with something else in it."""
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("notes.txt", "x")


def empty(path: Path) -> None:
    """Write an archive without anything."""
    with zipfile.ZipFile(path, "w"):
        pass


@pytest.mark.parametrize(
    ("make", "name", "message"),
    [
        (objects, "x.npy", "Python objects"),
        (no_rows, "x.npy", "no rows"),
        (fortran, "x.npy", "Fortran order"),
        (short, "x.npy", "not as long as its header says"),
        (long, "x.npy", "not as long as its header says"),
        (huge, "x.npy", "x.npy"),
        (text, "x.npy", "no file of embeddings"),
        (text, "x.npz", "no file of embeddings"),
        (uneven, "x.npz", "different numbers of rows"),
        (other_member, "x.npz", "is no array"),
        (empty, "x.npz", "none"),
    ],
    ids=lambda value: value.__name__ if callable(value) else str(value),
)
def test_what_cannot_be_cut_is_refused_by_name(
    tmp_path: Path, make: Callable[[Path], None], name: str, message: str
) -> None:
    """Objects, other orders, files of another length and other archives are errors that name the file."""
    make(tmp_path / name)
    with pytest.raises(DatasetError, match=message) as error:
        arrays.count_rows(tmp_path / name)
    assert name in str(error.value)


def test_a_member_that_ends_early_is_an_error(tmp_path: Path) -> None:
    """An array in an archive that is shorter than its header says is an error, when it is read and when it is cut."""
    np.save(tmp_path / "x.npy", np.ones((9, 2)))
    with zipfile.ZipFile(tmp_path / "x.npz", "w") as archive:
        archive.writestr("a.npy", (tmp_path / "x.npy").read_bytes()[:-8])
    with pytest.raises(DatasetError, match="before its last row"):
        arrays.write_without(tmp_path / "x.npz", np.array([1]), tmp_path / "y.npz")
    with pytest.raises(DatasetError, match="before its last row"):
        list(arrays.member_blocks(tmp_path / "x.npz", "a", (9, 2), 4))


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    """What cannot be opened is an error of the data set."""
    with pytest.raises(DatasetError, match="cannot be read"):
        arrays.count_rows(tmp_path / "x.npy")


def npy(header: bytes, data: bytes = b"") -> bytes:
    """Return the bytes of an array with a header of one's own."""
    return b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header + data


HOSTILE = {
    "a key that is a number": npy(b"{1: 2, 'descr': '<f2'}"),
    "an unfinished text": npy(b"{'descr': '''<f2"),
    "nested deeply": npy(b"(" * 9000),
    "an expression": npy(b"{'descr': '<f2', 'fortran_order': False, 'shape': (exit(), 2)}"),
    "a shape of texts": npy(b"{'descr': '<f2', 'fortran_order': False, 'shape': ('a', 'b')}"),
    "a negative shape": npy(b"{'descr': '<f2', 'fortran_order': False, 'shape': (-1, 2)}"),
    "a shape beyond 64 bits": npy(b"{'descr': '<f2', 'fortran_order': False, 'shape': (1, 4294967296, 4294967296)}"),
    "more rows than there is room": npy(b"{'descr': '<f2', 'fortran_order': False, 'shape': (9223372036854775807, 2)}"),
    "a type that is none": npy(b"{'descr': '<q9', 'fortran_order': False, 'shape': (1, 2)}", bytes(4)),
    "a type within itself": npy(b"{'descr': [('a', [])], 'fortran_order': False, 'shape': (1, 2)}"),
    "a subarray": npy(b"{'descr': ('<f2', (2,)), 'fortran_order': False, 'shape': (1, 2)}", bytes(4)),
    "a header that is cut off": npy(b"{'descr': '<f2'")[:12],
    "another version": b"\x93NUMPY\x09\x00" + bytes(20),
    "a long header": b"\x93NUMPY\x02\x00\xff\xff\xff\x7f" + bytes(100),
}


def read_through(path: Path) -> None:
    """Read an array to its end."""
    with arrays.reading(path):
        if path.suffix == ".npy":
            arrays.require_vectors(arrays.header_of(path), path)
        else:
            shape = arrays.require_vectors(arrays.header_of_member(path, "a"), path)
            list(arrays.member_blocks(path, "a", shape, 10))


@pytest.mark.parametrize("kind", HOSTILE)
@pytest.mark.parametrize("ending", ["npy", "npz"])
def test_hostile_headers(tmp_path: Path, kind: str, ending: str) -> None:
    """Whatever a header says, it ends in an error that names the file, and takes no memory."""
    path = tmp_path / f"x.{ending}"
    if ending == "npy":
        path.write_bytes(HOSTILE[kind])
    else:
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("a.npy", HOSTILE[kind])
    with pytest.raises(DatasetError, match=r"x\.np"):
        read_through(path)


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_damaged_archives(tmp_path: Path, method: int) -> None:
    """A member whose bytes are damaged, or that is encrypted, is an error however it is packed."""
    np.save(tmp_path / "a.npy", np.random.default_rng(3).standard_normal((500, 4)))
    with zipfile.ZipFile(tmp_path / "x.npz", "w", method) as archive:
        archive.write(tmp_path / "a.npy", "a.npy")
    whole = (tmp_path / "x.npz").read_bytes()
    for at in (60, 300, len(whole) // 2, len(whole) - 60, len(whole) - 10):
        damaged = bytearray(whole)
        damaged[at : at + 8] = bytes(each ^ 0xFF for each in damaged[at : at + 8])
        (tmp_path / "x.npz").write_bytes(damaged)
        with pytest.raises(DatasetError, match=r"x\.npz"):
            arrays.write_without(tmp_path / "x.npz", np.array([1]), tmp_path / "y.npz")
        with pytest.raises(DatasetError, match=r"x\.npz"):
            read_through(tmp_path / "x.npz")
    encrypted = bytearray(whole)
    encrypted[6] |= 1
    encrypted[whole.rindex(b"PK\x01\x02") + 8] |= 1
    (tmp_path / "x.npz").write_bytes(encrypted)
    with pytest.raises(DatasetError, match=r"x\.npz"):
        arrays.count_rows(tmp_path / "x.npz")
