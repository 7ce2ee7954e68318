"""``ingest-guard recheck``: compare published records with a newer blocklist, and write shards without the matches."""

from __future__ import annotations

import json
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click
from click.core import ParameterSource

from ingest_guard.cli.blocklist import options
from ingest_guard.cli.main import MATCHED, NOT_SCANNED, OK
from ingest_guard.cli.record_options import (
    MOST_NEIGHBOURS,
    find_given,
    make_plan,
    make_policy,
    require_sealing,
    row_progress,
)
from ingest_guard.dataset.recheck.cleaning import Target
from ingest_guard.dataset.recheck.difference import DifferenceReport, remove_difference
from ingest_guard.dataset.recheck.matched_records import Sink
from ingest_guard.dataset.recheck.plan import Plan
from ingest_guard.dataset.recheck.run import Output, recheck
from ingest_guard.dataset.recheck.summary import Report
from ingest_guard.dataset.tables.presets import NAMES as PRESETS
from ingest_guard.policy.policy import Policy
from ingest_guard.signing.keys import read_signing_key

if TYPE_CHECKING:
    from ingest_guard.dataset.neighbours.removal import RemovedNeighbours


@click.command("recheck")
@click.argument("source", metavar="DIR", type=click.Path(path_type=Path, exists=True))
@click.option("--blocklist", type=options.FOLDER, help="The blocklist to compare with.")
@click.option("--policy", "policy_file", type=options.FILE, help="A policy: what of the blocklist counts, and its key.")
@click.option("-o", "--output", "clean", type=options.FOLDER, metavar="CLEAN", help="A new folder for cleaned shards.")
@click.option("--in-place", is_flag=True, help="Replace the shards themselves, each at once.")
@click.option("--dry-run", is_flag=True, help="Count what would be removed; write nothing.")
@click.option(
    "--since",
    metavar="VERSION|manifest",
    help="Compare only with what the blocklist gained since a version: its name, a folder with it, or 'manifest' for "
    "those that the records' attestation names.",
)
@click.option(
    "--columns",
    metavar="NAME=COLUMN,...",
    default="",
    help="Columns of other people's tables: an algorithm, or uid, url, alt, final_url, page_url, pdq_quality.",
)
@click.option("--preset", type=click.Choice(PRESETS), help="The columns of a published data set.")
@click.option(
    "--difference",
    type=click.Path(path_type=Path, exists=True),
    metavar="OTHER",
    help="Instead of a blocklist: remove the records that OTHER, a cleaned release of the same data set, lacks.",
)
@click.option(
    "--not-compared",
    type=click.Choice(["keep", "remove"]),
    default="keep",
    show_default=True,
    help="What becomes of records with nothing that could be compared.",
)
@click.option("--tombstones", type=options.FILE, metavar="FILE", help="Where to note what was removed; not in CLEAN.")
@click.option("--recipient", "recipients", multiple=True, metavar="age1...", help="Seal the tombstones to. Repeatable.")
@click.option("--recipients-file", type=options.FILE, metavar="FILE", help="More recipients, one in each line.")
@click.option("--sign-key", type=options.FILE, metavar="FILE", help="Sign the new manifest with this Ed25519 key.")
@click.option(
    "--neighbours",
    type=click.IntRange(1, MOST_NEIGHBOURS),
    metavar="K",
    help="Remove the K records nearest to each match as well, by their embeddings.",
)
@click.option(
    "--above", type=click.FloatRange(0.05, 1), help="With --neighbours: all records of this cosine similarity as well."
)
@click.option(
    "--embeddings", type=options.FOLDER, help="Where the files of embeddings are; by default beside the tables."
)
@click.option("--embedding-column", metavar="NAME", help="The column, or the array in npz files, with the embeddings.")
@click.option("--unsealed", is_flag=True, help="With --neighbours: note in the clear what was removed.")
@click.option("--jobs", type=click.IntRange(1), default=1, show_default=True, help="Processes that compare shards.")
@options.key
@click.option("--json", "as_json", is_flag=True, help="Print the counts as JSON.")
def command(
    source: Path,
    blocklist: Path | None,
    policy_file: Path | None,
    *,
    clean: Path | None,
    in_place: bool,
    dry_run: bool,
    since: str | None,
    columns: str,
    preset: str | None,
    difference: Path | None,
    not_compared: Literal["keep", "remove"],
    tombstones: Path | None,
    recipients: tuple[str, ...],
    recipients_file: Path | None,
    sign_key: Path | None,
    neighbours: int | None,
    above: float | None,
    embeddings: Path | None,
    embedding_column: str | None,
    unsealed: bool,
    jobs: int,
    key_env: str | None,
    key_file: Path | None,
    as_json: bool,
) -> int:
    """Compare the fingerprints of the records in DIR with a blocklist, and write shards without those that match.

    Nothing is fetched. DIR holds Parquet or JSON Lines, of a crawl or of other people's making. Which records went is
    noted in a tombstone file beside CLEAN (or DIR): it is sensitive, and not for publication. Row-aligned files of
    embeddings (npy, npz) lose the same rows.

    Exit code: 0 nothing removed, 1 something matched and was removed (with --dry-run: would be), 2 wrong use, 3 some
    records could not be compared, 4 the recheck failed.
    """
    if (clean is not None) + in_place + dry_run != 1:
        raise click.UsageError("name one: -o CLEAN, --in-place or --dry-run")
    key = read_signing_key(sign_key) if sign_key else None
    report: Report | DifferenceReport
    if difference is not None:
        _require_nothing_else(click.get_current_context())
        given = find_given(source, columns, preset, ())
        report = remove_difference(source, difference, Target(clean, in_place, embeddings), given, key)
    else:
        policy = make_policy(policy_file, blocklist, key_env, key_file)
        everyone = tuple(options.all_recipients(recipients, recipients_file))
        if neighbours is not None and not dry_run:
            require_sealing(everyone, unsealed=unsealed)
        elif neighbours is None and (above is not None or embedding_column is not None or unsealed):
            raise click.UsageError("--above, --embedding-column and --unsealed are for --neighbours K")
        plan = make_plan(source, policy, since=since, columns=columns, preset=preset)
        further = None if neighbours is None else _find_further(source, plan, neighbours, above)
        if further is not None:
            further.embeddings, further.column = embeddings, embedding_column
        signer = key or (read_signing_key(plan.policy.dataset.sign_key) if plan.policy.dataset.sign_key else None)
        output = Output(clean, in_place, tombstones, everyone, not_compared, signer, jobs, embeddings)
        with _open_sink(plan.policy, dry_run=dry_run) as sink:
            report = recheck(source, plan, output, further, sink)
    if as_json:
        click.echo(json.dumps(report.to_json(), indent=2))
    else:
        for line in report.lines():
            click.echo(line)
    return MATCHED if report.removed else NOT_SCANNED if report.not_compared else OK


