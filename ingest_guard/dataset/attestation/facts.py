"""What a manifest says of a guard: its lists, algorithms and views, the policy's digest, the libraries' versions."""

import hashlib
import json
import platform
from collections.abc import Iterator
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version

from ingest_guard._clock import format_time, now
from ingest_guard.blocklist.blocklist import Blocklist
from ingest_guard.dataset.attestation.model import (
    About,
    AllowListFacts,
    BlocklistFacts,
    CheckSet,
    DetectorFacts,
    ListFacts,
)
from ingest_guard.guard.check_set import describe_detectors
from ingest_guard.guard.guard import Guard
from ingest_guard.policy.policy import Policy

# Whatever decodes, hashes, compares, fetches or writes: other versions of these may come to other results.
_LIBRARIES = (
    "bitarray",
    "brotli",
    "ImageHash",
    "numpy",
    "pillow",
    "pillow-heif",
    "pyarrow",
    "pybloom-live",
    "scipy",
    "Scrapy",
    "Twisted",
)
# Where things lie, who holds which key, and how strong the machine is: the same rules on another one are the same.
_OF_THE_MACHINE: dict[str, bool | set[str]] = {
    **dict.fromkeys(("blocklist", "list_key", "signer", "workers", "images_per_worker", "in_flight", "fairness"), True),
    **dict.fromkeys(("incidents", "metrics", "report", "state"), True),
    "allow": {"files"},
    "dataset": {"sign_key"},
}


def describe(guard: Guard) -> CheckSet:
    """Return what the check set of a guard's records stands for."""
    policy, attestation = guard.policy, guard.attestation
    allowed = guard.allowed
    return CheckSet(
        check_set=attestation["check_set"],
        guard=attestation["guard"],
        since=now(),
        blocklist=describe_blocklist(guard.blocklist, policy),
        algorithms=tuple(attestation["algorithms"]),
        views=tuple(_views(policy)),
        allow_list=AllowListFacts(entries=allowed.count, digest=allowed.digest) if allowed.count else None,
        frames="sample" if policy.limits.sample_frames else "all",
        detectors=tuple(DetectorFacts(**each) for each in describe_detectors(policy)),
    )


def describe_blocklist(blocklist: Blocklist, policy: Policy | None = None) -> BlocklistFacts:
    """Return what a blocklist held and how it was compared; `policy` says what is done about a match."""
    actions = {} if policy is None else {list_id: entry.action for list_id, entry in policy.lists.items()}
    lists = (
        ListFacts(
            id=info.id,
            severity=info.severity,
            version=info.version,
            counts=dict(sorted(info.counts.items())),
            thresholds=dict(sorted(info.thresholds.items())),
            action=actions.get(info.id, "drop"),
        )
        for info in blocklist.lists
    )
    ordered = tuple(sorted(lists, key=lambda each: (each.id, each.severity or "")))
    return BlocklistFacts(version=blocklist.version, created=format_time(blocklist.created), lists=ordered)


def policy_digest(policy: Policy) -> str:
    """Return the SHA-256 of a policy's canonical JSON: every key with its value, defaults included, names sorted.

    Left out is what differs from machine to machine or is a secret's place: where the blocklist, the keys and the
    allow-list's files are, who signs, workers and what may be in flight, ``report``, ``metrics`` and ``incidents``.
    """
    said = policy.model_dump(mode="json", exclude=_OF_THE_MACHINE)
    return hashlib.sha256(json.dumps(said, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def about(policy: Policy) -> About:
    """Return what a policy says of the data set itself."""
    return About(**policy.dataset.model_dump(exclude={"sign_key"}))


def library_versions() -> dict[str, str]:
    """Return name -> version of Python and of the libraries that results depend on, as far as they are installed."""
    return {"Python": platform.python_version(), **dict(_installed())}


def _installed() -> Iterator[tuple[str, str]]:
    for name in _LIBRARIES:
        with suppress(PackageNotFoundError):
            yield name, version(name)


def _views(policy: Policy) -> Iterator[str]:
    yield "native"
    yield from (name for name, is_on in policy.views.model_dump().items() if is_on)
