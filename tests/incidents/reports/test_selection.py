from __future__ import annotations

from dataclasses import replace

import pytest
from incidents.samples import FULL

from ingest_guard.incidents.entry import Addresses, Finding, Incident, ListFacts
from ingest_guard.incidents.reports.selection import UnfitEntryError, make_reports
from ingest_guard.verdict import Grade


def of(page: str | None, host: str | None = "c.example") -> Incident:
    """Return an incident on a page."""
    return replace(FULL, addresses=Addresses("https://a.example/i.jpg", page=page), host=host)


def test_one_report_covers_one_page() -> None:
    """Entries of a page go together whatever their hosts; without a page those of a host do."""
    entries = {
        7: of("https://p.example/"),
        2: of(None),
        3: of("https://q.example/"),
        4: of("https://p.example/", "d.example"),
        5: of(None, "d.example"),
        6: of(None),
        8: of(None, None),
    }
    reports = make_reports(entries.items())
    assert [list(each.entries) for each in reports] == [[2, 6], [3], [4, 7], [5], [8]]
    assert [(each.page, each.host) for each in reports][:3] == [
        (None, "c.example"),
        ("https://q.example/", "c.example"),
        ("https://p.example/", "d.example"),
    ]


@pytest.mark.parametrize("grade", Grade)
@pytest.mark.parametrize("kind", ["csam", "ncii", "terrorism", "other"])
def test_other_kinds_and_likeness_need_the_word(kind: str, grade: Grade) -> None:
    """Without as_suspicion only exact and near matches of lists of kind csam are reported; with it all."""
    incident = replace(FULL, list=ListFacts("x", kind), grade=grade, others=())
    if kind == "csam" and grade is not Grade.SUSPICION:
        assert len(make_reports([(3, incident)])) == 1
    else:
        with pytest.raises(UnfitEntryError, match=r"entry 3 has neither .* --as-suspicion"):
            make_reports([(3, incident)])
    [report] = make_reports([(3, incident)], as_suspicion=True)
    assert [each.list.kind for each in report.findings(3)] == [kind]
    assert report.as_suspicion


def test_one_match_that_can_be_reported_is_enough_and_is_named_alone() -> None:
    """A match of a csam list beside a surer one of another kind: the report names the first; all unfit are named."""
    csam = Finding(ListFacts("hotline", "csam"), Grade.NEAR, "pdq", 9, "native")
    mixed = replace(FULL, list=ListFacts("platforms", "ncii"), others=(csam,))
    [report] = make_reports([(1, mixed)])
    assert report.findings(1) == [csam]
    unfit = replace(mixed, others=())
    with pytest.raises(UnfitEntryError, match="entries 2, 4 have"):
        make_reports([(1, mixed), (2, unfit), (4, unfit)])
