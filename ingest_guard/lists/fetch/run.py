"""Fetching all sources, one after another: what each gave, and which of them failed."""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ingest_guard.errors import BlocklistError
from ingest_guard.lists.checkpoints import SUFFIX
from ingest_guard.lists.fetch import sources as kinds
from ingest_guard.lists.fetch.errors import FetchError, SourcesError
from ingest_guard.lists.fetch.journal_files import JournalFiles, opened
from ingest_guard.lists.fetch.ncmec_client import NcmecApi
from ingest_guard.lists.fetch.pages import Client, Tally, lines
from ingest_guard.lists.fetch.ranges import Ranges
from ingest_guard.lists.fetch.stopncii_client import StopNcii
from ingest_guard.lists.fetch.tat_client import Tat
from ingest_guard.lists.fetch.threatexchange_client import ThreatExchangeApi

MOST_REJECTED = 0.1
"""Share of values that may be unusable before a fetch counts as failed: the service has changed its format, then."""

_STALE = {"stopncii": 30, "threatexchange": 85}
"""Days without a fetch after which a service may have forgotten withdrawals, so that all must be fetched anew."""

_DAY = 86_400


@dataclass
class FetchOutcome:
    """What became of a source.

    Attributes
    ----------
    id, kind
        Of the source.
    journal
        What ``blocklist build --list ID:journal:FILE`` takes.
    tally
        What became of its rows in this run.
    compacted
        Whether the journal was compacted.
    completed
        When it was last fetched to its end; None: never.
    error
        Why it was not, this time.
    """

    id: str
    kind: str
    journal: Path
    tally: Tally = field(default_factory=Tally)
    compacted: bool = False
    completed: float | None = None
    error: str | None = None

    def to_json(self) -> dict[str, Any]:
        """Return it for a script."""
        tally = self.tally
        when = None if self.completed is None else datetime.fromtimestamp(self.completed, UTC)
        return {
            "id": self.id,
            "kind": self.kind,
            "journal": str(self.journal),
            "pages": tally.pages,
            "records": tally.records,
            "accepted": dict(sorted(tally.accepted.items())),
            "removed": tally.removed,
            "rejected": dict(sorted(tally.rejected.items())),
            "unsupported": dict(sorted(tally.unsupported.items())),
            "compacted": self.compacted,
            "completed": None if when is None else when.isoformat(timespec="seconds"),
            "error": self.error,
        }


def fetch(
    sources: Iterable[kinds.Source],
    folder: Path,
    *,
    full: bool = False,
    now: Callable[[], float] = time.time,
    progress: Callable[[FetchOutcome], None] | None = None,
) -> list[FetchOutcome]:
    """Fetch each source to its end; one that fails does not keep the others from being fetched.

    Parameters
    ----------
    sources
        As :func:`ingest_guard.lists.fetch.sources.load` gives them.
    folder
        For journals and checkpoints.
    full
        Fetch everything anew; what there is counts until that is done.
    now
        The clock.
    progress
        Called after each page.

    Returns
    -------
    list
        One outcome a source, in their order.
    """
    outcomes = []
    for source in sources:
        outcome = FetchOutcome(source.id, source.kind, folder / f"{source.id}{SUFFIX}")
        outcomes.append(outcome)
        try:
            client = client_of(source, now)
            with opened(folder, source.id, source.identity) as files:
                outcome.completed = files.state.completed
                anew = full or _is_stale(source, files, now)
                _fetch(client, files, outcome, full=anew, now=now, progress=progress)
        except (BlocklistError, SourcesError) as error:
            outcome.error = str(error)
    return outcomes


def client_of(source: kinds.Source, now: Callable[[], float]) -> Client:
    """Return what asks a source's service.

    Raises
    ------
    SourcesError
        A credential is not where the file of sources says.
    """
    if isinstance(source, kinds.NcmecSource):
        return Ranges(NcmecApi.from_source(source), now=now, most_entries=source.range_entries)
    if isinstance(source, kinds.StopNciiSource):
        return StopNcii.from_source(source, now)
    if isinstance(source, kinds.TatSource):
        return Tat.from_source(source)
    return Ranges(ThreatExchangeApi.from_source(source), now=now)


def _is_stale(source: kinds.Source, files: JournalFiles, now: Callable[[], float]) -> bool:
    days, completed = _STALE.get(source.kind), files.state.completed
    return days is not None and completed is not None and now() - completed > days * _DAY


def _fetch(
    client: Client,
    files: JournalFiles,
    outcome: FetchOutcome,
    *,
    full: bool,
    now: Callable[[], float],
    progress: Callable[[FetchOutcome], None] | None,
) -> None:
    # A full fetch that was killed goes on, and does not begin once more.
    if full and files.state.full_from is None:
        files.start_over()
    tally = outcome.tally
    began = now()
    for page in client.pages(files.state.position):
        files.append(lines(page.rows, tally))
        files.commit(page.position)
        tally.pages += 1
        if progress:
            progress(outcome)
    files.commit(files.state.position, completed=began)
    outcome.completed = began
    outcome.compacted = files.compact_if_due()
    if tally.rejected_share > MOST_REJECTED:
        raise FetchError(
            f"{tally.rejected_share:.0%} of the values of this fetch could not be used: the service may have changed "
            "its format. See the reasons; after an upgrade of ingest-guard, fetch everything anew with --full"
        )
