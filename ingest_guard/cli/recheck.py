"""``ingest-guard recheck``: compare published records with a newer blocklist, and write shards without the matches."""

import json
from pathlib import Path
from typing import Literal

import click

from ingest_guard.cli.blocklist import options
from ingest_guard.cli.main import MATCHED, NOT_SCANNED, OK
from ingest_guard.cli.record_options import MOST_NEIGHBOURS, make_plan, make_policy, require_sealing, row_progress
from ingest_guard.dataset.recheck.run import Output, recheck
from ingest_guard.signing.keys import read_signing_key


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
    everyone = tuple(options.all_recipients(recipients, recipients_file))
    further = None
    if neighbours is not None:
        from ingest_guard.dataset.neighbours.removal import RemovedNeighbours  # noqa: PLC0415 - needs an extra
        from ingest_guard.dataset.neighbours.search import Wanted  # noqa: PLC0415 - as above

        if clean is not None or in_place:
            everyone = require_sealing(recipients, recipients_file, unsealed=unsealed)
        wanted = Wanted(neighbours, above)
        further = RemovedNeighbours(source, wanted, embeddings, embedding_column, progress=row_progress)
    elif above is not None or embedding_column is not None or unsealed:
        raise click.UsageError("--above, --embedding-column and --unsealed are for --neighbours K")
    plan = make_plan(source, make_policy(policy_file, blocklist, key_env, key_file), since=since, columns=columns)
    signer = sign_key or plan.policy.dataset.sign_key
    output = Output(
        clean,
        in_place,
        tombstones,
        everyone,
        not_compared,
        read_signing_key(signer) if signer else None,
        jobs,
        embeddings,
    )
    report = recheck(source, plan, output, further)
    if as_json:
        click.echo(json.dumps(report.to_json(), indent=2))
    else:
        for line in report.lines():
            click.echo(line)
    return MATCHED if report.removed else NOT_SCANNED if report.not_compared else OK
