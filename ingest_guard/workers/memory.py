"""What workers use of the memory: the report that each makes of itself, and the most that one has used."""

import contextlib
import os
import re
from collections.abc import Iterable

from ingest_guard.workers.worker import Worker

_ROLLUP = "/proc/self/smaps_rollup"
_LINE = re.compile(rb"^(Pss|Private_Dirty|Private_Clean|Pss_Anon):\s+([0-9]+) kB$", re.MULTILINE)
_LONGEST = 1 << 13
_EVERY = 5.0


class OwnMemory:
    """The kernel's account of this process (``smaps_rollup``, proc(5)), opened while files may still be opened.

    A worker reports it itself, since no other process may look into it. Open it in the process that it is about: a fork
    that inherits it would read about its parent.
    """

    def __init__(self) -> None:
        self._descriptor: int | None = None
        with contextlib.suppress(OSError):
            self._descriptor = os.open(_ROLLUP, os.O_RDONLY | os.O_CLOEXEC)

    def report(self) -> dict[str, int]:
        """Return bytes: ``private`` that this process has for itself alone, ``pss`` with its share of all it shares.

        ``private`` are written pages (``Private_Dirty``); ``clean`` are pages of files that no other process has mapped
        just now, of the lists above all: the kernel drops those when memory is short. Empty where the kernel has no
        such account.
        """
        if self._descriptor is None:
            return {}
        with contextlib.suppress(OSError):
            found = dict(_LINE.findall(os.pread(self._descriptor, _LONGEST, 0)))
            wanted = {"private": b"Private_Dirty", "clean": b"Private_Clean", "pss": b"Pss"}
            return {name: int(found[key]) * 1024 for name, key in wanted.items() if key in found}
        return {}


class WorkerMemory:
    """Collects the workers' reports.

    Attributes
    ----------
    peak
        The most that one worker has used, in bytes: ``private``, ``clean``, ``pss``; see :meth:`OwnMemory.report`.
    """

    def __init__(self) -> None:
        self.peak: dict[str, int] = {}
        self._asked = 0.0

    def note(self, worker: Worker) -> None:
        """Take a worker's last report into account."""
        for name, size in worker.memory.items():
            self.peak[name] = max(size, self.peak.get(name, 0))

    def ask(self, workers: Iterable[Worker], now: float) -> None:
        """Take the reports that are there, and ask for new ones; nothing where that was done a moment ago.

        Parameters
        ----------
        workers
            Those of a pool.
        now
            Of the monotonic clock, in seconds.
        """
        if now - self._asked <= _EVERY:
            return
        self._asked = now
        for worker in workers:
            self.note(worker)
            if worker.is_ready and worker.handled > worker.handled_at_report:
                worker.ask_for_report()
