"""``ingest-guard second-opinion``: ask services about near and held entries of a log, on the officer's machine."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import click

from ingest_guard.cli.incidents.identity import FOLDER, identity_options, opener
from ingest_guard.cli.main import NOT_SCANNED, OK
from ingest_guard.incidents.entry import Incident
from ingest_guard.incidents.lines import Entry, read_lines
from ingest_guard.incidents.opinions.asking import ask, wanted
from ingest_guard.incidents.opinions.services import Answer, read_services
from ingest_guard.incidents.sealing import Opener
from ingest_guard.signing.keys import read_signing_key

_FILE = click.Path(path_type=Path, dir_okay=False, exists=True)


@click.command("second-opinion")
@click.argument("folder", type=FOLDER)
@click.option(
    "--services", "services", type=_FILE, required=True, metavar="FILE.yaml", help="Which services are asked, and how."
)
@click.option(
    "--journal",
    "book",
    type=click.Path(path_type=Path, dir_okay=False),
    required=True,
    metavar="FILE",
    help="The officer's journal, where the answers go.",
)
@click.option(
    "--sign-key", type=_FILE, required=True, metavar="FILE", help="The officer's signing key, for its owner alone."
)
@identity_options
def command(  # noqa: PLR0917 - options, which click hands over by name
    folder: Path, services: Path, book: Path, sign_key: Path, identity: Path | None, identity_env: str | None
) -> int:
    """Ask services about the entries of FOLDER that are near, suspected or held, by their PDQ hashes alone.

    No answer releases an image, and none is "clean": a service that does not know a picture does not have every
    picture. What was answered is not asked again.

    Exit code: 0 all answered, 3 some have no answer, 2 wrong use, 4 log, journal, key or services cannot be read.
    """
    asked = read_services(services)
    entries = wanted(_entries(folder, opener(identity, identity_env)))
    counts = ask(asked, entries, book, read_signing_key(sign_key))
    for name, found in counts.items():
        click.echo(f"{name}: " + ", ".join(f"{found[each]:,} {each}" for each in Answer))
    return NOT_SCANNED if any(found[Answer.NONE] for found in counts.values()) else OK


def _entries(folder: Path, key: Opener) -> Iterator[tuple[int, str, Incident]]:
    for line in read_lines(folder):
        if isinstance(line.content, Entry):
            yield line.content.n, line.digest, key.open(line.content.sealed)
