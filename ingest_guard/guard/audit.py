"""What a policy makes of a blocklist, entry counts and all, for those who have to answer for it."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from ingest_guard.guard.guard import Guard
from ingest_guard.policy.policy import Policy


@dataclass(frozen=True, slots=True)
class AuditRow:
    """One algorithm of one list, or of a part of it.

    Attributes
    ----------
    list_id, owner, severity, algorithm
        What it is about; ``severity`` is None for entries that their source has not classified.
    entries
        Number of values that the blocklist holds.
    counts
        False where the policy leaves it out.
    threshold
        Distance that still counts as a match; None where values are compared exactly, or do not count.
    action
        What a match does.
    allowed
        Entries of the whole list (all severities) that the allow-list takes out for this algorithm.
    """

    list_id: str
    owner: str | None
    severity: str | None
    algorithm: str
    entries: int
    counts: bool
    threshold: float | None
    action: str
    allowed: int


@dataclass(frozen=True, slots=True)
class Audit:
    """What a policy makes of a blocklist.

    Attributes
    ----------
    version
        Of the blocklist.
    rows
        In the order of the lists.
    allow_files, allow_entries, allow_digest
        The allow-list: its files, how many values it has, and their digest; None where there is none.
    """

    version: str
    rows: tuple[AuditRow, ...]
    allow_files: tuple[str, ...]
    allow_entries: int
    allow_digest: str | None

    def to_json(self) -> dict[str, Any]:
        """Return this as JSON takes it."""
        return asdict(self)


def audit(policy: Policy) -> Audit:
    """Open the blocklist that a policy names, and return what counts of it and what never matches.

    Raises
    ------
    IngestGuardError
        What :meth:`Guard.from_policy` raises: a policy that a crawl would not start with.
    """
    guard = Guard.from_policy(policy)
    return Audit(
        guard.version,
        tuple(_rows(guard)),
        tuple(str(file) for file in policy.allow.files),
        guard.allowed.count,
        guard.allowed.digest if guard.allowed.count else None,
    )


def _rows(guard: Guard) -> Iterator[AuditRow]:
    governed = {(info.id, info.severity): info for info in guard.blocklist.lists}
    for info in guard.whole.lists:
        left = governed.get((info.id, info.severity))
        entry = guard.policy.lists.get(info.id)
        for name, count in info.counts.items():
            held = left.counts.get(name, 0) if left else 0
            yield AuditRow(
                info.id,
                info.owner or (entry.owner if entry else None),
                info.severity,
                name,
                count,
                bool(held),
                left.thresholds.get(name) if left and held else None,
                str(guard.action_on([info.id])),
                guard.blocklist.allowed.get((info.id, name), 0),
            )
