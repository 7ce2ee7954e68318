from __future__ import annotations

import json
from collections import Counter

import pytest

from ingest_guard.blocklist.build.report import (
    SHOWN_ROWS,
    BuildReport,
    Change,
    ListReport,
    Rows,
    format_change,
    format_rows,
)


def rows(*numbers: int) -> Rows:
    """Return some rows."""
    found = Rows()
    for number in numbers:
        found.add(number)
    return found


def full() -> BuildReport:
    """Return a report that has something of everything."""
    mine = ListReport(
        "mine",
        "ncmec",
        "list.xml",
        rows=12,
        accepted=Counter(md5=3, pdq=2),
        severities={"A1": Counter(md5=2), "NONE": Counter(md5=1, pdq=2)},
        rejected={"not_hex": rows(4, 9)},
        unsupported=Counter(video=2),
        removed=1,
        superseded=Counter(md5=1),
        degenerate={"pdq": rows(7)},
        duplicates=Counter(md5=1),
        changes={"md5": Change(6, 3, 2), "pdq": Change(2, 2)},
        allowed=Counter(pdq=1),
        error_rates={"md5": 1e-9},
    )
    other = ListReport("other", "plain", "a.txt", rows=15, accepted=Counter(sha1=15))
    return BuildReport("store", "ab" * 32, "now", [mine, other], ["cd" * 32], "ef" * 32, Counter(old=4))


def test_rows_are_counted_and_the_first_kept() -> None:
    """However many there are, a few numbers are kept."""
    many = rows(*range(1, 100))
    assert (many.count, many.first) == (99, list(range(1, SHOWN_ROWS + 1)))
    assert format_rows(many).endswith("10, ...)")
    assert format_rows(rows(3)) == "1 (row 3)"


@pytest.mark.parametrize(
    ("change", "added", "removed", "spoken"),
    [(Change(6, 3, 2), 1, 4, "+1 -4 =2"), (Change(6000, 3), None, None, "6,000 -> 3")],
)
def test_changes(change: Change, added: int | None, removed: int | None, spoken: str) -> None:
    """What came and went is told where it is known, else how many there were and are."""
    assert (change.added, change.removed) == (added, removed)
    assert format_change(change) == spoken
    assert change.to_json()["added"] == added


def test_shares_and_shrinkage() -> None:
    """Each list's share of all entries, and by how much it is smaller than it was."""
    report = full()
    assert report.shares == {"mine": 0.25, "other": 0.75}
    mine, other = report.lists
    assert (mine.entries, mine.rejected_rows, mine.shrinkage, other.shrinkage) == (5, 2, 1 - 5 / 8, 0)
    grown = ListReport("a", "plain", "a", changes={"md5": Change(1, 3)})
    assert grown.shrinkage == 0
    assert BuildReport("s", "v", "c", [grown]).shares == {"a": 0.0}


def test_json_has_everything() -> None:
    """A script reads all of it."""
    told = json.loads(json.dumps(full().to_json()))
    mine = told["lists"][0]
    assert told["gone"] == {"old": 4}
    assert told["parent"] == "ef" * 32
    assert mine["share"] == 0.25
    assert mine["severities"] == {"A1": {"md5": 2}, "NONE": {"md5": 1, "pdq": 2}}
    assert mine["rejected"] == {"not_hex": {"count": 2, "first_rows": [4, 9]}}
    assert (mine["unsupported"], mine["removed"], mine["superseded"]) == ({"video": 2}, 1, {"md5": 1})
    assert mine["changes"]["md5"] == {"before": 6, "after": 3, "added": 1, "removed": 4, "kept": 2}
    assert (mine["allowed"], mine["shrinkage"]) == ({"pdq": 1}, 0.375)


def test_lines_have_everything() -> None:
    """So does the text."""
    text = "\n".join(full().lines())
    for part in (
        "mine: 12 rows of list.xml (ncmec); accepted: md5 3, pdq 2",
        "rejected, not_hex: 2 (rows 4, 9)",
        "not compared, video: 2",
        "withdrawn: 1",
        "replaced or withdrawn, md5: 1",
        "refused, degenerate pdq: 1 (row 7)",
        "duplicates, md5: 1",
        "allowed, pdq: 1",
        "since the last version, md5: +1 -4 =2",
        "old: gone since the last version, with 4",
        "version abababababab of now",
        "removed 1 older version(s)",
    ):
        assert part in text
