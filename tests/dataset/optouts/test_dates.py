from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest_guard.dataset.optouts.dates import parse_date
from ingest_guard.dataset.optouts.rules import parse_rules

_DAYS = ("25 Jun 2010", "Fri, 25 Jun 2010", "25 Jun 10", "Friday, 25-Jun-10", "25-Jun-2010", "2010-06-25", "2010/06/25")
_FURTHER_DAYS = ("20100625", "2010-176", "2010-W25-5", "June 25, 2010", "Friday, 25 June 2010")
_ZONES = {
    "": 0,
    " GMT": 0,
    " UTC": 0,
    " UT": 0,
    " Z": 0,
    "Z": 0,
    " +0000": 0,
    " PST": 8,
    " PDT": 7,
    " EST": 5,
    " edt": 4,
    " CET": -1,
    " CEST": -2,
    " BST": -1,
    " JST": -9,
    " (PST)": 8,
    " -0800": 8,
    " America/New_York": 4,
    " Europe/Berlin": -2,
    " XYZ": 0,
    " Nowhere/Land": 0,
}


@pytest.mark.parametrize("zone", _ZONES)
@pytest.mark.parametrize("day", _DAYS)
def test_days_with_a_time_in_any_zone(day: str, zone: str) -> None:
    """The forms of RFC 822, RFC 850 and ISO 8601, with zones as offsets and by name; an unknown name is UTC."""
    assert parse_date(f"{day} 15:00:00{zone}") == datetime(2010, 6, 25, 15 + _ZONES[zone], tzinfo=UTC)


@pytest.mark.parametrize("day", [*_DAYS, *_FURTHER_DAYS])
def test_a_day_alone_is_its_beginning(day: str) -> None:
    """A day without a time, in every form."""
    assert parse_date(f" {day} ") == datetime(2010, 6, 25, tzinfo=UTC)


@pytest.mark.parametrize("text", ["2010-06-25T15:00Z", "2010-06-25T17:00:00+02:00", "20100625T150000Z"])
def test_moments_of_iso_8601(text: str) -> None:
    """In the extended form and in the basic one."""
    assert parse_date(text) == datetime(2010, 6, 25, 15, tzinfo=UTC)


@pytest.mark.parametrize(
    "text", ["", "PST", "+0200", "2010", "25 Jun", "99999-01-01", "tomorrow", "00 Jan 0000 00:00:00 PST"]
)
def test_what_is_no_date(text: str) -> None:
    """A lone zone or year names no moment, and neither does a day that there is not."""
    assert parse_date(text) is None


@pytest.mark.parametrize("text", ["9999-12-31T23:00:00 PST", "0001-01-01 00:00:00 JST"])
def test_moments_outside_of_the_calendar_are_none(text: str) -> None:
    """A zone may lead beyond the years that there are."""
    assert parse_date(text) is None


@given(text=st.text(alphabet="0123456789 :-/,()+ATZJunFriPSTGME", max_size=64))
def test_no_text_is_an_error(text: str) -> None:
    """Whatever a publisher writes, it is a moment in UTC or nothing."""
    found = parse_date(text)
    assert found is None or found.tzinfo is UTC


@pytest.mark.parametrize("zone", ["CET", "PST", "+0100"])
def test_a_rule_is_heeded_from_its_moment_on(zone: str) -> None:
    """By the zone that it names."""
    value = f"noarchive, unavailable_after: Friday, 25-Jun-10 15:00:00 {zone}"
    moment = parse_date(value.partition(": ")[2])
    assert moment is not None
    assert parse_rules(value, (), moment) == {"unavailable_after"}
    assert parse_rules(value, (), moment.replace(year=2009)) == set()
