"""Waiting for something to become true, without a fixed time."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

SECONDS = 60.0


async def until(holds: Callable[[], object]) -> None:
    """Wait until something holds; an assertion fails where it never does."""
    deadline = time.monotonic() + SECONDS
    while not holds():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.005)
