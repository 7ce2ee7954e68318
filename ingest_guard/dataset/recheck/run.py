""":func:`recheck`: search a whole folder of records first, then write the tombstones, then the shards."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol

import numpy as np
import numpy.typing as npt

from ingest_guard._clock import now
from ingest_guard.dataset.attestation.model import Step
from ingest_guard.dataset.recheck import provenance, sealed_lines, tombstones
from ingest_guard.dataset.recheck.cleaning import Target, cleaning
from ingest_guard.dataset.recheck.matched_records import Sink, matched_records
from ingest_guard.dataset.recheck.plan import Opened, Plan
from ingest_guard.dataset.recheck.search import Removed, Searched, search, search_pages
from ingest_guard.dataset.recheck.summary import Report
from ingest_guard.dataset.tables.shard_files import find_shards
from ingest_guard.errors import PolicyError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey


class Further(Protocol):
    """What is removed along with the records that a blocklist knows: their neighbours, for one."""

    def prepare(self) -> None:
        """Make sure that it can be done, before the long work; the records are held by now."""

    def find(self, removed: Mapping[str, Mapping[int, Removed]]) -> Mapping[str, Mapping[int, Removed]]:
        """Return more records that must go: by table, by row.

        Parameters
        ----------
        removed
            The records that the blocklist knows, in the same form.
        """

    def steps(self) -> tuple[Step, ...]:
        """Return what the new manifest says of it."""

    def lines(self) -> list[str]:
        """Return what came of it, for a terminal: counts alone."""


@dataclass(frozen=True, slots=True)
class Output:
    """What is written, and where.

    Attributes
    ----------
    clean
        A new folder for the cleaned shards; None: none.
    in_place
        Replace the shards themselves. Without this and `clean`, nothing is written: a rehearsal.
    tombstones
        Where the tombstones go; None: beside the cleaned folder.
    recipients
        age recipients to whom they are sealed.
    not_compared
        What becomes of records with nothing to compare.
    sign
        Who signs the manifest.
    jobs
        Processes that search.
    embeddings
        Where the tables' embeddings are, if not beside them: row-aligned files lose the same rows.
    """

    clean: Path | None = None
    in_place: bool = False
    tombstones: Path | None = None
    recipients: tuple[str, ...] = ()
    not_compared: Literal["keep", "remove"] = "keep"
    sign: Ed25519PrivateKey | None = None
    jobs: int = 1
    embeddings: Path | None = None

    @property
    def target(self) -> Target:
        """Where the cleaned records go."""
        return Target(self.clean, self.in_place, self.embeddings)


def recheck(
    source: Path, plan: Plan, output: Output, further: Further | None = None, sink: Sink | None = None
) -> Report:
    """Compare all records of a folder with a blocklist, and write the shards without those that it knows.

    Nothing is fetched. Kept records stay as they are. Row-aligned files of embeddings lose the same rows.

    Parameters
    ----------
    source
        A folder of shards, or one shard.
    plan
        What to compare with.
    output
        What to write, and where.
    further
        What else is removed, given what the blocklist knows; into a new folder alone.
    sink
        Gets the records that the blocklist knows, before anything is written.

    Raises
    ------
    PolicyError
        Wrong use: there are no shards, no columns to compare, or something is in the way of the output.
    DatasetError, BlocklistError, AttestationError
        Something cannot be read or written; no shard is half written then.
    """
    if output.clean is not None and output.in_place:
        raise PolicyError("choose one: a folder for the cleaned shards (-o), or --in-place")
    if further is not None and output.in_place:
        raise PolicyError(
            "neighbours are removed into a new folder (-o) alone: after a kill in place, records that lists know would "
            "be gone, and their neighbours could not be found any more"
        )
    find_shards(source)
    tombstone_path = _tombstone_path(source, output)
    with cleaning(source, output.target) as records:
        if further is not None:
            further.prepare()
        opened = plan.open()
        started = time.perf_counter()
        found = _search(records.shards, plan, opened, output.jobs)
        _require_usable(found, opened)
        records.require_fit({name: each.rows for name, each in found.items()})
        _add_pages(records.shards, found, opened)
        if further is not None:
            for name, more in further.find({name: each.removed for name, each in found.items()}).items():
                found[name].removed = dict(more) | found[name].removed
        report = _count(found, opened, output)
        report.further = [] if further is None else further.lines()
        searched = time.perf_counter()
        deleted = {name: _deleted_rows(each, output) for name, each in found.items()}
        if output.target.writes and report.actions:
            removed = {name: each.removed for name, each in found.items() if each.removed}
            if sink is not None:
                known = {name: path for name, path in records.shards.items() if name in removed}
                sink.take(matched_records(known, removed, opened), opened)
            unnamed = {
                name: found[name].rows
                for name, records_gone in removed.items()
                if any(each.uid is None for each in records_gone.values())
            }
            head = {"created": now(), "blocklist": opened.version, "since": list(opened.since), "rows": unnamed}
            report.tombstones = tombstones.write(tombstone_path, head, removed, output.recipients)
        said = provenance.Reissued(
            partial(provenance.describe_recheck, opened, report),
            report.records,
            report.removed,
            () if further is None else further.steps(),
        )
        report.manifest = records.write(deleted, lambda old, new: provenance.reissue(old, new, said, output.sign))
        report.seconds = (searched - started, time.perf_counter() - searched)
    return report


def _tombstone_path(source: Path, output: Output) -> Path:
    """Return where the tombstones go, once it is known that they can."""
    sealed_lines.require_recipients(output.recipients)
    folder, target = source if source.is_dir() else source.parent, output.clean or source
    chosen = output.tombstones or tombstones.default_path(target, sealed=bool(output.recipients))
    if output.target.writes:
        # The folder of a single shard may be for anything.
        places = {folder, target} if source.is_dir() else {target}
        sealed_lines.refuse_inside("--tombstones", chosen, *places, what="tombstones")
        tombstones.remove_leftovers(chosen, target)
    return chosen


def _search(shards: Mapping[str, Path], plan: Plan, opened: Opened, jobs: int) -> dict[str, Searched]:
    if jobs <= 1 or len(shards) == 1:
        return {name: search(path, name, opened) for name, path in shards.items()}
    # Started anew, not forked: Arrow has threads.
    with get_context("spawn").Pool(min(jobs, len(shards)), _open_in_child, (plan, opened.version)) as pool:
        found = pool.map(_search_in_child, [(path, name) for name, path in shards.items()], chunksize=1)
    return dict(zip(shards, found, strict=True))


def _require_usable(found: Mapping[str, Searched], opened: Opened) -> None:
    """Raise PolicyError where no shard has a column that could be compared: the columns have other names."""
    first, wanted = next(iter(found)), opened.comparer.names
    if any(each.usable or not each.rows for each in found.values()) or not wanted:
        return
    raise PolicyError(
        f"{first}: none of its columns can be compared: the lists hold {', '.join(wanted)}, and the columns are "
        f"{', '.join(found[first].columns) or 'none'}; name the right ones with --columns, as in --columns md5=MD5"
    )


# The open plan of a child process.
_IN_CHILD: list[Opened] = []


def _open_in_child(plan: Plan, version: str) -> None:
    opened = plan.open()
    if opened.version != version:
        raise PolicyError("the blocklist changed meanwhile; start again")
    _IN_CHILD[:] = [opened]


def _search_in_child(task: tuple[Path, str]) -> Searched:
    return search(*task, _IN_CHILD[0])


def _add_pages(shards: Mapping[str, Path], found: dict[str, Searched], opened: Opened) -> None:
    """Add the other records of pages that lose all their records."""
    pages = set[bytes]().union(*(each.pages for each in found.values()))
    for name, path in shards.items() if pages else ():
        found[name].removed = search_pages(path, name, opened, pages) | found[name].removed


def _deleted_rows(found: Searched, output: Output) -> npt.NDArray[np.int64]:
    """Return the rows of a shard that are left out, sorted."""
    rows = np.fromiter(found.removed, np.int64, len(found.removed))
    if output.not_compared == "remove":
        rows = np.concatenate([rows, found.not_compared])
    return np.unique(rows)


def _count(found: Mapping[str, Searched], opened: Opened, output: Output) -> Report:
    report = Report(
        opened.version,
        opened.since,
        shards=len(found),
        compared=opened.comparer.names,
        near_entries=dict(opened.comparer.near_entries),
    )
    for each in found.values():
        removed = len(_deleted_rows(each, output))
        report.records += each.rows
        report.removed += removed
        report.changed += bool(removed)
        report.not_compared += len(each.not_compared)
        report.dropped += len(each.not_compared) if output.not_compared == "remove" else 0
        report.all_views += each.all_views
        report.unread += each.unread
        for record in each.removed.values():
            report.actions[str(record.action)] += 1
            report.lists.update({list_id for list_id, _, _ in record.matches if list_id})
            report.algorithms.update({algorithm for _, _, algorithm in record.matches})
    return report
