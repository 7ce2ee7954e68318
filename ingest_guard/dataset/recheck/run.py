""":func:`recheck`: search a whole folder of records first, then write the tombstones, then the shards."""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
import numpy.typing as npt

from ingest_guard._clock import now
from ingest_guard.dataset.recheck import provenance, sealed_lines, tombstones, writing
from ingest_guard.dataset.recheck.plan import Opened, Plan
from ingest_guard.dataset.recheck.search import Searched, search, search_pages
from ingest_guard.dataset.recheck.summary import Report
from ingest_guard.dataset.tables.shard_files import find_shards
from ingest_guard.errors import DatasetError, PolicyError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey


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
    """

    clean: Path | None = None
    in_place: bool = False
    tombstones: Path | None = None
    recipients: tuple[str, ...] = ()
    not_compared: Literal["keep", "remove"] = "keep"
    sign: Ed25519PrivateKey | None = None
    jobs: int = 1

    @property
    def writes(self) -> bool:
        """Whether anything is written."""
        return self.in_place or self.clean is not None


def recheck(source: Path, plan: Plan, output: Output) -> Report:
    """Compare all records of a folder with a blocklist, and write the shards without those that it knows.

    Nothing is fetched. Kept records stay as they are.

    Parameters
    ----------
    source
        A folder of shards, or one shard.
    plan
        What to compare with.
    output
        What to write, and where.

    Raises
    ------
    PolicyError
        Wrong use: there are no shards, no columns to compare, or something is in the way of the output.
    DatasetError, BlocklistError, AttestationError
        Something cannot be read or written; no shard is half written then.
    """
    folder, shards = find_shards(source)
    if output.clean is not None and output.in_place:
        raise PolicyError("choose one: a folder for the cleaned shards (-o), or --in-place")
    target = output.clean or source
    with ExitStack() as stack:
        if output.writes:
            stack.enter_context(writing.only_one(folder))
            if writing.was_interrupted(folder):
                provenance.require_remains(folder, writing.replaced_so_far(folder))
            else:
                provenance.require_true(folder)
        tombstone_path = _tombstone_path(source, target, folder, output)
        if output.in_place:
            writing.remove_leftovers(shards.values())
        partial = writing.partial_folder(target) if output.clean else None
        opened = plan.open()
        started = time.perf_counter()
        found = _search(shards, plan, opened, output.jobs)
        _require_usable(found, opened)
        _add_pages(shards, found, opened)
        report = _count(found, opened, output)
        searched = time.perf_counter()
        deleted = {name: _deleted_rows(each, output) for name, each in found.items()}
        if output.writes and report.lists:
            head = {"created": now(), "blocklist": opened.version, "since": list(opened.since)}
            removed = {name: each.removed for name, each in found.items() if each.removed}
            report.tombstones = tombstones.write(tombstone_path, head, removed, output.recipients)
        if partial:
            for name, path in shards.items():
                writing.copy_shard(path, deleted[name], found[name].stamp, partial / name)
            report.manifest = provenance.reissue(folder, partial, opened, report, output.sign)
            writing.appear(partial, target)
        elif output.in_place:
            _replace_shards(folder, shards, found, deleted)
            report.manifest = provenance.reissue(folder, folder, opened, report, output.sign)
            writing.end(folder)
        report.seconds = (searched - started, time.perf_counter() - searched)
    return report


def _replace_shards(
    folder: Path,
    shards: Mapping[str, Path],
    found: Mapping[str, Searched],
    deleted: Mapping[str, npt.NDArray[np.int64]],
) -> None:
    """Replace each shard that loses records; note in the folder that shards and manifest do not fit meanwhile."""
    writing.begin(folder)
    replaced = 0
    try:
        for name, path in shards.items():
            if len(deleted[name]):
                writing.replace_shard(folder, path, deleted[name], found[name].stamp)
                replaced += 1
    except DatasetError:
        if not replaced:
            writing.end(folder)
        raise


def _tombstone_path(source: Path, target: Path, folder: Path, output: Output) -> Path:
    """Return where the tombstones go, once it is known that they can."""
    sealed_lines.require_recipients(output.recipients)
    if output.clean is not None:
        inside = output.clean.absolute().parent.resolve()
        if source.is_dir() and source.resolve() in (inside, *inside.parents):
            raise PolicyError(f"-o {output.clean} lies in {source}; choose a place outside of the records")
    chosen = output.tombstones or tombstones.default_path(target, sealed=bool(output.recipients))
    if output.writes:
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
