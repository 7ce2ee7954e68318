"""``ingest-guard ...``: one module a command."""

from __future__ import annotations

from ingest_guard.cli.main import main

__all__ = ["main"]
