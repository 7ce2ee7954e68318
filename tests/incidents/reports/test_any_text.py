from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st
from incidents.samples import FULL
from lxml import etree

from ingest_guard.incidents.entry import Addresses, ListFacts
from ingest_guard.incidents.reports.cybertip import CybertipReport
from ingest_guard.incidents.reports.documents import to_html, to_json
from ingest_guard.incidents.reports.reporter import Reporter
from ingest_guard.incidents.reports.schema import Schema
from ingest_guard.incidents.reports.selection import make_reports

_PATH = Path(__file__).with_name("report.xsd")
_SCHEMA = Schema(_PATH)
_XSD = etree.XMLSchema(file=str(_PATH))
_TEXT = st.text(st.characters(codec=None), max_size=40) | st.text("\x00\x1f\x7f \u200b\ud800<&]>", max_size=8)
_ADDRESS = _TEXT | _TEXT.map("https://a.example/{}".format)


@settings(max_examples=150, deadline=None)
@given(addresses=st.lists(_ADDRESS, min_size=4, max_size=4), texts=st.lists(_TEXT, min_size=5, max_size=5))
def test_any_text_makes_a_valid_report(addresses: list[str], texts: list[str]) -> None:
    """Whatever stands in an entry: valid XML, and each address is in it as it was or is named as left out."""
    requested, final, page, more = addresses
    incident = replace(
        FULL,
        time=texts[0],
        addresses=Addresses(requested, (), final, page),
        more_addresses=(more,),
        list=ListFacts(texts[1], "csam", texts[2], texts[3]),
        host=texts[4],
        digests={texts[0]: texts[1]},
    )
    reports = make_reports([(1, incident)])
    reporter = Reporter(email="officer@example.org")
    made = CybertipReport(reports[0], reporter, _SCHEMA)
    document = etree.fromstring(made.to_bytes())
    assert _XSD.validate(document)
    held = [each.text for each in document.iter("url")]
    assert set(held) <= set(addresses)
    assert len(set(addresses) - set(held)) <= sum(each.field.startswith("url (") for each in made.left_out)
    assert to_json(reports, reporter).isascii()
    etree.HTML(to_html(reports, reporter).decode())
