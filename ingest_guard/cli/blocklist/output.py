"""How reports are shown: as a table for people, as JSON for scripts and files."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from ingest_guard.blocklist.build.report import NO_SEVERITY, BuildReport, ListReport, Rows, format_change
from ingest_guard.errors import BlocklistError
from ingest_guard.files.atomic import whole_file

_Line = tuple[str, str, "int | None", str]


def print_report(report: BuildReport, *, as_json: bool, file: Path | None, whole: bool = True) -> None:
    """Print a report, and write it to a file if one is named.

    Parameters
    ----------
    report
        Of a build, an update or a compaction.
    as_json
        Print JSON and no table.
    file
        Where to write the JSON, too.
    whole
        Whether what was accepted is all that the lists hold, so that its shares mean something.
    """
    content = report.to_json()
    if as_json:
        click.echo(json.dumps(content, indent=2))
    else:
        show(report, Console(highlight=False), whole=whole)
    if file is not None:
        write(content, file)


def show(report: BuildReport, console: Console, *, whole: bool = True) -> None:
    """Print a report as a table: counts and row numbers, never a value."""
    shares = report.shares
    for each in report.lists:
        table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
        table.add_column(overflow="fold")
        table.add_column(overflow="fold")
        table.add_column(justify="right", no_wrap=True)
        table.add_column(overflow="fold")
        for what, which, count, more in _lines(each, shares[each.list_id] if whole else None):
            table.add_row(Text(f"  {what}"), Text(which), Text("" if count is None else f"{count:,}"), Text(more))
        console.print(Text.assemble((each.list_id, "bold"), f"  {each.format}, {each.path}"), soft_wrap=True)
        console.print(table)
    for list_id, count in sorted(report.gone.items()):
        console.print(
            Text.assemble((list_id, "bold"), f"  gone since the last version, with {count:,} entries"), soft_wrap=True
        )
    console.print(Text(f"{report.folder}: version {report.version[:12]} of {report.created}"), soft_wrap=True)
    if report.removed:
        console.print(Text(f"  {len(report.removed)} older version(s) removed"), soft_wrap=True)


def _lines(report: ListReport, share: float | None) -> Iterator[_Line]:
    """Yield (what, which, count, more) of one list."""
    yield "rows read", "", report.rows, ""
    yield "accepted", "", report.entries, "" if share is None else f"{share:.1%} of all entries"
    for name, count in sorted(report.accepted.items()):
        rate = report.error_rates.get(name)
        yield "", name, count, f"false hits: {rate:.1g}" if rate is not None else ""
    if set(report.severities) - {NO_SEVERITY}:
        for severity, held in sorted(report.severities.items()):
            yield from _counts(f"  of severity {severity}", held)
    yield from _numbered("rejected", report.rejected)
    yield from _numbered("refused, degenerate", report.degenerate)
    yield from _counts("not compared", report.unsupported)
    yield from _counts("withdrawn records", {"": report.removed} if report.removed else {})
    yield from _counts("replaced, withdrawn", report.superseded)
    yield from _counts("duplicates", report.duplicates)
    yield from _counts("allowed", report.allowed)
    for name, change in sorted(report.changes.items()):
        yield "since last version", name, None, format_change(change)


def _counts(what: str, counts: Mapping[str, int]) -> Iterator[_Line]:
    for which, count in sorted(counts.items()):
        yield what, which, count, ""


def _numbered(what: str, found: Mapping[str, Rows]) -> Iterator[_Line]:
    for which, rows in sorted(found.items()):
        yield what, which, rows.count, _rows(rows)


def _rows(rows: Rows) -> str:
    more = ", ..." if rows.count > len(rows.first) else ""
    return f"row {', '.join(map(str, rows.first))}{more}"


def write(report: dict[str, Any], path: Path) -> None:
    """Write a report as JSON that only its owner may read: the old file stays until the new one is whole.

    Parameters
    ----------
    report
        JSON-ready.
    path
        A file, replaced if it exists.

    Raises
    ------
    BlocklistError
        It cannot be written there.
    """
    try:
        with whole_file(path, 0o600) as file:
            file.write((json.dumps(report, indent=2) + "\n").encode())
    except OSError as error:
        raise BlocklistError(
            f"report {path} cannot be written: {error.strerror}; name a file in a folder that you may write to"
        ) from error
