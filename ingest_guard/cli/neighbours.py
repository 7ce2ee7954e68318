"""``ingest-guard neighbours``: the records of a data set whose embeddings lie near to those of known ones."""

from __future__ import annotations

from pathlib import Path

import click
import numpy as np
import numpy.typing as npt

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
from ingest_guard.dataset.embeddings.embedding_files import EmbeddingFile, find_embeddings
from ingest_guard.dataset.neighbours.calibrate import calibrate
from ingest_guard.dataset.neighbours.candidates import Bands, write_candidates
from ingest_guard.dataset.neighbours.checkpoint import Checkpoint
from ingest_guard.dataset.neighbours.finding import Seeds, Summary, head_of, neighbours
from ingest_guard.dataset.neighbours.nearest import Wanted
from ingest_guard.dataset.neighbours.removal import remove_found
from ingest_guard.dataset.neighbours.seeds import (
    Rows,
    find_listed,
    find_tombstones,
    find_uids,
    gather,
    read_tombstones,
    read_uids_file,
    read_vectors,
)
from ingest_guard.dataset.recheck import sealed_lines
from ingest_guard.dataset.recheck.cleaning import Target, cleaning
from ingest_guard.dataset.recheck.plan import Plan
from ingest_guard.dataset.tables.presets import NAMES as PRESETS
from ingest_guard.errors import PolicyError
from ingest_guard.signing.keys import read_signing_key


@click.command("neighbours")
@click.argument("source", metavar="DIR", type=click.Path(path_type=Path, exists=True))
@click.option(
    "--embeddings", type=options.FOLDER, help="Where the files of embeddings are; by default beside the tables."
)
@click.option("--embedding-column", metavar="NAME", help="The column, or the array in npz files, with the embeddings.")
@click.option("--preset", type=click.Choice(PRESETS), help="The columns of a published data set.")
@click.option("--seeds", type=options.FILE, metavar="FILE", help="Vectors (npy), or uids of records, one in each line.")
@click.option("--tombstones", type=options.FILE, metavar="FILE", help="Records that a recheck has removed.")
@click.option("--blocklist", type=options.FOLDER, help="Records that this blocklist knows.")
@click.option("--policy", "policy_file", type=options.FILE, help="A policy: what of the blocklist counts, and its key.")
@click.option(
    "-k",
    "k",
    type=click.IntRange(0, MOST_NEIGHBOURS),
    default=100,
    show_default=True,
    help="Nearest rows of each seed.",
)
@click.option("--above", type=click.FloatRange(0.05, 1), help="All rows of at least this cosine similarity as well.")
@click.option("-o", "--output", type=options.FILE, metavar="CANDIDATES", help="Where to write what was found.")
@click.option("--recipient", "recipients", multiple=True, metavar="age1...", help="Seal the candidates to. Repeatable.")
@click.option("--recipients-file", type=options.FILE, metavar="FILE", help="More recipients, one in each line.")
@click.option("--unsealed", is_flag=True, help="Write the candidates in the clear.")
@click.option("--identity", type=options.FILE, metavar="FILE", help="The age identity that opens sealed tombstones.")
@click.option("--remove", type=options.FOLDER, metavar="OUT", help="A new folder: the data set without what was found.")
@click.option("--sign-key", type=options.FILE, metavar="FILE", help="Sign the manifest of OUT with this Ed25519 key.")
@click.option("--calibrate", "calibrates", is_flag=True, help="Show how similar random records are; nothing else.")
@click.option("--jobs", type=click.IntRange(1), help="Cores to use; by default all.")
def command(
    source: Path,
    *,
    embeddings: Path | None,
    embedding_column: str | None,
    preset: str | None,
    seeds: Path | None,
    tombstones: Path | None,
    blocklist: Path | None,
    policy_file: Path | None,
    k: int,
    above: float | None,
    output: Path | None,
    recipients: tuple[str, ...],
    recipients_file: Path | None,
    unsealed: bool,
    identity: Path | None,
    remove: Path | None,
    sign_key: Path | None,
    calibrates: bool,
    jobs: int | None,
) -> int:
    """Find the records in DIR whose embeddings lie near to those of seeds: exactly, in one pass, without any picture.

    The candidates go to a file, sealed to the recipients, and the terminal shows counts alone: with the data set they
    are a directory of abuse imagery. To remove them is cheaper than to judge them: --remove OUT writes the data set
    without them and without the seeds.

    Exit code: 0 nothing found, 1 candidates found, 2 wrong use, 3 some rows could not be compared, 4 the search failed.
    """
    if calibrates:
        for line in calibrate(find_embeddings(source, embeddings, embedding_column)).lines():
            click.echo(line)
        return OK
    if output is None:
        raise click.UsageError("name where to write what was found: -o CANDIDATES")
    if (seeds is not None) + (tombstones is not None) + (blocklist is not None or policy_file is not None) != 1:
        raise click.UsageError("name the seeds once: --seeds, --tombstones, or --blocklist (or --policy)")
    if not k and above is None:
        raise click.UsageError("-k 0 asks for nothing; say --above, too")
    everyone = tuple(options.all_recipients(recipients, recipients_file))
    require_sealing(everyone, unsealed=unsealed)
    signer = read_signing_key(sign_key) if sign_key else None
    folders = [source, remove] if source.is_dir() else [remove]
    sealed_lines.refuse_inside("-o", output, *(each for each in folders if each is not None), what="candidates")
    with cleaning(source, Target(remove, embeddings=embeddings)) as records:
        files = find_embeddings(source, embeddings, embedding_column, find_given(source, "", preset, ()))
        records.require_fit({each.name: each.rows for each in files})
        plan = None
        if seeds is None and tombstones is None:
            plan = make_plan(
                source, make_policy(policy_file, blocklist, None, None), since=None, columns="", preset=preset
            )
        wanted = _find_seeds(files, seeds, tombstones, identity, plan)
        checkpoint = Checkpoint(files, wanted.vectors, Wanted(k, above))
        found, summary = _search(files, wanted, Wanted(k, above), checkpoint, jobs or 0)
        write_candidates(output, head_of(summary), files, found, everyone)
        if remove is not None:
            summary.removed = remove_found(records, found, wanted, summary, signer)
        checkpoint.remove()
    for line in summary.lines():
        click.echo(line)
    click.echo(f"candidates (sensitive, not for publication): {output}")
    return MATCHED if summary.found else NOT_SCANNED if summary.not_compared else OK


