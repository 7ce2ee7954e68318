"""The whole decision about one body: :class:`Guard`.

It knows nothing of Scrapy, files or networks, so the same guard serves a crawl, a command line, a Spark job and a test.
It works in steps, because a crawl does them in two processes: :meth:`Guard.begin` takes the digests, matches them and
finds out what is to be decoded or read. :meth:`Guard.read` reads a text, and :meth:`Guard.finish` matches the digests
of the bodies in it. A :class:`~ingest_guard.guard.scanner.Scanner` decodes and compares each image, and
:meth:`Guard.conclude` makes one verdict of it all. Only :meth:`Guard.read` and the scanner run in a worker, so a parser
or a decoder that is taken over cannot vouch for a listed file.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from ingest_guard.blocklist.blocklist import Blocklist
from ingest_guard.guard.allow_list import AllowList
from ingest_guard.guard.check_set import attest
from ingest_guard.guard.credentials import list_key, require_trusted
from ingest_guard.guard.inquiry import ExactHit, Inquiry, Part
from ingest_guard.guard.list_rules import actions, govern, grade_of, require_known_hashes, strictest
from ingest_guard.guard.page_reading import needs_reading, page_limits, read_text
from ingest_guard.guard.scan_result import Scan
from ingest_guard.guard.scanner import Scanner, decode_limits
from ingest_guard.hashing.digests import digests
from ingest_guard.hashing.onnx import install
from ingest_guard.imaging.embedded.images import is_empty_spacer, net
from ingest_guard.imaging.sniffing.fonts import has_no_pictures
from ingest_guard.imaging.sniffing.sniff import Kind, sniff
from ingest_guard.pages.reading import PageQuestion, PageReading
from ingest_guard.policy.policy import Policy
from ingest_guard.verdict import Action, Grade, Match, Outcome, Reason, Verdict

_FAILURES = frozenset(
    {
        Reason.MEMORY,
        Reason.TIMEOUT,
        Reason.WORKER_CRASHED,
        Reason.DOMAIN_BUDGET,
        Reason.HASHER_FAILED,
        Reason.DETECTOR_FAILED,
        Reason.GUARD_FAILED,
    }
)
"""Reasons that say something of the scan, not of the picture."""


class Guard:
    """Check bodies against one version of the blocklist, by one policy.

    Parameters
    ----------
    blocklist
        An open blocklist.
    policy
        What of it counts, what counts as near, what may be decoded, and what happens in doubt.
    allowed
        What never matches; None reads the files that the policy names.
    key
        Of a keyed blocklist. It is not used here, but where the same guard is made in another process.

    Raises
    ------
    PolicyError
        The policy names a list or a hash that does not exist, or the allow-list cannot be read.
    BlocklistError
        The policy leaves nothing of a list, or asks for thresholds that the blocklist was not built for; or the
        blocklist holds values of a hasher plug-in that is not installed, is broken, or makes other values.
    """

    def __init__(
        self, blocklist: Blocklist, policy: Policy, *, allowed: AllowList | None = None, key: bytes | None = None
    ) -> None:
        require_known_hashes(policy)
        self.allowed = AllowList.read(policy) if allowed is None else allowed
        self.whole = blocklist
        self.blocklist = govern(blocklist, policy, self.allowed)
        self.blocklist.require_hashers()
        self.policy = policy
        self.key = key
        self.scanner = Scanner(self.blocklist, policy)
        self._limits = decode_limits(policy)
        self._page_limits = page_limits(policy)
        self._actions = actions(policy, self.blocklist)
        self.attestation = attest(self.blocklist, policy, self.allowed)

    @classmethod
    def from_policy(cls, policy: Policy) -> Guard:
        """Open the blocklist that a policy names.

        Raises
        ------
        BlocklistError
            The blocklist is missing, empty, stale, damaged, writable by others, keyed with another key, not signed by
            whom the policy demands, or older than one that was in use here.
        PolicyError
            The policy names a list or a hash that does not exist, or the allow-list cannot be read.
        """
        install(policy.encoders)
        key = list_key(policy)
        opened = Blocklist.open(policy.blocklist, key=key, allow_empty=policy.allow_empty, max_age=policy.max_age)
        guard = cls(opened, policy, key=key)
        # Last: a version that cannot be used shall not be the one that none may be older than.
        require_trusted(policy, opened)
        return guard

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
            What the sender calls it (a Content-Type). What the bytes are decides; of text, it says how a browser reads
            it.

        Returns
        -------
        Verdict
            Never an exception, whatever the bytes are.
        """
        inquiry = self.begin(data)
        if inquiry.is_unread:
            inquiry = self.finish(inquiry, self.read(data, declared_type))
        return self.conclude(inquiry, [self.scanner.scan(part.data) for part in inquiry.parts])

    def action_on(self, list_ids: Iterable[str]) -> Action:
        """Return what the policy says is to be done about a match on these lists: the strictest of their actions."""
        return strictest(self._actions, list_ids)

    def grade_of(self, match: Match) -> Grade:
        """Return how sure a match of this guard's is."""
        return grade_of(self.blocklist, match.list_id, match.algorithm)

    def begin(self, data: bytes, *, is_page: bool = False) -> Inquiry:
        """Take and match the digests of a body, and find out what is to be decoded or read. Does neither.

        Parameters
        ----------
        data
            With any Content-Encoding undone.
        is_page
            True where a text will be read anyway, for what it says as a page.
        """
        taken = digests(data)
        matches, hits = self._exact(taken, "bytes")
        if len(data) > self.policy.limits.bytes:
            return Inquiry(Kind.BINARY, taken, matches, (), Reason.TOO_LARGE, hits)
        sniffed = sniff(data)
        if sniffed.kind is Kind.IMAGE:
            return Inquiry(sniffed.kind, taken, matches, (Part(data, taken["sha256"]),), None, hits)
        if sniffed.kind is Kind.TEXT:
            inquiry = self._begin_text(data, taken, matches, hits)
            return replace(inquiry, is_unread=is_page or needs_reading(data))
        refused = sniffed.kind is Kind.BINARY and sniffed.format not in self.policy.unscanned_types
        return Inquiry(sniffed.kind, taken, matches, (), Reason.UNSUPPORTED_TYPE if refused else None, hits)

    def _begin_text(
        self, data: bytes, taken: Mapping[str, str], matches: tuple[Match, ...], hits: tuple[ExactHit, ...]
    ) -> Inquiry:
        found = _Found(matches, hits)
        # A net beneath the reader: it can add a match, and never a doubt.
        for inner in net(data, self._limits):
            inner_digests = digests(inner.data)
            found.add(*self._exact(inner_digests, "embedded/bytes"))
            if inner.is_picture:
                found.parts[inner_digests["sha256"]] = Part(
                    inner.data, inner_digests["sha256"], embedded=True, may_doubt=False
                )
        return Inquiry(Kind.TEXT, taken, *found.as_fields())

    def read(self, text: bytes, declared: str | None = None, question: PageQuestion | None = None) -> PageReading:
        """Read a text as a browser does; to be called where it cannot hurt. Never raises, whatever it is.

        Parameters
        ----------
        text
            With any Content-Encoding undone.
        declared
            Its Content-Type.
        question
            What is wanted beside the inline bodies.
        """
        return read_text(text, declared, self._page_limits, question, self.policy.extract)

    def finish(self, inquiry: Inquiry, reading: PageReading) -> Inquiry:
        """Take and match the digests of what was found inside a text, and find out what of it is to be decoded.

        Parameters
        ----------
        inquiry
            About a text.
        reading
            Of that text.
        """
        found = _Found(inquiry.matches, inquiry.hits, {part.sha256: part for part in inquiry.parts})
        reason = inquiry.reason or (Reason(reading.doubt) if reading.doubt else None)
        for body in reading.bodies:
            taken = digests(body.data)
            found.add(*self._exact(taken, "embedded/bytes"))
            sniffed = sniff(body.data)
            if sniffed.kind is Kind.IMAGE:
                may_doubt = body.is_shown and not is_empty_spacer(body.data)
                found.parts[taken["sha256"]] = Part(body.data, taken["sha256"], embedded=True, may_doubt=may_doubt)
            elif sniffed.kind is Kind.BINARY and body.is_shown and not self._passes(body.data, sniffed.format):
                reason = reason or Reason.EMBEDDED
        matches, parts, _, hits = found.as_fields()
        return replace(inquiry, matches=matches, parts=parts, reason=reason, hits=hits, is_unread=False)

    def _passes(self, data: bytes, name: str) -> bool:
        """Return whether a body of another type than an image may be inside a text."""
        return name in self.policy.unscanned_types or has_no_pictures(data)

    def _exact(self, taken: Mapping[str, str], view: str) -> tuple[tuple[Match, ...], tuple[ExactHit, ...]]:
        matches = self.exact_matches(taken, view=view)
        hits = tuple(ExactHit(m.list_id, m.algorithm, taken[m.algorithm], taken["sha256"]) for m in matches)
        return matches, hits

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
        if inquiry.is_unread:
            raise ValueError("a text that was not read")
        matches = dict.fromkeys([*inquiry.matches, *extra])
        reason = inquiry.reason
        for part, scan in zip(inquiry.parts, scans, strict=True):
            matches.update(dict.fromkeys(_inside(scan.matches) if part.embedded else scan.matches))
            reason = reason or (_inline_reason(part, scan) if part.embedded else scan.reason)
        whole = scans[0] if inquiry.kind is Kind.IMAGE else Scan()
        if matches:
            outcome, reason = Outcome.MATCH, None
        elif reason:
            outcome = Outcome.NOT_SCANNABLE
        else:
            outcome = Outcome.NO_KNOWN_MATCH if inquiry.kind is Kind.IMAGE else Outcome.NOT_AN_IMAGE
        action = self.action_on(match.list_id for match in matches) if matches else None
        return Verdict(outcome, tuple(matches), reason, whole.image, inquiry.digests, whole.low_detail, action)


