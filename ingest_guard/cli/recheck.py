"""``ingest-guard recheck``: compare published records with a newer blocklist, and write shards without the matches."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import click

from ingest_guard.cli.blocklist import options
from ingest_guard.cli.main import MATCHED, NOT_SCANNED, OK
from ingest_guard.dataset.recheck import added_entries, provenance
from ingest_guard.dataset.recheck.plan import Plan
from ingest_guard.dataset.recheck.run import Output, recheck
from ingest_guard.dataset.tables.columns import read_given
from ingest_guard.dataset.tables.fingerprints import EXACT_SIZES
from ingest_guard.guard.allow_list import AllowList
from ingest_guard.policy import Policy
from ingest_guard.policy.lists import KeySource
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
    jobs: int,
    key_env: str | None,
    key_file: Path | None,
    as_json: bool,
) -> int:
    """Compare the fingerprints of the records in DIR with a blocklist, and write shards without those that match.

    Nothing is fetched. DIR holds Parquet or JSON Lines, of a crawl or of other people's making. Which records went is
    noted in a tombstone file beside CLEAN (or DIR): it is sensitive, and not for publication.

    Exit code: 0 nothing removed, 1 something matched and was removed (with --dry-run: would be), 2 wrong use, 3 some
    records could not be compared, 4 the recheck failed.
    """
    if (clean is not None) + in_place + dry_run != 1:
        raise click.UsageError("name one: -o CLEAN, --in-place or --dry-run")
    plan = make_plan(source, make_policy(policy_file, blocklist, key_env, key_file), since=since, columns=columns)
    signer = sign_key or plan.policy.dataset.sign_key
    output = Output(
        clean,
        in_place,
        tombstones,
        options.all_recipients(recipients, recipients_file),
        not_compared,
        read_signing_key(signer) if signer else None,
        jobs,
    )
    report = recheck(source, plan, output)
    if as_json:
        click.echo(json.dumps(report.to_json(), indent=2))
    else:
        for line in report.lines():
            click.echo(line)
    return MATCHED if report.removed else NOT_SCANNED if report.not_compared else OK


def make_plan(source: Path, policy: Policy, *, since: str | None, columns: str) -> Plan:
    """Return what is compared with what; PolicyError where an option names something that does not exist."""
    plan = Plan(policy)
    known = {*EXACT_SIZES, *plan.near_algorithms()} if columns else ()
    earlier: tuple[added_entries.Earlier, ...] = ()
    if since == "manifest":
        allowed = AllowList.read(policy)
        folder = source if source.is_dir() else source.parent
        earlier = provenance.since_manifest(folder, policy.blocklist, allowed.digest if allowed.count else None)
    elif since is not None:
        earlier = (added_entries.Earlier(added_entries.resolve(policy.blocklist, since)),)
    return replace(plan, since=earlier, columns=read_given(columns, known))


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
