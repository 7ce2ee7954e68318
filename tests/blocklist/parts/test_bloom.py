from __future__ import annotations

import hashlib
import io
import struct
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pybloom_live import BloomFilter, pybloom

from ingest_guard.blocklist.parts import bloom
from ingest_guard.errors import BlocklistError

if TYPE_CHECKING:
    from collections.abc import Sequence


def keys_of(count: int) -> list[str]:
    """Return made-up digests."""
    return [hashlib.sha256(str(number).encode()).hexdigest() for number in range(count)]


def written(keys: Sequence[str], error_rate: float = 1e-9) -> bytes:
    """Return a filter's file."""
    file = io.BytesIO()
    bloom.write(file, keys, len(keys), error_rate)
    return file.getvalue()


@pytest.mark.parametrize(("count", "error_rate"), [(0, 1e-9), (1, 1e-9), (3000, 1e-9), (40_000, 1e-4), (3000, 1e-3)])
def test_file_is_what_pybloom_live_writes(count: int, error_rate: float) -> None:
    """The file is, byte for byte, the one that pybloom-live writes of the same keys."""
    keys = keys_of(count)
    data = written(keys, error_rate)
    theirs = BloomFilter(bloom.open_filter(data, "x").bloom.capacity, error_rate)
    for key in [bloom.PLANTED_KEY, *keys]:
        theirs.add(key, skip_check=True)
    file = io.BytesIO()
    theirs.tofile(file)
    assert data == file.getvalue()


def test_every_key_is_found_and_hardly_any_other() -> None:
    """No listed key is missed; of keys that are not listed as many hit as the error rate says."""
    keys = keys_of(3000)
    opened = bloom.open_filter(written(keys[:2000], 1e-3), "x")
    assert all(key in opened for key in keys[:2000])
    assert sum(key in opened for key in keys[2000:]) <= 8
    assert opened.count == 2000


def test_pybloom_live_reads_the_file() -> None:
    """A filter can be read with pybloom-live alone."""
    keys = keys_of(50)
    theirs = BloomFilter.fromfile(io.BytesIO(written(keys)))
    assert all(key in theirs for key in keys)
    assert "0" * 64 not in theirs


def test_opened_without_a_copy_and_read_only() -> None:
    """The filter's bits are the buffer's own memory, and nothing can be added."""
    buffer = bytearray(written(keys_of(5)))
    opened = bloom.open_filter(memoryview(buffer).toreadonly(), "x")
    key = keys_of(6)[5]
    assert key not in opened
    buffer[40:] = b"\xff" * (len(buffer) - 40)
    assert key in opened
    with pytest.raises(TypeError, match="read-only"):
        opened.bloom.add(key)


@given(count=st.sampled_from([1000, 1200, 1500, 2000, 5000, 12_000, 19_000]), power=st.integers(3, 12))
@settings(max_examples=25, deadline=None)
def test_real_error_rate_is_within_the_one_asked_for(count: int, power: int) -> None:
    """Whatever the size, the set bits give a chance of a false hit below the one asked for."""
    rate = bloom.write(io.BytesIO(), (f"{number:x}" for number in range(count)), count, 10.0**-power)
    assert 0 < rate <= 10.0**-power


def test_filters_of_billions_take_wide_numbers() -> None:
    """pybloom-live takes wider numbers out of a digest where a slice has more cells."""
    assert [bloom.cell_dtype(cells).itemsize for cells in (1000, 1 << 15, 1 << 31)] == [2, 4, 8]


def repacked(data: bytes, **changes: float) -> bytes:
    """Return a filter's file with other numbers in its header."""
    names = ("error_rate", "slices", "cells", "capacity", "count")
    header = dict(zip(names, struct.unpack_from("<dQQQQ", data), strict=True)) | changes
    return struct.pack("<dQQQQ", *header.values()) + data[40:]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"error_rate": 0.0}, "error rate"),
        ({"error_rate": 0.5}, "error rate"),
        ({"error_rate": float("nan")}, "error rate"),
        ({"error_rate": 1e-4}, "dimensions"),
        ({"slices": 29}, "dimensions"),
        ({"cells": 5}, "dimensions"),
        ({"cells": 2**63}, "dimensions"),
        ({"count": 0}, "room"),
        ({"count": 2000}, "room"),
        ({"capacity": 2**60}, "dimensions"),
    ],
)
def test_a_header_that_contradicts_itself_is_refused(changes: dict[str, float], said: str) -> None:
    """Impossible rates, over-full filters and dimensions that do not follow are refused."""
    with pytest.raises(BlocklistError, match=f"here.bloom.*{said}.*rebuild"):
        bloom.open_filter(repacked(written(keys_of(3)), **changes), "here.bloom")


@pytest.mark.parametrize("cut", [0, 39, 40, 100, -1])
def test_a_cut_file_is_refused(cut: int) -> None:
    """A file that is too short for its header is refused; so is one that is too long."""
    data = written(keys_of(3))
    with pytest.raises(BlocklistError, match=r"too short|size"):
        bloom.open_filter(data[:cut], "x")
    with pytest.raises(BlocklistError, match="size"):
        bloom.open_filter(data + b"\0", "x")


def test_another_hashing_is_noticed_at_opening(monkeypatch: pytest.MonkeyPatch) -> None:
    """If pybloom-live placed keys elsewhere than it used to, the planted key tells, instead of nothing matching."""
    data = written(keys_of(100))
    before = pybloom.make_hashfuncs

    def other(slices: int, cells: int) -> tuple[object, object]:
        make, hashfn = before(slices, cells)
        return (lambda key: make(key + "!")), hashfn

    monkeypatch.setattr(pybloom, "make_hashfuncs", other)
    with pytest.raises(BlocklistError, match="planted key"):
        bloom.open_filter(data, "x")


def test_another_hashing_is_noticed_at_building(monkeypatch: pytest.MonkeyPatch) -> None:
    """A filter whose keys pybloom-live itself does not find is never written."""
    monkeypatch.setattr(BloomFilter, "__contains__", lambda *_: False)
    with pytest.raises(BlocklistError, match="pybloom-live"):
        written(keys_of(3))


@pytest.mark.parametrize("rate", [0.0, -1.0, 0.01, 2.0])
def test_senseless_error_rates_are_refused(rate: float) -> None:
    """A filter that hits at random, or never errs, cannot be written."""
    with pytest.raises(ValueError, match="error_rate"):
        written([], rate)


def test_another_number_of_keys_than_announced_is_refused() -> None:
    """A filter that is fuller or emptier than it says is never written."""
    with pytest.raises(ValueError, match="expected 3 keys, got 2"):
        bloom.write(io.BytesIO(), keys_of(2), 3)
