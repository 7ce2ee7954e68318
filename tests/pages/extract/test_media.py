from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest_guard.pages.extract.media import holds


@pytest.mark.parametrize(
    "query",
    [
        "",
        "all",
        "screen",
        "(min-width: 600px)",
        "(min-width:40em)",
        "(max-width: 1000px)",
        "(min-width: 600px) and (max-width: 1200px)",
        "screen and (min-width: 600px)",
        "only screen and (min-device-width: 10cm)",
        "print, (min-width: 1px)",
        "not print",
        "(orientation: landscape)",
        "(prefers-color-scheme: light)",
        "(prefers-color-scheme)",
        "(width >= 600px)",
        "(400px <= width <= 1000px)",
        "(height < 800px)",
        "(width)",
        "(max-resolution: 1dppx)",
        "(not (max-width: 600px))",
        "(max-width: 1px) or (min-width: 2px)",
        "(width: 1000px)",
        "(min-width: 0)",
    ],
)
def test_what_holds_on_a_wide_and_light_screen(query: str) -> None:
    """The screen is 1000 pixels wide."""
    assert holds(query, 1000)


@pytest.mark.parametrize(
    "query",
    [
        "print",
        "(max-width: 600px)",
        "(min-width: 1200px)",
        "not screen",
        "not all and (min-width: 1px)",
        "(prefers-color-scheme: dark)",
        "(orientation: portrait)",
        "(width > 1000px)",
        "(600px < width < 700px)",
        "(min-resolution: 2dppx)",
        "(-webkit-min-device-pixel-ratio: 2)",
        "(min-width: 10furlongs)",
        "(width > 10furlongs)",
        "(min-width: 600px",
        "nonsense",
        "(min-width: 1px) and (max-width: 2000px) or (width)",
        "not nonsense",
        "(min-color: 8)",
        "a" * 2000,
    ],
)
def test_what_does_not_hold_or_is_not_understood(query: str) -> None:
    """What cannot be understood does not hold, denied or not."""
    assert not holds(query, 1000)


@given(st.text(alphabet="()andormiwth-:<>= 0129px,", max_size=60))
def test_no_query_is_an_error(query: str) -> None:
    """Pages say anything."""
    assert holds(query, 1000) in {True, False}
