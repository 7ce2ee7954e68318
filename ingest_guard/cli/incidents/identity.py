"""What the commands that open a log of incidents share: its folder, and the officer's key."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import click

from ingest_guard.incidents.entry import Incident
from ingest_guard.incidents.lines import Entry, read_lines
from ingest_guard.incidents.sealing import Opener

FOLDER = click.Path(path_type=Path, file_okay=False, exists=True)

_identity = click.option(
    "--identity",
    type=click.Path(path_type=Path, dir_okay=False, exists=True),
    metavar="FILE",
    help="File with the officer's age identity, for its owner alone.",
)
_identity_env = click.option(
    "--identity-env", metavar="NAME", help="Environment variable that holds the identity, instead of a file."
)


def identity_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command ``--identity`` and ``--identity-env``."""
    return _identity(_identity_env(function))


def opener(identity: Path | None, identity_env: str | None) -> Opener:
    """Return what opens entries; UsageError unless exactly one key is named, IncidentError where it is none."""
    if identity is not None and identity_env is None:
        return Opener.from_file(identity)
    if identity_env is None or identity is not None:
        raise click.UsageError("name the officer's key: --identity FILE or --identity-env NAME")
    return Opener(os.environ.get(identity_env, ""), f"the environment variable {identity_env}")


def opened(folder: Path, key: Opener, wanted: set[int] | None = None) -> Iterator[tuple[int, Incident]]:
    """Iterate over the entries of a log, or those with the numbers given; IncidentError as the log has it."""
    numbers = None if wanted is None else frozenset(wanted)
    for line in read_lines(folder):
        if isinstance(line.content, Entry) and (numbers is None or line.content.n in numbers):
            yield line.content.n, key.open(line.content.sealed)
