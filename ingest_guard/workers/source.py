"""The supply of workers of a pool: a nursery, and another one when that has died."""

import time
from collections.abc import Callable

from ingest_guard.guard.guard import Guard
from ingest_guard.guard.transfer import pack_guard
from ingest_guard.workers.nursery import Nursery
from ingest_guard.workers.worker import Events, Worker

START_SECONDS = 120.0
"""How long a process may take until it is ready."""
_ENDED = "the process that they come from ended"


class Source:
    """The nursery in use, and those before it that have not ended yet.

    Parameters
    ----------
    guard
        Whose policy and blocklist the workers use.
    on_ready
        Called when workers can be forked.
    on_lost
        Called when the nursery has ended, with the reason, and whether another one would fail just the same. Its
        workers end with it, and are lost one by one.
    """

    def __init__(self, guard: Guard, on_ready: Callable[[], None], on_lost: Callable[[str, bool], None]) -> None:
        self._configuration = _configuration(guard)
        self._on_ready, self._on_lost = on_ready, on_lost
        self._ended: list[Nursery] = []
        self._is_attached = False
        self.nursery: Nursery | None = None

    def start(self) -> None:
        """Start a nursery; needs no running event loop until :meth:`attach`.

        Raises
        ------
        OSError
            No process can be started.
        """
        self.nursery = Nursery(self._configuration, lambda _: self._on_ready(), self._lose)
        if self._is_attached:
            self.nursery.attach()

    def attach(self) -> None:
        """Let the event loop that is running now serve this nursery, and all later ones."""
        self._is_attached = True
        if self.nursery is not None:
            self.nursery.attach()

    def fork(self, events: Events) -> Worker | None:
        """Return a new worker, or None where that must wait until a nursery is ready."""
        nursery = self.nursery
        if nursery is None or not nursery.is_ready:
            return None
        try:
            return Worker(nursery, events)
        except OSError:
            self._lose(nursery, _ENDED)
            return None

    def is_of_now(self, worker: Worker) -> bool:
        """Return whether a worker's nursery is still there: if not, the worker died of that.

        The end of a worker may be seen before that of its nursery.
        """
        if self.nursery is not None and self.nursery.is_gone():
            self._lose(self.nursery, _ENDED)
        return worker.nursery is self.nursery

    def tick(self) -> None:
        """Give up a nursery that does not start, and forget those that have ended."""
        nursery = self.nursery
        if nursery is not None and not nursery.is_ready and time.monotonic() - nursery.born > START_SECONDS:
            self._lose(nursery, f"they did not start within {START_SECONDS:.0f} seconds")
        self._ended = [ended for ended in self._ended if not ended.reap(0)]

    def retire(self) -> None:
        """End all processes without waiting for them."""
        if self.nursery is not None:
            self.nursery.end()
            self._ended.append(self.nursery)
            self.nursery = None

    def close(self) -> None:
        """End all processes, and wait until they have ended."""
        self.retire()
        for nursery in self._ended:
            nursery.close()
        self._ended = []

    @property
    def is_over(self) -> bool:
        """Whether no process is left."""
        return self.nursery is None and not self._ended

    def _lose(self, nursery: Nursery, why: str) -> None:
        if nursery is self.nursery:
            self.retire()
            self._on_lost(why, nursery.cannot_start)


def _configuration(guard: Guard) -> bytes:
    store = guard.policy.blocklist
    versioned = store / "versions" / guard.version
    # The very version that the parent holds, even if the pointer to the current one moves meanwhile.
    return pack_guard(guard, versioned if versioned.is_dir() else store)
