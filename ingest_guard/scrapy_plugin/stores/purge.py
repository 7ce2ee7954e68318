"""Remove from a project's stores what the guard has not checked, or would not let pass now.

HTTP caches and the queues of job directories are removed whole: a crawl makes them anew. The files of media stores are
checked one by one. Only what Scrapy wrote, by its name and place, is removed from a cache or a job directory. No link
is followed or removed. What cannot be checked or removed is counted, and its store stays one that no crawl starts with.
"""

import asyncio
import itertools
import os
import re
import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from ingest_guard.errors import GuardFailedError, SetupError
from ingest_guard.guard.guard import Guard
from ingest_guard.policy.policy import Policy
from ingest_guard.scrapy_plugin.stores.stores import CACHE, JOB, MARKER, MEDIA, Store, contents
from ingest_guard.verdict import Outcome
from ingest_guard.workers.inline import InlinePool
from ingest_guard.workers.pool import WorkerPool

_AT_ONCE = 16
# FilesystemCacheStorage: CACHE/SPIDER/FIRST TWO DIGITS/FINGERPRINT/FILE.
_FINGERPRINT = re.compile(r"[0-9a-f]{3,}")
# DbmCacheStorage: CACHE/SPIDER.db, and what may stand behind it: parts of dbm.dumb and dbm.ndbm, SQLite's journals.
_DATABASE = re.compile(r".+\.db(?:\.(?:dat|dir|bak|db|pag)|-(?:wal|shm|journal))?")
# Without the queue, the list of seen requests would make a crawl skip what waited; the state is any pickle.
_JOB_PARTS = frozenset({"requests.queue", "requests.seen", "spider.state"})


@dataclass(slots=True)
class Findings:
    """What a purge found in one store.

    Attributes
    ----------
    whole
        Files that are removed without a look at them.
    looked_at
        Files that were checked.
    matched, not_scannable
        How many of these are on a list, or raise a doubt.
    left
        What is no part of the store by its name, is a link, or could not be removed.
    is_shared
        True where the working folder or another kind of store lies in the folder: then nothing in it was touched.
    """

    whole: int = 0
    looked_at: int = 0
    matched: int = 0
    not_scannable: int = 0
    left: set[Path] = field(default_factory=set)
    is_shared: bool = False

    @property
    def bad(self) -> int:
        """How many files must go."""
        return self.whole + self.matched + self.not_scannable


def purge(
    stores: Iterable[Store], policy: Policy, *, dry_run: bool = False, since: float = 0.0
) -> Iterator[tuple[Store, Findings]]:
    """Purge stores, one after the other: those first that need no look at their files.

    Parameters
    ----------
    stores
        All stores of a project.
    policy
        Its lists and limits are those that media stores are held against.
    dry_run
        Remove nothing, write no marker.
    since
        Look only at files of media stores that were written at or after this time (seconds since 1970).

    Raises
    ------
    IngestGuardError
        The blocklist cannot be used, or the workers fail: that media store is left as it is.
    """
    found = sorted((store for store in stores if store.folder.is_dir()), key=lambda store: store.kind == MEDIA)
    for store in found:
        if _is_shared(store, found):
            yield store, Findings(is_shared=True)
        elif store.kind == MEDIA:
            yield store, asyncio.run(_look_through(store, policy, dry_run=dry_run, since=since))
        else:
            yield store, _remove_whole(store, dry_run=dry_run)


def _is_shared(store: Store, stores: Iterable[Store]) -> bool:
    """Check whether a folder holds what its purge would harm. In a job directory it touches three names alone."""
    others = [other.folder for other in stores if other.kind != store.kind]
    return store.kind != JOB and any(folder.is_relative_to(store.folder) for folder in [Path.cwd(), *others])


def _remove_whole(store: Store, *, dry_run: bool) -> Findings:
    findings = Findings()
    for path, descriptor in contents(store.folder):
        parts = path.relative_to(store.folder).parts
        if descriptor >= 0 and (_is_cached(parts) if store.kind == CACHE else parts[0] in _JOB_PARTS):
            if _remove(path, descriptor, dry_run=dry_run):
                findings.whole += 1
                _remove_empty_folders(path, store.folder)
            else:
                findings.left.add(path)
        elif descriptor < 0 or (store.kind == CACHE and parts != (MARKER,)):
            findings.left.add(path)
    if store.kind == CACHE and not dry_run and not findings.left:
        (store.folder / MARKER).unlink(missing_ok=True)  # it speaks of what is no longer there
    return findings


