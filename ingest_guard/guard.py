"""The whole decision about one body: :class:`Guard`.

It knows nothing of Scrapy, files or networks, so the same guard serves a crawl, a command line, a Spark job and a test.
It works in two halves, because a crawl does them in two processes: :meth:`Guard.begin` takes the digests, matches them
and finds out what is to be decoded; a :class:`~ingest_guard.scan.Scanner` decodes and compares each image;
:meth:`Guard.conclude` makes one verdict of both. So a decoder that is taken over cannot vouch for a listed file.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ingest_guard._version import __version__
from ingest_guard.blocklist import algorithms
from ingest_guard.blocklist.artifact import Blocklist
from ingest_guard.errors import PolicyError
from ingest_guard.hashing.digests import digests
from ingest_guard.hashing.registry import installed
from ingest_guard.imaging.decode import NotScannable
from ingest_guard.imaging.embedded import embedded_images
from ingest_guard.imaging.sniff import Kind, sniff
from ingest_guard.scan import Scanner, decode_limits
from ingest_guard.scanned import Scan
from ingest_guard.verdict import Match, Outcome, Reason, Verdict

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from ingest_guard.policy import Policy


# Half the web's pages hold spacers of less, and a common one lacks its end: too small to show anything, they must not
# cost a page. Their digests are matched all the same.
_SMALLEST_PICTURE = 128


@dataclass(frozen=True, slots=True)
class Part:
    """One image to scan: the body itself, or an image inside it.

    Attributes
    ----------
    data
        Its bytes.
    sha256
        Of these bytes, lower-case hex.
    embedded
        True for an image inside a text.
    """

    data: bytes = field(repr=False)
    sha256: str = field(repr=False)
    embedded: bool = False


@dataclass(frozen=True, slots=True)
class Inquiry:
    """What is known of a body before anything was decoded."""

    kind: Kind
    digests: Mapping[str, str] = field(repr=False)
    matches: tuple[Match, ...]
    parts: tuple[Part, ...]
    reason: Reason | None = None


class Guard:
    """Check bodies against one version of the blocklist, by one policy.

    Parameters
    ----------
    blocklist
        An open blocklist.
    policy
        What counts as near, what may be decoded, and what happens in doubt.

    Raises
    ------
    PolicyError
        The policy names a list or a hash that does not exist.
    BlocklistError
        The policy asks for thresholds that the blocklist was not built for, or the blocklist holds values of a hasher
        plug-in that is not installed, is broken, or makes other values.
    """

    def __init__(self, blocklist: Blocklist, policy: Policy) -> None:
        _require_known_names(blocklist, policy)
        blocklist.require_hashers()
        _require_sound_thresholds(policy)
        overrides = {list_id: dict(entry.thresholds) for list_id, entry in policy.lists.items() if entry.thresholds}
        if overrides:
            blocklist = blocklist.with_thresholds(overrides)
        self.blocklist = blocklist
        self.policy = policy
        self.scanner = Scanner(blocklist, policy)
        self._limits = decode_limits(policy)
        self.attestation = _attestation(blocklist, policy)

    @classmethod
    def from_policy(cls, policy: Policy) -> Guard:
        """Open the blocklist that a policy names.

        Raises
        ------
        BlocklistError
            The blocklist is missing, empty, stale, damaged or writable by others.
        PolicyError
            The policy names a list or a hash that does not exist.
        """
        opened = Blocklist.open(policy.blocklist, allow_empty=policy.allow_empty, max_age=policy.max_age)
        return cls(opened, policy)

    @property
    def version(self) -> str:
        """The blocklist's version."""
        return self.blocklist.version

    def check(self, data: bytes, *, declared_type: str | None = None) -> Verdict:
        """Check one body, here and now.

        Parameters
        ----------
        data
            The whole body, with any Content-Encoding undone.
        declared_type
            What the sender calls it (a Content-Type). What the bytes are decides; this never makes a check weaker.

        Returns
        -------
        Verdict
            Never an exception, whatever the bytes are.
        """
        del declared_type
        inquiry = self.begin(data)
        return self.conclude(inquiry, [self.scanner.scan(part.data) for part in inquiry.parts])

    def begin(self, data: bytes) -> Inquiry:
        """Take and match the digests of a body, and find the images in it. Decodes nothing."""
        taken = digests(data)
        matches = self.exact_matches(taken)
        if len(data) > self.policy.limits.bytes:
            return Inquiry(Kind.BINARY, taken, matches, (), Reason.TOO_LARGE)
        sniffed = sniff(data)
        if sniffed.kind is Kind.IMAGE:
            return Inquiry(sniffed.kind, taken, matches, (Part(data, taken["sha256"]),))
        if sniffed.kind is Kind.TEXT:
            return self._begin_text(data, taken, matches)
        refused = sniffed.kind is Kind.BINARY and sniffed.format not in self.policy.unscanned_types
        return Inquiry(sniffed.kind, taken, matches, (), Reason.UNSUPPORTED_TYPE if refused else None)

    def _begin_text(self, data: bytes, taken: Mapping[str, str], matches: tuple[Match, ...]) -> Inquiry:
        parts, reason = [], None
        try:
            for inner in embedded_images(data, self._limits):
                inner_digests = digests(inner)
                matches += self.exact_matches(inner_digests, view="embedded/bytes")
                if len(inner) >= _SMALLEST_PICTURE:
                    parts.append(Part(inner, inner_digests["sha256"], embedded=True))
        except NotScannable as problem:
            reason = problem.reason
        return Inquiry(Kind.TEXT, taken, matches, tuple(parts), reason)

    def exact_matches(self, taken: Mapping[str, str], *, view: str = "bytes") -> tuple[Match, ...]:
        """Return the lists that know one of these digests."""
        return tuple(Match(list_id, algorithm, 0, view) for list_id, algorithm in self.blocklist.match_exact(taken))

    def conclude(self, inquiry: Inquiry, scans: Sequence[Scan], extra: Iterable[Match] = ()) -> Verdict:
        """Make one verdict of an inquiry and the scans of its parts, in their order.

        Parameters
        ----------
        inquiry
            What :meth:`begin` returned.
        scans
            One scan for each of its parts.
        extra
            Exact matches from elsewhere (the body before its Content-Encoding was undone).
        """
        if len(scans) != len(inquiry.parts):
            raise ValueError(f"{len(inquiry.parts)} parts, {len(scans)} scans")
        matches = dict.fromkeys([*inquiry.matches, *extra])
        reason = inquiry.reason
        for part, scan in zip(inquiry.parts, scans, strict=True):
            matches.update(dict.fromkeys(_inside(scan.matches) if part.embedded else scan.matches))
            reason = reason or scan.reason
        whole = scans[0] if inquiry.kind is Kind.IMAGE else Scan()
        if matches:
            outcome, reason = Outcome.MATCH, None
        elif reason:
            outcome = Outcome.NOT_SCANNABLE
        else:
            outcome = Outcome.NO_KNOWN_MATCH if inquiry.kind is Kind.IMAGE else Outcome.NOT_AN_IMAGE
        return Verdict(outcome, tuple(matches), reason, whole.image, inquiry.digests, whole.low_detail)


