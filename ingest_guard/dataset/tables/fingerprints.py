"""What a batch of records has to compare: digests, perceptual hashes with their radius caps, addresses."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from ingest_guard.hashing.pdq_views import RADIUS_CAPS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ingest_guard.policy.policy import Policy

EXACT_SIZES = {"md5": 16, "sha1": 20, "sha256": 32}
"""Digest of bytes -> bytes of a value."""
NO_CAP = 1 << 32
"""Beyond any distance."""


@dataclass(frozen=True, slots=True)
class Values:
    """Values of one algorithm.

    Attributes
    ----------
    rows
        int64[m]: whose they are.
    values
        uint8[m, size].
    caps
        int64[m]: the largest distance at which each may match; None: the thresholds alone count.
    """

    rows: npt.NDArray[np.int64]
    values: npt.NDArray[np.uint8]
    caps: npt.NDArray[np.int64] | None = None


@dataclass(slots=True)
class Fingerprints:
    """What a batch of records has to compare.

    Attributes
    ----------
    count
        Records.
    exact
        Digest -> values.
    near
        Perceptual hash -> values, from a column of its own and from the column of all frames and views.
    urls
        For each column of addresses one a record, None where there is none.
    unread
        Algorithm -> texts that are no value of it.
    all_views
        Rows that have the values of all frames and views.
    """

    count: int
    exact: dict[str, Values] = field(default_factory=dict)
    near: dict[str, list[Values]] = field(default_factory=dict)
    urls: list[Sequence[str | None]] = field(default_factory=list)
    unread: dict[str, int] = field(default_factory=dict)
    all_views: list[npt.NDArray[np.int64]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class QualityRule:
    """How PDQ values of low quality are compared, as in a crawl."""

    minimum: int
    distance: int

    @classmethod
    def of(cls, policy: Policy) -> QualityRule:
        """Return a policy's."""
        return cls(policy.min_quality, policy.low_quality_distance)

    def caps(self, qualities: npt.NDArray[np.float64]) -> npt.NDArray[np.int64]:
        """Return the cap of each value; a quality that nobody knows (NaN) lowers nothing."""
        return np.where(qualities < self.minimum, self.distance, NO_CAP).astype(np.int64)


def view_cap(view: str) -> int:
    """Return the cap of a view, by its name: ``mirror`` and ``black/mirror`` have that of a mirrored picture."""
    return RADIUS_CAPS.get(view.rpartition("/")[2]) or NO_CAP
