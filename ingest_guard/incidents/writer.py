"""Writing incidents off the event loop: those that come while a batch is being flushed make the next batch.

The same picture, again and again, is one entry. What comes after it is counted, and its addresses are kept; a line that
says so follows when there are many, when a minute has gone by, and at the end.
"""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable, Hashable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from cachetools import LRUCache

from ingest_guard.errors import BlocklistError, IncidentError
from ingest_guard.incidents.entry import Incident
from ingest_guard.incidents.lines import Checkpoint
from ingest_guard.incidents.log import SEGMENT_BYTES, Log
from ingest_guard.incidents.sealing import Sealer, read_recipients
from ingest_guard.policy.policy import Policy
from ingest_guard.signing.keys import read_signing_key

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

_REMEMBERED = 4096
_MOST_ADDRESSES = 50
_INTERVAL = 60.0
_SHORTLY = 0.25
_GATHERING = 0.02


@dataclass(slots=True)
class _Picture:
    """A picture that has its entry: the number of that (once it is known), and what came since the last line."""

    first: Future[int]
    incident: Incident
    count: int = 0
    addresses: dict[str, None] = field(default_factory=dict)


class IncidentWriter:
    """Writes the incidents of one run; the methods are for one thread, such as an event loop's.

    Parameters
    ----------
    log
        To write to.
    sealer
        Seals each incident.
    interval
        Seconds between checkpoints, and between lines about the same picture.

    Attributes
    ----------
    written
        Entries of this run.
    waiting
        Entries in the folder that have not expired, those of other runs included.
    since
        The day of the first of them; None where there is none.
    """

    def __init__(self, log: Log, sealer: Sealer, *, interval: float = _INTERVAL) -> None:
        self.log = log
        self.written = 0
        self.waiting = 0
        self.since: str | None = None
        self._first = 0
        self._sealer = sealer
        self._interval = interval
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="incidents")
        self._lock = threading.Lock()
        self._pending: list[tuple[Incident, Future[int]]] = []
        self._error: IncidentError | None = None
        self._pictures = _Pictures(self._write_more)
        self._flushed = self._checked = time.monotonic()
        self._drained = 0.0
        self._is_closed = self._is_ended = False

    @classmethod
    def open(
        cls,
        folder: Path,
        recipients: tuple[str, ...],
        signing_key: Path | None,
        run: str,
        *,
        segment_bytes: int = SEGMENT_BYTES,
    ) -> IncidentWriter:
        """Open a log, and write a checkpoint that says that a run begins.

        Raises
        ------
        IncidentError
            The recipients or the key cannot be read, or the log cannot be written.
        """
        sealer = Sealer(read_recipients(recipients))
        writer = cls(Log(folder, run, _read_key(signing_key), segment_bytes), sealer)
        writer.begin()
        return writer

    def begin(self) -> None:
        """Write the first checkpoint, and find out what waits in the folder; raises IncidentError."""
        last = self.log.append(why="start")
        if (first := self.log.first_entry()) is not None:
            self._note_waiting(first.n, first.day, last)

    @property
    def checkpoint(self) -> Checkpoint | None:
        """The last checkpoint of this run."""
        return self.log.checkpoint

    def write(self, incident: Incident, picture: Hashable = None) -> Future[int]:
        """Write an incident.

        Parameters
        ----------
        incident
            What is known.
        picture
            Incidents with an equal one are of the same picture; None: of none that was there before.

        Returns
        -------
        Future
            Done when the entry is on the disk: its number; or IncidentError. It cannot be cancelled. For a picture that
            has its entry already, that of this entry.
        """
        if picture is None:
            return self._put(incident)
        self._flush_after_interval()
        known = self._pictures.get(picture)
        if known is None:
            future = self._put(incident)
            self._pictures[picture] = _Picture(future, incident)
            return future
        known.count += 1
        known.addresses.update(dict.fromkeys(each for each in (incident.addresses.requested,) if each))
        if len(known.addresses) >= _MOST_ADDRESSES:
            self._write_more(known)
        return known.first if self._error is None else _failed(self._error)

    def close(self) -> None:
        """Write what is left and a last checkpoint, and wait for it.

        Raises
        ------
        IncidentError
            It cannot be written.
        """
        if self._is_closed:
            return
        self._is_closed = True
        # The numbers of all entries are known once the thread has nothing more to do.
        self._thread.submit(self._drain).result()
        for each in list(self._pictures.values()):
            self._write_more(each)
        with self._lock:
            self._is_ended = True
        last = self._thread.submit(self._append_end)
        self._thread.shutdown(wait=True)
        last.result()

    def _put(self, incident: Incident) -> Future[int]:
        future: Future[int] = Future()
        # From now on it cannot be cancelled: who waits for it may go, the entry is written all the same.
        future.set_running_or_notify_cancel()
        with self._lock:
            if self._error is not None or self._is_ended:
                return _failed(self._error or IncidentError("the log of incidents is closed: its run has ended"))
            self._pending.append((incident, future))
            is_first = len(self._pending) == 1
        if is_first:
            self._thread.submit(self._gather)
        return future

    def _gather(self) -> None:
        # Where matches come one after the other, those of the next moment share the lock and the flush.
        if time.monotonic() - self._drained < _SHORTLY:
            time.sleep(_GATHERING)
        self._drain()
        self._drained = time.monotonic()

    def _drain(self) -> None:
        with self._lock:
            batch, self._pending = self._pending, []
        if not batch:
            return
        try:
            self._require_no_error()
            sealed = [self._sealer.seal(incident) for incident, _ in batch]
            is_due = time.monotonic() - self._checked >= self._interval
            last = self.log.append(sealed, "interval" if is_due else None)
            if is_due:
                self._checked = time.monotonic()
            self.written += len(batch)
            self._note_waiting(last - len(batch) + 1, batch[0][0].time[:10], last)
        except Exception as error:  # noqa: BLE001 - those who wait must learn of it, whatever it is
            failure = self._fail(error)
            for _, future in batch:
                future.set_exception(failure)
            return
        # In the order of their numbers.
        for number, (_, future) in enumerate(batch, last - len(batch) + 1):
            future.set_result(number)

    def _note_waiting(self, first: int, day: str, last: int) -> None:
        if self.since is None:
            self._first, self.since = first, day
        self.waiting = last - self._first + 1

    def _append_end(self) -> None:
        self._require_no_error()
        self.log.append(why="end")

    def _require_no_error(self) -> None:
        if self._error is not None:
            raise self._error

    def _fail(self, error: Exception) -> IncidentError:
        with self._lock:
            if self._error is None:
                # The text of another library's exception may quote what was sealed.
                known = isinstance(error, IncidentError)
                text = str(error) if known else f"the log of incidents cannot be written ({type(error).__name__})"
                self._error = IncidentError(text)
            return self._error

    def _flush_after_interval(self) -> None:
        if time.monotonic() - self._flushed < self._interval:
            return
        self._flushed = time.monotonic()
        for each in list(self._pictures.values()):
            self._write_more(each)

    def _write_more(self, picture: _Picture) -> None:
        """Write how often a picture came again since the last line about it."""
        if not picture.count or not picture.first.done() or picture.first.exception() is not None:
            return
        addresses, count, number = tuple(picture.addresses), picture.count, picture.first.result()
        picture.count, picture.addresses = 0, {}
        while count:
            said, addresses = addresses[:_MOST_ADDRESSES], addresses[_MOST_ADDRESSES:]
            times = len(said) if addresses else count
            count -= times
            self._put(replace(picture.incident, count=times, more_of=number, more_addresses=said))


