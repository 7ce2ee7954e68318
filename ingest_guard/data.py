"""For those who work with data sets: extract images from pages, read and write shards, recheck, verify, report.

Each name is loaded when it is first asked for, so that nothing costs an import that is not used. ``clean``,
``doomed``, ``write_clean`` and ``neighbours_over`` need pyspark (the extra ``spark``), the search for neighbours needs
``neighbours``, Parquet needs pyarrow (``parquet``), the report needs ``report``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ingest_guard.dataset.attestation.files import write_manifest
    from ingest_guard.dataset.attestation.manifest import Manifest
    from ingest_guard.dataset.attestation.verify import verify
    from ingest_guard.dataset.embeddings.embedding_files import find_embeddings
    from ingest_guard.dataset.neighbours.finding import Seeds, neighbours
    from ingest_guard.dataset.neighbours.nearest import Wanted
    from ingest_guard.dataset.neighbours.over_spark import neighbours_over
    from ingest_guard.dataset.recheck.added_entries import Earlier
    from ingest_guard.dataset.recheck.plan import Plan
    from ingest_guard.dataset.recheck.run import Output, recheck
    from ingest_guard.dataset.recheck.spark import clean, doomed, write_clean
    from ingest_guard.dataset.recheck.summary import Report
    from ingest_guard.dataset.records.layouts import outfit
    from ingest_guard.dataset.report.page import build_report
    from ingest_guard.dataset.shards.names import shard_files
    from ingest_guard.dataset.shards.read import iter_batches, read_rows
    from ingest_guard.dataset.shards.writer import write_parquet
    from ingest_guard.pages.extract import PageImage, extract_images

__all__ = [
    "Earlier",
    "Manifest",
    "Output",
    "PageImage",
    "Plan",
    "Report",
    "Seeds",
    "Wanted",
    "build_report",
    "clean",
    "doomed",
    "extract_images",
    "find_embeddings",
    "iter_batches",
    "neighbours",
    "neighbours_over",
    "outfit",
    "read_rows",
    "recheck",
    "shard_files",
    "verify",
    "write_clean",
    "write_manifest",
    "write_parquet",
]

# Where each is defined, below ``ingest_guard``.
_HOME = {
    "Earlier": "dataset.recheck.added_entries",
    "Manifest": "dataset.attestation.manifest",
    "Output": "dataset.recheck.run",
    "PageImage": "pages.extract",
    "Plan": "dataset.recheck.plan",
    "Report": "dataset.recheck.summary",
    "Seeds": "dataset.neighbours.finding",
    "Wanted": "dataset.neighbours.nearest",
    "build_report": "dataset.report.page",
    "clean": "dataset.recheck.spark",
    "doomed": "dataset.recheck.spark",
    "extract_images": "pages.extract",
    "find_embeddings": "dataset.embeddings.embedding_files",
    "iter_batches": "dataset.shards.read",
    "neighbours": "dataset.neighbours.finding",
    "neighbours_over": "dataset.neighbours.over_spark",
    "outfit": "dataset.records.layouts",
    "read_rows": "dataset.shards.read",
    "recheck": "dataset.recheck.run",
    "shard_files": "dataset.shards.names",
    "verify": "dataset.attestation.verify",
    "write_clean": "dataset.recheck.spark",
    "write_manifest": "dataset.attestation.files",
    "write_parquet": "dataset.shards.writer",
}


def __getattr__(name: str) -> Any:
    if name in _HOME:
        from importlib import import_module  # noqa: PLC0415 - part of the laziness

        return getattr(import_module(f"ingest_guard.{_HOME[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
