"""``ingest-guard incidents mark | expire``: what became of entries, in the officer's journal, and what may go."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import click

from ingest_guard.cli.main import OK
from ingest_guard.errors import IncidentError
from ingest_guard.incidents.expiry import expire
from ingest_guard.incidents.lines import Entry, read_lines
from ingest_guard.incidents.officers_journal import DECISIONS, State, mark
from ingest_guard.policy import Policy
from ingest_guard.signing.keys import read_signing_key

_FOLDER = click.Path(path_type=Path, file_okay=False, exists=True)
_FILE = click.Path(path_type=Path, dir_okay=False, exists=True)
_MOST_NUMBERS = 100_000
_MOST_DIGITS = 9
_journal = click.option(
    "--journal",
    "book",
    type=click.Path(path_type=Path, dir_okay=False),
    required=True,
    metavar="FILE",
    help="The officer's journal; never in the folder of the log.",
)
_sign_key = click.option(
    "--sign-key", type=_FILE, required=True, metavar="FILE", help="The officer's signing key, for its owner alone."
)


@click.command("mark")
@click.argument("folder", type=_FOLDER)
@click.argument("numbers", metavar="N[,N-N...]")
@click.argument("state", type=click.Choice([str(each) for each in DECISIONS]))
@click.argument("reference", default="")
@_journal
@_sign_key
def mark_command(folder: Path, numbers: str, state: str, reference: str, *, book: Path, sign_key: Path) -> int:
    """Write into the journal what became of entries, with a reference such as the number of a report.

    Needs no key that opens entries. The last mark of an entry counts.

    Exit code: 0 written, 2 wrong use, 4 the log or the journal does not hold, or cannot be read or written.
    """
    _keep_apart(folder, book)
    wanted = _numbers(numbers)
    found = {
        line.content.n: line.digest
        for line in read_lines(folder)
        if isinstance(line.content, Entry) and line.content.n in wanted
    }
    if missing := wanted - found.keys():
        raise click.UsageError(f"the log has no open entry {', '.join(map(str, sorted(missing)))}")
    mark(book, [(n, found[n], reference) for n in sorted(found)], State(state), read_signing_key(sign_key))
    click.echo(f"{len(found):,} marked as {state}")
    return OK


@click.command("expire")
@click.argument("folder", type=_FOLDER)
@_journal
@_sign_key
@click.option("--policy", "policy_file", type=_FILE, metavar="FILE", help="Its incidents.retention counts.")
@click.option("--days", type=click.IntRange(1, 100_000), help="The retention, instead of a policy's.")
def expire_command(folder: Path, book: Path, sign_key: Path, policy_file: Path | None, days: int | None) -> int:
    """Remove entries that are reported or dismissed, and older than the retention.

    Entries on hold, and those that the journal says nothing about, stay. What goes leaves its number, day, run and
    digest, so that the log verifies as before; the journal says that it was the officer. Crawls may go on meanwhile.

    Exit code: 0 done, 2 wrong use, 4 the log or the journal does not hold, or cannot be read or written.
    """
    _keep_apart(folder, book)
    if (policy_file is None) == (days is None):
        raise click.UsageError("say how old is old: --policy FILE or --days N")
    retention = Policy.load(policy_file).incidents.retention if policy_file else timedelta(days=days or 0)
    count = expire(folder, book, read_signing_key(sign_key), retention)
    click.echo(f"{count:,} entries removed")
    return OK


def _keep_apart(folder: Path, book: Path) -> None:
    if folder.resolve() in (book.resolve(), *book.resolve().parents):
        raise IncidentError(f"{book}: a journal does not belong into the folder of a log; name another place")


def _numbers(text: str) -> set[int]:
    """Return the numbers that a text such as ``3,7-9`` names."""
    found: set[int] = set()
    for part in text.split(","):
        first, dash, last = part.partition("-")
        if not all(each.isdecimal() and len(each) <= _MOST_DIGITS for each in (first, last if dash else first)):
            raise click.UsageError(f"{part!r} is no number of an entry, and no range such as 7-9")
        span = range(int(first), int(last if dash else first) + 1)
        if not span or len(found) + len(span) > _MOST_NUMBERS:
            raise click.UsageError(f"{part!r}: a range goes from less to more; at most {_MOST_NUMBERS:,} at a time")
        found.update(span)
    return found
