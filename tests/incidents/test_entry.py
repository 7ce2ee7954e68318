from __future__ import annotations

import json
from dataclasses import fields, replace
from typing import Any

import pytest
from incidents.samples import FULL

from ingest_guard.errors import IncidentError
from ingest_guard.incidents.entry import FORMAT, Incident, ListFacts
from ingest_guard.verdict import Grade

BARE = Incident("2026-12-01T10:00:00.000Z", ListFacts("a"), Grade.NEAR, "pdq", 3, "native")


@pytest.mark.parametrize("incident", [FULL, BARE])
def test_what_is_written_is_read(incident: Incident) -> None:
    """The text is ASCII on one line, begins with its format, and reads back as what it was."""
    text = incident.to_json()
    assert Incident.from_json(text) == Incident.from_json(text.encode()) == incident
    assert text.isascii()
    assert "\n" not in text
    assert next(iter(json.loads(text).items())) == ("format", FORMAT)


def test_a_repr_shows_no_digest() -> None:
    """An incident in a log line or a traceback shows nothing of what is on a list."""
    assert not any(value in repr(FULL) for value in (*FULL.digests.values(), *FULL.fingerprints.values()))


@pytest.mark.parametrize("number", [0, 2, "1", 1.0, True, None])
def test_an_unknown_format_is_an_error(number: object) -> None:
    """An entry of a later release is not read by half."""
    with pytest.raises(IncidentError, match="this release reads format 1"):
        Incident.from_json(json.dumps({**json.loads(FULL.to_json()), "format": number}))


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '"x"', "{}", "\xff", "[" * 100_000])
def test_what_is_no_incident_is_an_error(text: str) -> None:
    """Anything else is a clear error."""
    with pytest.raises(IncidentError):
        Incident.from_json(text.encode("latin-1"))


WRONG: dict[str, Any] = {
    "time": 3,
    "list": {"id": "a"},
    "grade": "certain",
    "distance": "3",
    "others": [{}],
    "addresses": None,
    "digests": {"md5": 1},
    "pdq_quality": 1.5,
    "count": True,
    "more_addresses": "x",
    "where": [],
}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_value_is_named(name: str) -> None:
    """Reading is strict, and names the field that is wrong."""
    content = json.loads(FULL.to_json())
    with pytest.raises(IncidentError, match="an incident has a wrong value at"):
        Incident.from_json(json.dumps({**content, name: WRONG[name]}))
    del content[name]
    with pytest.raises(IncidentError, match="an incident has a wrong value at incident"):
        Incident.from_json(json.dumps(content))


def test_the_sample_fills_every_field() -> None:
    """The full sample leaves no field at its default but the one for what was cut."""
    assert {each.name for each in fields(Incident) if getattr(FULL, each.name) == getattr(BARE, each.name)} == {
        *("action", "source", "cut")
    }
    assert replace(FULL, cut=("host",)) == Incident.from_json(replace(FULL, cut=("host",)).to_json())
