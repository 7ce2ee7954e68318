"""Where a data set is, by the setting ``INGEST_GUARD_DATASET``, and what a crawl needs of the place.

The shards, ``telemetry.jsonl`` and the manifest all ask here, so that they lie in one place.
"""

import contextlib
import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeAlias
from urllib.parse import unquote, urlsplit

from ingest_guard.dataset.shards.names import CRAWLED, is_shard, shard_names
from ingest_guard.errors import SetupError
from ingest_guard.files.atomic import remove_hidden

BUCKETS = frozenset({"s3", "gs"})


def dataset_uri(value: str | os.PathLike[str]) -> str:
    """Return a data set's place in one form: an absolute path, or a bucket's URI; without a slash at the end.

    A relative path counts from the folder in which the crawl is started.

    Raises
    ------
    SetupError
        The place is of an unknown kind.
    """
    text = os.fspath(value)
    parts = urlsplit(text)
    if parts.scheme in BUCKETS:
        return text.rstrip("/")
    if parts.scheme == "file":
        return str(Path(unquote(parts.path)).absolute())
    if "://" in text:
        raise SetupError(
            f"ingest_guard: INGEST_GUARD_DATASET is at {parts.scheme}://, whose shards cannot be listed, so a second "
            "crawl would overwrite the first one's; name a folder, s3:// or gs://, or write there with FEEDS"
        )
    return str(Path(os.path.expanduser(text)).absolute())  # noqa: PTH111 - pathlib's raises where there is no such user


def local_folder(value: str | os.PathLike[str] | None) -> Path | None:
    """Return the folder of a data set on this machine; None where there is none, or it lies in a bucket."""
    uri = dataset_uri(value) if value else ""
    return Path(uri) if uri and urlsplit(uri).scheme not in BUCKETS else None


def lock_folder(folder: Path) -> int:
    """Keep other crawls out of a folder; return the descriptor that has the lock until it is closed.

    The lock is on the folder itself, so that no lock file is left over, and ends with the process.

    Raises
    ------
    BlockingIOError
        A crawl writes there.
    OSError
        The folder cannot be opened.
    """
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        raise
    except OSError:  # a file system without locks
        pass
    return descriptor


class FolderStore:
    """A data set in a folder of this machine.

    Attributes
    ----------
    uri
        Where it is, without a slash at the end.
    """

    def __init__(self, uri: str) -> None:
        self.uri = uri
        self._path = Path(uri)
        self._lock: int | None = None

    def claim(self) -> None:
        """Lock the folder, which is made if need be; SetupError where that fails."""
        try:
            self._path.mkdir(parents=True, exist_ok=True)
            self._lock = lock_folder(self._path)
        except BlockingIOError:
            raise SetupError(
                f"ingest_guard: another crawl writes to the data set in {self._path}; wait for its end, or name "
                "another folder"
            ) from None
        except OSError as error:
            raise SetupError(
                f"ingest_guard: {self._path} cannot be the folder of a data set: {error.strerror}; name another one"
            ) from None
        remove_hidden(self._path, CRAWLED)

    def release(self) -> None:
        """Unlock the folder."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def names(self) -> list[str]:
        """Return the names of the shards, sorted."""
        return shard_names(self._path)

    @contextlib.contextmanager
    def fetch(self, name: str) -> Iterator[Path]:
        """Lend a file as it lies there."""
        yield self._path / name


class BucketStore:
    """A folder in a bucket, read through ``pyarrow.fs``. Only its operator can know that one crawl alone writes there.

    Parameters
    ----------
    uri
        With ``s3`` or ``gs``.
    filesystem
        A :class:`pyarrow.fs.FileSystem`.
    """

    def __init__(self, uri: str, filesystem: Any) -> None:
        self.uri = uri
        parts = urlsplit(uri)
        self._bucket = parts.hostname or ""
        self._place = f"{parts.scheme}://{self._bucket}{parts.path}"  # an S3 address may have a key in it
        self._path = f"{self._bucket}/{parts.path.strip('/')}".rstrip("/")
        self._filesystem = filesystem

    def claim(self) -> None:
        """Do nothing: an upload appears when it is whole."""

    def release(self) -> None:
        """Do nothing."""

    def names(self) -> list[str]:
        """Return the names of the shards, sorted; SetupError where the bucket cannot be listed."""
        from pyarrow.fs import FileSelector, FileType  # noqa: PLC0415 - heavy, and only needed for buckets

        try:
            found = self._filesystem.get_file_info(FileSelector(self._path, allow_not_found=True, recursive=True))
        except Exception as error:  # noqa: BLE001 - each client library raises its own kinds
            raise self.unreadable(error) from None
        if not found and self._lacks_bucket():
            raise self.unreadable(FileNotFoundError())
        names = (each.path.removeprefix(f"{self._path}/") for each in found if each.type is FileType.File)
        return sorted(filter(is_shard, names))

    @contextlib.contextmanager
    def fetch(self, name: str) -> Iterator[Path]:
        """Lend a copy of a file; SetupError where it cannot be read."""
        with tempfile.TemporaryDirectory(prefix="ingest-guard-") as folder:
            copy = Path(folder, name.rpartition("/")[2])  # its suffix says the format
            try:
                # Else pyarrow would unpack what is called .gz.
                opened = self._filesystem.open_input_stream(f"{self._path}/{name}", compression=None)
                with opened, copy.open("wb") as target:
                    shutil.copyfileobj(opened, target)
            except Exception as error:  # noqa: BLE001 - each client library raises its own kinds
                raise self.unreadable(error) from None
            yield copy

    def _lacks_bucket(self) -> bool:
        """Say whether the bucket is missing: a listing says "empty" then. Not every key is allowed to ask."""
        from pyarrow.fs import FileType  # noqa: PLC0415 - as above

        try:
            return bool(self._filesystem.get_file_info(self._bucket).type is FileType.NotFound)
        except OSError:
            return False

    def unreadable(self, error: Exception) -> SetupError:
        """Return the error of a bucket that cannot be read: nothing but the kind of what a client library raised."""
        return SetupError(
            f"ingest_guard: the data set at {self._place} cannot be read ({type(error).__name__}); check the bucket's "
            "name, the credentials and the address of the service"
        )


ShardStore: TypeAlias = FolderStore | BucketStore
