"""``ingest-guard incidents``: is a log whole, and what is in it, for the officer."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import click

from ingest_guard.cli.incident_options import FOLDER, identity_options, opened, opener
from ingest_guard.cli.incidents_export import export_command
from ingest_guard.cli.incidents_mark import expire_command, mark_command
from ingest_guard.cli.main import MATCHED, OK, print_signers
from ingest_guard.dataset.attestation.manifest import Manifest
from ingest_guard.errors import AttestationError, IncidentError
from ingest_guard.incidents.chain import verify
from ingest_guard.incidents.defang import defang, printable
from ingest_guard.incidents.entry import Incident
from ingest_guard.incidents.expiry import unvouched
from ingest_guard.incidents.journal import Journal, read
from ingest_guard.incidents.reading import Checkpoint, Entry, Point, parse, read_lines
from ingest_guard.signing.keys import read_public_key

_FILE = click.Path(path_type=Path, dir_okay=False, exists=True)
_MOST_BYTES = 64 << 20
_MOST_NAMED = 10


@click.group("incidents")
def command() -> None:
    """Verify and open a log of incidents. Opening needs the officer's key: never do it on a machine that crawls."""


@command.command("verify")
@click.argument("folder", type=FOLDER)
@click.option(
    "--checkpoint",
    "kept",
    type=_FILE,
    multiple=True,
    metavar="FILE",
    help="A checkpoint kept elsewhere: an attestation.json, or a copy of its line. Repeatable.",
)
@click.option(
    "--signer",
    "signers",
    multiple=True,
    metavar="HEX|FILE",
    help="Public key that must have signed every checkpoint. Repeatable: one of them must have.",
)
@click.option(
    "--journal", "book", type=_FILE, metavar="FILE", help="The officer's journal: it vouches for entries that expired."
)
@click.option(
    "--officer",
    "officers",
    multiple=True,
    metavar="HEX|FILE",
    help="Public key that must have signed the journal. Repeatable.",
)
def verify_command(
    folder: Path, kept: tuple[Path, ...], signers: tuple[str, ...], book: Path | None, officers: tuple[str, ...]
) -> int:
    """Say up to where a log is whole; needs no key that opens it.

    Exit code: 0 whole, 1 tampered with, cut or without a line; 2 wrong use, 4 it cannot be read.
    """
    if (book is None) != (not officers):
        raise click.UsageError("--journal and --officer go together: anybody can write a journal of their own")
    keys = {read_public_key(each).hex() for each in signers} if signers else None
    known_marks = Journal() if book is None else read(book, {read_public_key(each).hex() for each in officers})
    known = [checkpoint for path in kept for checkpoint in _checkpoints(path)]
    chain = verify(folder, checkpoints=known, keys=keys)
    blanked = unvouched(chain.blanked, known_marks)
    problems = chain.problems + [f"the journal, {each}" for each in known_marks.problems]
    if blanked:
        named = ", ".join(str(n) for n, *_ in blanked[:_MOST_NAMED])
        by = "and there is no journal to vouch for it" if book is None else "and the journal does not say so"
        problems.append(f"{len(blanked):,} entries were blanked, {by}: {named}{' ...' * (len(blanked) > _MOST_NAMED)}")
    for problem in problems:
        click.echo(f"does not hold: {problem}")
    click.echo(f"{chain.entries:,} entries, {chain.checkpoints:,} checkpoints, {chain.stubs:,} expired")
    last = chain.last_checkpoint
    if last is not None:
        point = last.checkpoint
        click.echo(f"last checkpoint: after entry {point.entries}, {point.time}, {point.why} of run {point.run}")
    if chain.is_unfinished:
        click.echo("note: a last line has no end: its writer was killed, or it was cut")
    if not known:
        click.echo("note: nothing kept elsewhere to compare with: a cut behind the last checkpoint would not be seen")
    print_signers(sorted(chain.keys))
    return MATCHED if problems else OK


@command.command("list")
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


@command.command("show")
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


command.add_command(export_command)
command.add_command(mark_command)
command.add_command(expire_command)


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
    return found


def _shown(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{printable(key)} {_shown(each)}" for key, each in value.items() if each not in (None, []))
    if isinstance(value, list):
        return "; ".join(map(_shown, value))
    return defang(str(value))


def _checkpoints(path: Path) -> list[Checkpoint]:
    """Return the checkpoints in a file: a line of a log, or the manifest of a data set."""
    try:
        with path.open("rb") as file:
            data = file.read(_MOST_BYTES)
    except OSError as error:
        raise IncidentError(f"{path}: cannot be read: {error.strerror}") from None
    content = parse(data.strip())
    if isinstance(content, Checkpoint):
        return [content]
    try:
        runs = Manifest.parse(data).runs
    except AttestationError:
        raise IncidentError(f"{path} is neither a manifest nor the line of a checkpoint") from None
    found = [
        Checkpoint(Point(each.entries, each.head, each.time, each.run, each.why), each.head, each.key, each.signature)
        for run in runs
        if (each := run.incidents) is not None
    ]
    if not found:
        raise IncidentError(f"{path} has no checkpoint of a log of incidents")
    return found
