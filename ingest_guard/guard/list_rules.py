"""What a policy makes of a blocklist: which lists, algorithms and severities count, how near, and what a match does."""

import logging
from collections.abc import Iterable, Mapping
from dataclasses import replace

from ingest_guard.blocklist.blocklist import Blocklist
from ingest_guard.blocklist.selection import NO_SEVERITY, Rule
from ingest_guard.errors import PolicyError
from ingest_guard.guard.allow_list import AllowList
from ingest_guard.hashing import algorithms
from ingest_guard.hashing.onnx import distance_of
from ingest_guard.hashing.registry import installed
from ingest_guard.policy.lists import ListPolicy
from ingest_guard.policy.policy import Policy
from ingest_guard.verdict import Action, Grade

logger = logging.getLogger(__name__)


def govern(blocklist: Blocklist, policy: Policy, allowed: AllowList) -> Blocklist:
    """Return what counts of a blocklist.

    Raises
    ------
    PolicyError
        The policy names a list or an algorithm that does not exist, another owner than the list's, or a threshold that
        would match unrelated pictures.
    BlocklistError
        It leaves nothing of a list, or asks for thresholds that the blocklist was not built for.
    """
    _require_known_lists(blocklist, policy)
    for list_id, entry in policy.lists.items():
        _require_owner(blocklist, list_id, entry)
        _require_algorithms(list_id, entry)
        _require_sound_thresholds(policy, list_id, entry)
        _warn_of_absent_names(blocklist, list_id, entry)
    rules = _rules(policy, blocklist)
    selected = blocklist.select(rules) if rules else blocklist
    return selected.allowing(allowed.values, allowed.distances) if allowed.values else selected


def actions(policy: Policy, blocklist: Blocklist) -> Mapping[str, Action]:
    """Return what a match does, for each list where that is not ``drop``.

    Likeness of an encoder's vectors is a suspicion: where a list in use has nothing else, and the policy does not say
    what its matches do, they are held.
    """
    held: dict[str, set[str]] = {}
    for info in blocklist.lists:
        held.setdefault(info.id, set()).update(name for name, count in info.counts.items() if count)
    suspicions = {list_id for list_id, names in held.items() if names and names <= set(policy.encoders)}
    named = {
        list_id: Action(entry.action)
        for list_id, entry in policy.lists.items()
        if "action" in entry.model_fields_set or list_id not in suspicions
    }
    return dict.fromkeys(suspicions, Action.HOLD) | named


def strictest(known: Mapping[str, Action], list_ids: Iterable[str]) -> Action:
    """Return what is done about a match on some lists."""
    return Action.strictest(known.get(list_id, Action.DROP) for list_id in list_ids) or Action.DROP


def grade_of(blocklist: Blocklist, list_id: str, name: str) -> Grade:
    """Return how sure a match on a list by an algorithm is."""
    algorithm = algorithms.find(name)
    if algorithm is None or algorithm.kind is algorithms.Kind.VECTOR:
        return Grade.SUSPICION
    if algorithm.kind is algorithms.Kind.NEAR:
        return Grade.NEAR
    return Grade.EXACT_CONFIRMED if blocklist.is_confirmed(list_id, name) else Grade.EXACT_FILTER


def require_known_hashes(policy: Policy) -> None:
    """Raise PolicyError where records are to have fingerprints that no hasher makes, or the vectors of an encoder.

    A picture's vector says what it shows: it has no place in a record.
    """
    hashes = set(installed())
    if unknown := sorted(set(policy.records.hashes) - hashes):
        raise PolicyError(
            f"policy: key records.hashes names {', '.join(unknown)}; known are {', '.join(sorted(hashes))}"
        )


def _rules(policy: Policy, blocklist: Blocklist) -> dict[str, Rule]:
    rules = {
        list_id: Rule(
            algorithms=None if entry.algorithms is None else frozenset(entry.algorithms),
            severities=None if entry.severities is None else frozenset(entry.severities),
            thresholds=dict(entry.thresholds),
        )
        for list_id, entry in policy.lists.items()
        if entry.algorithms is not None or entry.severities is not None or entry.thresholds
    }
    # How near is near for an encoder stands in the policy, whatever it was when the list was built.
    for info in blocklist.lists:
        within = {
            name: distance_of(encoder.similarity) for name, encoder in policy.encoders.items() if info.counts.get(name)
        }
        if within:
            rule = rules.get(info.id, Rule())
            rules[info.id] = replace(rule, thresholds={**within, **rule.thresholds})
    return rules


def _require_known_lists(blocklist: Blocklist, policy: Policy) -> None:
    known = {info.id for info in blocklist.lists}
    if unknown := sorted(set(policy.lists) - known):
        raise PolicyError(
            f"policy: key lists names {', '.join(unknown)}, but the blocklist has "
            f"{', '.join(sorted(known)) or 'no list'}; correct the name, or build the list in with: "
            "ingest-guard blocklist build"
        )


def _require_owner(blocklist: Blocklist, list_id: str, entry: ListPolicy) -> None:
    for info in blocklist.lists:
        if info.id == list_id and entry.owner and info.owner and entry.owner != info.owner:
            raise PolicyError(
                f"policy: key lists.{list_id}.owner: {entry.owner!r}, but the blocklist says {info.owner!r}; find out "
                "whose list it is, then correct the policy, or rebuild the list with the right owner"
            )


def _require_algorithms(list_id: str, entry: ListPolicy) -> None:
    for name in entry.algorithms or ():
        if algorithms.find(name) is None:
            raise PolicyError(
                f"policy: key lists.{list_id}.algorithms names {name}, which is none; known are "
                f"{', '.join(algorithms.names())}, and those of installed hashers"
            )


def _require_sound_thresholds(policy: Policy, list_id: str, entry: ListPolicy) -> None:
    for name, bits in entry.thresholds.items():
        algorithm = algorithms.find(name)
        if algorithm and bits > algorithm.safe_threshold and not policy.accept_false_matches:
            raise PolicyError(
                f"policy: key lists.{list_id}.thresholds.{name}: {algorithm.format_threshold(bits)} would match "
                f"unrelated pictures; use at most {algorithm.safe_threshold:.10g}, or add accept_false_matches: true"
            )


def _warn_of_absent_names(blocklist: Blocklist, list_id: str, entry: ListPolicy) -> None:
    """Say which names fit nothing: most often a slip, and what it was meant for would not count."""
    held = _held(blocklist, list_id)
    absent = set(entry.algorithms or ()) - {name for name, _ in held}
    absent |= set(entry.severities or ()) - {severity for _, severity in held}
    if absent:
        logger.warning(
            "ingest_guard: the policy's key lists.%s names %s, of which this version of the list has no entry",
            list_id,
            ", ".join(sorted(absent)),
        )


def _held(blocklist: Blocklist, list_id: str) -> set[tuple[str, str]]:
    """Return (algorithm, severity) of what a list holds."""
    return {
        (name, info.severity or NO_SEVERITY)
        for info in blocklist.lists
        if info.id == list_id
        for name, count in info.counts.items()
        if count
    }
