from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import pytest

from demo.compare import PREFIX, deviations, expected_counts

if TYPE_CHECKING:
    from demo.site import Site

_ADDRESS = "http://127.0.0.1:1"

Records = list[dict[str, Any]]
Stats = dict[str, Any]


@pytest.fixture
def perfect(site: Site) -> tuple[Records, Stats]:
    """Return the records and statistics of a crawl in which everything went as it must."""
    records: Records = []
    for path, alt in sorted(site.records):
        final = dict(site.resources[path].headers).get("Location", path)
        digest = hashlib.sha256(site.resources[final].plain).hexdigest()
        records.append({"url": _ADDRESS + path, "final_url": _ADDRESS + final, "alt": alt, "sha256": digest})
    stats = {PREFIX + name: count for name, count in expected_counts(site).items()}
    return records, stats


def test_a_perfect_crawl_has_no_deviation(site: Site, perfect: tuple[Records, Stats]) -> None:
    """All records and all counts as expected: nothing to say."""
    assert deviations(site, _ADDRESS, *perfect) == []


def test_a_missing_record_is_named(site: Site, perfect: tuple[Records, Stats]) -> None:
    """An unlisted image without a record is named with its path."""
    records, stats = perfect
    gone = records.pop(5)
    (line,) = deviations(site, _ADDRESS, records, stats)
    assert gone["url"].removeprefix(_ADDRESS) in line
    assert "no record was written" in line


@pytest.mark.parametrize("path", ["/photos/cup.jpg", "/odd/bomb.png", "/private/diary.jpg", "/images/behind-0.jpg"])
def test_a_record_too_many_is_named(site: Site, perfect: tuple[Records, Stats], path: str) -> None:
    """A record of anything that must be dropped, or never asked for, is named with its path."""
    records, stats = perfect
    digest = hashlib.sha256(site.resources[path].plain).hexdigest()
    records.append({"url": _ADDRESS + path, "final_url": _ADDRESS + path, "alt": "x", "sha256": digest})
    (line,) = deviations(site, _ADDRESS, records, stats)
    assert line.startswith(f"{path}: a record was written, though it is ")


def test_doubled_foreign_and_mixed_up_records_are_named(site: Site, perfect: tuple[Records, Stats]) -> None:
    """A record twice, one of an unknown address, and one with another file's digest are three deviations."""
    records, stats = perfect
    records.append(dict(records[0]))
    records.append({"url": "http://elsewhere/", "final_url": "http://elsewhere/", "alt": ""})
    records[3]["sha256"] = "0" * 64
    lines = "\n".join(deviations(site, _ADDRESS, records, stats))
    assert "2 records instead of one" in lines
    assert "that the site does not have" in lines
    assert "another file's" in lines


def test_wrong_counts_are_named(site: Site, perfect: tuple[Records, Stats]) -> None:
    """A statistic that is off, missing, or about an unexpected list or reason is named."""
    records, stats = perfect
    stats[f"{PREFIX}matched/hotline-a"] += 1
    stats[f"{PREFIX}not_scannable/memory"] = 2
    del stats[f"{PREFIX}records"]
    lines = deviations(site, _ADDRESS, records, stats)
    assert [line.split()[2].removeprefix(PREFIX) for line in lines] == [
        "matched/hotline-a",
        "not_scannable/memory",
        "records",
    ]


def test_the_counts_add_up(site: Site) -> None:
    """Checked is the sum of no known match, matched and not scannable."""
    counts = expected_counts(site)
    assert counts["checked"] == counts["no_known_match"] + counts["matched"] + counts["not_scannable"]
    assert counts["not_scannable"] == sum(n for name, n in counts.items() if name.startswith("not_scannable/"))
