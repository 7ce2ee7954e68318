"""Whether a folder is what its manifest says: every shard and every number that can be counted again."""

import hashlib
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from ingest_guard.dataset.attestation import croissant, files, inventory
from ingest_guard.dataset.attestation.manifest import NAME, Manifest, group_counts, read_manifest
from ingest_guard.dataset.attestation.model import Shard
from ingest_guard.dataset.attestation.strays import stray_records
from ingest_guard.dataset.shards.names import shard_names
from ingest_guard.errors import AttestationError


@dataclass(frozen=True, slots=True)
class Findings:
    """What came of verifying a folder.

    Attributes
    ----------
    manifest
        As it was read.
    sha256
        Of the manifest's bytes.
    signers
        Public keys of those who signed it, 32 bytes each.
    problems
        What does not hold, a sentence each; empty where everything holds.
    notes
        What a reader should know, and is no fault: that it is not signed, say.
    """

    manifest: Manifest
    sha256: str
    signers: tuple[bytes, ...]
    problems: tuple[str, ...]
    notes: tuple[str, ...]


def verify(
    folder: str | os.PathLike[str], *, signers: Sequence[bytes] = (), policy_digest: str | None = None
) -> Findings:
    """Compare a folder with its manifest; every byte of every shard is read.

    Parameters
    ----------
    folder
        With shards and manifest.
    signers
        Public keys: one of them must have signed it. Without any, a signature that is there must hold.
    policy_digest
        A policy's (:func:`~ingest_guard.dataset.attestation.facts.policy_digest`), by which every run must have gone.

    Raises
    ------
    AttestationError
        There is no manifest, or none that can be read. What a manifest says and does not hold is no error but a
        problem in the findings.
    """
    where = Path(folder)
    data = read_manifest(where)
    manifest = Manifest.parse(data)
    problems = [*_contradictions(manifest), *_shard_problems(where, manifest), *_croissant_problems(where, manifest)]
    notes = list(_notes(where, manifest))
    # What a guard has not written may have any files beside it: img2dataset's have tars.
    (problems if manifest.records == "attested" else notes).extend(stray_records(where))
    found: tuple[bytes, ...] = ()
    try:
        found = files.signers(where, data)
    except AttestationError as error:
        problems.append(str(error))
    else:
        if signers and not set(found) & set(signers):
            problems.append(
                "no signer that was named has signed this manifest" if found else "the manifest is not signed"
            )
        elif not found:
            notes.append("nobody has signed the manifest: whoever could write here could have written it")
        elif not signers:
            notes.append("signed by a key that was not asked for: name the one that you trust with --signer")
    if policy_digest is not None and any(run.policy_digest != policy_digest for run in manifest.runs):
        problems.append("a run went by another policy")
    return Findings(manifest, hashlib.sha256(data).hexdigest(), found, tuple(problems), tuple(notes))


def _contradictions(manifest: Manifest) -> Iterator[str]:
    """Yield the contradictions inside a manifest."""
    total: dict[str, int] = {}
    for run in manifest.runs:
        for name, number in (run.counts or {}).items():
            total[name] = total.get(name, 0) + number
    said = {group: getattr(manifest, group) for group in group_counts({})}
    if said != group_counts(total):
        yield f"{NAME}: its numbers are not the sums of its runs' numbers"
    outcomes = manifest.outcomes
    parts = ("no_known_match", "matched", "held", "not_scannable")
    if outcomes.get("checked", 0) != sum(outcomes.get(name, 0) for name in parts):
        yield f"{NAME}: 'checked' is not the sum of what the checks ended as"
    known = {each.check_set for each in manifest.check_sets}
    used = {name for run in manifest.runs for name in run.check_sets}
    if used != known or (manifest.check_set is not None and manifest.check_set not in known):
        yield f"{NAME}: the check sets of its runs are not those that it describes"
    if (manifest.check_set is None) != (manifest.records == "foreign"):
        yield f"{NAME}: records are either attested or from elsewhere"


def _shard_problems(folder: Path, manifest: Manifest) -> Iterator[str]:
    listed = {shard.name: shard for shard in manifest.shards}
    if len(listed) != len(manifest.shards):
        yield f"{NAME}: a shard is listed twice"
    there = set(shard_names(folder))
    yield from (f"{name} is not listed in {NAME}" for name in sorted(there - listed.keys()))
    known: set[str | None] = {each.check_set for each in manifest.check_sets}
    unattested = 0
    for name, shard in sorted(listed.items()):
        if name not in there and not (folder / name).is_file():
            yield f"{name} is missing"
            continue
        try:
            found = inventory.take(folder, name)
        except AttestationError as error:
            yield str(error)
            continue
        yield from _differences(shard, found.shard)
        unattested += found.check_sets[None]
        if manifest.records == "attested":
            yield from _strangers(name, found.check_sets, known)
    if manifest.records == "attested" and unattested != manifest.unattested:
        yield f"{unattested} rows have no attestation, and {NAME} says {manifest.unattested}"


def _differences(said: Shard, found: Shard) -> Iterator[str]:
    if found.sha256 != said.sha256:
        yield f"{said.name} was changed: its SHA-256 is another one"
    if found.bytes != said.bytes:
        yield f"{said.name} has {found.bytes} bytes, and {NAME} says {said.bytes}"
    if found.rows != said.rows:
        yield f"{said.name} has {found.rows} records, and {NAME} says {said.rows}"


def _strangers(name: str, check_sets: Counter[str | None], known: set[str | None]) -> Iterator[str]:
    if strange := sum(count for each, count in check_sets.items() if each is not None and each not in known):
        yield f"{name}: {strange} records name a check set that is not in {NAME}"


def _croissant_problems(folder: Path, manifest: Manifest) -> Iterator[str]:
    try:
        data = (folder / croissant.NAME).read_bytes()
    except FileNotFoundError:
        return
    except OSError as error:
        yield f"{croissant.NAME} cannot be read: {error.strerror}"
        return
    if hashlib.sha256(data).hexdigest() != manifest.croissant:
        yield f"{croissant.NAME} is not the one that was written with the manifest"


def _notes(folder: Path, manifest: Manifest) -> Iterator[str]:
    if not (folder / croissant.NAME).exists():
        yield f"there is no {croissant.NAME}"
    if any(run.ended is None for run in manifest.runs):
        yield "a run did not end well: the numbers are those of the others"
    if manifest.records == "foreign":
        yield "the records come from elsewhere: nothing is promised of how they were collected"
    if manifest.unattested:
        yield f"{manifest.unattested} rows are items without an image, which the policy lets pass"
