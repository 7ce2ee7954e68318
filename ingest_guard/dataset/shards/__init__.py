"""The files in which records lie: which they are, where they are, and how to read and write them."""

from ingest_guard.dataset.shards.names import shard_files
from ingest_guard.dataset.shards.read import iter_batches, note_of, outfit_of, read_rows
from ingest_guard.dataset.shards.writer import ShardWriter, write_parquet

__all__ = ["ShardWriter", "iter_batches", "note_of", "outfit_of", "read_rows", "shard_files", "write_parquet"]
