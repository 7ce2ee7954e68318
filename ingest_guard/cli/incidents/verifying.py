"""``ingest-guard incidents verify``: is a log whole, and up to where."""

from __future__ import annotations

from pathlib import Path

import click

from ingest_guard.cli.incidents.identity import FOLDER
from ingest_guard.cli.main import MATCHED, OK, print_signers
from ingest_guard.dataset.attestation.manifest import Manifest
from ingest_guard.errors import AttestationError, IncidentError
from ingest_guard.incidents.chain import verify
from ingest_guard.incidents.expiry import unvouched
from ingest_guard.incidents.lines import Checkpoint, Point, parse
from ingest_guard.incidents.officers_journal import Journal, read
from ingest_guard.signing.keys import read_public_key

_FILE = click.Path(path_type=Path, dir_okay=False, exists=True)
_MOST_BYTES = 64 << 20
_MOST_NAMED = 10


@click.command("verify")
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
