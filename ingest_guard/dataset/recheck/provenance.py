"""The manifest of the records: what they were compared with before, and what it says after a recheck."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ingest_guard._clock import now
from ingest_guard.dataset.attestation import inventory
from ingest_guard.dataset.attestation.facts import describe_blocklist, policy_digest
from ingest_guard.dataset.attestation.files import SIGNATURE, manifest_digest, write_manifest
from ingest_guard.dataset.attestation.manifest import NAME, Manifest
from ingest_guard.dataset.attestation.model import AllowListFacts, BlocklistFacts, Recheck, Source, Step
from ingest_guard.dataset.attestation.verify import verify
from ingest_guard.dataset.recheck.added_entries import Earlier, version_folder
from ingest_guard.dataset.recheck.plan import Opened
from ingest_guard.dataset.recheck.summary import Report
from ingest_guard.dataset.shards.names import shard_names
from ingest_guard.errors import AttestationError, PolicyError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey


def has_manifest(folder: Path) -> bool:
    """Tell whether a folder of records has a manifest."""
    return (folder / NAME).is_file()


def require_true(folder: Path) -> None:
    """Make sure that records are what their manifest says, if they have one: the next one will vouch for them.

    Raises
    ------
    AttestationError
        They are not, or it cannot be read.
    """
    if has_manifest(folder) and (problems := verify(folder).problems):
        raise AttestationError(
            f"{folder} is not what its {NAME} says, and a new one must not vouch for it: {problems[0]}; see "
            "ingest-guard attest verify, and bring back the shards that belong to it"
        )


def require_remains(folder: Path, replaced: Collection[str]) -> None:
    """Make sure of the same after a run in place that was killed: each shard is what it was, or what that run wrote.

    Parameters
    ----------
    folder
        The records.
    replaced
        SHA-256 of each shard that was put in place of another.

    Raises
    ------
    AttestationError
        One is neither, or one came in addition.
    """
    if not has_manifest(folder):
        return
    known = {shard.name: shard.sha256 for shard in Manifest.load(folder).shards}
    for name in sorted({*known, *shard_names(folder)}):
        now_there = inventory.take(folder, name).shard.sha256
        if now_there != known.get(name) and (name not in known or now_there not in replaced):
            raise AttestationError(
                f"{folder} is not what its {NAME} says, and a new one must not vouch for it: {name} was changed, and "
                "not by the recheck that was interrupted; bring back the shards that belong to it"
            )


def since_manifest(folder: Path, store: Path, allow_digest: str | None) -> tuple[Earlier, ...]:
    """Return the versions that a folder's records were compared with, by its manifest.

    Parameters
    ----------
    folder
        The records.
    store
        Where the versions are.
    allow_digest
        Of the allow-list that counts now. What another one let pass then was not compared.

    Raises
    ------
    PolicyError
        There is no manifest, it names no version, or the store does not have one any more.
    """
    try:
        manifest = Manifest.load(folder)
    except AttestationError as error:
        raise PolicyError(f"--since manifest: {error}") from None
    found: dict[str, Earlier] = {}
    for facts, allowed in _compared_with(manifest):
        same = allowed is None or allowed.digest == allow_digest
        found[facts.version] = Earlier(version_folder(store, facts.version), _compared(facts) if same else {})
    if not found:
        raise PolicyError(
            f"--since manifest: the {NAME} of {folder} names no blocklist: its records are from elsewhere; leave "
            "--since out, and all of the list is compared"
        )
    return tuple(found.values())


def _compared_with(manifest: Manifest) -> Iterator[tuple[BlocklistFacts, AllowListFacts | None]]:
    """Yield what each record was compared with last: by the last recheck, and by the crawls that went on after it."""
    last = manifest.rechecks[-1] if manifest.rechecks else None
    if last:
        yield last.blocklist, None
    for each in manifest.check_sets:
        if last is None or each.since >= last.at:
            yield each.blocklist, each.allow_list


def _compared(facts: BlocklistFacts) -> dict[tuple[str, str | None, str], float]:
    return {
        (each.id, each.severity, name): each.thresholds.get(name, 0.0)
        for each in facts.lists
        for name, count in each.counts.items()
        if count
    }


@dataclass(frozen=True, slots=True)
class Reissued:
    """What a new manifest says of records that were left out.

    Attributes
    ----------
    step
        Makes what is said of it, from the number of records there were, and of those that are gone.
    records, removed
        How many records were looked at, and how many of these went.
    more
        The same as `step`, of what else was left out.
    """

    step: Callable[[int, int], Step]
    records: int
    removed: int
    more: tuple[Step, ...] = ()


def reissue(source: Path | None, target: Path, said: Reissued, key: Ed25519PrivateKey | None = None) -> bool:
    """Write the manifest of cleaned shards, with where they come from; return whether there is one now.

    Parameters
    ----------
    source
        The folder with the old manifest; None: the records come from elsewhere.
    target
        The folder with the shards: the same, or a new one.
    said
        What it says.
    key
        Who signs.

    Raises
    ------
    AttestationError
        The old manifest cannot be read, or the new one not be written.
    """
    attested = source is not None and has_manifest(source)
    if source == target and not attested:
        return False
    old = Manifest.load(source) if source is not None and attested else Manifest.foreign()
    signed = (target / SIGNATURE).is_file()
    rows = old.rows if attested else said.records
    if source == target and signed and key is None and not said.removed and rows == said.records:
        # Nothing changed, and the key that signed it is not here.
        return True
    digest = manifest_digest(source) if source is not None and attested else None
    # After a run that was killed, more are gone than this one found.
    derived = old.derive(said.step(rows, rows - said.records + said.removed), Source(manifest=digest, rows=rows))
    for each in said.more:
        derived = derived.add_step(each)
    if attested:
        write_manifest(target, derived, key=key)
        return True
    with contextlib.suppress(AttestationError):  # records from elsewhere may be of kinds that no manifest describes
        write_manifest(target, derived, key=key)
        return True
    return False


def describe_recheck(opened: Opened, report: Report, rows: int, removed: int) -> Recheck:
    """Return what a manifest says of a recheck.

    Parameters
    ----------
    opened
        What the records were compared with.
    report
        What came of it.
    rows, removed
        How many records there were, and how many of these are gone.
    """
    return Recheck(
        at=now(),
        blocklist=describe_blocklist(opened.blocklist, opened.plan.policy),
        algorithms=tuple(sorted(report.compared)),
        fingerprints="all" if report.all_views else "native",
        since=opened.since[0] if opened.since else None,
        policy_digest=policy_digest(opened.plan.policy),
        counts={"compared": rows, "removed": removed, "not_compared": report.not_compared},
    )
