from __future__ import annotations

import os
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from incidents.samples import FULL
from lxml import etree

from ingest_guard.incidents.entry import Addresses, Finding, Incident, ListFacts
from ingest_guard.incidents.reports.cybertip import INCIDENT_TYPE, CybertipReport
from ingest_guard.incidents.reports.reporter import Reporter
from ingest_guard.incidents.reports.schema import Schema, SchemaError
from ingest_guard.incidents.reports.selection import Report, make_reports
from ingest_guard.incidents.sealing import shorten
from ingest_guard.verdict import Grade

_XSD = Path(__file__).with_name("report.xsd")
# The service's own schema, too, where somebody has fetched it.
_OWN = [Path(os.environ["CYBERTIP_XSD"])] if "CYBERTIP_XSD" in os.environ else []
SCHEMAS = [_XSD, *_OWN]
REPORTER = Reporter(
    email="officer@example.org",
    first_name="Ada",
    last_name="Byron",
    company="A crawl of the web",
    terms_of_service="None",
    legal_url="https://example.org/legal",
)
FINE = replace(FULL, more_of=None, count=1, more_addresses=())
_SOON = (datetime.now(UTC) + timedelta(days=2)).isoformat()


def one_report(*incidents: Incident, as_suspicion: bool = False) -> Report:
    """Return the only report about incidents, numbered from 1."""
    [report] = make_reports(enumerate(incidents, 1), as_suspicion=as_suspicion)
    return report


def with_addresses(**changes: Any) -> Incident:
    """Return an incident with other addresses."""
    return replace(FINE, addresses=replace(FINE.addresses, **changes))


def parsed(report: CybertipReport) -> Any:
    """Return the document as a receiver reads it."""
    return etree.fromstring(report.to_bytes())


def urls(document: Any) -> list[str]:
    """Return all addresses in a document."""
    return [each.text for each in document.iter("url")]


@pytest.mark.parametrize("schema", SCHEMAS, ids=lambda path: path.name)
def test_a_report_fits_the_schema_and_has_all_that_a_crawler_knows(schema: Path) -> None:
    """Type, moment, addresses, reporter and what matched are in it, in the schema's order; nothing was left out."""
    made = CybertipReport(one_report(FINE), REPORTER, Schema(schema))
    document = parsed(made)
    assert etree.XMLSchema(file=str(schema)).validate(document)
    assert made.left_out == []
    assert made.has_address
    assert [each.tag for each in document] == ["incidentSummary", "internetDetails", "reporter", "additionalInfo"]
    summary = {each.tag: each.text for each in document[0]}
    assert summary["incidentType"] == INCIDENT_TYPE
    assert summary["incidentDateTime"] == "2026-12-01T10:00:00Z"
    assert urls(document) == [
        "https://a.example/i.jpg",
        "https://b.example/i.jpg",
        "https://c.example/i.jpg",
        "https://p.example/",
    ]
    assert document.find(".//webPageIncident").attrib == {"thirdPartyHostedContent": "true"}
    assert document.findtext(".//reportingPerson/email") == "officer@example.org"
    text = document.findtext("additionalInfo")
    for known in ("Not viewed by a person", "not retained", "hotline", "confirmed", "1" * 32, "quality 97", "0.1.0"):
        assert known in text
    assert "suspicion" not in text
    # Of the other list nothing is said: it is of another kind.
    assert "platforms" not in text


_BAD_VALUES = {
    "white space in an address": (with_addresses(requested="https://a.example/bad value"), "url (addresses.requested)"),
    "a line feed": (with_addresses(final="https://a.example/bad\nvalue"), "url (addresses.final)"),
    "a no-break space": (with_addresses(final="https://a.example/bad\u00a0value"), "url (addresses.final)"),
    "a tab in the page": (with_addresses(page="https://a.example/bad\tvalue"), "url (addresses.page)"),
    "a control character": (with_addresses(redirects=("https://a.example/\x07bad",)), "url (addresses.redirects)"),
    "a NUL": (with_addresses(page="https://a.example/\x00bad"), "url (addresses.page)"),
    "C1": (with_addresses(page="https://a.example/\x9bbad"), "url (addresses.page)"),
    "a bidirectional override": (with_addresses(page="https://a.example/\u202ebad"), "url (addresses.page)"),
    "a lone surrogate": (with_addresses(page="https://a.example/\ud800bad"), "url (addresses.page)"),
    "a noncharacter": (with_addresses(page="https://a.example/\uffffbad"), "url (addresses.page)"),
    "a data: address": (with_addresses(requested="data:image/png;base64,bad"), "url (addresses.requested)"),
    "a script": (with_addresses(page="javascript:bad"), "url (addresses.page)"),
    "no host": (with_addresses(page="https:///bad"), "url (addresses.page)"),
    "an empty address": (with_addresses(page=""), "url (addresses.page)"),
    "a very long address": (with_addresses(final="https://a.example/bad" + "x" * 9000), "url (addresses.final)"),
    "a very long one seen again": (
        replace(FINE, more_addresses=("https://bad/" + "x" * 9000,)),
        "url (more_addresses)",
    ),
    "a time without a zone": (replace(FINE, time="2026-11-30T09:00:00"), "time"),
    "a time to come": (replace(FINE, time=_SOON), "time"),
    "no time": (replace(FINE, time="bad"), "time"),
    "a time out of the calendar": (replace(FINE, time="0001-01-01T00:00:00+23:00"), "time"),
    "a control character in a list's owner": (replace(FINE, list=ListFacts("x", "csam", "v", "bad\x1b")), "list.owner"),
    "a line feed in a list's owner": (replace(FINE, list=ListFacts("x", "csam", "v", "bad\nx")), "list.owner"),
    "a very long owner": (replace(FINE, list=ListFacts("x", "csam", "v", "bad" * 5000)), "list.owner"),
    "a surrogate in a list's id": (replace(FINE, list=ListFacts("bad\udfff", "csam")), "list.id"),
    "a control character in a host": (replace(FINE, host="bad\x00"), "host"),
    "a line feed in a digest": (replace(FINE, digests={"md5": "bad\n"}), "digests.md5"),
    "a name that is no algorithm's": (replace(FINE, fingerprints={"p\x1b": "bad\n"}), "fingerprints.hash"),
    "an escape in the version": (replace(FINE, guard="bad\x1b[31m"), "guard"),
}


