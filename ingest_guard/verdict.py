"""What the guard says of one body: :class:`Verdict`, and the parts that it is made of.

``no_known_match`` is never called safe: a verdict tells what was found with the lists and algorithms that were
compared, nothing more. None of these classes shows a hash value in its ``repr``, so that a verdict in a log line or in
a traceback tells nobody what is on a list.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import NamedTuple


class Outcome(StrEnum):
    """The four ways in which a check can end."""

    NO_KNOWN_MATCH = "no_known_match"
    MATCH = "match"
    NOT_SCANNABLE = "not_scannable"
    NOT_AN_IMAGE = "not_an_image"


class Action(StrEnum):
    """What is done about a match, from the mildest to the strictest; nothing of the image leaves in any case."""

    HOLD = "hold"
    """The image is dropped, and counted apart: for lists whose entries nobody has verified."""
    DROP = "drop"
    """The image is dropped."""
    DROP_PAGE = "drop_page"
    """The image is dropped, and with it the other records of its page."""

    @classmethod
    def strictest(cls, actions: Iterable[Action]) -> Action | None:
        """Return the strictest of some actions; None of none."""
        return max(actions, key=_STRICTNESS.index, default=None)


_STRICTNESS = tuple(Action)


class Reason(StrEnum):
    """Why a body could not be scanned. The list is closed: statistics and records name these and no others."""

    TOO_LARGE = "too_large"
    """More bytes than the policy's limit, as sent or after undoing a Content-Encoding."""
    PIXELS = "pixels"
    """More pixels than the policy's limit (a decompression bomb)."""
    FRAMES = "frames"
    """More frames, pages or sub-images than the policy's limit."""
    NESTING = "nesting"
    """Images inside images (SVG in SVG, ``data:`` in ``data:``) deeper, or more of them, than the policy's limit."""
    EMBEDDED = "embedded"
    """A text with an inline body that is cut, broken, over a limit, or of a type that is refused by itself."""
    TRUNCATED = "truncated"
    """Rows, blocks or frames of the picture are missing; a missing end mark alone is not that."""
    CORRUPT = "corrupt"
    """The file contradicts its own format."""
    TRAILING_DATA = "trailing_data"
    """Data after the image's end that cannot be accounted for, where the policy refuses such files."""
    UNSUPPORTED_TYPE = "unsupported_type"
    """Not text and not an image of a known type: an archive, a document, a video, anything else."""
    UNSUPPORTED_CODEC = "unsupported_codec"
    """A known image type in a variant that no decoder here reads (12-bit JPEG, say)."""
    ENCODING = "encoding"
    """A Content-Encoding that is unknown, broken or cut off."""
    PARTIAL = "partial"
    """A part of a resource: status 206, a stopped or a lossy download."""
    LOW_QUALITY = "low_quality"
    """PDQ quality below the policy's minimum, where the policy drops such pictures."""
    MEMORY = "memory"
    """Decoding wanted more memory than the policy's limit."""
    TIMEOUT = "timeout"
    """Decoding or hashing took longer than the policy's limit."""
    WORKER_CRASHED = "worker_crashed"
    """The isolated process that scanned it died."""
    DOMAIN_BUDGET = "domain_budget"
    """So many scans of its domain have failed lately that it was not scanned at all."""
    HASHER_FAILED = "hasher_failed"
    """A hasher plug-in raised an error."""
    DETECTOR_FAILED = "detector_failed"
    """A detector raised an error."""
    GUARD_FAILED = "guard_failed"
    """The guard has latched shut and drops everything."""


class Grade(StrEnum):
    """How sure a match is, from the surest on."""

    EXACT_CONFIRMED = "exact_confirmed"
    """The digest is in the list's confirm table."""
    EXACT_FILTER = "exact_filter"
    """The digest is in a Bloom filter, which is wrong once in so many look-ups as it was built for (1e-9)."""
    NEAR = "near"
    """A perceptual hash within the threshold."""
    SUSPICION = "suspicion"
    """The vector of an encoder within a distance: it looks alike, which is no proof."""

    @classmethod
    def surest(cls, grades: Iterable[Grade]) -> Grade:
        """Return the surest of some grades; ValueError where there is none."""
        return min(grades, key=tuple(cls).index)


