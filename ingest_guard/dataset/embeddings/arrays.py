"""Arrays in ``npy`` and ``npz`` files: headers without pickle, rows in blocks, and files written without some rows.

An ``npz`` file is a zip archive of ``npy`` files. Its members cannot be mapped into memory, so they are read from front
to back.
"""

from __future__ import annotations

import math
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from ingest_guard.errors import DatasetError, IngestGuardError

_BLOCK_BYTES = 1 << 26
_MOST_DIMENSIONS = 1 << 14
_END = ".npy"
_FORMAT_1 = (1, 0)
Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.floating]


@dataclass(frozen=True, slots=True)
class Header:
    """What the header of an array says.

    Attributes
    ----------
    shape, dtype
        Of the whole array.
    version
        Of the header itself.
    """

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    version: tuple[int, int]

    @property
    def row_bytes(self) -> int:
        """Bytes of one row."""
        return math.prod(self.shape[1:]) * self.dtype.itemsize

    @property
    def bytes(self) -> int:
        """Bytes of all rows."""
        return self.shape[0] * self.row_bytes


def read_header(file: IO[bytes], path: Path) -> Header:
    """Return the header of an array; nothing of it is evaluated but literals.

    Raises
    ------
    DatasetError
        The array has no rows one after another: it holds objects, has no dimension, or is in Fortran order.
    """
    version = np.lib.format.read_magic(file)
    read = np.lib.format.read_array_header_1_0 if version == _FORMAT_1 else np.lib.format.read_array_header_2_0
    shape, is_fortran, dtype = read(file)
    if dtype.hasobject:
        raise DatasetError(f"{path} holds Python objects, which are never read; embeddings are float16, float32 or 64")
    if not shape or min(shape) < 0:
        raise DatasetError(f"{path} has the shape {shape}, and no rows")
    if is_fortran and min(shape) > 1:
        raise DatasetError(
            f"{path} is in Fortran order: its rows lie scattered over the file; write it again in C order"
        )
    return Header(tuple(map(int, shape)), dtype, version)


def require_vectors(header: Header, path: Path) -> tuple[int, int]:
    """Return (rows, dimensions); DatasetError where an array holds something else than vectors in rows."""
    shape, dtype = header.shape, header.dtype
    if dtype.kind != "f" or dtype.itemsize not in {2, 4, 8}:
        raise DatasetError(f"{path} holds {dtype}, and embeddings are float16, float32 or float64")
    if len(shape) != 2 or not 0 < shape[1] <= _MOST_DIMENSIONS:  # noqa: PLR2004 - rows and dimensions
        raise DatasetError(f"{path} has the shape {shape}, and embeddings are rows of up to {_MOST_DIMENSIONS} numbers")
    return shape[0], shape[1]


def header_of(path: Path) -> Header:
    """Return the header of an ``npy`` file; DatasetError where the file is not as long as it says."""
    with path.open("rb") as file:
        header = read_header(file, path)
        _require_length(path, file.tell() + header.bytes)
    return header


def memory_map(path: Path, expected: tuple[int, int]) -> Floats:
    """Return the rows of an ``npy`` file, mapped into memory; DatasetError where its shape is another one now."""
    with path.open("rb") as file:
        header, offset = read_header(file, path), file.tell()
        if header.shape != expected:
            raise DatasetError(f"{path} was changed meanwhile; let nothing write there, and start again")
        _require_length(path, offset + header.bytes)
        if not header.shape[0]:
            return np.empty(expected, header.dtype)
    return np.memmap(path, header.dtype, "r", offset, expected)


def member_names(path: Path) -> list[str]:
    """Return the names of the arrays in an ``npz`` file."""
    with zipfile.ZipFile(path) as archive:
        return [each.removesuffix(_END) for each in archive.namelist() if each.endswith(_END)]


def header_of_member(path: Path, member: str) -> Header:
    """Return the header of an array in an ``npz`` file."""
    with zipfile.ZipFile(path) as archive, archive.open(f"{member}{_END}") as file:
        return read_header(file, path)


def member_blocks(path: Path, member: str, expected: tuple[int, int], rows: int) -> Iterator[tuple[int, Floats]]:
    """Yield (index of the first row, rows) of an array in an ``npz`` file, so many rows at a time."""
    with zipfile.ZipFile(path) as archive, archive.open(f"{member}{_END}") as file:
        header = read_header(file, path)
        if header.shape != expected:
            raise DatasetError(f"{path} was changed meanwhile; let nothing write there, and start again")
        yield from _blocks(file, header, path, rows)