@pytest.mark.parametrize("with_schema", [True, False], ids=["schema", "no schema"])
@pytest.mark.parametrize("name", _BAD_VALUES)
def test_what_a_report_cannot_hold_is_left_out_and_named(name: str, with_schema: bool) -> None:  # noqa: FBT001
    """One value is at fault: it is not in the report, its field is named there and beside, all others are there."""
    incident, field = _BAD_VALUES[name]
    made = CybertipReport(one_report(incident), REPORTER, Schema(_XSD) if with_schema else None)
    written = made.to_bytes()
    assert [each.field for each in made.left_out] == [field]
    assert made.left_out[0].entry == 1
    assert etree.XMLSchema(file=str(_XSD)).validate(parsed(made))
    text = parsed(made).findtext("additionalInfo")
    assert f"entry 1, {field}: " in text
    assert "officer@example.org" in written.decode()
    assert "hotline" in text or "list" in field
    assert len(urls(parsed(made))) >= 3
    if field != "time":
        assert b"bad" not in written
    else:
        description = parsed(made).findtext("incidentSummary/incidentDateTimeDescription")
        assert "when this report was written" in description
        assert "seen at" not in text
    moment = datetime.fromisoformat(parsed(made).findtext("incidentSummary/incidentDateTime"))
    assert moment <= datetime.now(UTC)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("2026-11-30T09:00:00+02:00", "2026-11-30T07:00:00Z"),
        ("2026-11-30T09:00:00.999Z", "2026-11-30T09:00:00Z"),
        ("2026-11-30T23:30:00-01:00", "2026-12-01T00:30:00Z"),
    ],
)
def test_times_are_in_utc_and_never_later_than_the_incident(given: str, expected: str) -> None:
    """Zones are turned into UTC; parts of a second are cut, as rounding could reach into the future."""
    made = CybertipReport(one_report(replace(FINE, time=given)), REPORTER)
    assert parsed(made).findtext("incidentSummary/incidentDateTime") == expected


def test_one_report_has_the_first_moment_and_the_addresses_of_each_entry_apart() -> None:
    """Several entries of one page: the earliest usable time, an internetDetails each, and the words name which."""
    other = replace(
        FINE, time="2026-11-29T08:00:00Z", addresses=Addresses("https://z.example/2.png", page="https://p.example/")
    )
    unusable = replace(FINE, time="x", addresses=Addresses(requested="data:,x", page="https://p.example/"), host=None)
    none = replace(FINE, addresses=Addresses(page="https://p.example/"), more_addresses=())
    document = parsed(made := CybertipReport(one_report(FINE, other, unusable, none), REPORTER, Schema(_XSD)))
    assert document.findtext("incidentSummary/incidentDateTime") == "2026-11-29T08:00:00Z"
    places = [[each.text for each in place.iter("url")] for place in document.iter("internetDetails")]
    assert places[1] == ["https://z.example/2.png", "https://p.example/"]
    assert [len(each) for each in places] == [4, 2, 1, 1]
    assert "Entry 2 (internetDetails 2):" in document.findtext("additionalInfo")
    assert [(each.entry, each.field) for each in made.left_out] == [(3, "time"), (3, "url (addresses.requested)")]


def test_a_report_without_an_address_says_so() -> None:
    """Where no address can be held the report is made, without internetDetails, and knows that it has none."""
    made = CybertipReport(one_report(replace(FINE, addresses=Addresses("https://a b/"))), REPORTER, Schema(_XSD))
    assert not made.has_address
    assert parsed(made).find("internetDetails") is None
    assert "Entry 1:" in parsed(made).findtext("additionalInfo")


