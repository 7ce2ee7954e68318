"""The parts of a manifest: lists, check sets, runs, shards, where cleaned shards come from, and what is promised."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from ingest_guard._version import __version__

GUARD = f"ingest_guard {__version__}"

Count = Annotated[int, Field(ge=0)]
Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
CheckSetId = Annotated[str, Field(pattern=r"^[0-9a-f]{16}$")]
Threshold = Count | Annotated[float, Field(ge=0, allow_inf_nan=False)]
# A name inside the folder: no root, no way up, nothing hidden, no control character.
ShardName = Annotated[str, Field(min_length=1, max_length=1024, pattern=r"^[^/.\x00-\x1f\\][^\x00-\x1f\\]*$")]
Time = Annotated[str, Field(pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$")]

PROMISED = (
    (
        "No record was made of an image that one of the lists named here knew when it was checked, or that could not "
        "be decoded and compared."
    ),
    (
        "Each record names, by its check_set, what its image was held against: lists with their versions, algorithms, "
        "thresholds, views."
    ),
    "This holds for the bytes that have the record's sha256, and for no others.",
)
NOT_PROMISED = (
    (
        "No known match does not mean safe: an image that is on none of these lists, or that differs from what is on "
        "them by more than the thresholds, was not found."
    ),
    (
        "A host can answer with other bytes tomorrow, or to somebody else: whoever downloads the images compares their "
        "digest with the record's, and checks them again."
    ),
    (
        "Lists grow: what was listed after the versions named here was not known then. Records can be compared with "
        "newer lists without fetching anything."
    ),
    "Nothing is said of consent, copyright, privacy, or of whether a text describes its image.",
)


class Part(BaseModel):
    """What all parts have in common: no unknown keys, and no change."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class ListFacts(Part):
    """One list, or that part of it to which its source gave one severity.

    ``counts`` and ``thresholds`` are by algorithm; ``version`` is the digest of what the list held; ``action`` is what
    the policy said is done about a match.
    """

    id: str
    severity: str | None = None
    version: Digest
    counts: dict[str, Count]
    thresholds: dict[str, Threshold]
    action: Literal["drop", "drop_page", "hold"] = "drop"


class BlocklistFacts(Part):
    """A version of the blocklist: its name (SHA-256 of its own manifest), when it was built, its lists."""

    version: Digest
    created: Time
    lists: tuple[ListFacts, ...]


class AllowListFacts(Part):
    """What never matched: how many values, and a digest over them."""

    entries: Count
    digest: Digest


class DetectorFacts(Part):
    """A detector that scored the pictures: its network, the score from which on there is no record, frames at most."""

    name: str
    model: str
    sha256: Digest
    bound: float | None = None
    frames: Count


class CheckSet(Part):
    """What the ``check_set`` of a record stands for: all that its image was held against.

    ``frames``: whether every frame of an animation was looked at, or a sample. ``detectors`` matched nothing and
    cleared nothing: their scores are a column.
    """

    check_set: CheckSetId
    guard: str
    since: Time
    blocklist: BlocklistFacts
    algorithms: tuple[str, ...]
    views: tuple[str, ...]
    allow_list: AllowListFacts | None = None
    frames: Literal["all", "sample"] = "all"
    detectors: tuple[DetectorFacts, ...] = ()


class IncidentCheckpoint(Part):
    """How far the log of incidents went at one moment, signed where there is a key; see docs/incidents.md.

    ``entries`` counts those of all runs in its folder; ``head`` is the SHA-256 of the last line; ``run`` and ``why``
    say which run wrote it, and at what moment. Nothing in it leads to an entry.
    """

    entries: Count
    head: Digest
    time: str
    run: str
    why: str
    key: str | None = None
    signature: str | None = None


class Run(Part):
    """One crawl into the folder, from its start to its end.

    Of one that was killed, or whose guard failed, ``ended``, ``finish_reason`` and ``counts`` are None, as unknown.
    ``extraction`` numbers the way in which texts and addresses were read; runs from before it was counted have none.
    ``incidents`` is the last checkpoint of the log of incidents; None where none was kept.
    """

    started: Time
    ended: Time | None = None
    finish_reason: str | None = None
    guard: str = GUARD
    versions: dict[str, str]
    policy_digest: Digest
    check_sets: tuple[CheckSetId, ...]
    counts: dict[str, Count] | None = None
    extraction: Count | None = None
    incidents: IncidentCheckpoint | None = None


class Recheck(Part):
    """One comparison of the records' stored fingerprints with a blocklist, without fetching anything.

    ``fingerprints``: ``native`` where records had the first frame's native view alone, ``all`` where they had those of
    all frames and views. ``since``: the version of the blocklist that was compared before, where only what came since
    was compared now. ``policy_digest`` is None where no policy was used. ``counts``: ``compared``, ``removed`` and the
    like.
    """

    at: Time
    guard: str = GUARD
    blocklist: BlocklistFacts
    algorithms: tuple[str, ...]
    fingerprints: Literal["native", "all"] = "native"
    since: Digest | None = None
    policy_digest: Digest | None = None
    counts: dict[str, Count]


class NeighbourSearch(Part):
    """One removal of the records whose embeddings lie near to those of known ones.

    ``seeds``: how many vectors were searched for, and ``seeds_from`` where they came from. ``k``: the nearest rows of
    each that were removed; ``above``: the cosine similarity from which on all were. ``counts``: ``compared``,
    ``removed``, ``not_compared``.
    """

    at: Time
    guard: str = GUARD
    seeds: Count
    seeds_from: Literal["blocklist", "tombstones", "uids", "vectors"]
    k: Count
    above: Annotated[float, Field(ge=0, le=1)] | None = None
    counts: dict[str, Count]


class Difference(Part):
    """One removal of the records that another release of the same data set no longer has.

    ``key``: what the records were compared by. ``counts``: ``compared``, ``removed``, ``not_compared``.
    """

    at: Time
    guard: str = GUARD
    key: Literal["uid", "url and text"]
    counts: dict[str, Count]


Step = Recheck | NeighbourSearch | Difference
"""How records were left out of a data set."""


class Source(Part):
    """What a data set was made from: the SHA-256 of the manifest that it had, and how many records."""

    manifest: Digest | None = None
    rows: Count


class Shard(Part):
    """One file of records: its name in the folder, its records, its size, the SHA-256 of its bytes."""

    name: ShardName
    rows: Count
    bytes: Count
    sha256: Digest

    @field_validator("name")
    @classmethod
    def _stays_inside(cls, name: str) -> str:
        if any(not part or part.startswith(".") for part in name.split("/")):
            raise ValueError("a shard lies in the folder of its manifest, and is not hidden")
        return name


class About(Part):
    """What the operator says of the data set, for its Croissant file; None where nothing was said."""

    name: str | None = None
    description: str | None = None
    license: str | None = None
    url: str | None = None
    creator: str | None = None
    version: str | None = None
    cite_as: str | None = None
    published: str | None = None
