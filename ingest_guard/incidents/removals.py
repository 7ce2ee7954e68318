"""Incidents of records in files: what a recheck or a scan finds goes into the same log as the matches of a crawl."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager

from ingest_guard.dataset.attestation.facts import policy_digest
from ingest_guard.dataset.recheck.matched_records import MatchedRecord
from ingest_guard.dataset.recheck.plan import Opened
from ingest_guard.guard.list_rules import grade_of
from ingest_guard.incidents.describe import incident_of, list_facts
from ingest_guard.incidents.entry import Addresses, Finding, Incident, Where
from ingest_guard.incidents.writer import IncidentWriter, open_incidents
from ingest_guard.policy.policy import Policy
from ingest_guard.urls.hosts import host_of
from ingest_guard.verdict import Action, Grade

UNKNOWN_DISTANCE = -1
"""``distance`` of a near match of a recheck, which only says that the record is within the threshold."""
_BATCH = 1000


class IncidentSink:
    """Writes incidents for a program that is no crawl, a batch at a time."""

    def __init__(self, writer: IncidentWriter) -> None:
        self._writer = writer
        self._waiting: list[Future[int]] = []

    def write(self, incident: Incident) -> None:
        """Write an incident; waits once in a while. Raises IncidentError."""
        self._waiting.append(self._writer.write(incident))
        if len(self._waiting) >= _BATCH:
            self.flush()

    def flush(self) -> None:
        """Wait until all are on the disk; IncidentError where one is not."""
        waiting, self._waiting = self._waiting, []
        for each in waiting:
            each.result()

    def take(self, records: Iterable[MatchedRecord], opened: Opened) -> None:
        """Write an incident of each record that a recheck has found, and wait for them; IncidentError."""
        for record in records:
            self.write(_describe(record, opened))
        self.flush()


@contextmanager
def incident_sink(policy: Policy) -> Iterator[IncidentSink | None]:
    """Open the log that a policy names, for one run of a program; None where it names no recipient.

    Raises
    ------
    IncidentError
        It cannot be written.
    """
    writer = open_incidents(policy)
    if writer is None:
        yield None
        return
    try:
        yield IncidentSink(writer)
    finally:
        writer.close()


def _describe(record: MatchedRecord, opened: Opened) -> Incident:
    removed, policy, addresses = record.removed, opened.plan.policy, record.addresses
    final = addresses.get("final_url") or addresses.get("url")
    return incident_of(
        [_finding(opened, list_id, algorithm) for list_id, _, algorithm in dict.fromkeys(removed.matches) if list_id],
        addresses=Addresses(addresses.get("url"), (), final, addresses.get("page_url")),
        host=(host_of(final) or None) if final else None,
        check_set=opened.attestation["check_set"],
        policy=policy_digest(policy),
        action="hold" if removed.action is Action.HOLD else "drop",
        source="recheck",
        where=Where(record.shard, str(record.row) if removed.uid is None else f"{record.row} {removed.uid}"),
    )


def _finding(opened: Opened, list_id: str, algorithm: str) -> Finding:
    grade = grade_of(opened.blocklist, list_id, algorithm)
    distance = UNKNOWN_DISTANCE if grade in {Grade.NEAR, Grade.SUSPICION} else 0
    return Finding(list_facts(opened.blocklist, opened.plan.policy, list_id), grade, algorithm, distance, "record")
