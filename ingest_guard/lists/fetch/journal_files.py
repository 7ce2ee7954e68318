"""A source's journal and checkpoint on the disk, kept in step.

First the lines of a page are appended and flushed to the disk, then the checkpoint that counts them is put in the place
of the old one. A kill between the two leaves lines that no checkpoint counts: the next run cuts them off and asks for
the page again. A compacted journal is announced in the checkpoint before it is renamed into place, so that the
one that is found afterwards is known by its digest.
"""

import fcntl
import hashlib
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from ingest_guard.files.atomic import flush, flush_folder
from ingest_guard.lists.checkpoints import CHECKPOINT_SUFFIX, SUFFIX, Mark, counts, hash_start
from ingest_guard.lists.fetch.checkpoint import State, private
from ingest_guard.lists.fetch.errors import FetchError
from ingest_guard.lists.journal import parse

_FOLDER_MODE = 0o700
_OTHERS = 0o077
_DIGEST = 16
_SLACK = 10_000
"""Lines that a journal may have on top of twice what it had after its last compaction."""


class JournalFiles:
    """The open journal of one source; made by :func:`opened`.

    Attributes
    ----------
    path
        The journal.
    state
        The checkpoint as of the last :meth:`commit`.
    """

    def __init__(self, path: Path, checkpoint: Path, state: State, file: BinaryIO) -> None:
        self.path = path
        self.state = state
        self._checkpoint = checkpoint
        self._file = file
        self._hash = hash_start(file, state.journal.length)
        self._length, self._lines = state.journal.length, state.journal.lines

    def append(self, lines: Iterable[bytes]) -> None:
        """Write lines behind the last one; they do not count before :meth:`commit`."""
        for line in lines:
            self._file.write(line)
            self._hash.update(line)
            self._length += len(line)
            self._lines += 1

    def commit(self, position: Mapping[str, Any], completed: float | None = None) -> None:
        """Make all lines so far count, and note where to go on (and that this was the end, if it was)."""
        flush(self._file)
        self.state.journal = Mark(self._length, self._hash.hexdigest(), self._lines)
        self.state.position = position
        if completed is not None:
            self.state.completed = completed
        self.state.save(self._checkpoint)

    def start_over(self) -> None:
        """Begin a full fetch: what stands in the journal counts until the end of it is reached, and no longer."""
        self.state.full_from = self._length
        self.commit({})

    def compact_if_due(self) -> bool:
        """Compact the journal if a full fetch has ended or the journal has grown enough; return whether it was done."""
        state = self.state
        if state.full_from is None and state.journal.lines <= 2 * state.live + _SLACK:
            return False
        self.compact()
        return True

    def compact(self) -> None:
        """Put a journal with the last line of each key that is not withdrawn into the place of the present one."""
        state = self.state
        temporary = _temporary(self.path)
        with private(temporary, os.O_RDWR | os.O_CREAT | os.O_TRUNC, "w+b") as file:
            mark = write_compacted(self.path, file, state.journal.length, state.full_from or 0)
            flush(file)
        state.pending = mark
        state.save(self._checkpoint)
        temporary.replace(self.path)
        flush_folder(self.path.parent)
        _settle(state, mark)
        state.save(self._checkpoint)
        self._file.close()
        self._file = private(self.path, os.O_RDWR, "r+b")
        self._hash = hash_start(self._file, mark.length)
        self._length, self._lines = mark.length, mark.lines

    def close(self) -> None:
        """Let go of the file; what was not committed is cut off by the next run."""
        self._file.close()


@contextmanager
def opened(folder: Path, source_id: str, source: str) -> Iterator[JournalFiles]:
    """Open a source's journal and checkpoint, mend what a kill left, and keep other fetches out.

    Parameters
    ----------
    folder
        Made if need be, for its owner only.
    source_id
        The journal is ``ID.journal``.
    source
        Digest of what the source is.

    Raises
    ------
    FetchError
        Another fetch is at work, the files are damaged or of another source, or others can read the folder.
    """
    path = folder / f"{source_id}{SUFFIX}"
    checkpoint = folder / f"{source_id}{CHECKPOINT_SUFFIX}"
    try:
        make_folder(folder)
        with private(folder / f".{source_id}.lock", os.O_RDWR | os.O_CREAT, "r+b") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise FetchError(f"another fetch of it is at work in {folder}; wait until it is done") from None
            files = _mended(path, checkpoint, source)
            try:
                yield files
            finally:
                files.close()
    except OSError as error:
        raise FetchError(f"cannot write in {folder}: {error.strerror or type(error).__name__}") from error


