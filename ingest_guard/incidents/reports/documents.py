"""Reports as JSON, and as a page to print: for an officer and for services that take no XML.

Addresses in them are ``hxxps://``, and what cannot be printed is escaped: only the XML is exact.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Sequence
from html import escape
from typing import Any

from ingest_guard._clock import now
from ingest_guard._version import __version__
from ingest_guard.incidents.defang import defang, defang_all
from ingest_guard.incidents.entry import Incident
from ingest_guard.incidents.reports.reporter import Reporter
from ingest_guard.incidents.reports.selection import Report
from ingest_guard.incidents.reports.text import GRADES, opening
from ingest_guard.verdict import Grade

_STYLE = """
body{font:11pt/1.4 sans-serif;max-width:48em;margin:2em auto;padding:0 1em}
table{border-collapse:collapse;width:100%;margin:0 0 1em}
th,td{border:1px solid #767676;padding:.2em .5em;text-align:left;vertical-align:top;overflow-wrap:anywhere}
th{width:12em;font-weight:normal}
@media print{section+section{break-before:page}body{margin:0;max-width:none}}
"""
# Findings have a table of their own.
_IN_FINDINGS = {"list", "grade", "algorithm", "distance", "view", "others"}


def to_json(reports: Sequence[Report], reporter: Reporter) -> bytes:
    """Return reports as one JSON document in ASCII."""
    content = {
        "format": 1,
        "made": now(),
        "guard": __version__,
        "reporter": reporter.model_dump(exclude_none=True),
        "reports": [
            {
                "page": each.page,
                "host": each.host,
                "as_suspicion": each.as_suspicion,
                "text": " ".join(opening(each)),
                "entries": [{"n": number, **_known(each, number)} for number in each.entries],
            }
            for each in reports
        ],
    }
    return json.dumps(defang_all(content), ensure_ascii=True, indent=2).encode("ascii") + b"\n"


def to_html(reports: Sequence[Report], reporter: Reporter) -> bytes:
    """Return reports as one HTML page without links or scripts; printed, each report begins on a sheet of its own."""
    digest = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    sections = "\n".join(_section(position, each, reporter) for position, each in enumerate(reports, 1))
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{escape(policy)}">\n'
        '<meta name="referrer" content="no-referrer">\n<meta name="format-detection" content="telephone=no">\n'
        f"<title>Incident reports</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n<main>\n{sections}\n</main>\n"
        "</body>\n</html>\n"
    ).encode()


def _known(report: Report, number: int) -> dict[str, Any]:
    """Return what an incident knows, without what is empty and without matches that the report does not name."""
    incident: Incident = report.entries[number]
    known = json.loads(incident.to_json())
    findings = [
        {
            "list": {
                "id": each.list.id,
                "kind": each.list.kind,
                "version": each.list.version,
                "owner": each.list.owner,
            },
            "grade": str(each.grade),
            "algorithm": each.algorithm,
            "distance": each.distance,
            "view": each.view,
        }
        for each in report.findings(number)
    ]
    del known["format"]
    known = {name: value for name, value in known.items() if name not in _IN_FINDINGS and value not in (None, [], {})}
    return {**known, "findings": findings}


def _section(position: int, report: Report, reporter: Reporter) -> str:
    facts = reporter.model_dump(exclude_none=True)
    parts = [
        f"<section>\n<h1>Report {position}: {_shown(report.page or report.host or 'no page known')}</h1>",
        *(f"<p>{escape(line)}</p>" for line in opening(report)),
        "<p>Addresses are written hxxp, so that nothing makes links of them.</p>",
        f"<h2>Reporter</h2>\n{_table(facts)}",
    ]
    for number in report.entries:
        known = _known(report, number)
        findings = known.pop("findings")
        parts.append(f"<h2>Entry {number}</h2>\n{_table(known)}")
        for each in findings:
            shown = {**each, "grade": GRADES[Grade(each["grade"])]}
            if each["distance"] < 0:
                shown["distance"] = "within the threshold"
            parts.append(f"<h3>Match</h3>\n{_table(shown)}")
    return "\n".join([*parts, "</section>"])


def _table(facts: dict[str, Any]) -> str:
    rows = "\n".join(
        f'<tr><th scope="row">{_shown(name)}</th><td>{cell}</td></tr>' for name, cell in _cells(facts) if cell
    )
    return f"<table>\n{rows}\n</table>"


def _cells(facts: dict[str, Any], above: str = "") -> list[tuple[str, str]]:
    found = []
    for name, value in facts.items():
        if isinstance(value, dict):
            found += _cells(value, f"{above}{name} ")
        elif isinstance(value, list):
            found.append((f"{above}{name}", "<br>".join(map(_shown, value))))
        elif value is not None:
            found.append((f"{above}{name}", _shown(value)))
    return found


def _shown(value: Any) -> str:
    return escape(defang(str(value)))
