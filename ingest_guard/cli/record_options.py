"""What the commands that work on published records share: what is compared with what, who may open what is found."""

from __future__ import annotations

import sys
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from ingest_guard.dataset.recheck import added_entries, provenance, sealed_lines
from ingest_guard.dataset.recheck.plan import Plan
from ingest_guard.dataset.tables.columns import read_given
from ingest_guard.dataset.tables.fingerprints import EXACT_SIZES
from ingest_guard.dataset.tables.presets import preset_columns
from ingest_guard.dataset.tables.shard_files import find_shards, open_table
from ingest_guard.guard.allow_list import AllowList
from ingest_guard.policy import Policy
from ingest_guard.policy.lists import KeySource

MOST_NEIGHBOURS = 1_000
"""Of one seed: what lies further away is no neighbourhood."""


def require_sealing(recipients: tuple[str, ...], *, unsealed: bool) -> None:
    """Raise UsageError where it is not said who may open what is found, or both are said: recipients, and none."""
    if bool(recipients) == unsealed:
        raise click.UsageError("name who may open what is found (--recipients-file, --recipient), or say --unsealed")
    sealed_lines.require_recipients(recipients)


def find_given(source: Path, columns: str, preset: str | None, algorithms: Collection[str]) -> dict[str, str]:
    """Return what columns stand for, by options: those of a preset, and over them those that are named.

    Raises
    ------
    PolicyError
        An option is misspelt, or the first table of `source` lacks what the preset is for.
    """
    found: dict[str, str] = {}
    if preset is not None:
        name, table = next(iter(find_shards(source)[1].items()))
        found = preset_columns(preset, open_table(table).columns(), name)
    return {**found, **read_given(columns, algorithms)}


@contextmanager
def row_progress(rows: int) -> Iterator[Callable[[int], None]]:
    """Show a bar where there is a terminal; yield what is called with the number of rows that are done since."""
    with click.progressbar(length=rows, label="rows", file=sys.stderr, hidden=not sys.stderr.isatty()) as bar:
        yield bar.update


def make_plan(source: Path, policy: Policy, *, since: str | None, columns: str, preset: str | None) -> Plan:
    """Return what is compared with what; PolicyError where an option names something that does not exist."""
    plan = Plan(policy)
    known = {*EXACT_SIZES, *plan.near_algorithms()} if columns else set()
    earlier: tuple[added_entries.Earlier, ...] = ()
    if since == "manifest":
        allowed = AllowList.read(policy)
        folder = source if source.is_dir() else source.parent
        earlier = provenance.since_manifest(folder, policy.blocklist, allowed.digest if allowed.count else None)
    elif since is not None:
        earlier = (added_entries.Earlier(added_entries.resolve(policy.blocklist, since)),)
    return replace(plan, since=earlier, columns=find_given(source, columns, preset, known))


def make_policy(file: Path | None, blocklist: Path | None, key_env: str | None, key_file: Path | None) -> Policy:
    """Return the policy that options name; UsageError where they name none, or two keys."""
    if file is None and blocklist is None:
        raise click.UsageError("name what to compare with: --blocklist FOLDER or --policy FILE")
    if key_env is not None and key_file is not None:
        raise click.UsageError("name the key once: either --key-env or --key-file")
    update: dict[str, Any] = {} if blocklist is None else {"blocklist": blocklist.resolve()}
    if key_env is not None or key_file is not None:
        update["list_key"] = KeySource(env=key_env, file=key_file and key_file.resolve())
    if file is None:
        return Policy(**update)
    return Policy.load(file).model_copy(update=update)
