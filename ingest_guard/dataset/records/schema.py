"""The schema of records: which columns there are, their types, and what each means.

It is written once, here. The Parquet files' types and their documentation, the table in ``docs/records.md`` and the
outfits for other tools (:mod:`ingest_guard.dataset.records.layouts`) come from it.
"""

from __future__ import annotations

from dataclasses import dataclass

FORMAT = 1
"""Version of this schema, as the metadata of each Parquet file names it."""

SCALARS = frozenset({"string", "int32", "int64", "double", "bool", "timestamp"})
NESTED = frozenset({"struct", "list<struct>"})
TYPES = SCALARS | NESTED | {"list<string>"}
"""The types that columns have. A ``timestamp`` is in milliseconds, UTC; in JSON Lines it is RFC 3339 text."""


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a shard, or one field of a struct.

    Attributes
    ----------
    name, type, nullable, doc
        ``type`` is one of :data:`TYPES`; ``doc`` is one sentence without a full stop.
    fields
        Of a ``struct``, or of each entry of a ``list<struct>``.
    """

    name: str
    type: str
    nullable: bool
    doc: str
    fields: tuple[Column, ...] = ()

    def __post_init__(self) -> None:
        if self.type not in TYPES or bool(self.fields) != (self.type in NESTED):
            raise ValueError(f"column {self.name}: not a type of this schema: {self.type!r}")


ATTESTATION = Column(
    "attestation",
    "struct",
    nullable=False,
    doc="what this image was held against; no known match is not a promise that it is harmless",
    fields=(
        Column("check_set", "string", nullable=False, doc="digest of everything that decides an outcome"),
        Column(
            "lists",
            "list<struct>",
            nullable=False,
            doc="the lists that it was compared with",
            fields=(
                Column("id", "string", nullable=False, doc="name of the list"),
                Column("version", "string", nullable=False, doc="its version"),
                Column("severity", "string", nullable=True, doc="the part of a classified list"),
            ),
        ),
        Column("algorithms", "list<string>", nullable=False, doc="digests and fingerprints that were compared"),
        Column("guard", "string", nullable=False, doc="name and version of the guard"),
        Column(
            "allow_list",
            "struct",
            nullable=True,
            doc="the operator's list of what never matches, where there is one",
            fields=(
                Column("entries", "int64", nullable=False, doc="how many it has"),
                Column("digest", "string", nullable=False, doc="digest of its values"),
            ),
        ),
        Column("frames", "string", nullable=True, doc="'sample' where not every frame of an animation was looked at"),
        Column("low_detail", "bool", nullable=True, doc="true where perceptual hashes say little of this picture"),
    ),
)

COLUMNS: tuple[Column, ...] = (
    Column("uid", "string", nullable=False, doc="md5 hex of alt + url (UTF-8): what identifies a record"),
    Column("url", "string", nullable=False, doc="address of the image, as the page or the item has it"),
    Column("final_url", "string", nullable=False, doc="address after redirects"),
    Column("alt", "string", nullable=False, doc="the text that goes with the image; empty where there is none"),
    Column(
        "alt_source",
        "string",
        nullable=True,
        doc="where the text came from: alt, title, aria-label, figcaption, og, twitter, json-ld, link, item",
    ),
    Column("page_url", "string", nullable=True, doc="the page that shows the image"),
    Column("width", "int32", nullable=False, doc="pixels, as displayed"),
    Column("height", "int32", nullable=False, doc="pixels, as displayed"),
    Column("format", "string", nullable=False, doc="of the file, by its bytes: JPEG, PNG, WEBP ..."),
    Column("md5", "string", nullable=False, doc="hex, of the bytes that were checked"),
    Column("sha1", "string", nullable=False, doc="hex, of the bytes that were checked"),
    Column("sha256", "string", nullable=False, doc="hex, of the bytes that were checked"),
    Column("pdq", "string", nullable=True, doc="PDQ of the first frame, 64 hex digits"),
    Column("pdq_quality", "int32", nullable=True, doc="0 to 100; under 50 the PDQ says little"),
    Column("language", "string", nullable=True, doc="language tag of the text, as the page or the item names it"),
    Column("fetched_at", "timestamp", nullable=False, doc="when the image was fetched, UTC"),
    ATTESTATION,
)
"""The native schema, in order. Further fingerprints and ``hashes`` stand before ``language``: :func:`with_hashes`."""

HASHES = Column(
    "hashes",
    "list<struct>",
    nullable=True,
    doc="fingerprints of all frames and views, where the policy says record_hashes: all",
    fields=(
        Column("algorithm", "string", nullable=False, doc="name of the fingerprint"),
        Column("frame", "int32", nullable=False, doc="number of the frame, from 0"),
        Column("view", "string", nullable=False, doc="native, mirror, rotate90 ..."),
        Column("value", "string", nullable=False, doc="hex"),
        Column("quality", "int32", nullable=True, doc="of a PDQ value, 0 to 100"),
    ),
)

SCORE = "score_"
"""How the name of a column with the scores of a detector begins; its name and its model's follow."""

_AFTER = ("language", "fetched_at")


def with_hashes(
    columns: tuple[Column, ...], hashes: tuple[str, ...] = (), *, all_hashes: bool = False
) -> tuple[Column, ...]:
    """Return columns with those added that a policy asks for, each at its place.

    Parameters
    ----------
    columns
        :data:`COLUMNS`, or those of an outfit. What is added comes before ``language``, or ``fetched_at``.
    hashes
        Names of fingerprints beside ``pdq``, as in the policy's ``records.hashes``, and of columns with scores of
        detectors, which begin with :data:`SCORE`.
    all_hashes
        Whether to add :data:`HASHES`.
    """
    present = {column.name for column in columns}
    added = tuple(further_column(name) for name in dict.fromkeys(hashes) if name not in present)
    added += (HASHES,) if all_hashes else ()
    at = next((number for number, column in enumerate(columns) if column.name in _AFTER), len(columns))
    return columns[:at] + added + columns[at:]


def further_column(name: str) -> Column:
    """Return a column that a policy asks for: the scores of a detector, or the values of a further fingerprint."""
    if name.startswith(SCORE):
        return Column(name, "double", nullable=True, doc=f"what a detector says of the picture, 0 to 1: {name}")
    return Column(name, "string", nullable=True, doc=f"{name} of the first frame, hex")
