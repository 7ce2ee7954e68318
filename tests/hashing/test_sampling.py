from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest_guard.hashing.sampling import BUFFER_SIDE, Rows, box_rows, draft_factor, enlarging, stacked, undrafting


def dense(rows: Rows) -> np.ndarray:
    """Return rows as a dense matrix."""
    return stacked(rows).toarray()


def slow_box_matrix(side: int) -> np.ndarray:
    """Return the reference's two passes and its decimation, spelled out pixel by pixel."""
    window = -(-side // 128)
    half = (window + 2) // 2
    smooth = np.zeros((side, side))
    for i in range(side):
        low, high = max(0, i - (window - half)), min(side, i + half)
        smooth[i, low:high] = 1 / (high - low)
    return (smooth @ smooth)[[int((k + 0.5) * side / 64) for k in range(64)]]


@pytest.mark.parametrize("side", [5, 17, 63, 64, 65, 128, 129, 255, 256, 257, 400, 511, 512, 513, 900])
def test_box_rows_are_the_references_two_passes_and_decimation(side: int) -> None:
    """The run-length construction gives the same matrix as filtering and sampling step by step."""
    np.testing.assert_allclose(dense(box_rows(side)), slow_box_matrix(side), atol=1e-6)


@given(st.integers(5, 5000))
def test_every_row_is_an_average_of_pixels_inside(side: int) -> None:
    """Whatever the side, weights are not negative, sum to one and lie inside the picture."""
    rows = box_rows(side)
    matrix = stacked(rows)
    assert matrix.shape == (BUFFER_SIDE, side)
    assert rows.weights.min() >= 0
    np.testing.assert_allclose(matrix.sum(axis=1), 1, atol=1e-5)


@given(st.integers(5, 1500))
def test_mirrored_rows_see_the_mirrored_picture(side: int) -> None:
    """Mirrored rows are the rows with their columns in reverse."""
    np.testing.assert_array_equal(dense(box_rows(side).mirrored()), dense(box_rows(side))[:, ::-1])


@given(st.integers(5, 400), st.integers(5, 1100))
def test_enlarging_is_sampling_after_bilinear_interpolation(side: int, scaled: int) -> None:
    """Rows for the enlarged picture, applied to the small one, equal interpolation first and sampling second."""
    bilinear = np.zeros((scaled, side))
    for pixel in range(scaled):
        at = min(max((pixel + 0.5) * side / scaled - 0.5, 0), side - 1)
        left = min(int(at), max(side - 2, 0))
        bilinear[pixel, left] += 1 - (at - left)
        bilinear[pixel, min(left + 1, side - 1)] += at - left
    expected = dense(box_rows(scaled)) @ bilinear
    np.testing.assert_allclose(dense(enlarging(box_rows(scaled), side)), expected, atol=1e-5)


@pytest.mark.parametrize("factor", [2, 4, 8])
def test_undrafting_is_exact_for_a_parabola(factor: int) -> None:
    """Where the original is a parabola, its draft of means tells the original's buffer exactly, but at the ends."""
    original = 128 * factor
    x = np.arange(original) / original
    picture = 40 + 300 * x - 170 * x**2
    draft = picture.reshape(-1, factor).mean(axis=1)
    through_draft = dense(undrafting(box_rows(original), len(draft))) @ draft
    direct = dense(box_rows(original)) @ picture
    np.testing.assert_allclose(through_draft[2:-2], direct[2:-2], atol=1e-3)


@given(st.integers(256, 3000), st.sampled_from([1, 2, 4, 8]), st.integers(0, 7))
def test_a_drafts_factor_is_the_whole_number_that_the_decoder_used(side: int, factor: int, more: int) -> None:
    """The decoder rounds a draft's sides up; drafts have 256 pixels a side at least, and so the factor is found."""
    original = side * factor - more % factor
    assert -(-original // factor) == side
    assert draft_factor(original, side) == factor


def test_rows_of_a_draft_with_an_odd_factor_still_average() -> None:
    """A draft that is no whole fraction of its original is treated as evenly spaced cells."""
    matrix = dense(undrafting(box_rows(1000), 300))
    np.testing.assert_allclose(matrix.sum(axis=1), 1, atol=1e-5)
