from __future__ import annotations

import json
import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest
from incidents.samples import FULL

from ingest_guard.incidents.defang import defang, defang_all
from ingest_guard.incidents.entry import Addresses, Finding, Incident, ListFacts
from ingest_guard.incidents.reports.documents import to_html, to_json
from ingest_guard.incidents.reports.reporter import Reporter
from ingest_guard.incidents.reports.selection import make_reports
from ingest_guard.verdict import Grade

REPORTER = Reporter(email="officer@example.org", company="A <crawl> & more", legal_url="https://example.org/legal")
EVIL = (
    "https://a.example/<script>alert(1)</script>",
    'https://a.example/"onload="x',
    "https://a.example/'><img src=x>",
    "https://a.example/&lt;b&gt;",
    "https://a.example/\x1b]8;;https://b.example\x07",
    "https://a.example/\u202egpj.exe",
    "https://a.example/\x00\r\n\t",
    "https://a.example/\ud800\uffff",
    "HtTpS://a.example/?u=http://b.example/",
    "javascript:alert(1)",
)


class Page(HTMLParser):
    """Notes what a page is made of."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: dict[str, str | None] = {}
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note a tag and its attributes."""
        self.tags.append(tag)
        self.attributes.update(attrs)

    def handle_data(self, data: str) -> None:
        """Note a text."""
        self.text += data


def everywhere(value: str) -> Incident:
    """Return an incident that has a text in each field that comes from outside."""
    return replace(
        FULL,
        addresses=Addresses(value, (value,), value, "https://p.example/"),
        more_addresses=(value,),
        host=value,
        server_address=value,
        list=ListFacts("hotline", "csam", value, value),
        digests={"md5": value, value: "x"},
    )


@pytest.mark.parametrize("value", EVIL)
def test_the_page_has_neither_links_nor_markup_of_others(value: str) -> None:
    """Whatever an address says is text on the page: no element, no attribute, no http, no control character."""
    written = to_html(make_reports([(1, everywhere(value))]), REPORTER).decode()
    page = Page(written)
    plain = Page(to_html(make_reports([(1, everywhere("x"))]), REPORTER).decode())
    assert page.tags == plain.tags
    assert set(page.attributes) == set(plain.attributes)
    assert not {"a", "img", "script", "link", "iframe"} & set(page.tags)
    assert not {"href", "src", "style"} & set(page.attributes)
    assert "http" not in written.replace("http-equiv", "").lower()
    assert all(each.isprintable() or each == "\n" for each in written)
    assert defang(value) in page.text


@pytest.mark.parametrize("value", EVIL)
def test_the_json_makes_no_link_and_drives_no_terminal(value: str) -> None:
    """Texts that a program reads out of the JSON can be printed as they are."""
    written = to_json(make_reports([(1, everywhere(value))]), REPORTER)
    assert written.isascii()
    assert b"http:" not in written.lower()
    assert b"https:" not in written.lower()
    [entry] = json.loads(written)["reports"][0]["entries"]
    assert entry["addresses"]["final"] == defang(value)
    assert all(each.isprintable() for each in entry["findings"][0]["list"]["owner"])


def test_each_report_begins_on_a_sheet_of_its_own() -> None:
    """One section for each page; the style breaks before all but the first, and is all that the page may load."""
    other = replace(FULL, addresses=replace(FULL.addresses, page="https://q.example/"))
    written = to_html(make_reports([(1, FULL), (2, other), (3, FULL)]), REPORTER).decode()
    assert written.count("<section>") == 2
    assert re.search(r"@media print\{section\+section\{break-before:page\}", written)
    assert "default-src &#x27;none&#x27;" in written
    text = Page(written).text
    first, second = text.split("Report 2: ")
    assert "Entry 1" in first
    assert "Entry 3" in first
    assert "Entry 2" in second
    for known in ("hxxps://p.example/", "officer@example.org", "A <crawl> & more", "1" * 32, "Not viewed by a person"):
        assert known in first


def test_a_suspicion_says_so_in_each_format() -> None:
    """The sentence stands in both, with matches of all kinds; without it those of other kinds are not named."""
    near = Finding(ListFacts("likeness", "csam"), Grade.NEAR, "pdq", -1, "record")
    incident = replace(FULL, others=(*FULL.others, near))
    for as_suspicion in (False, True):
        reports = make_reports([(1, incident)], as_suspicion=as_suspicion)
        for written in (to_json(reports, REPORTER).decode(), to_html(reports, REPORTER).decode()):
            assert ("Reported as a suspicion" in written) is as_suspicion
            assert ("platforms" in written) is as_suspicion
            assert "likeness" in written
        assert "within the threshold" in to_html(reports, REPORTER).decode()
        assert json.loads(to_json(reports, REPORTER))["reports"][0]["as_suspicion"] is as_suspicion


def test_keys_and_nested_texts_are_defanged() -> None:
    """All texts of a JSON value, keys included; other values stay."""
    assert defang_all({"a\x07": ["http://x/", 1, None, ("https://y/",)]}) == {
        r"a\x07": ["hxxp://x/", 1, None, ["hxxps://y/"]]
    }
