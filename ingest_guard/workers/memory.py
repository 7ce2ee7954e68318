"""What a worker uses of the machine's memory, told by itself: nobody else may look into a process like it."""

from __future__ import annotations

import contextlib
import os
import re

_ROLLUP = "/proc/self/smaps_rollup"
_LINE = re.compile(rb"^(Pss|Private_Dirty|Private_Clean|Pss_Anon):\s+([0-9]+) kB$", re.MULTILINE)
_LONGEST = 1 << 13


class OwnMemory:
    """The kernel's account of this process, opened while files may still be opened.

    Open it in the process that it is about: a fork that inherits it would read about its parent.
    """

    def __init__(self) -> None:
        self._descriptor: int | None = None
        with contextlib.suppress(OSError):
            self._descriptor = os.open(_ROLLUP, os.O_RDONLY | os.O_CLOEXEC)

    def report(self) -> dict[str, int]:
        """Return bytes: ``private`` that this process has for itself alone, ``pss`` with its share of all it shares.

        ``private`` are written pages (``Private_Dirty``); ``clean`` are pages of files that no other process has mapped
        just now, of the lists above all: the kernel drops those when memory is short. Empty where the kernel does not
        tell.
        """
        if self._descriptor is None:
            return {}
        with contextlib.suppress(OSError):
            found = dict(_LINE.findall(os.pread(self._descriptor, _LONGEST, 0)))
            wanted = {"private": b"Private_Dirty", "clean": b"Private_Clean", "pss": b"Pss"}
            return {name: int(found[key]) * 1024 for name, key in wanted.items() if key in found}
        return {}
