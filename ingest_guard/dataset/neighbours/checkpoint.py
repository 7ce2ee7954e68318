""":class:`Checkpoint`: where a search stands, so that one that was killed can go on. It never lies on a disk.

It holds row numbers of candidates, and so is a directory of abuse imagery as the result is. The result is sealed; the
checkpoint lies in memory-backed storage alone, readable for its owner, and goes when the search has ended, or the
machine is restarted. Where there is no such storage, a search cannot be resumed.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
import stat
import time
import zipfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ingest_guard._version import __version__
from ingest_guard.dataset.embeddings.embedding_files import EmbeddingFile
from ingest_guard.dataset.neighbours.nearest import Hits, Pass, Wanted
from ingest_guard.dataset.neighbours.unit_rows import Floats
from ingest_guard.files.atomic import whole_file

_NAME = "ingest-guard-neighbours-"
_MODE = 0o600
_MOST_BYTES = 64 << 20
"""Containers have 64 MB in /dev/shm, most often."""
_FORGOTTEN = 7 * 24 * 3600
"""Seconds after which a checkpoint is abandoned."""
_MEMORY = {"tmpfs", "ramfs"}
_MOUNTS = Path("/proc/self/mountinfo")


class Checkpoint:
    """Where one search stands.

    Parameters
    ----------
    files
        What is searched; a file that changes makes it another search.
    seeds, wanted
        What is looked for.

    Attributes
    ----------
    resumable
        Whether the search can be resumed after a kill, as far as is known by now.
    """

    def __init__(self, files: Sequence[EmbeddingFile], seeds: Floats, wanted: Wanted) -> None:
        folder = _memory_folder()
        self.resumable = folder is not None
        self._path = (folder or Path()) / f"{_NAME}{_name_search(files, seeds, wanted)}"
        if folder is not None:
            _remove_forgotten(folder)

    def load(self) -> tuple[int, Pass]:
        """Return how many files were done when the search was killed, and what was found in them; (0, nothing) else."""
        if not self.resumable:
            return 0, Pass()
        try:
            descriptor = os.open(self._path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
            with os.fdopen(descriptor, "rb") as file:
                status = os.fstat(descriptor)
                if status.st_uid != os.geteuid() or stat.S_IMODE(status.st_mode) != _MODE:
                    return 0, Pass()
                with np.load(io.BytesIO(file.read(2 * _MOST_BYTES)), allow_pickle=False) as saved:
                    done, compared, not_compared = saved["counts"].tolist()
                    hits = Hits(saved["seed"], saved["row"], saved["similarity"])
                    return done, Pass(hits, compared, not_compared)
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
            return 0, Pass()

    def save(self, done: int, state: Pass) -> None:
        """Note that so many files are done; where there is no room for that, the search is not resumable any more."""
        if not self.resumable:
            return
        data = io.BytesIO()
        counts = np.array([done, state.compared, state.not_compared], np.int64)
        hits = state.hits
        np.savez(data, counts=counts, seed=hits.seed, row=hits.row, similarity=hits.similarity)
        if data.tell() <= _MOST_BYTES:
            with contextlib.suppress(OSError), whole_file(self._path, _MODE) as file:
                file.write(data.getbuffer())
                return
        self.remove()
        self.resumable = False

    def remove(self) -> None:
        """Forget where the search stands."""
        if self.resumable:
            with contextlib.suppress(OSError):
                self._path.unlink(missing_ok=True)


def _name_search(files: Sequence[EmbeddingFile], seeds: Floats, wanted: Wanted) -> str:
    """Return a name for this very search: the same for the same files, seeds and numbers."""
    digest = hashlib.blake2b(f"{__version__} {wanted}".encode(), digest_size=16)
    digest.update(np.ascontiguousarray(seeds, np.float32).tobytes())
    for each in files:
        facts = [(path.stat().st_size, path.stat().st_mtime_ns, path.stat().st_ino) for path in (each.table, each.path)]
        digest.update(f"{each.name}\0{each.path.absolute()}\0{each.member}\0{each.rows}\0{facts}".encode())
    return digest.hexdigest()


def _memory_folder() -> Path | None:
    """Return a folder of this user, or of all, that lies in memory; None where there is none."""
    for folder in (os.environ.get("XDG_RUNTIME_DIR"), "/dev/shm"):  # noqa: S108 - files there are for their owner alone
        if folder and Path(folder).is_absolute() and os.access(folder, os.W_OK | os.X_OK) and _is_memory(Path(folder)):
            return Path(folder)
    return None


def _is_memory(folder: Path) -> bool:
    """Return whether a folder's file system is kept in memory."""
    whole = folder.resolve()
    kind, longest = "", -1
    try:
        lines = _MOUNTS.read_text(errors="surrogateescape").splitlines()
    except OSError:
        return False
    for line in lines:
        before, _, after = line.partition(" - ")
        mount = Path(before.split(" ")[4].replace("\\040", " "))
        # A later mount hides an earlier one in the same place.
        if whole.is_relative_to(mount) and len(mount.parts) >= longest:
            kind, longest = after.split(" ", 1)[0], len(mount.parts)
    return kind in _MEMORY


def _remove_forgotten(folder: Path) -> None:
    """Remove this user's abandoned checkpoints."""
    with contextlib.suppress(OSError):
        for path in folder.glob(f"{_NAME}*"):
            status = path.lstat()
            if status.st_uid == os.geteuid() and status.st_mtime < time.time() - _FORGOTTEN:
                path.unlink(missing_ok=True)