def _is_cached(parts: tuple[str, ...]) -> bool:
    """Check whether a file is a cache's, by its path inside the cache's folder."""
    if len(parts) == 1:
        return _DATABASE.fullmatch(parts[0]) is not None
    *before, start, fingerprint, _ = ("", *parts)
    return len(before) > 1 and fingerprint[:2] == start and _FINGERPRINT.fullmatch(fingerprint) is not None


def _is_file(path: Path, descriptor: int) -> bool:
    return stat.S_ISREG(os.stat(path.name, dir_fd=descriptor, follow_symlinks=False).st_mode)


def _remove(path: Path, descriptor: int, *, dry_run: bool) -> bool:
    """Remove a file; return False where it is not an ordinary file, or cannot be removed."""
    try:
        if not _is_file(path, descriptor):
            return False
        if not dry_run:
            os.unlink(path.name, dir_fd=descriptor)
    except FileNotFoundError:
        return True
    except OSError:
        return False
    return True


def _remove_empty_folders(path: Path, root: Path) -> None:
    for folder in path.parents:
        try:
            if folder == root:
                return
            folder.rmdir()
        except OSError:
            return


async def _look_through(store: Store, policy: Policy, *, dry_run: bool, since: float) -> Findings:
    findings, names = Findings(), set()
    guard, faults = Guard.from_policy(policy), list[str]()
    pool = WorkerPool(guard, faults.append) if policy.worker_count else InlinePool(guard)
    try:
        pool.start()
        await pool.ready()
        files = _read_files(store, policy.limits.bytes, since, findings)
        while batch := list(itertools.islice(files, _AT_ONCE)):
            outcomes = await asyncio.gather(*(_check(guard, pool, data) for _, data in batch))
            if faults:
                raise GuardFailedError(f"the scan workers failed; the {store} is left as it is")
            findings.looked_at += len(batch)
            findings.matched += outcomes.count(Outcome.MATCH)
            findings.not_scannable += outcomes.count(Outcome.NOT_SCANNABLE)
            bad = (Outcome.MATCH, Outcome.NOT_SCANNABLE)
            names |= {path.stem for (path, _), outcome in zip(batch, outcomes, strict=True) if outcome in bad}
    finally:
        pool.close()
    if names and not dry_run:
        # Thumbnails have the names of their pictures.
        found = ((path, descriptor) for path, descriptor in contents(store.folder) if path.stem in names)
        findings.left |= {path for path, descriptor in found if not _remove(path, descriptor, dry_run=False)}
    # A look at a part says nothing of the rest.
    if not dry_run and not since and not findings.left:
        try:
            store.mark(guard.version, purged=True)
        except OSError as error:
            raise SetupError(f"the {store} was looked through, and cannot be marked so ({error.strerror})") from None
    return findings


def _read_files(store: Store, limit: int, since: float, findings: Findings) -> Iterator[tuple[Path, bytes | None]]:
    """Yield the files of a media store and what is in them: a byte too much of large ones, None of unreadable ones."""
    for path, descriptor in contents(store.folder):
        if path == store.folder / MARKER:
            continue
        try:
            if descriptor < 0 or not _is_file(path, descriptor):
                findings.left.add(path)
                continue
            opened = os.open(path.name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=descriptor)
            with open(opened, "rb") as file:  # noqa: PTH123 - opened already
                if os.fstat(opened).st_mtime >= since:
                    yield path, file.read(limit + 1)
        except FileNotFoundError:
            continue
        except OSError:
            yield path, None


async def _check(guard: Guard, pool: WorkerPool | InlinePool, data: bytes | None) -> Outcome:
    """Check a file. Whatever keeps it from being checked is a doubt."""
    if data is None:
        return Outcome.NOT_SCANNABLE
    try:
        inquiry = guard.begin(data)
        if inquiry.is_unread:
            inquiry = guard.finish(inquiry, await pool.read(data))
        return guard.conclude(inquiry, [await pool.scan(part.data) for part in inquiry.parts]).outcome
    except Exception:  # noqa: BLE001 - a fault of ours must not leave the file there
        return Outcome.NOT_SCANNABLE
