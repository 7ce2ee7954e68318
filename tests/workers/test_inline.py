from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from support.pictures import drawn, encode

from ingest_guard import Reason
from ingest_guard.workers.inline import InlinePool

if TYPE_CHECKING:
    from collections.abc import Callable

    import pytest

    from ingest_guard import Guard


def test_the_inline_pool_scans_in_the_same_process(guard_with: Callable[..., Guard]) -> None:
    """The inline mode gives the same answer, has always room, and nothing to start or end."""
    guard = guard_with(workers="inline")
    pool = InlinePool(guard)

    async def work() -> Any:
        pool.start()
        await pool.ready()
        await pool.budget.room()
        scan = await pool.scan(encode(drawn(1, (90, 90)), "PNG"))
        pool.close()
        return scan

    assert asyncio.run(work()) == guard.scanner.scan(encode(drawn(1, (90, 90)), "PNG"))


def test_the_inline_pool_turns_lack_of_memory_into_a_reason(
    guard_with: Callable[..., Guard], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Memory that runs out is a reason, not an exception."""
    guard = guard_with(workers="inline")

    def no_memory(data: bytes) -> None:
        raise MemoryError

    monkeypatch.setattr(guard.scanner, "scan", no_memory)
    assert asyncio.run(InlinePool(guard).scan(b"x")).reason is Reason.MEMORY
