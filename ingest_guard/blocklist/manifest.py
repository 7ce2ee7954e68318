"""``manifest.json``: what a version says of itself. Its SHA-256 is the version's name."""

from __future__ import annotations

import hashlib
import json
import re
from datetime import datetime, timezone
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ingest_guard.errors import BlocklistError

NAME = "manifest.json"
MAX_BYTES = 1 << 24

_SHA256 = r"^[0-9a-f]{64}$"
_NAME = r"^[a-z0-9][a-z0-9_]{0,31}$"
_FILE = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$"
_LIST_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
RESERVED_PREFIX = "ingest-guard"

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


class ListEntry(_Part):
    """One list of the operator's.

    ``counts`` and ``thresholds`` are by algorithm (bits; for byte vectors any number); ``filters`` names the file of
    each exact algorithm; ``version`` is a digest of what the list held, whatever format it came in.
    """

    id: str
    owner: str | None
    source: str
    version: Digest
    counts: dict[Name, Count]
    thresholds: dict[Name, Threshold]
    filters: dict[str, FileName]


class IndexEntry(_Part):
    """The near index of one algorithm of bits, over all lists.

    ``arrays`` names the file of each array, ``owners`` that of the list number of each entry.
    """

    bytes: Count
    entries: Count
    max_distance: Count
    widths: list[Count]
    arrays: dict[str, FileName]
    owners: FileName


class VectorEntry(_Part):
    """The same for byte vectors, with what their distance is: opening them needs no plug-in."""

    bytes: Count
    entries: Count
    distance: Literal["l1", "l2"]
    arrays: dict[str, FileName]
    owners: FileName


class Manifest(_Part):
    """A whole version."""

    format: Literal[1]
    created: str
    generator: str
    lists: list[ListEntry]
    indexes: dict[Name, IndexEntry]
    vectors: dict[Name, VectorEntry] = {}
    files: dict[FileName, FileEntry]

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
    claimed = [name for entry in manifest.lists for name in entry.filters.values()]
    indexes: list[IndexEntry | VectorEntry] = [*manifest.indexes.values(), *manifest.vectors.values()]
    for index in indexes:
        claimed += [*index.arrays.values(), index.owners]
    if sorted(claimed) != sorted(manifest.files):
        raise _unreadable(where, "files: not each file belongs to exactly one list or index")
    return manifest


def now() -> str:
    """Return the present moment as manifests write it: RFC 3339, UTC."""
    return datetime.now(timezone.utc).strftime(_TIME)


def parse_time(text: str) -> datetime:
    """Return the moment that a manifest names.

    Raises
    ------
    ValueError
        Another notation.
    """
    return datetime.strptime(text, _TIME).replace(tzinfo=timezone.utc)


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
