"""A report as the XML of NCMEC's CyberTipline web services: what a crawler that holds no image can fill in.

The schema is not part of this package: an officer fetches it (``GET /xsd``). Its order of elements is kept here.
Clients disagree whether ``thirdPartyHostedContent`` is an attribute or an element of ``webPageIncident``: here it is an
attribute, unless the schema given takes only the element.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from lxml import etree

from ingest_guard._clock import format_time
from ingest_guard.incidents.entry import Incident
from ingest_guard.incidents.reports.reporter import Reporter
from ingest_guard.incidents.reports.schema import Schema, SchemaError
from ingest_guard.incidents.reports.selection import Report
from ingest_guard.incidents.reports.text import describe_entry, opening
from ingest_guard.incidents.reports.values import LONGEST_ADDRESS, LeftOut, address_problem, read_moment

INCIDENT_TYPE = "Child Pornography (possession, manufacture, and distribution)"
"""The service's own word for it; it takes no other for such images."""

_SEEN = "when the automated check of a crawler saw it"
_WRITTEN = "when this report was written; the time that the crawler noted cannot be used"
_THIRD_PARTY = "thirdPartyHostedContent"
_FIELDS = {
    "url": "url",
    "companyTemplate": "reporter company",
    "termsOfService": "reporter terms_of_service",
    "legalURL": "reporter legal_url",
    "firstName": "reporter first_name",
    "lastName": "reporter last_name",
    "incidentDateTimeDescription": "incidentDateTimeDescription",
    "additionalInfo": "additionalInfo",
    _THIRD_PARTY: _THIRD_PARTY,
}
"""Elements that a report can do without, and what they are called where they are left out."""
_UNFIT = "the schema does not take it"


class CybertipReport:
    """The XML of one report.

    Attributes
    ----------
    left_out
        What the report lacks.

    Raises
    ------
    SchemaError
        It cannot be made to fit the schema.
    """

    def __init__(self, report: Report, reporter: Reporter, schema: Schema | None = None) -> None:
        self._report = report
        self._longest = LONGEST_ADDRESS if schema is None else None
        self.left_out: list[LeftOut] = []
        self._origin: dict[Any, tuple[int, str]] = {}
        self._lines = opening(report)
        self._document = etree.Element("report")
        self._add_summary()
        self._add_addresses()
        self._add_reporter(reporter)
        self._info = _add(self._document, "additionalInfo", self._text())
        if schema is not None:
            self._fit(schema)

    @property
    def has_address(self) -> bool:
        """Whether an address is in it: without one nothing can come of it."""
        return self._document.find(".//url") is not None

    def to_bytes(self) -> bytes:
        """Return the document in UTF-8."""
        written: bytes = etree.tostring(self._document, xml_declaration=True, encoding="UTF-8", pretty_print=True)
        return written

    def _add_summary(self) -> None:
        moments = []
        for number, incident in self._report.entries.items():
            moment = read_moment(incident.time)
            if moment is None:
                self.left_out.append(LeftOut(number, "time", "no time with a zone that lies in the past"))
            else:
                moments.append(moment)
        summary = _add(self._document, "incidentSummary")
        _add(summary, "incidentType", INCIDENT_TYPE)
        first = min(moments, default=datetime.now(UTC)).replace(microsecond=0)
        _add(summary, "incidentDateTime", format_time(first))
        _add(summary, "incidentDateTimeDescription", _SEEN if moments else _WRITTEN)

    def _add_addresses(self) -> None:
        """Add an ``internetDetails`` for each entry that has an address, and the lines about all of them."""
        places = 0
        for number, incident in self._report.entries.items():
            found = self._addresses(number, incident)
            title = f"Entry {number}"
            if found:
                places += 1
                title += f" (internetDetails {places})"
                page = _add(_add(self._document, "internetDetails"), "webPageIncident")
                page.set(_THIRD_PARTY, "true")
                for address, field in found.items():
                    self._origin[_add(page, "url", address)] = number, field
            lines, left_out = describe_entry(self._report, number)
            self.left_out += left_out
            self._lines += [f"{title}:", *(f"  {line}" for line in lines)]

    def _addresses(self, number: int, incident: Incident) -> dict[str, str]:
        """Return the addresses of an entry that a report can hold -> field: those of the image, then the page."""
        found: dict[str, str] = {}
        for field, address in addresses_of(incident):
            is_cut = field.split(".")[0] in incident.cut
            problem = address_problem(address, is_cut=is_cut, longest=self._longest)
            if problem is None:
                found.setdefault(address, f"url ({field})")
            else:
                self.left_out.append(LeftOut(number, f"url ({field})", problem))
        return found

    def _add_reporter(self, reporter: Reporter) -> None:
        parent = _add(self._document, "reporter")
        person = _add(parent, "reportingPerson")
        for where, tag, value in (
            (person, "firstName", reporter.first_name),
            (person, "lastName", reporter.last_name),
            (person, "email", reporter.email),
            (parent, "companyTemplate", reporter.company),
            (parent, "termsOfService", reporter.terms_of_service),
            (parent, "legalURL", reporter.legal_url),
        ):
            if value is not None:
                _add(where, tag, value)

    def _text(self) -> str:
        lines = list(self._lines)
        if self.left_out:
            lines.append("Left out of this report, which cannot hold these values:")
            lines += [f"  {each}" for each in dict.fromkeys(self.left_out)]
        return "\n".join(lines)

    def _fit(self, schema: Schema) -> None:
        """Take away what the schema does not take, a value at a time, and say so in the text."""
        while faults := schema.faults(self._document):
            removable = [each for each in faults if each.tag in _FIELDS]
            for each in removable:
                self._remove(each)
            if not removable and not self._turn_into_elements(faults):
                names = ", ".join(sorted({each.tag for each in faults}))
                raise SchemaError(f"a report cannot be made to fit the schema: it takes no {names} as it has to be")
            if self._info.getparent() is not None:
                self._info.text = self._text()

    def _remove(self, element: Any) -> None:
        number, field = self._origin.get(element, (0, _FIELDS[element.tag]))
        self.left_out.append(LeftOut(number, field, _UNFIT))
        element.getparent().remove(element)

    @staticmethod
    def _turn_into_elements(faults: list[Any]) -> bool:
        """Make elements of the attributes at fault; return whether there were any."""
        found = [each for each in faults if each.attrib.pop(_THIRD_PARTY, None) is not None]
        for each in found:
            _add(each, _THIRD_PARTY, "true")
        return bool(found)


def addresses_of(incident: Incident) -> list[tuple[str, str]]:
    """Return all addresses of an incident with their fields, in the order in which a report names them."""
    addresses = incident.addresses
    found = [
        ("addresses.requested", addresses.requested),
        *(("addresses.redirects", each) for each in addresses.redirects),
        ("addresses.final", addresses.final),
        *(("more_addresses", each) for each in incident.more_addresses),
        ("addresses.page", addresses.page),
    ]
    return [(field, address) for field, address in found if address is not None]


def _add(parent: Any, tag: str, text: str | None = None) -> Any:
    element = etree.SubElement(parent, tag)
    element.text = text
    return element
