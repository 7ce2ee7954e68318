from __future__ import annotations

import mmap
import os
from typing import TYPE_CHECKING

from ingest_guard.workers.memory import OwnMemory

if TYPE_CHECKING:
    import pytest


def test_a_process_reports_its_memory_in_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pages of its own, of files that only it has, and its share of all; nothing where the kernel has no account."""
    reported = OwnMemory().report()
    # Pages of its own making: what an allocator hands out may have been this process's before.
    with mmap.mmap(-1, 32 << 20, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS) as held:
        held.write(os.urandom(32 << 20))
        assert OwnMemory().report()["private"] - reported["private"] > 20 << 20
    assert set(reported) == {"private", "clean", "pss"}
    monkeypatch.setattr("ingest_guard.workers.memory._ROLLUP", "/nowhere")
    assert OwnMemory().report() == {}