def open_incidents(policy: Policy) -> IncidentWriter | None:
    """Open the log that a policy names, for one run; None where it names no recipient.

    Raises
    ------
    IncidentError
        See :meth:`IncidentWriter.open`.
    """
    named = policy.incidents
    if not named.recipients:
        return None
    return IncidentWriter.open(named.folder, named.recipients, named.signing_key, secrets.token_hex(8))


def require_writable(policy: Policy) -> None:
    """Make sure that a crawl could write the log that a policy names; writes no line.

    Raises
    ------
    IncidentError
        See :meth:`IncidentWriter.open`.
    """
    named = policy.incidents
    Sealer(read_recipients(named.recipients))
    _read_key(named.signing_key)
    Log(named.folder, "doctor").append()


def _read_key(path: Path | None) -> Ed25519PrivateKey | None:
    if path is None:
        return None
    try:
        return read_signing_key(path)
    except BlocklistError as error:
        raise IncidentError(f"policy: key incidents.signing_key: {error}") from None


class _Pictures(LRUCache[Hashable, _Picture]):
    """The newest pictures; one that is forgotten is handed over."""

    def __init__(self, on_forgotten: Callable[[_Picture], None]) -> None:
        super().__init__(_REMEMBERED)
        self._on_forgotten = on_forgotten

    def popitem(self) -> tuple[Hashable, _Picture]:
        """Let the least recently used one go."""
        key, picture = super().popitem()
        self._on_forgotten(picture)
        return key, picture


def _failed(error: IncidentError) -> Future[int]:
    future: Future[int] = Future()
    future.set_exception(error)
    return future
