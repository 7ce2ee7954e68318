"""What is set for the crawl's whole process: it leaves no core dump, and no other program reads its memory.

A core dump is a copy of everything that was in memory, bodies included, and other programs of the same user may read a
process's memory. Both are switched off once the spider opens, before the first request. They stay off when the crawl
has ended: what it saw may still be in memory then.
"""

import ctypes
import logging
import resource
import sys
from pathlib import Path

from ingest_guard.policy.operation import Hygiene

logger = logging.getLogger(__name__)

_PR_SET_DUMPABLE = 4
_SWITCH_INTERVAL = 0.0005
_SWAPS = Path("/proc/swaps")


def apply(hygiene: Hygiene) -> None:
    """Switch off what the policy does not allow; a warning says what this system cannot switch off."""
    if not hygiene.core_dumps:
        try:
            # The soft limit is enough, and the process's own program can raise it again.
            resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
        except (ValueError, OSError):
            logger.warning("ingest_guard could not switch core dumps off on this system")
    if not hygiene.dumpable and sys.platform == "linux" and _prctl(_PR_SET_DUMPABLE, 0) != 0:
        logger.warning("ingest_guard could not close this process's memory to other programs")


def share_the_interpreter() -> None:
    """Let the event loop have the interpreter back within half a millisecond while a thread looks at a large body.

    With Python's own 5 ms, each of the loop's system calls may cost as much: a pause is ten of them.
    """
    sys.setswitchinterval(min(sys.getswitchinterval(), _SWITCH_INTERVAL))


def swap_in_use(table: Path | None = None) -> list[str]:
    """Return the names of the swap areas that are on: memory, and so bodies, may be written there."""
    try:
        lines = (table or _SWAPS).read_text(encoding="utf-8", errors="replace").splitlines()[1:]
    except OSError:
        return []
    # Swap on zram is compressed memory, not a disk.
    return [name for line in lines if (name := line.split(" ", 1)[0]) and not name.startswith("/dev/zram")]


def _prctl(option: int, value: int) -> int:
    return int(ctypes.CDLL(None, use_errno=True).prctl(option, value, 0, 0, 0))
