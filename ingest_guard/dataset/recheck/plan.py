""":class:`Plan`: what is compared with what. Small, picklable, and the same for each process that takes part."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ingest_guard.blocklist.blocklist import Blocklist
from ingest_guard.blocklist.parts.load import load
from ingest_guard.blocklist.store.versions import VERSIONS, current_version, is_version_name
from ingest_guard.dataset.recheck.added_entries import Baseline, Earlier
from ingest_guard.dataset.recheck.comparer import Comparer
from ingest_guard.dataset.tables.columns import Columns
from ingest_guard.dataset.tables.fingerprints import FingerprintReader
from ingest_guard.guard.allow_list import AllowList
from ingest_guard.guard.check_set import attest
from ingest_guard.guard.credentials import list_key, require_trusted
from ingest_guard.guard.list_rules import actions, govern, strictest
from ingest_guard.hashing.onnx import install
from ingest_guard.policy.policy import Policy
from ingest_guard.verdict import Action


@dataclass(frozen=True, slots=True)
class Plan:
    """What is compared with what.

    Attributes
    ----------
    policy
        Which blocklist, what of it counts, how near is a match. Its key is named there, and read where it is used.
    since
        Versions that the records were compared with: only what the blocklist gained since counts. Empty: all of it.
    columns
        Algorithm or role -> column of a table, where the table's own names do not say it.
    """

    policy: Policy
    since: tuple[Earlier, ...] = ()
    columns: Mapping[str, str] = field(default_factory=dict)

    def near_algorithms(self) -> frozenset[str]:
        """Return the perceptual hashes that the blocklist holds."""
        return frozenset(load(_version_folder(self.policy.blocklist)).near)

    def open(self) -> Opened:
        """Open the blocklist, by all the rules of a crawl.

        Raises
        ------
        BlocklistError, PolicyError
            As :meth:`Guard.from_policy <ingest_guard.guard.guard.Guard.from_policy>`; no hasher plug-in is needed.
        """
        return Opened(self)


class Opened:
    """A plan with its blocklist open.

    Attributes
    ----------
    comparer
        What compares.
    version, folder
        Of the blocklist.
    attestation
        The check set of a crawl by this policy and blocklist.
    since
        Names of the versions since which.
    blocklist, allowed
        What counts, and what never matches.
    """

    def __init__(self, plan: Plan) -> None:
        policy = plan.policy
        install(policy.encoders)
        key = list_key(policy)
        self.folder = _version_folder(policy.blocklist)
        opened = Blocklist.open(self.folder, key=key, allow_empty=policy.allow_empty, max_age=policy.max_age)
        require_trusted(policy, opened)
        allowed = AllowList.read(policy)
        governed = govern(opened, policy, allowed)
        baselines = [Baseline(each, key) for each in plan.since]
        self.plan = plan
        self.version = opened.version
        self.since = tuple(each.version for each in baselines)
        self.comparer = Comparer(governed, self.folder, baselines)
        self.attestation: dict[str, Any] = attest(governed, policy, allowed)
        self.blocklist = governed
        self.allowed = allowed
        self._actions = actions(policy, governed)

    def reader(self, columns: Columns) -> FingerprintReader:
        """Return what reads the fingerprints in some columns of a table."""
        policy = self.plan.policy
        return FingerprintReader(columns, self.comparer.near, policy.min_quality, policy.low_quality_distance)

    def action_on(self, list_ids: Iterable[str]) -> Action:
        """Return what the policy says is done about a match on some lists."""
        return strictest(self._actions, list_ids)


def _version_folder(store: Path) -> Path:
    """Return the folder of the version that is current now: whatever is published meanwhile, all compare with this."""
    if is_version_name(store.resolve().name) and not (store / "current").exists():
        return store
    return store / VERSIONS / current_version(store)
