from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

from ingest_guard import _clock


def test_a_moment_is_written_in_utc() -> None:
    """Another zone's time is converted, and fractions of a second are cut off unless they are asked for."""
    moment = datetime(2026, 1, 31, 14, 0, 5, 999_999, tzinfo=timezone(timedelta(hours=2)))
    assert _clock.format_time(moment) == "2026-01-31T12:00:05Z"
    assert _clock.format_time(moment, "microseconds") == "2026-01-31T12:00:05.999999Z"


def test_now_is_now() -> None:
    """What is written can be read back, and lies within the call."""
    before = datetime.now(UTC)
    assert before <= datetime.fromisoformat(_clock.now("microseconds")) <= datetime.now(UTC)
