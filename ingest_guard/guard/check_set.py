"""What each record says of the checks that its image went through."""

import hashlib
import json
from typing import Any

from ingest_guard._version import __version__
from ingest_guard.blocklist.blocklist import Blocklist
from ingest_guard.guard.allow_list import AllowList
from ingest_guard.hashing import detectors
from ingest_guard.policy.policy import Policy

# How the work is done, where things lie and what is reported; none of it decides an outcome. Of the allow-list, its
# values count and not its files' names; of the lists, what they say.
_UNDECISIVE = frozenset(
    {"blocklist", "build", "detectors", "encoders", "list_key", "signer", "state", "allow", "flood", "max_age"}
    | {"workers", "images_per_worker", "in_flight", "fairness", "records", "swap", "dataset", "extract", "filters"}
    | {"level", "old_stores", "hygiene", "opt_outs", "self_test", "report", "metrics"}
)


def attest(blocklist: Blocklist, policy: Policy, allowed: AllowList) -> dict[str, Any]:
    """Return the attestation of a governed blocklist.

    ``check_set`` is a digest of all that decides an outcome: guard version, lists, thresholds, views, limits, the
    allow-list. Two records with the same check set were held against the same things.
    """
    lists = [_described(info.id, info.version, info.severity) for info in blocklist.lists]
    compared = sorted(blocklist.exact_algorithms | blocklist.near_algorithms)
    allow_list = {"entries": allowed.count, "digest": allowed.digest} if allowed.count else None
    # In an order of their own: two machines that have put the same lists together in another order compare the same.
    parts = sorted(blocklist.lists, key=lambda info: (info.id, info.severity or "", info.version))
    decisive = {
        "guard": __version__,
        "lists": [_described(info.id, info.version, info.severity) for info in parts],
        "algorithms": compared,
        "thresholds": [[info.id, info.severity, dict(sorted(info.thresholds.items()))] for info in parts],
        "allow_list": allow_list,
        "policy": policy.model_dump(mode="json", exclude=set(_UNDECISIVE)),
        # Which network, and how it is used; not where its file lies.
        "encoders": {
            name: each.model_dump(mode="json", exclude={"file"}) for name, each in sorted(policy.encoders.items())
        },
        **({"detectors": scored} if (scored := describe_detectors(policy)) else {}),
    }
    canonical = json.dumps(decisive, sort_keys=True, separators=(",", ":")).encode()
    attestation: dict[str, Any] = {
        "check_set": hashlib.sha256(canonical).hexdigest()[:16],
        "lists": lists,
        "algorithms": compared,
        "guard": f"ingest_guard {__version__}",
    }
    if allow_list:
        attestation["allow_list"] = allow_list
    if policy.limits.sample_frames:
        # Not every frame was looked at: a reader of the record has to know.
        attestation["frames"] = "sample"
    return attestation


def describe_detectors(policy: Policy) -> list[dict[str, Any]]:
    """Return the detectors of a policy: ``name``, ``model``, ``sha256`` of the network, ``bound``, ``frames``.

    Raises
    ------
    PolicyError
        A name is unknown.
    DetectorError
        One cannot be loaded, or is none.
    """
    used = sorted(detectors.load(policy.detectors).items())
    named = {name: policy.detectors[name] for name, _ in used}
    return [
        {
            "name": name,
            "model": each.model,
            "sha256": each.digest,
            "bound": named[name].bound,
            "frames": named[name].frames,
        }
        for name, each in used
    ]


def _described(list_id: str, version: str, severity: str | None) -> dict[str, str]:
    described = {"id": list_id, "version": version}
    return described if severity is None else {**described, "severity": severity}
