"""A draft of the manifest, while a crawl writes into a folder. A killed crawl leaves what it was held against.

``.attestation-running.json`` is a manifest whose last run has no end, and whose shards are those of before. A crawl
that ends well makes ``attestation.json`` of it; one that starts after a crash goes on with it, and
:func:`reissue` makes a manifest of it without a crawl.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from ingest_guard._clock import now
from ingest_guard.dataset.attestation import croissant, files, inventory
from ingest_guard.dataset.attestation.inventory import ShardFacts
from ingest_guard.dataset.attestation.manifest import NAME, Manifest
from ingest_guard.dataset.attestation.model import About, CheckSet, IncidentCheckpoint, Run, Shard
from ingest_guard.dataset.shards.location import lock_folder
from ingest_guard.errors import AttestationError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

DRAFT = ".attestation-running.json"


def read_earlier(folder: Path) -> Manifest | None:
    """Return what is known of the runs before: from the draft of one that did not end, else from the manifest.

    Raises
    ------
    AttestationError
        What is there cannot be read.
    """
    path = next((path for path in (folder / DRAFT, folder / NAME) if path.exists()), None)
    if path is None:
        return None
    try:
        return Manifest.parse(path.read_bytes())
    except OSError as error:
        raise AttestationError(f"{path} cannot be read: {error.strerror}") from None


def begin(before: Manifest | None, check_set: CheckSet, run: Run, about: About, outfit: str | None) -> Manifest:
    """Return the draft for a run that begins, after all that was before.

    Raises
    ------
    AttestationError
        The records before come from elsewhere: what is promised of some would not hold for the others.
    """
    if before is None:
        before = Manifest(created=now(), check_set=None)
    elif before.records == "foreign":
        raise AttestationError(
            "the folder has records that were not made by this guard; let the crawl write to a folder of its own"
        )
    draft = before.model_copy(update={"runs": (*before.runs, run), "about": about, "outfit": outfit, "croissant": None})
    return add_check_set(draft, check_set)


def add_check_set(draft: Manifest, check_set: CheckSet) -> Manifest:
    """Return the draft with a check set that is in use from now on."""
    run = draft.runs[-1]
    known = {each.check_set for each in draft.check_sets}
    return draft.model_copy(
        update={
            "check_set": check_set.check_set,
            "check_sets": draft.check_sets if check_set.check_set in known else (*draft.check_sets, check_set),
            "runs": (
                *draft.runs[:-1],
                run.model_copy(update={"check_sets": tuple(dict.fromkeys((*run.check_sets, check_set.check_set)))}),
            ),
        }
    )


def end(
    draft: Manifest, reason: str, counts: Mapping[str, int], incidents: IncidentCheckpoint | None = None
) -> Manifest:
    """Return the manifest of a run that has ended, without its shards."""
    update = {"ended": now(), "finish_reason": reason, "counts": dict(counts), "incidents": incidents}
    last = draft.runs[-1].model_copy(update=update)
    return draft.model_copy(update={"runs": (*draft.runs[:-1], last)}).counted()


def save(folder: Path, draft: Manifest) -> None:
    """Write the draft, and take away what an earlier crawl said: it does not hold while another one writes."""
    files.write(folder, DRAFT, draft.to_bytes())
    files.remove(folder, NAME, files.SIGNATURE, croissant.NAME)


def require_unchanged(folder: Path, before: Iterable[Shard], found: Iterable[ShardFacts]) -> None:
    """Make sure that the shards of before are what they were; JSON Lines may have grown.

    Raises
    ------
    AttestationError
        One is gone, or was changed: a new manifest would vouch for what somebody has put there.
    """
    there = {each.shard.name: each.shard for each in found}
    for shard in before:
        now_there = there.get(shard.name)
        if now_there == shard:
            continue
        grew = now_there is not None and now_there.bytes > shard.bytes and not shard.name.endswith((".parquet", ".gz"))
        if not grew or inventory.prefix_digest(folder, shard.name, shard.bytes) != shard.sha256:
            raise AttestationError(
                f"{shard.name} was {'changed' if now_there else 'removed'} since the crawl that wrote it; put it back, "
                "or make a cleaned data set of what is there: ingest-guard recheck"
            )


def reissue(
    folder: str | os.PathLike[str], *, about: About | None = None, key: Ed25519PrivateKey | None = None
) -> Manifest:
    """Write a folder's manifest anew, from its manifest, or from the draft of a crawl that did not end well.

    Parameters
    ----------
    folder
        With the shards. No crawl may be writing into it.
    about
        What the operator says of the data set; None keeps what was said.
    key
        Who signs it; None leaves it unsigned.

    Raises
    ------
    AttestationError
        Nothing is known of the folder; a shard was changed or is gone; or records name a check set that the manifest
        does not describe.
    """
    where = Path(folder)
    known = read_earlier(where)
    if known is None:
        raise AttestationError(
            f"{folder} has no manifest, and no draft of one: nothing is known of how its records were made; compare "
            "their fingerprints with your lists: ingest-guard recheck"
        )
    if about is not None:
        known = known.model_copy(update={"about": about})
    try:
        lock = lock_folder(where)
    except BlockingIOError:
        raise AttestationError(f"a crawl is writing to {folder}; wait for its end") from None
    try:
        found = inventory.take_all(where)
        require_unchanged(where, known.shards, found)
        manifest = files.with_shards(known.counted(), found)
        written = files.put(where, manifest, inventory.columns_in(where, manifest.shards, manifest.outfit), key)
        files.remove(where, DRAFT)
    finally:
        os.close(lock)
    return written
