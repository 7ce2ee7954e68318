"""Dates as publishers write them behind ``unavailable_after``: RFC 822, RFC 850 and ISO 8601, with zones by name.

These are the forms that Google documents for the rule. Others are read where nothing else could be meant.
"""

import contextlib
import re
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from email.utils import parsedate_to_datetime
from zoneinfo import ZoneInfo

# Hours east of Greenwich -> names: those of RFC 822 (the United States), and others in common use.
_NAMES = {
    -10: "HST",
    -9: "AKST",
    -8: "AKDT PST",
    -7: "PDT MST",
    -6: "MDT CST",
    -5: "CDT EST",
    -4: "EDT AST",
    -3.5: "NST",
    -3: "ADT BRT ART",
    -2.5: "NDT",
    0: "UT UTC GMT Z WET",
    1: "BST WEST CET MET",
    2: "CEST MEST EET SAST",
    3: "EEST MSK",
    5: "PKT",
    5.5: "IST",
    7: "WIB",
    8: "HKT SGT AWST",
    9: "JST KST",
    9.5: "ACST",
    10: "AEST",
    10.5: "ACDT",
    11: "AEDT",
    12: "NZST",
    13: "NZDT",
}
_ZONES = {name: hours for hours, names in _NAMES.items() for name in names.split()}
_NAMED = re.compile(r"(.*[0-9])\s*\(?([A-Za-z]{1,5}|[A-Z][A-Za-z_]{1,20}(?:/[A-Za-z_+-]{1,20}){1,2})\)?")
_RFC_850 = re.compile(r"\b([0-9]{1,2})-([A-Za-z]{3,9})-([0-9]{2,4})\b")
_SLASHES = re.compile(r"^([0-9]{4})/([0-9]{2})/([0-9]{2})")
_OTHER_FORMS = ("%Y-%m", "%Y-%j", "%Y%j")
_MIDNIGHT = " 00:00:00"


def parse_date(text: str) -> datetime | None:
    """Return the moment that a text names, in UTC; None where it is no date.

    Parameters
    ----------
    text
        Short: of some dozen characters. Without a zone it is UTC, and so is a name that is no known zone. A day without
        a time is its beginning.
    """
    text = text.strip()
    zone: tzinfo = UTC
    if found := _NAMED.fullmatch(text):
        text, zone = found[1], _zone(found[2])
    date = _read(_SLASHES.sub(r"\1-\2-\3", _RFC_850.sub(r"\1 \2 \3", text)))
    if date is None:
        return None
    with contextlib.suppress(ValueError, OverflowError):
        return (date.replace(tzinfo=zone) if date.tzinfo is None else date).astimezone(UTC)
    return None


def _zone(name: str) -> tzinfo:
    if "/" not in name:
        return timezone(timedelta(hours=_ZONES.get(name.upper(), 0)))
    with contextlib.suppress(OSError, ValueError, LookupError):
        return ZoneInfo(name)
    return UTC


def _read(text: str) -> datetime | None:
    # A lone time zone (``+0200``) or year is no date: both readers would make one up, or raise anything.
    with contextlib.suppress(ValueError, TypeError, IndexError, OverflowError):
        return parsedate_to_datetime(text)
    with contextlib.suppress(ValueError, OverflowError):
        return datetime.fromisoformat(text.upper().replace("T", " "))
    for form in _OTHER_FORMS:
        with contextlib.suppress(ValueError, OverflowError):
            return datetime.strptime(text, form)  # noqa: DTZ007 - its zone comes after
    if ":" not in text and any(map(str.isalpha, text)):
        with contextlib.suppress(ValueError, TypeError, IndexError, OverflowError):
            return parsedate_to_datetime(text + _MIDNIGHT)
    return None
