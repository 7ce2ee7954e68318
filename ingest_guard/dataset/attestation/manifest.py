"""``attestation.json``: in full what each record's ``check_set`` stands for, and what the shards of a folder are.

A manifest is made by a crawl that ended well, or derived from one by a recheck that cleans shards later. It says what
was compared with what, by whom, how often each outcome came, and which bytes it speaks of. It holds no hash value of an
image, no path of a machine, and nothing of the policy but a digest.
"""

import os
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Literal, Self

from pydantic import Field, ValidationError

from ingest_guard._clock import now
from ingest_guard.dataset.attestation.model import (
    GUARD,
    NOT_PROMISED,
    PROMISED,
    About,
    BlocklistFacts,
    CheckSet,
    CheckSetId,
    Count,
    Difference,
    Digest,
    NeighbourSearch,
    Part,
    Recheck,
    Run,
    Shard,
    Source,
    Step,
    Time,
)
from ingest_guard.errors import AttestationError

NAME = "attestation.json"
FORMAT: Literal[1] = 1
# Of a data set with a million shards.
_MAX_BYTES = 1 << 28


def read_manifest(folder: str | os.PathLike[str]) -> bytes:
    """Return the bytes of a folder's manifest; AttestationError where there is none."""
    path = Path(folder) / NAME
    try:
        with path.open("rb") as file:
            data = file.read(_MAX_BYTES + 1)
    except FileNotFoundError:
        raise AttestationError(
            f"{folder} has no {NAME}: the crawl was killed, its guard failed, it is still at work, or it was not "
            "guarded; finish it (--recover after a crash), and do not use its records before"
        ) from None
    except OSError as error:
        raise AttestationError(f"{path} cannot be read: {error.strerror}") from None
    if len(data) > _MAX_BYTES:
        raise AttestationError(f"{path} is too large for a manifest")
    return data


