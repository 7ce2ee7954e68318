"""Outfits: the same records under the column names that other tools read.

``native`` is the schema itself. ``laion`` has the columns of LAION-5B's metadata (``URL``, ``TEXT``, ``WIDTH``,
``HEIGHT``, ``LANGUAGE``, and ``hash``, the key by which its tables are joined), without the scores of models, which
are not run here. ``img2dataset`` has the names that img2dataset looks for by default, and the digests for
its ``verify_hash``. Each keeps ``uid``, the fingerprints and the attestation: no shard loses what was checked.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from types import ModuleType
from typing import Any
from urllib.parse import urljoin

from ingest_guard.dataset.records.schema import COLUMNS, Column, with_hashes
from ingest_guard.errors import SetupError

NAMES = ("native", "laion", "img2dataset")
_NATIVE = {column.name: column for column in COLUMNS}
_WEB = ("http://", "https://")


@dataclass(frozen=True, slots=True)
class Outfit:
    """The columns of a shard, and how a record becomes a row.

    Attributes
    ----------
    name
        One of :data:`NAMES`.
    columns
        In order.
    sources
        Column name -> the record's field, or a function of the record.
    """

    name: str
    columns: tuple[Column, ...]
    sources: Mapping[str, str | Callable[[Mapping[str, Any]], Any]]

    def row(self, record: Mapping[str, Any]) -> dict[str, Any]:
        """Return the row of a record in the native schema; what the record does not have is None."""
        row: dict[str, Any] = {}
        for column in self.columns:
            source = self.sources.get(column.name, column.name)
            row[column.name] = record.get(source) if isinstance(source, str) else source(record)
        return row


def outfit(name: str, *, hashes: tuple[str, ...] = (), all_hashes: bool = False) -> Outfit:
    """Return an outfit by its name.

    Parameters
    ----------
    name
        One of :data:`NAMES`.
    hashes, all_hashes
        What the policy asks for beside ``pdq``: see :func:`~ingest_guard.dataset.records.schema.with_hashes`.

    Raises
    ------
    SetupError
        There is none of this name.
    """
    if name not in _OUTFITS:
        raise SetupError(f"ingest_guard: there is no outfit {name!r}; set INGEST_GUARD_OUTFIT to {', '.join(NAMES)}")
    found = _OUTFITS[name]
    return replace(found, columns=with_hashes(found.columns, hashes, all_hashes=all_hashes))


def absolute_url(record: Mapping[str, Any]) -> str:
    """Return the address at which anyone can fetch a record's image: as the page has it, joined with the page's."""
    url = str(record["url"])
    if url.startswith(_WEB):
        return url
    try:
        joined = urljoin(record.get("page_url") or "", url)
    except ValueError:
        joined = ""
    return joined if joined.startswith(_WEB) else str(record["final_url"])


def laion_hash(record: Mapping[str, Any]) -> int:
    """Return LAION's key of a pair: the first half of MurmurHash3 (x64, 128 bits, seed 0) of URL + TEXT, signed."""
    key = (absolute_url(record) + str(record["alt"])).encode("utf-8", "replace")
    return int(load_mmh3().hash64(key)[0])


def load_mmh3() -> ModuleType:
    """Return the package for LAION's keys; SetupError where it is missing."""
    try:
        import mmh3  # noqa: PLC0415 - an extra, for one outfit
    except ModuleNotFoundError:
        raise SetupError('ingest_guard: the outfit laion needs mmh3; type: pip install "ingest-guard[laion]"') from None
    return mmh3


_KEPT = ("uid", "alt_source", "page_url", "format", "md5", "sha1", "sha256", "pdq", "pdq_quality")
_Source = str | Callable[[Mapping[str, Any]], Any]
_MADE: dict[_Source, Column] = {
    absolute_url: replace(_NATIVE["url"], doc="address of the image, absolute"),
    laion_hash: Column(
        "hash", "int64", nullable=False, doc="MurmurHash3 (x64, first 64 bits) of URL + TEXT: LAION's join key"
    ),
}


def _renamed(name: str, sources: Mapping[str, _Source], *others: str) -> Outfit:
    """Return an outfit with columns of other names first, and then some native ones."""
    own = (replace(_MADE.get(source) or _NATIVE[str(source)], name=column) for column, source in sources.items())
    return Outfit(name, (*own, *(_NATIVE[each] for each in others)), sources)


_OUTFITS = {
    "native": Outfit("native", COLUMNS, {}),
    "laion": _renamed(
        "laion",
        {
            "URL": absolute_url,
            "TEXT": "alt",
            "WIDTH": "width",
            "HEIGHT": "height",
            "LANGUAGE": "language",
            "hash": laion_hash,
        },
        *(*_KEPT, "fetched_at", "attestation"),
    ),
    "img2dataset": _renamed(
        "img2dataset",
        {"url": absolute_url, "caption": "alt"},
        *("width", "height", *_KEPT, "language", "fetched_at", "attestation"),
    ),
}
