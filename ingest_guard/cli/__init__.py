"""``ingest-guard ...``: one module a command."""

from ingest_guard.cli.main import main

__all__ = ["main"]
