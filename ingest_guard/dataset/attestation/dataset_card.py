"""``README.md`` beside the shards: which files ``datasets`` reads as records, and the types of their columns.

Without it, ``datasets`` takes telemetry for records, and the types of JSON Lines from the first shard: a column that is
null there fits no text in a later one. The form is that of https://huggingface.co/docs/hub/datasets-cards.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import yaml

from ingest_guard.dataset.attestation.manifest import Manifest
from ingest_guard.dataset.records.schema import Column
from ingest_guard.dataset.shards.names import CRAWLED

NAME: Final = "README.md"
_MARK: Final = "# written by ingest_guard with attestation.json; remove this line to keep your own"
_TYPES: Final = {
    "string": "string",
    "int32": "int32",
    "int64": "int64",
    "double": "float64",
    "bool": "bool",
    "timestamp": "timestamp[ms, tz=UTC]",
}
_TEXT: Final = """
# Image-text records

URL and text of images that were checked by ingest_guard, without the images. `attestation.json` says what they were
compared with and what that means; no known match is not a promise that an image is harmless.

    datasets.load_dataset("path/of/this/folder")
"""


def to_bytes(manifest: Manifest, columns: tuple[Column, ...]) -> bytes | None:
    """Return the card of a data set; None where it cannot be described: no usual shards, or records from elsewhere.

    Parameters
    ----------
    manifest
        With the shards.
    columns
        Of the records.
    """
    names = [CRAWLED.fullmatch(shard.name) for shard in manifest.shards]
    formats = {name["format"] for name in names if name is not None}
    if manifest.records != "attested" or manifest.unattested or None in names or len(formats) != 1:
        return None
    card = {
        "configs": [{"config_name": "default", "data_files": f"records-*.{formats.pop()}"}],
        "dataset_info": {"features": [_feature(column) for column in columns]},
    }
    return f"---\n{_MARK}\n{yaml.safe_dump(card, sort_keys=False)}---\n{_TEXT}".encode()


def is_own(folder: Path) -> bool:
    """Return whether the place is free, or has a card that was written here: an operator's own is left alone."""
    try:
        with (folder / NAME).open("rb") as file:
            return file.read(len(_MARK) + 8).startswith(f"---\n{_MARK}\n".encode())
    except FileNotFoundError:
        return True
    except OSError:
        return False


def _feature(column: Column) -> dict[str, Any]:
    if column.type in _TYPES:
        return {"name": column.name, "dtype": _TYPES[column.type]}
    if column.type == "list<string>":
        return {"name": column.name, "list": "string"}
    kind = "struct" if column.type == "struct" else "list"
    return {"name": column.name, kind: [_feature(each) for each in column.fields]}
