"""``manifest.json``: what a version says of itself. Its SHA-256 is the version's name."""

import hashlib
import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import chain
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ingest_guard import _clock
from ingest_guard.errors import BlocklistError
from ingest_guard.urls.normalise import ADDRESS_FORMAT

NAME = "manifest.json"
FORMAT: Literal[2] = 2
MAX_BYTES = 1 << 24

_SHA256 = r"^[0-9a-f]{64}$"
_NAME = r"^[a-z0-9][a-z0-9_]{0,31}$"
_FILE = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,159}$"
_SEVERITY = r"^[A-Z0-9][A-Z0-9_.-]{0,15}$"
_LIST_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
RESERVED_PREFIX = "ingest-guard"
CANARY = "ingest-guard-canary"
"""Id of the list that each build plants: it knows the generated picture by which a running guard is tested."""
ADDRESSES = frozenset({"url", "domain"})
"""Algorithms whose values are digests of an address or of a host."""

Count = Annotated[int, Field(ge=0)]
Threshold = Count | Annotated[float, Field(ge=0, allow_inf_nan=False)]
Digest = Annotated[str, Field(pattern=_SHA256)]
Name = Annotated[str, Field(pattern=_NAME)]
FileName = Annotated[str, Field(pattern=_FILE)]
_TIME = "%Y-%m-%dT%H:%M:%S.%fZ"


class _Part(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)


class FileEntry(_Part):
    """One file: its size in bytes and the SHA-256 of its content."""

    size: Count
    sha256: Digest


class FilterEntry(_Part):
    """One Bloom filter, and how many values it holds; ``values`` names the table of them, where that is kept."""

    file: FileName
    count: Count
    values: FileName | None = None


class ExactEntry(_Part):
    """The exact values of one algorithm: filters, the oldest first; rows of the first one's table that are gone."""

    layers: Annotated[list[FilterEntry], Field(min_length=1)]
    gone: FileName | None = None


class KeysEntry(_Part):
    """Which records of the source the values of one algorithm are from; the records of ``base`` that are ``voided``."""

    base: FileName | None = None
    delta: FileName | None = None
    voided: FileName | None = None


class ListEntry(_Part):
    """One list of the operator's, or that part of it to which the source gave one severity.

    ``counts`` and ``thresholds`` are by algorithm (bits; for byte vectors any number), and so are ``exact`` and
    ``keys``; ``version`` is a digest of what the list held, whatever format it came in, and of how it changed since.
    """

    id: str
    severity: Annotated[str, Field(pattern=_SEVERITY)] | None
    owner: str | None
    source: str
    version: Digest
    counts: dict[Name, Count]
    thresholds: dict[Name, Threshold]
    exact: dict[Name, ExactEntry]
    keys: dict[Name, KeysEntry] = {}


class IndexEntry(_Part):
    """A near index of one algorithm of bits, over all lists.

    ``arrays`` names the file of each array, ``owners`` that of the owner of each entry, a position in ``parts``, which
    are positions in the manifest's lists; ``gone`` that of the numbers of entries that count no more.
    """

    bytes: Count
    entries: Count
    max_distance: Count
    widths: list[Count]
    arrays: dict[str, FileName]
    owners: FileName
    parts: list[Count]
    gone: FileName | None = None


class VectorEntry(_Part):
    """The same for byte vectors, with what their distance is: opening them needs no plug-in."""

    bytes: Count
    entries: Count
    distance: Literal["l1", "l2"]
    arrays: dict[str, FileName]
    owners: FileName
    parts: list[Count]
    gone: FileName | None = None