def make_folder(folder: Path) -> None:
    """Make a folder that only its owner can look into.

    Raises
    ------
    FetchError
        It is there, and others can.
    """
    folder.mkdir(mode=_FOLDER_MODE, parents=True, exist_ok=True)
    if folder.stat().st_mode & _OTHERS:
        raise FetchError(f"others can look into {folder}, and lists are confidential; chmod 700 it, or name another")


def _mended(path: Path, checkpoint: Path, source: str) -> JournalFiles:
    state = State.load(checkpoint)
    if state is None:
        if path.exists():
            raise FetchError(
                f"journal {path} has no checkpoint beside it, so it is unknown where to go on; move it away, and "
                "the source is fetched from the beginning"
            )
        state = State(source)
        # The checkpoint first: a journal alone does not say what source it is of.
        state.save(checkpoint)
    if state.source != source:
        raise FetchError(
            f"checkpoint {checkpoint} is of another service, address or collection; give this source another id, or "
            "move the old files away"
        )
    _temporary(path).unlink(missing_ok=True)
    if state.journal.length == 0 and state.pending is None:
        file = private(path, os.O_RDWR | os.O_CREAT, "r+b")
    else:
        file = _verified(path, state)
    if state.pending is not None:
        state.pending = None
        state.save(checkpoint)
    file.truncate(state.journal.length)
    return JournalFiles(path, checkpoint, state, file)


def _verified(path: Path, state: State) -> BinaryIO:
    try:
        file: BinaryIO = private(path, os.O_RDWR, "r+b")
    except FileNotFoundError:
        raise FetchError(f"journal {path} is gone, but not its checkpoint; remove that too, and fetch again") from None
    if state.pending is not None and counts(file, state.pending):
        _settle(state, state.pending)
    elif not counts(file, state.journal):
        file.close()
        raise FetchError(
            f"journal {path} is not what its checkpoint says: it was changed or cut off; remove both and fetch again"
        )
    return file


def _settle(state: State, mark: Mark) -> None:
    """Note that the compacted journal is in its place."""
    state.journal, state.pending = mark, None
    state.live, state.full_from = mark.lines, None


def _temporary(path: Path) -> Path:
    return path.with_name(path.name + ".new")


def write_compacted(path: Path, target: BinaryIO, length: int, since: int = 0) -> Mark:
    """Write the lines that still count to another file: the last of each key, unless it is a withdrawal.

    Two passes over the journal. Of each line the first keeps sixteen bytes of its key's digest and a mark, so that ten
    million lines take some hundred megabytes and not the gigabytes of a dictionary.

    Parameters
    ----------
    path
        The journal.
    target
        An empty file.
    length
        How many bytes of the journal count.
    since
        Where the first line begins that counts.

    Returns
    -------
    Mark
        Of what was written.
    """
    stays = find_survivors(path, length, since)
    hashed, written = hashlib.sha256(), 0
    for line, keep in zip(_lines(path, length, since), stays, strict=True):
        if keep:
            target.write(line)
            hashed.update(line)
            written += len(line)
    return Mark(written, hashed.hexdigest(), int(stays.sum()))


def find_survivors(path: Path, length: int, since: int = 0) -> NDArray[np.bool_]:
    """Return for each line whether it stays; bool, (lines,)."""
    digests, gone = bytearray(), bytearray()
    for line in _lines(path, length, since):
        try:
            record = parse(line)
        except ValueError:
            # Not a line of ours, so its meaning is unknown: it stays, for the reader to reject and count.
            digests += hashlib.blake2b(line, digest_size=_DIGEST).digest()
            gone.append(0)
            continue
        digests += hashlib.blake2b(record.key.encode("utf-8", "surrogatepass"), digest_size=_DIGEST).digest()
        gone.append(record.deleted)
    keys = np.frombuffer(bytes(digests), np.uint64).reshape(-1, 2)
    # The sort is stable: equal keys stay in the order of the file, and the last of each run is the last in the file.
    order = np.lexsort((keys[:, 1], keys[:, 0]))
    ordered = keys[order]
    is_last = np.ones(len(order), np.bool_)
    is_last[:-1] = (ordered[1:] != ordered[:-1]).any(axis=1)
    stays: NDArray[np.bool_] = np.zeros(len(order), np.bool_)
    stays[order[is_last]] = True
    stays[np.frombuffer(bytes(gone), np.uint8) != 0] = False
    return stays


def _lines(path: Path, length: int, since: int) -> Iterator[bytes]:
    with path.open("rb") as file:
        file.seek(since)
        while since < length:
            line = file.readline()
            since += len(line)
            yield line
