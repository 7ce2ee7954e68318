from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pybloom_live import BloomFilter

from ingest_guard.blocklist.batch_exact import Batch, Sieve
from ingest_guard.blocklist.index.sorted_rows import different
from ingest_guard.blocklist.parts import bloom
from ingest_guard.blocklist.parts.exact import NOTHING_GONE, ExactValues, Layer


def exact(values: Any, *, table: bool, error_rate: float = 1e-9, gone: Any = NOTHING_GONE) -> ExactValues:
    """Return exact values of one layer, with their table or without."""
    ordered = different(values)
    file = io.BytesIO()
    bloom.write(file, (row.tobytes().hex() for row in ordered), len(ordered), error_rate)
    return ExactValues((Layer(bloom.open_filter(file.getvalue(), "a test"), ordered if table else None),), gone)


@pytest.mark.parametrize("table", [False, True])
@pytest.mark.parametrize("size", [16, 20, 32])
@given(seed=st.integers(0, 1000))
def test_finds_what_single_look_ups_find(size: int, seed: int, *, table: bool) -> None:
    """Of listed, unlisted and nearly listed values the very same rows are found as by asking for each."""
    rng = np.random.default_rng(seed)
    listed = rng.integers(0, 256, (50, size), dtype=np.uint8)
    asked = np.concatenate([listed[::3], rng.integers(0, 256, (100, size), dtype=np.uint8), listed[:2] ^ 1])
    values = exact(listed, table=table)
    single = [row for row, value in enumerate(asked) if value.tobytes() in values]
    assert Sieve(values).held(Batch(asked)).tolist() == single
    assert len(single) >= 17


@pytest.mark.parametrize("error_rate", [1e-3, 1e-4, 1e-6, 1e-9, 1e-12])
def test_cells_are_pybloom_lives_own(error_rate: float) -> None:
    """Whatever the hash function that pybloom-live takes for a rate: each cell is the one that it looks at."""
    listed = np.random.default_rng(1).integers(0, 256, (3000, 16), dtype=np.uint8)
    values = exact(listed, table=False, error_rate=error_rate)
    opened = values.layers[0].filter
    reference = BloomFilter.make_hashes if hasattr(BloomFilter, "make_hashes") else opened.bloom.make_hashes
    numbers = Batch(listed[:20]).cells(opened).astype(np.int64) % opened.bloom.bits_per_slice
    for row, value in zip(numbers.tolist(), listed, strict=False):
        assert row == list(reference(value.tobytes().hex()))[: len(row)]
    assert Sieve(values).held(Batch(listed)).tolist() == list(range(3000))


def test_a_value_that_is_gone_is_not_held() -> None:
    """A row of the table that was withdrawn since does not count."""
    listed = different(np.random.default_rng(2).integers(0, 256, (10, 16), dtype=np.uint8))
    values = exact(listed, table=True, gone=np.array([3], np.int64))
    assert Sieve(values).held(Batch(listed)).tolist() == [0, 1, 2, 4, 5, 6, 7, 8, 9]


def test_several_layers_and_one_batch() -> None:
    """A base with a filter alone and a later layer with a table are both asked; a batch serves several lists."""
    one, two = (np.random.default_rng(seed).integers(0, 256, (5, 20), dtype=np.uint8) for seed in (3, 4))
    base, later = exact(one, table=False), exact(two, table=True)
    both = ExactValues((base.layers[0], later.layers[0]), NOTHING_GONE)
    batch = Batch(np.concatenate([one[:2], two[:2], one[:1] ^ 255]))
    assert Sieve(both).held(batch).tolist() == [0, 1, 2, 3]
    assert Sieve(base).held(batch).tolist() == [0, 1]
    assert Sieve(exact(one[:1] ^ 255, table=True)).held(batch).tolist() == [4]
    assert not len(Sieve(ExactValues((), NOTHING_GONE)).held(batch))
