"""From a verdict to an incident: what the guard knows of the lists that matched, and how sure each match is."""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from typing import Any
from weakref import WeakKeyDictionary

from ingest_guard._clock import now
from ingest_guard._version import __version__
from ingest_guard.blocklist.blocklist import Blocklist
from ingest_guard.dataset.attestation.facts import policy_digest
from ingest_guard.guard.guard import Guard
from ingest_guard.incidents.entry import Finding, Incident, ListFacts
from ingest_guard.policy.policy import Policy
from ingest_guard.verdict import Action, Grade, Match, Verdict

_GRADES = tuple(Grade)
# A version of the lists that is out of use must not be kept for it.
_digests: WeakKeyDictionary[Guard, str] = WeakKeyDictionary()


def describe(guard: Guard, verdict: Verdict, **known: Any) -> Incident:
    """Return the incident of a verdict with matches.

    Parameters
    ----------
    guard
        That made the verdict.
    verdict
        With one match at least.
    known
        Other fields of :class:`~ingest_guard.incidents.entry.Incident`: addresses, host, source, where ...
    """
    image = verdict.image
    return incident_of(
        [_finding(guard, match) for match in verdict.matches],
        digests=dict(verdict.digests),
        fingerprints=dict(image.fingerprints) if image is not None else {},
        pdq_quality=image.pdq_quality if image is not None else None,
        check_set=guard.attestation["check_set"],
        policy=_digest(guard),
        action="hold" if verdict.action is Action.HOLD else "drop",
        **known,
    )


def incident_of(findings: Iterable[Finding], **known: Any) -> Incident:
    """Return an incident of now with these findings, one at least, the surest first; ``known`` are its other fields."""
    first, *others = sorted(findings, key=_sureness)
    return Incident(
        time=now("milliseconds"),
        list=first.list,
        grade=first.grade,
        algorithm=first.algorithm,
        distance=first.distance,
        view=first.view,
        others=tuple(others),
        guard=__version__,
        **known,
    )


def picture_of(verdict: Verdict) -> Hashable:
    """Return what two verdicts of the same picture on the same lists have in common; None where that is unknown."""
    digest = verdict.digests.get("sha256")
    return None if digest is None else (digest, verdict.action, frozenset(each.list_id for each in verdict.matches))


def list_facts(blocklist: Blocklist, policy: Policy, list_id: str) -> ListFacts:
    """Return what policy and blocklist say of a list."""
    info = next((each for each in blocklist.lists if each.id == list_id), None)
    entry = policy.lists.get(list_id)
    kind = entry.kind if entry is not None else "other"
    return ListFacts(list_id, kind, info.version if info else None, info.owner if info else None)


def _finding(guard: Guard, match: Match) -> Finding:
    facts = list_facts(guard.blocklist, guard.policy, match.list_id)
    return Finding(facts, guard.grade_of(match), match.algorithm, match.distance, match.view)


def _sureness(finding: Finding) -> tuple[int, int]:
    return _GRADES.index(finding.grade), finding.distance


def _digest(guard: Guard) -> str:
    known = _digests.get(guard)
    if known is None:
        known = _digests[guard] = policy_digest(guard.policy)
    return known