_WITH_DIFFERENCE = frozenset(
    {"source", "difference", "clean", "in_place", "dry_run", "columns", "preset", "embeddings", "sign_key", "as_json"}
)


def _require_nothing_else(context: click.Context) -> None:
    """Raise UsageError where an option is given that says nothing to --difference."""
    for name in context.params.keys() - _WITH_DIFFERENCE:
        if context.get_parameter_source(name) is not ParameterSource.DEFAULT:
            option = next(each.opts[0] for each in context.command.params if each.name == name)
            raise click.UsageError(f"{option} is not for --difference, which needs no list and makes no tombstones")


def _open_sink(policy: Policy, *, dry_run: bool) -> AbstractContextManager[Sink | None]:
    """Return what writes an incident of each match, where the policy names who could open it."""
    if dry_run or not policy.incidents.recipients:
        return nullcontext()
    from ingest_guard.incidents.removals import incident_sink  # noqa: PLC0415 - needs an extra

    return incident_sink(policy)


def _find_further(source: Path, plan: Plan, k: int, above: float | None) -> RemovedNeighbours:
    """Return what goes along with the matches: their neighbours."""
    from ingest_guard.dataset.neighbours import nearest, removal  # noqa: PLC0415 - needs an extra

    wanted = nearest.Wanted(k, above)
    return removal.RemovedNeighbours(source, wanted, columns=plan.columns, progress=row_progress)
