"""Where a data set is, a folder of this machine or a bucket: which shards are there already, and what they hold."""

from __future__ import annotations

import contextlib
import fcntl
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import urlsplit

from scrapy.exceptions import NotConfigured
from scrapy.extensions.feedexport import S3FeedStorage
from w3lib.url import file_uri_to_path

from ingest_guard.dataset.shards.shards import SHARD
from ingest_guard.errors import SetupError
from ingest_guard.files.atomic import remove_hidden
from ingest_guard.scrapy_plugin.core.settings import DATASET_SETTING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager

    from scrapy.crawler import Crawler


class Shelf(Protocol):
    """What holds the shards of a data set."""

    uri: str
    """Where it is, without a slash at the end."""

    def claim(self) -> None:
        """Make it ready for this crawl alone, and clear away what a killed one left."""

    def release(self) -> None:
        """Let others write to it."""

    def shards(self) -> list[str]:
        """Return the names of the shards, sorted."""

    def fetch(self, name: str) -> AbstractContextManager[Path]:
        """Lend a shard as a file."""


def shelf_of(crawler: Crawler) -> Shelf | None:
    """Return where the crawl's data set is; None for a crawl without one.

    Raises
    ------
    SetupError
        It is at a place whose shards cannot be listed, or the place's client library is missing.
    """
    value = crawler.settings.get(DATASET_SETTING)
    if not value:
        return None
    uri = dataset_uri(value)
    scheme = urlsplit(uri).scheme
    if scheme == "s3":
        return _Bucket(uri, crawler)
    if scheme == "gs":
        return _GoogleBucket(uri, crawler)
    return _Folder(uri)


def dataset_uri(value: str | os.PathLike[str]) -> str:
    """Return a data set's place in one form: an absolute path, or a URI; without a slash at the end.

    Raises
    ------
    SetupError
        Of a kind that is not known.
    """
    text = os.fspath(value)
    scheme = urlsplit(text).scheme
    if scheme in {"s3", "gs"}:
        return text.rstrip("/")
    if scheme == "file":
        return file_uri_to_path(text).rstrip("/")
    if "://" in text:
        raise SetupError(
            f"ingest_guard: {DATASET_SETTING} is at {scheme}://, whose shards cannot be listed, so a second crawl "
            "would overwrite the first one's; name a folder, s3:// or gs://, or write there with FEEDS"
        )
    return str(Path(text).expanduser().absolute())


class _Folder:
    """A folder of this machine."""

    def __init__(self, path: str) -> None:
        self.uri = path
        self._path = Path(path)
        self._lock: int | None = None

    def claim(self) -> None:
        try:
            self._path.mkdir(parents=True, exist_ok=True)
            # On the folder itself, so that no file of it is left over; it ends with this process, however that ends.
            self._lock = os.open(self._path, os.O_RDONLY | os.O_DIRECTORY)
        except OSError as error:
            raise SetupError(
                f"ingest_guard: {self._path} cannot be the folder of a data set: {error.strerror}; name another one"
            ) from None
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(self._lock)
            raise SetupError(
                f"ingest_guard: another crawl writes to the data set in {self._path}; wait for its end, or name "
                "another folder"
            ) from None
        except OSError:  # a file system without locks
            pass
        remove_hidden(self._path, SHARD)

    def release(self) -> None:
        """Let others write there."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def shards(self) -> list[str]:
        return sorted(entry.name for entry in self._path.iterdir() if SHARD.fullmatch(entry.name))

    @contextlib.contextmanager
    def fetch(self, name: str) -> Iterator[Path]:
        yield self._path / name


class _Remote:
    """What buckets have in common; nobody but this crawl may write to it, which only its operator can know."""

    def __init__(self, uri: str) -> None:
        self.uri = uri
        parts = urlsplit(uri)
        self._bucket = parts.hostname or ""
        self._prefix = f"{parts.path.strip('/')}/".lstrip("/")

    def claim(self) -> None:
        """Do nothing: an upload appears when it is whole."""

    def release(self) -> None:
        """Do nothing."""

    def shards(self) -> list[str]:
        try:
            names = [key.removeprefix(self._prefix) for key in self._keys()]
        except Exception as error:  # noqa: BLE001 - client libraries raise their own kinds
            raise self._unreachable(error) from None
        return sorted(name for name in names if SHARD.fullmatch(name))

    @contextlib.contextmanager
    def fetch(self, name: str) -> Iterator[Path]:
        # Its suffix tells the format; records, and nothing else, are in it.
        with tempfile.NamedTemporaryFile(prefix="ingest-guard-", suffix=name) as file:
            try:
                self._download(self._prefix + name, file)
                file.flush()
            except Exception as error:  # noqa: BLE001 - client libraries raise their own kinds
                raise self._unreachable(error) from None
            yield Path(file.name)

    def _keys(self) -> Iterator[str]:
        raise NotImplementedError

    def _download(self, key: str, file: Any) -> None:
        raise NotImplementedError

    def _unreachable(self, error: Exception) -> SetupError:
        return SetupError(
            f"ingest_guard: the data set at {self.uri} cannot be read ({type(error).__name__}); check the bucket's "
            "name, the credentials and the address of the service"
        )


class _Bucket(_Remote):
    """A bucket of S3, or of anything that speaks its protocol."""

    def __init__(self, uri: str, crawler: Crawler) -> None:
        super().__init__(uri)
        try:
            # With the credentials and the address that the feed itself will use.
            self._client: Any = S3FeedStorage.from_crawler(crawler, f"{uri}/shard").s3_client
        except NotConfigured:
            raise _missing("boto3", "s3") from None

    def _keys(self) -> Iterator[str]:
        pages = self._client.get_paginator("list_objects_v2").paginate(Bucket=self._bucket, Prefix=self._prefix)
        for page in pages:
            yield from (entry["Key"] for entry in page.get("Contents", ()))

    def _download(self, key: str, file: Any) -> None:
        self._client.download_fileobj(self._bucket, key, file)


class _GoogleBucket(_Remote):
    """A bucket of Google Cloud Storage."""

    def __init__(self, uri: str, crawler: Crawler) -> None:
        super().__init__(uri)
        try:
            from google.cloud.storage import Client  # noqa: PLC0415 - heavy, and only some have it
        except ImportError:
            raise _missing("google-cloud-storage", "gs") from None
        try:
            self._client: Any = Client(project=crawler.settings["GCS_PROJECT_ID"])
        except Exception as error:  # noqa: BLE001 - without credentials it raises one of many kinds
            raise self._unreachable(error) from None

    def _keys(self) -> Iterator[str]:
        yield from (blob.name for blob in self._client.list_blobs(self._bucket, prefix=self._prefix))

    def _download(self, key: str, file: Any) -> None:
        self._client.bucket(self._bucket).blob(key).download_to_file(file)


def _missing(package: str, scheme: str) -> SetupError:
    return SetupError(
        f"ingest_guard: {DATASET_SETTING} is at {scheme}://, which needs {package}; type: pip install {package}"
    )
