from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest_guard.dataset.report import figures
from ingest_guard.dataset.report.timeline import quantile


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (7, "7"),
        (999, "999"),
        (999.6, "1 k"),
        (1234567, "1.23 M"),
        (45_600, "45.6 k"),
        (2.5e9, "2.5 G"),
        (0.25, "0.25"),
    ],
)
def test_short_numbers(value: float, text: str) -> None:
    """Three digits and a unit."""
    assert figures.short(value) == text


@pytest.mark.parametrize(
    ("part", "whole", "text"),
    [
        (0, 0, figures.NOTHING),
        (0, 5, "0.00 %"),
        (5, 5, "100.0 %"),
        (1, 10**6, "< 0.01 %"),
        (10**6 - 1, 10**6, "> 99.99 %"),
        (1, 3, "33.3 %"),
    ],
)
def test_shares(part: int, whole: int, text: str) -> None:
    """What is not all or nothing is never told as if it were."""
    assert figures.percent(part, whole) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0 s"), (59, "59 s"), (60, "1 min"), (3661, "1 h 1 min"), (93784, "1 d 2 h"), (86400, "1 d")],
)
def test_spans(value: float, text: str) -> None:
    """The two largest units of a time."""
    assert figures.span(value) == text


def test_sizes_and_seconds() -> None:
    """Bytes in steps of a thousand; times below a second in milliseconds."""
    assert [figures.size(value) for value in (12, 1500, 2.5e6, 3e9, 4e12)] == [
        "12 B",
        "1.5 kB",
        "2.5 MB",
        "3 GB",
        "4 TB",
    ]
    assert [figures.seconds(value) for value in (0, 0.0123, 1.5)] == ["0 s", "12.3 ms", "1.5 s"]


@given(st.floats(1e-3, 1e12))
def test_ticks_hold_every_value(highest: float) -> None:
    """A scale begins at 0, reaches the highest value, has a few ticks, and is not much longer than it must be."""
    ticks = figures.ticks(highest)
    assert ticks[0] == 0
    assert highest <= ticks[-1] * 1.000001
    assert 3 <= len(ticks) <= 7
    assert ticks[-2] < highest * 1.0001


@given(st.floats(0.5, 1e8))
def test_time_ticks_are_few_and_inside(total: float) -> None:
    """Labels on the axis of time lie inside of it, and are not too many."""
    ticks = figures.time_ticks(total)
    assert 1 <= len(ticks) <= 8
    assert all(0 <= at <= total for at, _ in ticks)
    assert figures.span_ticks(total)[-1] >= total * 0.999999


@given(st.floats(1e-6, 1e3), st.floats(1, 1e6))
def test_powers_of_ten(lowest: float, factor: float) -> None:
    """A logarithmic scale encloses its values."""
    ticks = figures.log_ticks(lowest, lowest * factor)
    assert ticks[0] <= lowest * 1.00001
    assert ticks[-1] >= lowest * factor * 0.99999
    assert len(ticks) >= 2


@given(st.lists(st.integers(0, 50), min_size=5, max_size=5), st.floats(0.01, 1))
def test_a_quantile_is_in_its_bucket(counts: list[int], share: float) -> None:
    """The value lies in the bucket where the share is reached; above all bounds, the highest bound is told."""
    bounds = (1.0, 2.0, 5.0, 9.0)
    value = quantile(bounds, counts, share)
    assert 0 <= value <= 9
    if sum(counts):
        low, high = (0.0, *bounds), (*bounds, 9.0)
        below = [sum(counts[:index]) for index in range(6)]
        reached = next(i for i in range(5) if counts[i] and below[i + 1] >= share * sum(counts))
        assert min(low[reached], 9.0) <= value <= high[reached]
