"""What a report says in words: how it came about, and what is known of each entry."""

from __future__ import annotations

from ingest_guard.incidents.entry import Finding, Incident
from ingest_guard.incidents.reports.selection import Report
from ingest_guard.incidents.reports.values import LeftOut, read_moment, text_problem
from ingest_guard.verdict import Grade

ORIGIN = (
    "Found by the automated check of a web crawler (ingest-guard) against lists of hashes. Not viewed by a person. "
    "The image was not retained."
)
SUSPICION = (
    "Reported as a suspicion: matches named here may be of lists of something else than child sexual abuse material, "
    "or rest on likeness alone."
)
GRADES = {
    Grade.EXACT_CONFIRMED: "exact match, confirmed in the list's table",
    Grade.EXACT_FILTER: "exact match, by a Bloom filter of the list alone",
    Grade.NEAR: "near match of a perceptual hash",
    Grade.SUSPICION: "suspicion: looks alike to an encoder",
}


def opening(report: Report) -> list[str]:
    """Return the lines that say what a report is."""
    return [ORIGIN, SUSPICION] if report.as_suspicion else [ORIGIN]


def describe_entry(report: Report, number: int) -> tuple[list[str], list[LeftOut]]:
    """Return what is known of an entry, a line for each thing, and what was left out of that.

    Addresses are not in it, nor is a time that cannot be used.
    """
    incident = report.entries[number]
    lines, left_out = [], []
    for line in _lines(incident, report.findings(number)):
        parts = []
        for name, words, value in line:
            problem = text_problem(value)
            if problem is None:
                parts.append(words.format(value))
            else:
                left_out.append(LeftOut(number, name, problem))
        if parts:
            lines.append(", ".join(parts))
    return lines, left_out


_Part = tuple[str, str, str]
"""Field, words with a place for its value, value."""


def _lines(incident: Incident, findings: list[Finding]) -> list[list[_Part]]:
    lines = [[("time", "seen at {}", incident.time)]] if read_moment(incident.time) else []
    lines += [_finding(each) for each in findings]
    lines.append([(f"digests.{_name(name)}", f"{_name(name)} {{}}", value) for name, value in incident.digests.items()])
    hashes = [
        (f"fingerprints.{_name(name)}", f"{_name(name)} {{}}", value) for name, value in incident.fingerprints.items()
    ]
    if incident.pdq_quality is not None:
        hashes.append(("pdq_quality", "quality {} of 100", str(incident.pdq_quality)))
    lines.append(hashes)
    lines.append(
        _given(("host", "host {}", incident.host), ("server_address", "server address {}", incident.server_address))
    )
    again = [("count", "seen {} times", str(incident.count))] if incident.count != 1 else []
    if incident.more_of is not None:
        again.append(("more_of", "the same picture as entry {}", str(incident.more_of)))
    lines.append(again)
    lines.append(
        _given(
            ("check_set", "check set {}", incident.check_set),
            ("guard", "ingest-guard {}", incident.guard),
            ("action", "action {}", incident.action),
        )
    )
    if incident.cut:
        lines.append([("cut", "shortened by the crawler: {}", " ".join(incident.cut))])
    return lines


def _finding(finding: Finding) -> list[_Part]:
    near = finding.grade in {Grade.NEAR, Grade.SUSPICION}
    distance = "distance {}" if finding.distance >= 0 else "distance within the threshold"
    return [
        ("list.id", "list {}", finding.list.id),
        ("list.kind", "kind {}", finding.list.kind),
        *_given(("list.owner", "owner {}", finding.list.owner), ("list.version", "version {}", finding.list.version)),
        ("grade", "{}", GRADES[finding.grade]),
        ("algorithm", "{}", finding.algorithm),
        *([("distance", distance, str(finding.distance))] if near else []),
        ("view", "view {}", finding.view),
    ]


def _given(*parts: tuple[str, str, str | None]) -> list[_Part]:
    return [(name, words, value) for name, words, value in parts if value is not None]


def _name(name: str) -> str:
    """Return the name of an algorithm, which stands in words and in messages; another text gets no say there."""
    return name if name.isascii() and name.replace("_", "").isalnum() and len(name) <= 64 else "hash"  # noqa: PLR2004
