"""The place of a crawl's data set, opened with Scrapy's own settings for buckets.

Shards are uploaded by Scrapy's feed storages, and read back through ``pyarrow.fs``: with the same keys, addresses and
project, so that no setting is needed twice.
"""

from __future__ import annotations

import os
from datetime import timedelta
from importlib import import_module
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from ingest_guard.dataset.shards.location import BucketStore, FolderStore, ShardStore, dataset_uri
from ingest_guard.errors import SetupError
from ingest_guard.scrapy_plugin.core.settings import DATASET_SETTING

if TYPE_CHECKING:
    from scrapy.crawler import Crawler
    from scrapy.settings import BaseSettings

# The Google libraries' own variable, for tests against a server of one's own.
_EMULATOR_VARIABLE = "STORAGE_EMULATOR_HOST"
_RETRY_LIMIT = timedelta(minutes=1)


def open_store(crawler: Crawler) -> ShardStore | None:
    """Return the place of a crawl's data set; None for a crawl without one.

    Raises
    ------
    SetupError
        The place is of an unknown kind, or a package that reads or writes it is missing.
    """
    value = crawler.settings.get(DATASET_SETTING)
    if not value:
        return None
    uri = dataset_uri(value)
    scheme = urlsplit(uri).scheme
    if scheme == "s3":
        # Scrapy would switch off all feeds without it, and crawl on.
        _require("boto3", scheme, "boto3")
        return _open_bucket(uri, _s3, crawler.settings)
    if scheme == "gs":
        _require("google.cloud.storage", scheme, "google-cloud-storage")
        return _open_bucket(uri, _google, crawler.settings)
    return FolderStore(uri)


def _open_bucket(uri: str, connect: Any, settings: BaseSettings) -> BucketStore:
    _require("pyarrow.fs", urlsplit(uri).scheme, '"ingest-guard[parquet]"')
    store = BucketStore(uri, None)
    try:
        return BucketStore(uri, connect(uri, settings))
    except Exception as error:  # noqa: BLE001 - without credentials, client libraries raise one of many kinds
        raise store.unreadable(error) from None


def _s3(uri: str, settings: BaseSettings) -> Any:
    """Return S3, or what speaks its protocol; without keys, those of the environment or the machine."""
    from pyarrow.fs import S3FileSystem, resolve_s3_region  # noqa: PLC0415 - heavy, and only needed for buckets

    parts, endpoint = urlsplit(uri), settings["AWS_ENDPOINT_URL"] or None
    region = settings["AWS_REGION_NAME"] or None
    return S3FileSystem(
        access_key=parts.username or settings["AWS_ACCESS_KEY_ID"],
        secret_key=parts.password or settings["AWS_SECRET_ACCESS_KEY"],
        session_token=settings["AWS_SESSION_TOKEN"],
        endpoint_override=endpoint,
        region=region or (None if endpoint else resolve_s3_region(parts.hostname)),
    )


def _google(uri: str, settings: BaseSettings) -> Any:
    """Return Google Cloud Storage, with the credentials of the environment or the machine."""
    from pyarrow.fs import GcsFileSystem  # noqa: PLC0415 - heavy, and only needed for buckets

    del uri
    chosen: dict[str, Any] = {"project_id": settings["GCS_PROJECT_ID"], "retry_time_limit": _RETRY_LIMIT}
    if emulator := os.environ.get(_EMULATOR_VARIABLE):
        parts = urlsplit(emulator if "://" in emulator else f"http://{emulator}")
        chosen |= {"anonymous": True, "scheme": parts.scheme, "endpoint_override": parts.netloc}
    return GcsFileSystem(**chosen)


def _require(module: str, scheme: str, package: str) -> None:
    try:
        import_module(module)
    except ImportError:
        raise SetupError(
            f"ingest_guard: {DATASET_SETTING} is at {scheme}://, which needs {package}; type: pip install {package}"
        ) from None
