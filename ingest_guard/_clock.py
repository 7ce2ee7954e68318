"""The one spelling of times in files and records: RFC 3339 in UTC, as in ``2026-01-31T12:00:00Z``."""

from datetime import UTC, datetime


def now(precision: str = "seconds") -> str:
    """Return the present moment; ``precision`` is a ``timespec`` of :meth:`datetime.datetime.isoformat`."""
    return format_time(datetime.now(UTC), precision)


def format_time(moment: datetime, precision: str = "seconds") -> str:
    """Return an aware moment."""
    return moment.astimezone(UTC).isoformat(timespec=precision).replace("+00:00", "Z")
