"""The files in which records lie: which they are, how to read them, and how Parquet is written."""

from ingest_guard.dataset.shards.names import shard_files
from ingest_guard.dataset.shards.read import iter_batches, note_of, outfit_of, read_rows
from ingest_guard.dataset.shards.writer import ShardWriter, write_parquet

__all__ = ["ShardWriter", "iter_batches", "note_of", "outfit_of", "read_rows", "shard_files", "write_parquet"]
