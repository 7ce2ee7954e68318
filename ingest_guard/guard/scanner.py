"""What is done with one image where it cannot hurt: decode it, fingerprint its views, compare them with the lists.

:class:`Scanner` is what runs inside a worker. It sees one body at a time, opens no files and knows no URL; what it
finds goes back as a :class:`~ingest_guard.guard.scan_result.Scan`, which travels as JSON.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ingest_guard.blocklist.blocklist import Blocklist
from ingest_guard.guard.near_matches import NearMatches, Queries, compare
from ingest_guard.guard.scan_result import Scan
from ingest_guard.guard.view_hashes import ViewHashes
from ingest_guard.hashing import detectors, registry
from ingest_guard.hashing.digests import digests
from ingest_guard.hashing.pdq import pdq
from ingest_guard.hashing.pdq_views import HashedViews, hash_views, radius_cap
from ingest_guard.hashing.registry import Hasher
from ingest_guard.imaging.borders import trim_borders
from ingest_guard.imaging.decode import Frame, Limits, NotScannable, Picture, open_picture
from ingest_guard.imaging.views import centre_crop, normalise_contrast, quadrants
from ingest_guard.policy.policy import Policy
from ingest_guard.verdict import ImageFacts, Match, Reason

# Beyond any distance, also of the longest byte vectors.
_NO_CAP = 1 << 32
_UNCAPPED = np.array([_NO_CAP], np.int64)
# Queries are compared in batches of about this many: large enough for the index, small enough for long animations.
_BATCH = 128


class _Views(NamedTuple):
    """Views of a frame: whole names, PDQ as uint8[n, 32], quality of the first, radius caps in bits as int64[n]."""

    names: tuple[str, ...]
    bits: NDArray[np.uint8]
    quality: int
    caps: NDArray[np.int64]


@dataclass(slots=True)
class _First:
    """What is kept of the first frame's native view, and the scores."""

    quality: int | None = None
    low_detail: bool = False
    fingerprints: dict[str, str] = field(default_factory=dict)
    every: ViewHashes | None = None
    """What is kept of all frames and views, where that is wanted."""
    frames: int = 0
    """Those that have come so far."""
    scores: dict[str, float] = field(default_factory=dict)
    """The highest score of each detector so far, by its column."""
    is_unscored: bool = False
    """Whether a detector failed. That hides no match of this frame or a later one."""