def _inside(matches: Iterable[Match]) -> list[Match]:
    return [Match(m.list_id, m.algorithm, m.distance, f"embedded/{m.view}") for m in matches]


def _require_known_names(blocklist: Blocklist, policy: Policy) -> None:
    known = {info.id for info in blocklist.lists}
    if unknown := sorted(set(policy.lists) - known):
        raise PolicyError(
            f"policy: key lists names {', '.join(unknown)}, but the blocklist has "
            f"{', '.join(sorted(known)) or 'no list'}; correct the name, or build the list in with: "
            "ingest-guard blocklist build"
        )
    hashes = set(installed())
    if unknown := sorted(set(policy.records.hashes) - hashes):
        raise PolicyError(
            f"policy: key records.hashes names {', '.join(unknown)}; known are {', '.join(sorted(hashes))}"
        )


def _require_sound_thresholds(policy: Policy) -> None:
    for list_id, entry in policy.lists.items():
        for name, bits in entry.thresholds.items():
            algorithm = algorithms.find(name)
            if algorithm and bits > algorithm.safe_threshold and not policy.accept_false_matches:
                raise PolicyError(
                    f"policy: key lists.{list_id}.thresholds.{name}: {algorithm.spoken(bits)} would match unrelated "
                    f"pictures; use at most {algorithm.safe_threshold:.10g}, or add accept_false_matches: true"
                )


def _attestation(blocklist: Blocklist, policy: Policy) -> dict[str, Any]:
    """Return what each record says of the checks that its image went through.

    ``check_set`` is a digest of all that decides an outcome: guard version, lists, thresholds, views, limits. Two
    records with the same check set were held against the same things.
    """
    lists = [{"id": info.id, "version": info.version} for info in blocklist.lists]
    compared = sorted(blocklist.exact_algorithms | blocklist.near_algorithms)
    decisive = {
        "guard": __version__,
        "lists": lists,
        "algorithms": compared,
        "thresholds": {info.id: dict(sorted(info.thresholds.items())) for info in blocklist.lists},
        "policy": policy.model_dump(
            mode="json", exclude={"blocklist", "workers", "images_per_worker", "in_flight", "records", "max_age"}
        ),
    }
    canonical = json.dumps(decisive, sort_keys=True, separators=(",", ":")).encode()
    attestation = {
        "check_set": hashlib.sha256(canonical).hexdigest()[:16],
        "lists": lists,
        "algorithms": compared,
        "guard": f"ingest_guard {__version__}",
    }
    # Not every frame was looked at: whoever reads the record has to know.
    return {**attestation, "frames": "sample"} if policy.limits.sample_frames else attestation