def count_rows(path: Path) -> int:
    """Return the number of rows of all arrays in a file.

    Raises
    ------
    DatasetError
        The arrays in it have not the same number of rows, or it holds something else than arrays of rows.
    """
    with reading(path):
        if path.suffix == _END:
            return header_of(path).shape[0]
        with zipfile.ZipFile(path) as archive:
            counts = {info.filename: _member_header(archive, info, path).shape[0] for info in archive.infolist()}
    if len(set(counts.values())) != 1:
        raise DatasetError(
            f"{path} holds arrays of different numbers of rows ({', '.join(sorted(counts)) or 'none'}): which rows "
            "belong to which records is not known"
        )
    return next(iter(counts.values()))


def write_without(path: Path, rows: Ints, target: Path) -> None:
    """Write a file of arrays without some rows; each kept row stays as it is, byte for byte.

    Parameters
    ----------
    path
        The file, ``npy`` or ``npz``; of the latter all arrays lose the same rows.
    rows
        Sorted.
    target
        The new file.

    Raises
    ------
    DatasetError
        It cannot be read, or ends before its last row.
    """
    with reading(path):
        if path.suffix == _END:
            with path.open("rb") as file, target.open("wb") as out:
                _copy_rows(file, read_header(file, path), rows, out, path)
            return
        with zipfile.ZipFile(path) as archive, zipfile.ZipFile(target, "w") as out_archive:
            for info in archive.infolist():
                new = zipfile.ZipInfo(info.filename)
                new.compress_type = info.compress_type
                with (
                    archive.open(info) as file,
                    out_archive.open(new, "w", force_zip64=info.file_size >= zipfile.ZIP64_LIMIT // 2) as out,
                ):
                    _copy_rows(file, read_header(file, path), rows, out, path)


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Raise DatasetError, by the name of the file, for whatever a damaged one makes of its reader."""
    try:
        yield
    except OSError as error:
        raise DatasetError(f"{path} cannot be read: {error.strerror or type(error).__name__}") from None
    except IngestGuardError:
        raise
    except Exception as error:  # noqa: BLE001 - a damaged file makes its readers raise anything
        raise DatasetError(f"{path} is no file of embeddings, or is damaged ({type(error).__name__})") from None


def _member_header(archive: zipfile.ZipFile, info: zipfile.ZipInfo, path: Path) -> Header:
    if not info.filename.endswith(_END):
        raise DatasetError(f"{path} holds {info.filename[:80]!r}, which is no array")
    with archive.open(info) as file:
        return read_header(file, path)


def _copy_rows(file: IO[bytes], header: Header, rows: Ints, out: IO[bytes], path: Path) -> None:
    kept = header.shape[0] - int(np.searchsorted(rows, header.shape[0]))
    content = {
        "descr": np.lib.format.dtype_to_descr(header.dtype),
        "fortran_order": False,
        "shape": (kept, *header.shape[1:]),
    }
    write = (
        np.lib.format.write_array_header_1_0 if header.version == _FORMAT_1 else np.lib.format.write_array_header_2_0
    )
    write(out, content)
    for start, block in _raw_blocks(file, header, path):
        low, high = np.searchsorted(rows, (start, start + len(block)))
        out.write(np.delete(block, rows[low:high] - start, axis=0).data if high > low else block.data)


def _raw_blocks(file: IO[bytes], header: Header, path: Path) -> Iterator[tuple[int, npt.NDArray[np.uint8]]]:
    """Yield (index of the first row, bytes of some rows), some megabytes at a time."""
    if not header.row_bytes:
        return
    step = max(1, _BLOCK_BYTES // header.row_bytes)
    for start in range(0, header.shape[0], step):
        size = min(step, header.shape[0] - start) * header.row_bytes
        data = file.read(size)
        if len(data) != size:
            raise DatasetError(f"{path} ends before its last row")
        yield start, np.frombuffer(data, np.uint8).reshape(-1, header.row_bytes)


def _blocks(file: IO[bytes], header: Header, path: Path, rows: int) -> Iterator[tuple[int, Floats]]:
    rows = max(1, min(rows, _BLOCK_BYTES // header.row_bytes))
    for start in range(0, header.shape[0], rows):
        count = min(rows, header.shape[0] - start)
        data = file.read(count * header.row_bytes)
        if len(data) != count * header.row_bytes:
            raise DatasetError(f"{path} ends before its last row")
        yield start, np.frombuffer(data, header.dtype).reshape(count, *header.shape[1:])


def _require_length(path: Path, size: int) -> None:
    if path.stat().st_size != size:
        raise DatasetError(f"{path} is not as long as its header says: it was cut off, or is still being written")