class Manifest(_Part):
    """A whole version.

    ``error_rate`` is what each filter was made for; ``confirm`` says whether the tables of exact values are kept;
    ``salt`` keys the digests of addresses, and ``addresses`` numbers the way in which these are made
    (:data:`ingest_guard.urls.normalise.ADDRESS_FORMAT`); ``sealed`` proves the key of a keyed list. Of an algorithm's
    indexes the first is the base, the second what came since.
    """

    format: Literal[2]
    addresses: Annotated[int, Field(ge=1)] = 1
    created: str
    generator: str
    error_rate: Annotated[float, Field(gt=0, lt=1)]
    confirm: bool
    salt: Digest
    sealed: Digest | None
    lists: list[ListEntry]
    indexes: dict[Name, Annotated[list[IndexEntry], Field(min_length=1, max_length=2)]]
    vectors: dict[Name, Annotated[list[VectorEntry], Field(min_length=1, max_length=2)]]
    files: dict[FileName, FileEntry]

    @property
    def operators_lists(self) -> list[ListEntry]:
        """All but the canary, which no operator has brought."""
        return [entry for entry in self.lists if entry.id != CANARY]

    @property
    def has_old_addresses(self) -> bool:
        """Whether it holds digests of addresses or domains that this release makes in another way."""
        held = any(entry.counts.get(name) for entry in self.operators_lists for name in ADDRESSES)
        return held and self.addresses != ADDRESS_FORMAT

    @property
    def created_at(self) -> datetime:
        """When it was built, in UTC."""
        return parse_time(self.created)

    def to_bytes(self) -> bytes:
        """Return the bytes that are written to disk and hashed for the version's name."""
        return (json.dumps(self.model_dump(), sort_keys=True, indent=1) + "\n").encode()


def version_of(data: bytes) -> str:
    """Return the name of the version whose manifest has these bytes."""
    return hashlib.sha256(data).hexdigest()


def parse(data: bytes, where: str) -> Manifest:
    """Read a manifest.

    Raises
    ------
    BlocklistError
        Not a manifest of the format that this release reads.
    """
    try:
        manifest = Manifest.model_validate_json(data)
        parse_time(manifest.created)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        key = ".".join(str(part) for part in first["loc"])
        raise _unreadable(where, f"{key or 'the whole'}: {first['msg']}") from None
    except ValueError:
        raise _unreadable(where, "created: expected a UTC time") from None
    if sorted(_claimed(manifest)) != sorted(manifest.files):
        raise _unreadable(where, "files: not each file belongs to exactly one list or index")
    return manifest


def _claimed(manifest: Manifest) -> Iterator[str]:
    """Yield each file that a list or an index names."""
    for entry in manifest.lists:
        for exact in entry.exact.values():
            for layer in exact.layers:
                yield from filter(None, (layer.file, layer.values))
            yield from filter(None, (exact.gone,))
        for keys in entry.keys.values():
            yield from filter(None, (keys.base, keys.delta, keys.voided))
    indexes: list[IndexEntry | VectorEntry] = [*chain(*manifest.indexes.values()), *chain(*manifest.vectors.values())]
    for index in indexes:
        yield from (*index.arrays.values(), index.owners)
        yield from filter(None, (index.gone,))


def now() -> str:
    """Return the present moment as manifests write it: RFC 3339, UTC."""
    return _clock.now("microseconds")


def parse_time(text: str) -> datetime:
    """Return the moment that a manifest names.

    Raises
    ------
    ValueError
        Another notation.
    """
    return datetime.strptime(text, _TIME).replace(tzinfo=UTC)


def refuse_old_addresses(manifest: Manifest, where: object) -> None:
    """Refuse a version whose addresses would never be found, because they are spelled in another way now.

    Raises
    ------
    BlocklistError
        Says what to do.
    """
    if manifest.has_old_addresses:
        raise BlocklistError(
            f"{where} holds addresses or domains as another release spelled them (format {manifest.addresses}; this "
            f"release reads {ADDRESS_FORMAT}), so that some would not be found; rebuild it from its list files: "
            "ingest-guard blocklist build"
        )


def check_list_id(list_id: str, *, reserved: bool = False) -> str:
    """Return `list_id` if an operator may use it.

    Raises
    ------
    BlocklistError
        Malformed, or reserved and `reserved` is False.
    """
    if not _LIST_ID.fullmatch(list_id):
        raise BlocklistError(
            f"list id {list_id[:80]!r}: expected 1 to 64 letters, digits, dots, dashes and underscores, "
            "the first a letter or a digit"
        )
    if not reserved and list_id.lower().startswith(RESERVED_PREFIX):
        raise BlocklistError(
            f"list id {list_id!r}: ids that begin with {RESERVED_PREFIX!r} are reserved; choose another"
        )
    return list_id


def _unreadable(where: str, why: str) -> BlocklistError:
    return BlocklistError(
        f"{where} is not a manifest that this release reads ({why}); rebuild it: ingest-guard blocklist build"
    )
