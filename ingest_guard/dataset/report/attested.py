"""The attestation in words: what was compared with what, what that promises, and what it does not; and the records."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ingest_guard.dataset.attestation.files import SIGNATURE
from ingest_guard.dataset.attestation.manifest import NAME, Manifest
from ingest_guard.dataset.attestation.model import NOT_PROMISED, BlocklistFacts
from ingest_guard.dataset.attestation.promises import numbered
from ingest_guard.dataset.report import figures
from ingest_guard.dataset.report.charts import Table
from ingest_guard.dataset.shards.names import shard_files
from ingest_guard.dataset.shards.read import count_rows
from ingest_guard.errors import AttestationError, DatasetError, SetupError

_SHORT = 12


@dataclass(frozen=True, slots=True)
class Attested:
    """What the page says of the attestation.

    Attributes
    ----------
    sentences
        What was done, in order.
    lists
        A row for each list; None where there is none.
    manifest
        The manifest itself; None where there is none that could be read.
    """

    sentences: tuple[str, ...]
    lists: Table | None = None
    manifest: Manifest | None = None

    @property
    def promised(self) -> tuple[str, ...]:
        """What is promised, in the manifest's own words."""
        return self.manifest.promised if self.manifest else ()

    @property
    def not_promised(self) -> tuple[str, ...]:
        """What is not promised; without a manifest, in the words of this release."""
        return self.manifest.not_promised if self.manifest else NOT_PROMISED


def read_attested(folder: Path) -> Attested:
    """Read a folder's manifest, and put it in words; digests and signature are not verified."""
    if not (folder / NAME).exists():
        missing = (
            f"There is no {NAME} in this folder: the crawl is still at work, was killed, or its guard failed. Until it "
            "has ended well, do not use its records."
        )
        return Attested((missing,))
    try:
        manifest = Manifest.load(folder)
    except AttestationError as error:
        return Attested((f"The attestation cannot be read: {error}.",))
    signed = (
        "It is signed. This page has not verified that, nor the digests of the shards"
        if (folder / SIGNATURE).exists()
        else "It is not signed, and this page has not verified the digests of the shards"
    )
    sentences = (*_sentences(manifest), f"{signed}; 'ingest-guard attest verify DIR' does.")
    return Attested(sentences, _lists(manifest), manifest)


def _sentences(manifest: Manifest) -> Iterable[str]:
    if manifest.records == "foreign":
        yield "These records were made elsewhere: nothing is known of how they were collected."
    for version in manifest.blocklist:
        names = sorted({each.id for each in version.lists})
        yield (
            f"Images were compared with {_listed(names) or 'no list'} before anything was written, in version "
            f"{version.version[:_SHORT]} of the blocklist, built at {version.created}."
        )
    if manifest.algorithms:
        views = _listed(manifest.views)
        yield f"What was compared: {_listed(manifest.algorithms)}; of a picture, these views: {views}."
    if checked := manifest.outcomes.get("checked", 0):
        yield _outcomes(manifest.outcomes, checked)
    if opted := sum(manifest.opt_outs.values()):
        yield f"Left out because their hosts ask for that: {figures.count(opted)} images or pages."
    if manifest.rechecks:
        last = manifest.rechecks[-1]
        yield (
            f"Since then the records' stored fingerprints were compared again, last at {last.at} with version "
            f"{last.blocklist.version[:_SHORT]}; what matched was removed."
        )
    yield f"The folder held {numbered(manifest.rows, 'record')} in {numbered(len(manifest.shards), 'file')}."


def _outcomes(outcomes: Mapping[str, int], checked: int) -> str:
    passed, matched, unreadable = (outcomes.get(key, 0) for key in ("no_known_match", "matched", "not_scannable"))
    held = outcomes.get("held", 0)
    dropped = f"{figures.count(matched + held)} matched and were dropped"
    return (
        f"Of {numbered(checked, 'image')}, {figures.count(passed)} had no known match, {dropped}, and "
        f"{figures.count(unreadable)} could not be scanned and were dropped, too."
    )


def _lists(manifest: Manifest) -> Table | None:
    rows = [row for version in manifest.blocklist for row in _list_rows(version)]
    return Table(("List", "Version", "Entries", "A match is"), tuple(rows), text=True) if rows else None


def _list_rows(version: BlocklistFacts) -> Iterable[tuple[str, ...]]:
    for each in version.lists:
        name = f"{each.id} ({each.severity})" if each.severity else each.id
        entries = ", ".join(f"{key} {figures.count(number)}" for key, number in sorted(each.counts.items()) if number)
        within = [f"{key} within {bits:g}" for key, bits in sorted(each.thresholds.items()) if each.counts.get(key)]
        yield name, each.version[:_SHORT], entries or "none", ", ".join(within) or "the same bytes"


def _listed(names: Sequence[str]) -> str:
    """Return names as they are said: ``a, b and c``."""
    return " and ".join(filter(None, (", ".join(names[:-1]), *names[-1:])))


@dataclass(frozen=True, slots=True)
class Records:
    """Records on disk.

    Attributes
    ----------
    rows
        None where there is no file, or where one cannot be counted.
    files
        Number of shards.
    place
        Where they are, in words.
    """

    rows: int | None
    files: int
    place: str


def count_records(folder: Path) -> Records:
    """Count the records in a folder's shards."""
    shards = shard_files(folder)
    if not shards:
        return Records(None, 0, "")
    place = f"in {numbered(len(shards), 'file')}"
    try:
        return Records(sum(map(count_rows, shards)), len(shards), place)
    except (DatasetError, SetupError):
        # A damaged shard is a matter for 'attest verify'.
        return Records(None, len(shards), place)
