"""What the process of the crawl may leave behind: no core dump, and no reader of its memory.

A core dump is a copy of everything that was in memory, bodies included, and other programs of the same user may read a
process's memory. Both are switched off once the spider opens, before the first request. They stay off when the crawl
has ended: what it saw may still be in memory then.
"""

from __future__ import annotations

import contextlib
import ctypes
import logging
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ingest_guard.policy.crawl import Hygiene

logger = logging.getLogger(__name__)

_PR_GET_DUMPABLE = 3
_PR_SET_DUMPABLE = 4
_SWAPS = Path("/proc/swaps")


@dataclass(frozen=True, slots=True)
class Before:
    """What was in force; :meth:`restore` brings it back."""

    core_limit: int | None
    dumpable: int | None

    def restore(self) -> None:
        """Undo what :func:`apply` did."""
        if self.core_limit is not None:
            _set_core_limit(self.core_limit)
        if self.dumpable is not None:
            _prctl(_PR_SET_DUMPABLE, self.dumpable)


def apply(hygiene: Hygiene) -> Before:
    """Switch off what the policy does not allow; return what was in force.

    Core dumps end by the soft limit alone, so that whoever started the process can raise it again.
    """
    core_limit = dumpable = None
    if not hygiene.core_dumps:
        core_limit = _set_core_limit(0)
        if core_limit is None:
            logger.warning("ingest_guard could not switch core dumps off on this system")
    if not hygiene.dumpable and sys.platform == "linux":
        dumpable = _prctl(_PR_GET_DUMPABLE, 0)
        if _prctl(_PR_SET_DUMPABLE, 0) != 0:
            logger.warning("ingest_guard could not close this process's memory to other programs")
    return Before(core_limit, dumpable)


def core_limit() -> int | None:
    """Return the soft limit on the size of core dumps, in bytes (-1: none), or None where there are no limits."""
    with contextlib.suppress(ImportError, ValueError, OSError):
        import resource  # noqa: PLC0415 - Unix only

        return resource.getrlimit(resource.RLIMIT_CORE)[0]
    return None


def swap_in_use(table: Path | None = None) -> list[str]:
    """Return the names of the swap areas that are on: memory, and so bodies, may be written there."""
    try:
        lines = (table or _SWAPS).read_text(encoding="utf-8", errors="replace").splitlines()[1:]
    except OSError:
        return []
    # Compressed memory is no disk.
    return [name for line in lines if (name := line.split(" ", 1)[0]) and not name.startswith("/dev/zram")]


def _set_core_limit(soft: int) -> int | None:
    """Set the soft limit; return the one before, or None where it cannot be set."""
    with contextlib.suppress(ImportError, ValueError, OSError):
        import resource  # noqa: PLC0415 - Unix only

        before, hard = resource.getrlimit(resource.RLIMIT_CORE)
        resource.setrlimit(resource.RLIMIT_CORE, (soft, hard))
        return before
    return None


def _prctl(option: int, value: int) -> int:
    return int(ctypes.CDLL(None, use_errno=True).prctl(option, value, 0, 0, 0))