@dataclass(frozen=True, slots=True)
class Match:
    """One list that knows this body.

    Attributes
    ----------
    list_id
        The id that the operator gave the list.
    algorithm
        What matched: ``md5``, ``sha1``, ``sha256``, ``pdq``, ``phash`` ...
    distance
        Bits apart, or the distance of byte vectors rounded up; 0 for an exact match.
    view
        What of the body matched: ``bytes`` for an exact match, ``native`` for the picture as it is, or the name of
        another view of it.
    """

    list_id: str
    algorithm: str
    distance: int
    view: str


def _no_fingerprints() -> Mapping[str, str]:
    return MappingProxyType({})


def _no_scores() -> Mapping[str, float]:
    return MappingProxyType({})


@dataclass(frozen=True, slots=True)
class ViewHash:
    """One fingerprint of one view of one frame.

    Attributes
    ----------
    algorithm
        Its name.
    frame
        Number of the frame, from 0, in the order in which they were looked at.
    view
        ``native``, ``mirror``, ``trimmed`` ...
    value
        Lower-case hex.
    quality
        Of a PDQ value, 0 to 100; None of any other.
    """

    algorithm: str
    frame: int
    view: str
    value: str = field(repr=False)
    quality: int | None = None


class Statement(NamedTuple):
    """What a file says of its own use: by which standard (``iptc``, ``c2pa``), and in which of its words.

    The words are the standard's own, ``other`` or ``unreadable``; see :mod:`ingest_guard.imaging.metadata`.
    """

    standard: str
    said: str


@dataclass(frozen=True, slots=True)
class ImageFacts:
    """What the decoder saw, as displayed: EXIF orientation applied.

    Attributes
    ----------
    format
        Pillow's name of the format: ``JPEG``, ``PNG``, ``WEBP`` ...
    width, height
        Pixels.
    frames
        Number of frames or pages.
    pdq_quality
        0 to 100, of the first frame's native view; None where no PDQ was computed.
    fingerprints
        Algorithm -> lower-case hex, of the first frame's native view.
    hashes
        Of all frames and views, where the policy says ``records.record_hashes: all``.
    statements
        What the file's metadata says of its use, each thing once.
    scores
        Column of a detector (``score_NAME_MODEL``) -> the highest score of the frames that it looked at, 0 to 1.
    """

    format: str
    width: int
    height: int
    frames: int
    pdq_quality: int | None = None
    fingerprints: Mapping[str, str] = field(default_factory=_no_fingerprints, repr=False)
    hashes: tuple[ViewHash, ...] = field(default=(), repr=False)
    statements: tuple[Statement, ...] = ()
    scores: Mapping[str, float] = field(default_factory=_no_scores, repr=False)


@dataclass(frozen=True, slots=True)
class Verdict:
    """The guard's decision about one body.

    Attributes
    ----------
    outcome
        The strongest finding: match before not_scannable before no_known_match or not_an_image.
    matches
        Every list that knows the body, or an image inside it; empty unless the outcome is ``match``.
    reason
        Why it could not be scanned; None unless the outcome is ``not_scannable``.
    image
        What was decoded; None unless something was.
    digests
        ``md5``, ``sha1`` and ``sha256`` of the body, lower-case hex.
    low_detail
        True where the picture has so little structure that perceptual hashes say little about it.
    action
        What the policy says is to be done about the matches: the strictest of their lists' actions. None unless the
        outcome is ``match``.
    """

    outcome: Outcome
    matches: tuple[Match, ...] = ()
    reason: Reason | None = None
    image: ImageFacts | None = None
    digests: Mapping[str, str] = field(default_factory=_no_fingerprints, repr=False)
    low_detail: bool = False
    action: Action | None = None