class Scanner:
    """Scan images by one policy against one version of the lists.

    Parameters
    ----------
    blocklist
        An open blocklist; only its near algorithms are used here.
    policy
        Limits, views, and what to do with pictures of low quality.
    """

    def __init__(self, blocklist: Blocklist, policy: Policy) -> None:
        self._blocklist = blocklist
        self._policy = policy
        self._limits = decode_limits(policy)
        self._near_pdq = "pdq" in blocklist.near_algorithms
        self._keep_all = policy.records.record_hashes == "all"
        self._listed = blocklist.near_algorithms - {"pdq"}
        # Only what a list in use or the records need is computed; pdq has a path of its own.
        hashers = registry.load(sorted(self._listed.union(policy.records.hashes) - {"pdq"}))
        self._of_bytes = {name: each for name, each in hashers.items() if each.algorithm.source == "bytes"}
        self._of_frames = {name: each for name, each in hashers.items() if name not in self._of_bytes}
        self._detectors = detectors.load(policy.detectors)

    def prepare(self) -> None:
        """Let hashers and detectors make what they make once, before a process forks or scans; see registry.prepare."""
        for hasher in (*self._of_bytes.values(), *self._of_frames.values()):
            registry.prepare(hasher)
        for detector in self._detectors.values():
            detectors.prepare(detector)

    def scan(self, data: bytes) -> Scan:
        """Decode and compare one image; never raises for anything that the bytes may be."""
        try:
            picture = open_picture(data, self._limits)
        except NotScannable as problem:
            return Scan(reason=problem.reason)
        first, found, queries = _First(every=ViewHashes() if self._keep_all else None), NearMatches(), Queries()
        reason = self._add_file(data, queries, first)
        try:
            self._match_contents(picture.files(), found)
            try:
                for frame in picture.frames():
                    self._add_frame(frame, queries, first)
                    self._add_scores(frame, picture.frame_count, first)
                    if queries.count >= _BATCH:
                        compare(self._blocklist, queries, found)
                        queries = Queries()
            finally:
                self._match_contents(picture.files(behind_samples=True), found)
        except NotScannable as problem:
            reason = problem.reason
        except registry.HasherError:
            reason = Reason.HASHER_FAILED
        except MemoryError:
            reason = Reason.MEMORY
        compare(self._blocklist, queries, found)
        if reason is None and first.is_unscored:
            reason = Reason.DETECTOR_FAILED
        if reason is None and first.quality is None:
            reason = Reason.CORRUPT
        if reason is None and first.low_detail and self._policy.low_quality == "drop":
            reason = Reason.LOW_QUALITY
        return Scan(
            matches=tuple(found.matches),
            reason=None if found.matches else reason,
            image=None if first.quality is None else _facts(picture, first),
            low_detail=first.low_detail,
            hits=found.nearest(),
        )

    def _match_contents(self, files: Iterator[bytes], found: NearMatches) -> None:
        """Match the digests of what is inside the file: of most of it before anything is decoded."""
        if not self._blocklist.exact_algorithms:
            return
        for body in files:
            for list_id, algorithm in self._blocklist.match_exact(digests(body)):
                found.matches[Match(list_id, algorithm, 0, "embedded/bytes")] = None

    def _add_file(self, data: bytes, queries: Queries, first: _First) -> Reason | None:
        """Add the values of the file as it is; return why there are none.

        Its frames are compared all the same: a match says more than a doubt.
        """
        try:
            self._add_hashes(self._of_bytes, data, "bytes", queries, first, is_first=True)
        except registry.HasherError:
            return Reason.HASHER_FAILED
        except MemoryError:
            return Reason.MEMORY
        return None

    def _add_frame(self, frame: Frame, queries: Queries, first: _First) -> None:
        is_first = first.quality is None
        min_quality = self._policy.min_quality
        for names, bits, quality, caps in self._views(frame, is_first=is_first):
            if first.every is not None:
                for name, value in zip(names, bits, strict=True):
                    first.every.add("pdq", name, value.tobytes().hex(), quality)
            if is_first and names[0] == frame.name:
                first.quality = quality
                first.low_detail = quality < min_quality
                first.fingerprints["pdq"] = bits[0].tobytes().hex()
            elif is_first and names[0].endswith("normalised") and quality >= min_quality:
                first.low_detail = False
            if self._near_pdq:
                low = quality < min_quality
                queries.add("pdq", bits, np.minimum(caps, self._policy.low_quality_distance) if low else caps, names)
        # Of later frames only what a list may know is of interest.
        listed = self._of_frames
        if not self._keep_all:
            listed = {name: hasher for name, hasher in self._of_frames.items() if name in self._listed}
        self._add_hashes(self._of_frames if is_first else listed, frame, frame.name, queries, first, is_first=is_first)
        if frame.stored is not None:
            self._add_hashes(listed, frame.stored, frame.stored.name, queries, first, is_first=False)

    def _add_scores(self, frame: Frame, count: int, first: _First) -> None:
        """Let detectors score a frame, if it is one of those: evenly spread, and of the picture itself."""
        number = first.frames
        first.frames += 1
        for name, detector in self._detectors.items():
            if number < count and number % -(-count // self._policy.detectors[name].frames) == 0:
                column = detectors.column_of(detector)
                try:
                    first.scores[column] = max(first.scores.get(column, 0.0), detectors.run(detector, frame))
                except (detectors.DetectorError, MemoryError):
                    first.is_unscored = True

    def _views(self, frame: Frame, *, is_first: bool) -> Iterator[_Views]:
        """Yield the views of a frame, the native one before all others."""
        wanted, luma = self._policy.views, frame.luma
        near = self._near_pdq or self._keep_all
        if not near and not is_first:
            return
        trimmed = trim_borders(luma) if near and wanted.trim else []
        # All at once: most of what a view takes is the calls'.
        found = hash_views(
            [(part, frame.size_in_original(part)) for part in (luma, *trimmed)],
            orientations=near and wanted.orientations,
            inverse=near and wanted.inverse,
            scale=near and wanted.scale,
        )
        yield _named(frame.name, "native", found[0])
        if wanted.normalise and found[0].quality < self._policy.min_quality:
            yield _plain(frame, "normalised", normalise_contrast(luma))
        if not near:
            return
        for each in found[1:]:
            yield _named(frame.name, "trimmed", each)
        if wanted.quadrants:
            for number, part in enumerate(quadrants(luma), 1):
                yield _plain(frame, f"quadrant{number}", part)
        if wanted.centre:
            yield _plain(frame, "centre", centre_crop(luma))
        if frame.stored is not None:
            # Turned views are compared within less than the picture that a list maker may have hashed.
            yield _plain(frame.stored, "native", frame.stored.luma)

    def _add_hashes(
        self,
        hashers: Mapping[str, Hasher],
        source: Frame | bytes,
        view: str,
        queries: Queries,
        first: _First,
        *,
        is_first: bool,
    ) -> None:
        """Add the values of hashers for one frame, or for the file as it is."""
        for name, hasher in hashers.items():
            values = registry.run(hasher, source)
            if is_first and values:
                first.fingerprints[name] = b"".join(values).hex()
            # A vector says what a picture shows: it has no place in a record.
            if first.every is not None and name not in registry.described():
                for value in values:
                    first.every.add(name, view, value.hex())
            if name in self._listed:
                for value in values:
                    queries.add(name, np.frombuffer(value, np.uint8)[np.newaxis], _UNCAPPED, (view,))


def _plain(frame: Frame, name: str, luma: NDArray[np.uint8]) -> _Views:
    """Return the hash of a part of a frame, or of a version of it, at the size that it has in the original."""
    value, quality = pdq(luma, frame.size_in_original(luma))
    return _Views((_name(frame.name, name),), np.frombuffer(value, np.uint8)[np.newaxis], quality, _UNCAPPED)


def _named(frame: str, part: str, found: HashedViews) -> _Views:
    """Return the views of a picture, the whole of a frame or what is in its border, by their whole names."""
    return _Views(_whole_names(frame, part, found.names), found.bits, found.quality, _caps(found.names))


@lru_cache(maxsize=256)
def _whole_names(frame: str, part: str, views: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(_name(frame, _name(part, view)) for view in views)


@lru_cache(maxsize=16)
def _caps(views: tuple[str, ...]) -> NDArray[np.int64]:
    caps = [radius_cap(view) for view in views]
    return np.array([_NO_CAP if cap is None else cap for cap in caps], np.int64)


def decode_limits(policy: Policy) -> Limits:
    """Return the decoder's part of a policy."""
    limits = policy.limits
    return Limits(
        bytes=limits.bytes,
        pixels=limits.pixels,
        frames=limits.frames,
        sample_frames=limits.sample_frames,
        nesting=limits.nesting,
        trailing=limits.trailing_data,
    )


def _name(frame: str, view: str) -> str:
    """``native`` + ``mirror`` -> ``mirror``; ``frame:3`` + ``native`` -> ``frame:3``; else both."""
    if view == "native":
        return frame
    return view if frame == "native" else f"{frame}/{view}"


def _facts(picture: Picture, first: _First) -> ImageFacts:
    return ImageFacts(
        format=picture.format,
        width=picture.width,
        height=picture.height,
        frames=picture.frame_count,
        pdq_quality=first.quality,
        fingerprints=first.fingerprints,
        hashes=first.every.kept() if first.every else (),
        statements=picture.statements,
        scores=first.scores,
    )