class _Found:
    """What was found inside a text, each thing once."""

    def __init__(
        self, matches: Iterable[Match], hits: Iterable[ExactHit], parts: Mapping[str, Part] | None = None
    ) -> None:
        self._matches = dict.fromkeys(matches)
        self._hits = dict.fromkeys(hits)
        self.parts = dict(parts or {})

    def add(self, matches: Iterable[Match], hits: Iterable[ExactHit]) -> None:
        """Add exact matches."""
        self._matches.update(dict.fromkeys(matches))
        self._hits.update(dict.fromkeys(hits))

    def as_fields(self) -> tuple[tuple[Match, ...], tuple[Part, ...], None, tuple[ExactHit, ...]]:
        """Return matches, parts, no reason, and hits: fields of an inquiry."""
        return tuple(self._matches), tuple(self.parts.values()), None, tuple(self._hits)


def _inline_reason(part: Part, scan: Scan) -> Reason | None:
    """Return what the scan of an image inside a text says against that text.

    A picture that was decoded and does not match is no reason, however blank it is. One that was announced and could
    not be looked at wholly is a doubt about the page.
    """
    if scan.reason is None or scan.reason is Reason.LOW_QUALITY or not part.may_doubt:
        return None
    return scan.reason if scan.reason in _FAILURES else Reason.EMBEDDED


def _inside(matches: Iterable[Match]) -> list[Match]:
    return [Match(m.list_id, m.algorithm, m.distance, f"embedded/{m.view}") for m in matches]