@pytest.mark.parametrize("length", [8000, 2000, 500])
def test_an_address_that_the_crawler_shortened_is_left_out(length: int) -> None:
    """Without its end it is another address; those beside it that were short enough stay."""
    long = replace(FINE, addresses=replace(FINE.addresses, final="https://a.example/" + "x" * 9000))
    made = CybertipReport(one_report(shorten(long, length, 25)), REPORTER)
    assert [each.field for each in made.left_out] == ["url (addresses.final)"]
    assert len(urls(parsed(made))) == 3
    assert "shortened by the crawler: addresses" in parsed(made).findtext("additionalInfo")


def test_a_suspicion_says_that_it_is_one_and_names_all_matches() -> None:
    """The word stands in the text, with lists of other kinds and distances that a recheck does not know."""
    near = Finding(ListFacts("platforms", "ncii"), Grade.NEAR, "pdq", -1, "record")
    incident = replace(FINE, list=ListFacts("likeness", "csam"), grade=Grade.SUSPICION, distance=9, others=(near,))
    text = parsed(CybertipReport(one_report(incident, as_suspicion=True), REPORTER)).findtext("additionalInfo")
    for word in ("Reported as a suspicion", "platforms", "kind ncii", "distance 9", "distance within the threshold"):
        assert word in text


def _changed(tmp_path: Path, *changes: tuple[str, str]) -> Schema:
    text = _XSD.read_text()
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    path = tmp_path / "changed.xsd"
    path.write_text(text)
    return Schema(path)


_ATTRIBUTE = '<xs:attribute name="thirdPartyHostedContent" type="xs:boolean"/>'
_INFO = '<xs:element name="additionalInfo" type="words" minOccurs="0"/>'


def test_third_party_may_be_an_element_or_unknown(tmp_path: Path) -> None:
    """A schema without the attribute gets the element; one with neither gets neither, and that is named."""
    element = '<xs:element name="thirdPartyHostedContent" type="xs:boolean" minOccurs="0"/>'
    as_element = CybertipReport(
        one_report(FINE, FINE), REPORTER, _changed(tmp_path, (_ATTRIBUTE, ""), (_INFO, _INFO + element))
    )
    assert [each.text for each in parsed(as_element).iter("thirdPartyHostedContent")] == ["true", "true"]
    assert as_element.left_out == []
    neither = CybertipReport(one_report(FINE), REPORTER, _changed(tmp_path, (_ATTRIBUTE, "")))
    assert [str(each) for each in neither.left_out] == ["thirdPartyHostedContent: the schema does not take it"]
    assert b'thirdPartyHostedContent="' not in neither.to_bytes()


@pytest.mark.parametrize(
    ("change", "field"),
    [
        (("2500", "22"), "url (addresses.requested)"),
        (('name="firstName"', 'name="given"'), "reporter first_name"),
        (('name="lastName"', 'name="surname"'), "reporter last_name"),
        (('name="companyTemplate"', 'name="company"'), "reporter company"),
        (('name="termsOfService"', 'name="terms"'), "reporter terms_of_service"),
        (('name="legalURL"', 'name="legal"'), "reporter legal_url"),
        (('name="incidentDateTimeDescription"', 'name="d"'), "incidentDateTimeDescription"),
        (('name="additionalInfo" type="xs:string"', 'name="additionalInfo" type="name"'), "additionalInfo"),
    ],
)
def test_what_another_schema_does_not_take_is_left_out(tmp_path: Path, change: tuple[str, str], field: str) -> None:
    """Every element that the service calls voluntary can go, and is named."""
    schema = _changed(tmp_path, change)
    made = CybertipReport(one_report(FINE), REPORTER, schema)
    assert field in {each.field for each in made.left_out}
    assert schema.faults(parsed(made)) == []


@pytest.mark.parametrize(
    ("change", "element"),
    [
        (("Child Pornography (possession", "Something else (possession"), "incidentType"),
        (('name="email" type="xs:string"', 'name="email" type="xs:integer"'), "email"),
        (('name="lawEnforcement" minOccurs="0"', 'name="lawEnforcement"'), "reporter"),
        (('type="moment"/>', 'type="xs:date"/>'), "incidentDateTime"),
        (('<xs:element name="report">', '<xs:element name="other">'), "report"),
    ],
)
def test_what_cannot_be_made_to_fit_is_an_error(tmp_path: Path, change: tuple[str, str], element: str) -> None:
    """The text names the element and shows no value."""
    schema = _changed(tmp_path, change)
    with pytest.raises(SchemaError, match=f"takes no {element} as it has to be") as caught:
        CybertipReport(one_report(FINE), REPORTER, schema)
    assert "example" not in str(caught.value)