class Manifest(Part):
    """The whole attestation of a folder with shards.

    ``check_set`` is the last one in use, and None where the records came from elsewhere (``records: foreign``).
    ``outcomes``, ``opt_outs``, ``filtered`` and ``extracted`` are sums over the runs whose numbers are known.
    ``unattested`` counts rows that are no records of images: items that a policy lets pass without one.
    ``croissant`` is the SHA-256 of the ``croissant.json`` that was written with it.
    """

    format: Literal[1] = FORMAT
    guard: str = GUARD
    created: Time
    check_set: CheckSetId | None = None
    records: Literal["attested", "foreign"] = "attested"
    outfit: str | None = None
    about: About = About()
    shards: tuple[Shard, ...] = ()
    unattested: Count = 0
    outcomes: dict[str, Count] = Field(default_factory=dict)
    opt_outs: dict[str, Count] = Field(default_factory=dict)
    filtered: dict[str, Count] = Field(default_factory=dict)
    extracted: dict[str, Count] = Field(default_factory=dict)
    check_sets: tuple[CheckSet, ...] = ()
    runs: tuple[Run, ...] = ()
    derived_from: Source | None = None
    rechecks: tuple[Recheck, ...] = ()
    searches: tuple[NeighbourSearch, ...] = ()
    differences: tuple[Difference, ...] = ()
    croissant: Digest | None = None
    promised: tuple[str, ...] = PROMISED
    not_promised: tuple[str, ...] = NOT_PROMISED

    @classmethod
    def load(cls, folder: str | os.PathLike[str]) -> Self:
        """Read the manifest of a folder. Nothing is verified: see :func:`~ingest_guard.dataset.attestation.verify`.

        Raises
        ------
        AttestationError
            There is none, or it is not one that this release reads.
        """
        return cls.parse(read_manifest(folder))

    @classmethod
    def parse(cls, data: bytes) -> Self:
        """Read what :meth:`to_bytes` returned; AttestationError where it is something else."""
        try:
            return cls.model_validate_json(data)
        except ValidationError as error:
            first = error.errors(include_input=False, include_url=False, include_context=False)[0]
            where = ".".join(str(part) for part in first["loc"])
            raise AttestationError(
                f"{NAME} is not a manifest that this release reads ({where or 'the whole'}: {first['msg']}); it was "
                "changed, or written by a newer release"
            ) from None

    @classmethod
    def foreign(cls, *, outfit: str | None = None) -> Self:
        """Return the manifest of records that were made elsewhere: nothing is known of how they were collected."""
        return cls(created=now(), check_set=None, records="foreign", outfit=outfit)

    def derive(self, step: Step, source: Source) -> Self:
        """Return the manifest for shards that were made from this one's by leaving records out.

        What was promised of the records stays promised, so runs and check sets are kept. Shards, Croissant file and
        signature are new: :func:`~ingest_guard.dataset.attestation.files.write_manifest` makes them.

        Parameters
        ----------
        step
            What the records were compared with.
        source
            The manifest's digest (:func:`~ingest_guard.dataset.attestation.files.manifest_digest`; None for records
            from elsewhere) and the number of records there were.

        Examples
        --------
        >>> old = Manifest.load(folder)  # doctest: +SKIP
        >>> new = old.derive(recheck, Source(manifest=manifest_digest(folder), rows=rows))  # doctest: +SKIP
        >>> write_manifest(clean, new)  # doctest: +SKIP
        """
        return self.model_copy(
            update={
                "guard": GUARD,
                "created": now(),
                "shards": (),
                "croissant": None,
                "derived_from": source,
            }
        ).add_step(step)

    def add_step(self, step: Step) -> Self:
        """Return the same manifest with one more step by which records were left out."""
        name = {Recheck: "rechecks", NeighbourSearch: "searches", Difference: "differences"}[type(step)]
        return self.model_copy(update={name: (*getattr(self, name), step)})

    def counted(self) -> Self:
        """Return the same manifest with the sums of its runs' numbers."""
        total: Counter[str] = Counter()
        for run in self.runs:
            total.update(run.counts or {})
        return self.model_copy(update=group_counts(total))

    def to_bytes(self) -> bytes:
        """Return the bytes that are written to disk, and whose digest is signed."""
        return (self.model_dump_json(indent=1, exclude_none=True) + "\n").encode()

    @property
    def rows(self) -> int:
        """How many records the shards hold."""
        return sum(shard.rows for shard in self.shards)

    @property
    def blocklist(self) -> tuple[BlocklistFacts, ...]:
        """The versions of the blocklist that were in use, in order."""
        return tuple({each.blocklist.version: each.blocklist for each in self.check_sets}.values())

    @property
    def algorithms(self) -> tuple[str, ...]:
        """What was compared in any check set, sorted."""
        return tuple(sorted({name for each in self.check_sets for name in each.algorithms}))

    @property
    def views(self) -> tuple[str, ...]:
        """Which views were compared in every check set, in the policy's order."""
        return _common(each.views for each in self.check_sets)

    @property
    def policy_digest(self) -> str | None:
        """Of the last run's policy; None where no run is known."""
        return self.runs[-1].policy_digest if self.runs else None

    @property
    def versions(self) -> Mapping[str, str]:
        """The libraries of the last run; empty where no run is known."""
        return self.runs[-1].versions if self.runs else {}

    @property
    def started(self) -> str | None:
        """When the first run began."""
        return self.runs[0].started if self.runs else None

    @property
    def ended(self) -> str | None:
        """When the last run ended."""
        return self.runs[-1].ended if self.runs else None

    @property
    def finish_reason(self) -> str | None:
        """Why the last run ended, in Scrapy's words."""
        return self.runs[-1].finish_reason if self.runs else None


_GROUPS = {"opted_out/": "opt_outs", "filtered/": "filtered", "extract/": "extracted"}


def group_counts(counts: Mapping[str, int]) -> dict[str, dict[str, int]]:
    """Put numbers by their statistics' names into the manifest's four groups."""
    groups: dict[str, dict[str, int]] = {"outcomes": {}, **{group: {} for group in _GROUPS.values()}}
    for name, number in sorted(counts.items()):
        prefix = next((each for each in _GROUPS if name.startswith(each)), None)
        groups[_GROUPS[prefix] if prefix else "outcomes"][name.removeprefix(prefix or "")] = number
    return groups


def _common(groups: Iterable[tuple[str, ...]]) -> tuple[str, ...]:
    every = list(groups)
    return tuple(name for name in every[0] if all(name in group for group in every)) if every else ()