def _search(
    files: list[EmbeddingFile], seeds: Seeds, wanted: Wanted, checkpoint: Checkpoint, threads: int
) -> tuple[Bands, Summary]:
    if not checkpoint.resumable:
        click.echo("no storage in memory is there (XDG_RUNTIME_DIR, /dev/shm): this search cannot be resumed", err=True)
    elif done := checkpoint.load()[0]:
        click.echo(f"going on after {done:,} of {len(files):,} files, which an earlier run has searched", err=True)
    with row_progress(sum(each.rows for each in files)) as progress:
        return neighbours(files, seeds, wanted, threads=threads, progress=progress, checkpoint=checkpoint)


def _find_seeds(
    files: list[EmbeddingFile], seeds: Path | None, tombstones: Path | None, identity: Path | None, plan: Plan | None
) -> Seeds:
    found = _read_seeds(files, seeds, tombstones, identity, plan)
    if not len(found.vectors):
        raise PolicyError("no seed has a vector in this data set, so there is nothing to look for")
    return found


def _read_seeds(
    files: list[EmbeddingFile], seeds: Path | None, tombstones: Path | None, identity: Path | None, plan: Plan | None
) -> Seeds:
    if plan is not None:
        return Seeds("blocklist", *_gathered(files, find_listed(files, plan.open())))
    if tombstones is not None:
        with sealed_lines.open_lines(tombstones, identity, what="tombstones") as file:
            named = read_tombstones(file, tombstones)
        return Seeds("tombstones", *_gathered(files, find_tombstones(files, named)))
    if seeds is not None and seeds.suffix == ".npy":
        vectors, unusable = read_vectors(seeds, files[0].width)
        return Seeds("vectors", vectors, unusable=unusable)
    return Seeds("uids", *_gathered(files, find_uids(files, read_uids_file(seeds or Path()))))


def _gathered(files: list[EmbeddingFile], rows: Rows) -> tuple[npt.NDArray[np.float32], Rows, int]:
    vectors, unusable = gather(files, rows)
    return vectors, rows, unusable
