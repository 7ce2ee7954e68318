"""``ingest-guard incidents list | show``: what is in a log."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import click

from ingest_guard.cli.incidents.identity import FOLDER, identity_options, opened, opener
from ingest_guard.cli.main import OK
from ingest_guard.errors import IncidentError
from ingest_guard.incidents.defang import defang, printable
from ingest_guard.incidents.entry import Incident
from ingest_guard.incidents.lines import Entry, read_lines
from ingest_guard.incidents.officers_journal import read

_FILE = click.Path(path_type=Path, dir_okay=False, exists=True)


@click.command("list")
@click.argument("folder", type=FOLDER)
@click.option("--journal", "book", type=_FILE, metavar="FILE", help="The officer's journal: shows states.")
@identity_options
def list_command(folder: Path, book: Path | None, identity: Path | None, identity_env: str | None) -> int:
    """List what is in a log, by page and host: one report covers one page."""
    marks = {} if book is None else _states(folder, book)
    groups: dict[tuple[str, str], list[tuple[int, Incident]]] = {}
    for number, incident in opened(folder, opener(identity, identity_env)):
        place = incident.addresses.page or (incident.where.file if incident.where else None) or "-"
        groups.setdefault((place, incident.host or "-"), []).append((number, incident))
    for (place, host), found in groups.items():
        click.echo(f"{defang(place)}  host {defang(host)}")
        for number, incident in found:
            again = f", again {incident.count} times (see {incident.more_of})" if incident.more_of else ""
            click.echo(
                f"  {number}  {incident.time}  {printable(incident.list.id)} ({incident.list.kind})  "
                f"{incident.grade}  {incident.action}{marks.get(number, '')}{again}"
            )
    grades = Counter(str(each.grade) for found in groups.values() for _, each in found)
    click.echo(", ".join(f"{count:,} {grade}" for grade, count in sorted(grades.items())) or "no entries")
    return OK


@click.command("show")
@click.argument("folder", type=FOLDER)
@click.argument("numbers", metavar="N...", nargs=-1, required=True, type=click.IntRange(1))
@identity_options
def show_command(folder: Path, numbers: tuple[int, ...], identity: Path | None, identity_env: str | None) -> int:
    """Show entries by their numbers, addresses as hxxps:// so that nothing makes links of them."""
    wanted = set(numbers)
    for number, incident in opened(folder, opener(identity, identity_env), wanted):
        wanted.discard(number)
        click.echo(f"entry {number}")
        for name, value in json.loads(incident.to_json()).items():
            if value not in (None, [], {}):
                click.echo(f"  {name}: {_shown(value)}")
    if wanted:
        raise click.UsageError(f"the log has no open entry {', '.join(map(str, sorted(wanted)))}")
    return OK


def _states(folder: Path, book: Path) -> dict[int, str]:
    """Return what a journal says of the entries of a log, by their numbers."""
    journal = read(book)
    if journal.problems:
        raise IncidentError(f"{book}: the journal does not hold: {journal.problems[0]}")
    found = {}
    for line in read_lines(folder):
        mark = journal.marks.get(line.digest)
        if isinstance(line.content, Entry) and mark is not None:
            found[line.content.n] = f"  {mark.state} {printable(mark.reference)}".rstrip()
        if isinstance(line.content, Entry) and line.digest in journal.opinions:
            said = "; ".join(map(printable, journal.opinions[line.digest]))
            found[line.content.n] = f"{found.get(line.content.n, '')}  [{said}]"
    return found


def _shown(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{printable(key)} {_shown(each)}" for key, each in value.items() if each not in (None, []))
    if isinstance(value, list):
        return "; ".join(map(_shown, value))
    return defang(str(value))
