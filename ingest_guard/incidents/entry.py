"""An incident: what is known of one match, as the sealed body of a log line holds it.

The text is JSON. Absent values are null. No byte of an image is in it.
"""

from __future__ import annotations

import json
import types
import typing
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from functools import cache
from typing import Any

from ingest_guard.errors import IncidentError
from ingest_guard.verdict import Grade

FORMAT = 1


@dataclass(frozen=True, slots=True)
class ListFacts:
    """The list that a match is of: its id, what it lists, the version of the blocklist, its owner."""

    id: str
    kind: str = "other"
    version: str | None = None
    owner: str | None = None


@dataclass(frozen=True, slots=True)
class Finding:
    """One match: its list, how sure it is, and how it was found."""

    list: ListFacts
    grade: Grade
    algorithm: str
    distance: int
    view: str


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where an image was asked for, the redirects behind that, where it was in the end, and the page that shows it."""

    requested: str | None = None
    redirects: tuple[str, ...] = ()
    final: str | None = None
    page: str | None = None


@dataclass(frozen=True, slots=True)
class Where:
    """Where an image was found in files: the file's name, and the number or name of the record in it."""

    file: str | None = None
    record: str | None = None


@dataclass(frozen=True, slots=True)
class Incident:
    """One match, or what came of the same picture later on.

    Attributes
    ----------
    time
        RFC 3339, milliseconds, UTC.
    list, grade, algorithm, distance, view
        The surest match. A recheck does not know distances: -1 stands for one within the threshold.
    others
        The other matches of the same body.
    addresses, host, server_address
        Where it came from.
    digests
        ``md5``, ``sha1``, ``sha256`` of the body, lower-case hex.
    fingerprints, pdq_quality
        Algorithm -> lower-case hex, of the first frame's native view; 0 to 100.
    check_set, policy, guard
        What it was compared with: digest of the check set, digest of the policy file, version of this package.
    action
        ``drop`` or ``hold``.
    source
        ``crawl``, ``scan`` or ``recheck``.
    where
        Of a scan or a recheck.
    count
        How many times the same picture was seen since the last line about it.
    more_of
        Number of the entry that was the first about this picture; None for that one itself.
    more_addresses
        Where the picture was seen again.
    cut
        Names of the fields that were shortened to fit.
    """

    time: str
    list: ListFacts
    grade: Grade
    algorithm: str
    distance: int
    view: str
    others: tuple[Finding, ...] = ()
    addresses: Addresses = Addresses()
    host: str | None = None
    server_address: str | None = None
    digests: Mapping[str, str] = field(default_factory=dict, repr=False)
    fingerprints: Mapping[str, str] = field(default_factory=dict, repr=False)
    pdq_quality: int | None = None
    check_set: str | None = None
    policy: str | None = None
    guard: str | None = None
    action: str = "drop"
    source: str = "crawl"
    where: Where | None = None
    count: int = 1
    more_of: int | None = None
    more_addresses: tuple[str, ...] = ()
    cut: tuple[str, ...] = ()

    def to_json(self) -> str:
        """Return the text: ASCII, on one line, the same for the same incident."""
        return _to_json({"format": FORMAT, **_shallow(self)})

    @classmethod
    def from_json(cls, text: str | bytes) -> Incident:
        """Read what :meth:`to_json` wrote.

        Raises
        ------
        IncidentError
            It is something else, or in a format that this release does not know.
        """
        try:
            content = json.loads(text)
        except (ValueError, RecursionError):
            raise IncidentError("an incident is not JSON: it is damaged, or was sealed by something else") from None
        if not isinstance(content, dict) or "format" not in content:
            raise IncidentError("an incident has no format number: it was sealed by something else")
        number = content.pop("format")
        if type(number) is not int or number != FORMAT:
            raise IncidentError(
                f"an incident is in format {str(number)[:20]}, and this release reads format {FORMAT}: install the "
                "release of ingest-guard that wrote it, or a later one"
            )
        incident: Incident = _read(cls, content, "incident")
        return incident


def _shallow(value: Any) -> dict[str, Any]:
    # asdict copies all that is inside, and takes ten times as long.
    return {each.name: getattr(value, each.name) for each in fields(value)}


_to_json = json.JSONEncoder(ensure_ascii=True, separators=(",", ":"), default=_shallow).encode


def _read(wanted: Any, value: Any, name: str) -> Any:
    """Return a JSON value as the annotated type; IncidentError where it is another."""
    origin, arguments = typing.get_origin(wanted), typing.get_args(wanted)
    if origin is types.UnionType:
        inner = next(each for each in arguments if each is not types.NoneType)
        return None if value is None else _read(inner, value, name)
    if is_dataclass(wanted) and isinstance(wanted, type):
        return _read_dataclass(wanted, value, name)
    if origin is tuple and isinstance(value, list):
        return tuple(_read(arguments[0], each, name) for each in value)
    if origin is Mapping and isinstance(value, dict):
        return {key: _read(str, each, name) for key, each in value.items()}
    if wanted is Grade and value in set(Grade):
        return Grade(value)
    if wanted in (str, int) and type(value) is wanted:
        return value
    raise _wrong(name)


def _read_dataclass(wanted: type, value: Any, name: str) -> Any:
    hints = _hints(wanted)
    if not isinstance(value, dict) or value.keys() != hints.keys():
        raise _wrong(name)
    return wanted(**{key: _read(hints[key], each, key) for key, each in value.items()})


@cache
def _hints(wanted: type) -> dict[str, Any]:
    hints = typing.get_type_hints(wanted)
    return {each.name: hints[each.name] for each in fields(wanted)}


def _wrong(name: str) -> IncidentError:
    return IncidentError(f"an incident has a wrong value at {name}: it is damaged, or was sealed by something else")
