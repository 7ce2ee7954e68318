from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest_guard.blocklist.index import bands


@given(bits=st.sampled_from([64, 256]), count=st.integers(3, 32))
def test_split_covers_all_bits(bits: int, count: int) -> None:
    """The bands' widths add up to the value, differ by one at most, and wider ones come first."""
    widths = bands.split(bits, count)
    assert sum(widths) == bits
    assert len(widths) == count
    assert widths[0] - widths[-1] <= 1
    assert list(widths) == sorted(widths, reverse=True)


@given(
    bits=st.sampled_from([64, 256]),
    count=st.integers(3, 24),
    distance=st.integers(0, 40),
    entries=st.integers(0, 10**8),
)
def test_radii_obey_the_pigeonhole_principle(bits: int, count: int, distance: int, entries: int) -> None:
    """The sum of radius + 1 is distance + 1, so no value within the distance can escape all bands."""
    searched = bands.radii(bands.split(bits, count), distance, entries)
    assert sum(radius + 1 for radius in searched) == distance + 1
    assert min(searched) >= -1


def test_a_smaller_distance_takes_far_fewer_probes() -> None:
    """Eleven bands take 2,866 probes for 31 bits, and a fraction of that for smaller distances."""
    widths = bands.split(256, 11)
    probes = [
        sum(
            bands.ball(width, radius)
            for width, radius in zip(widths, bands.radii(widths, distance, 10**6), strict=True)
        )
        for distance in (31, 23, 15, 0)
    ]
    assert probes[0] == 2866
    assert probes[1] < 900
    assert probes[2] < 140
    assert probes[3] == 1


@pytest.mark.parametrize(("width", "radius"), [(8, -1), (8, 0), (8, 1), (10, 3)])
def test_masks_are_all_values_within_the_radius(width: int, radius: int) -> None:
    """The masks of a band are exactly the values with that few bits set, sorted."""
    expected = [value for value in range(1 << width) if value.bit_count() <= radius]
    assert bands.masks(width, radius).tolist() == expected
    assert bands.ball(width, radius) == len(expected)


@pytest.mark.parametrize(("bits", "distance"), [(256, 31), (64, 4), (64, 8)])
def test_plan_scans_small_lists_and_bands_large_ones(bits: int, distance: int) -> None:
    """Few entries are compared one by one; many get bands that add up to the value and are not too wide."""
    assert bands.plan(1000, bits, distance) == ()
    for entries in (100_000, 1_000_000, 10_000_000, 100_000_000):
        widths = bands.plan(entries, bits, distance)
        assert sum(widths) == bits
        assert max(widths) <= bands.MAX_BAND_BITS


def test_plan_takes_eleven_bands_for_millions_of_pdq_values() -> None:
    """The parameters that measured best for one and ten million PDQ values are chosen."""
    assert len(bands.plan(1_000_000, 256, 31)) == 11
    assert len(bands.plan(10_000_000, 256, 31)) == 11


@pytest.mark.parametrize("distance", [40, 64])
def test_plan_gives_up_on_hopeless_distances(distance: int) -> None:
    """Where bands would need too many probes, all entries are compared."""
    assert bands.plan(1_000_000, 64, distance) == ()
