from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from ingest_guard.blocklist.index import HammingIndex, bands
from ingest_guard.errors import BlocklistError

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(params=[0, 12], ids=["flat", "banded"])
def index(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> HammingIndex:
    """Build a small index of either sort."""
    count = request.param
    monkeypatch.setattr(bands, "plan", lambda _, bits, *__, **___: bands.split(bits, count) if count else ())
    return HammingIndex.build(np.random.default_rng(5).integers(0, 256, (50, 32), dtype=np.uint8), 20)


def test_a_saved_index_answers_as_before(index: HammingIndex, tmp_path: Path) -> None:
    """Saving and opening changes no answer, and opening maps the files read-only."""
    index.save(tmp_path / "deep" / "index")
    opened = HammingIndex.open(str(tmp_path / "deep" / "index"))
    queries = index.arrays()["hashes"][:7].astype(np.uint8)
    for before, after in zip(index.search(queries), opened.search(queries), strict=True):
        assert before.tolist() == after.tolist()
    assert opened.max_distance == 20
    assert opened.nbytes == index.nbytes
    assert not any(array.flags.writeable for array in opened.arrays().values())


def test_an_empty_index_can_be_saved(tmp_path: Path) -> None:
    """An index without entries survives saving and opening."""
    HammingIndex.build(np.empty((0, 8), np.uint8), 4).save(tmp_path)
    assert len(HammingIndex.open(tmp_path)) == 0


@pytest.mark.parametrize("name", ["index.json", "hashes.npy"])
def test_a_missing_or_broken_file_is_an_error(index: HammingIndex, tmp_path: Path, name: str) -> None:
    """A file that is gone or garbage is a clear error, not an empty index."""
    index.save(tmp_path)
    path = tmp_path / name
    path.write_bytes(b"{}")
    with pytest.raises(BlocklistError, match="build it again"):
        HammingIndex.open(tmp_path)
    path.unlink()
    with pytest.raises(BlocklistError, match="build it again"):
        HammingIndex.open(tmp_path)


def test_objects_in_an_array_file_are_never_unpickled(index: HammingIndex, tmp_path: Path) -> None:
    """An array file that holds a pickle is refused."""
    index.save(tmp_path)
    np.save(tmp_path / "hashes.npy", np.array([{}], dtype=object), allow_pickle=True)
    with pytest.raises(BlocklistError, match="no usable index"):
        HammingIndex.open(tmp_path)


@pytest.mark.parametrize(
    "change",
    [
        {"bytes": 16},
        {"bytes": True},
        {"entries": -1},
        {"entries": 49},
        {"max_distance": 300},
        {"max_distance": "31"},
        {"widths": None},
        {"widths": [128, 128]},
        {"widths": [21] * 4},
        {"widths": [20] * 4 + [22] * 8},
        {"widths": ["a"]},
    ],
)
def test_a_description_that_does_not_fit_is_an_error(index: HammingIndex, change: dict[str, object]) -> None:
    """Arrays with a description of something else are refused."""
    with pytest.raises(BlocklistError, match="no index"):
        HammingIndex.from_arrays(index.arrays(), {**index.meta, **change})


def test_arrays_that_do_not_fit_are_an_error(index: HammingIndex) -> None:
    """A missing, additional, wrongly typed or wrongly shaped array is refused."""
    arrays = index.arrays()
    for wrong in (
        {},
        {**arrays, "more": arrays["hashes"]},
        *({**arrays, name: array.astype(np.int64)} for name, array in arrays.items()),
        *({**arrays, name: array[:, None]} for name, array in arrays.items()),
    ):
        with pytest.raises(BlocklistError, match="no index"):
            HammingIndex.from_arrays(wrong, index.meta)
