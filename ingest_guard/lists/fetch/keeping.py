"""A source's journal and checkpoint on the disk, kept in step.

First the lines of a page are appended and flushed to the disk, then the checkpoint that counts them is put in the place
of the old one. A kill between the two leaves lines that no checkpoint counts: the next run cuts them off and asks for
the page again. A compacted journal is announced in the checkpoint before it is renamed into place, so that whichever of
the two is found afterwards is known by its digest.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, BinaryIO

from ingest_guard.files.atomic import flush, flush_folder
from ingest_guard.lists.checkpoints import CHECKPOINT_SUFFIX, SUFFIX, Mark, counts
from ingest_guard.lists.fetch import compaction
from ingest_guard.lists.fetch.checkpoint import State, private
from ingest_guard.lists.fetch.errors import FetchError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

_FOLDER_MODE = 0o700
_OTHERS = 0o077
_BLOCK = 1 << 20
_SLACK = 10_000
"""Lines that a journal may have on top of twice what it had after its last compaction."""


class Keeping:
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
        self._hash = _hashed(file, state.journal.length)
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

    def tidy(self) -> bool:
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
            mark = compaction.compact(self.path, file, state.journal.length, state.full_from or 0)
            flush(file)
        state.pending = mark
        state.save(self._checkpoint)
        temporary.replace(self.path)
        flush_folder(self.path.parent)
        _settle(state, mark)
        state.save(self._checkpoint)
        self._file.close()
        self._file = private(self.path, os.O_RDWR, "r+b")
        self._hash = _hashed(self._file, mark.length)
        self._length, self._lines = mark.length, mark.lines

    def close(self) -> None:
        """Let go of the file; what was not committed is cut off by the next run."""
        self._file.close()


@contextmanager
def opened(folder: Path, source_id: str, source: str) -> Iterator[Keeping]:
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
            keeping = _mended(path, checkpoint, source)
            try:
                yield keeping
            finally:
                keeping.close()
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


def _mended(path: Path, checkpoint: Path, source: str) -> Keeping:
    state = State.load(checkpoint)
    if state is None:
        if path.exists():
            raise FetchError(
                f"journal {path} has no checkpoint beside it, so that nobody knows where to go on; move it away, and "
                "the source is fetched from the beginning"
            )
        state = State(source)
        # The checkpoint first: a journal alone could be anybody's.
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
    return Keeping(path, checkpoint, state, file)


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


def _hashed(file: BinaryIO, length: int) -> Any:
    """Return the running digest of the bytes that count; the file is left at their end."""
    file.seek(0)
    hashed = hashlib.sha256()
    while length:
        block = file.read(min(_BLOCK, length))
        hashed.update(block)
        length -= len(block)
    return hashed


def _temporary(path: Path) -> Path:
    return path.with_name(path.name + ".new")
