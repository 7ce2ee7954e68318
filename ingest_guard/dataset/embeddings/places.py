"""Where the files that go along with a table are: beside it, or in a folder of embeddings.

clip-retrieval and LAION have ``metadata_N.parquet`` with ``img_emb_N.npy`` and ``text_emb_N.npy``, in one folder or in
folders ``metadata``, ``img_emb`` and ``text_emb`` side by side; DataComp ``UUID.parquet`` with ``UUID.npz``; PD12M
``metadata/NAME.parquet`` with ``embeddings/NAME.npy``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from ingest_guard.dataset.shards.names import SUFFIXES

_TABLE = re.compile(r"(?:metadata[_-]?)?(?P<key>.+)", re.DOTALL)
_METADATA = "metadata"
_IMAGES, _TEXTS, _ANY = "img_emb", "text_emb", "embeddings"
_ENDINGS = (".npy", ".npz")


def stem_of(table: Path) -> str:
    """Return the name of a table without its ending: ``x`` of ``x.jsonl.gz``."""
    ending = max((each for each in SUFFIXES if table.name.endswith(each)), key=len, default=table.suffix)
    return table.name.removesuffix(ending)


def image_files(table: Path, embeddings: Path | None) -> Iterator[Path]:
    """Yield the places where the embeddings of a table's images may be, the likeliest first."""
    yield from _places(table, embeddings, (_IMAGES,))


def aligned_files(table: Path, embeddings: Path | None) -> list[Path]:
    """Return the files that are there and have a row for each record of a table: of images, of texts, of both."""
    found = dict.fromkeys(_places(table, embeddings, (_IMAGES, _TEXTS)))
    if embeddings is not None:
        found |= dict.fromkeys(_places(table, None, (_IMAGES, _TEXTS)))
    return [path for path in found if path.is_file()]


def vector_folders(table: Path, embeddings: Path | None) -> Iterator[Path]:
    """Yield the folders where vectors of single records may be."""
    yield from dict.fromkeys(
        [embeddings] if embeddings is not None else [each / _ANY for each in _around(table)],
    )


def _places(table: Path, embeddings: Path | None, kinds: tuple[str, ...]) -> Iterator[Path]:
    stem = stem_of(table)
    found = _TABLE.fullmatch(stem)
    key = found["key"] if found else stem
    stems = tuple(dict.fromkeys((stem, *(f"{kind}_{key}" for kind in kinds), key)))
    around = list(_around(table))
    inside = [folder / name for folder in around for name in (*kinds, _ANY)]
    for folder in [embeddings] if embeddings is not None else [around[0], *inside]:
        for each in stems:
            for ending in _ENDINGS:
                yield folder / f"{each}{ending}"


def _around(table: Path) -> Iterator[Path]:
    yield table.parent
    if table.absolute().parent.name == _METADATA:
        yield table.parent.parent
