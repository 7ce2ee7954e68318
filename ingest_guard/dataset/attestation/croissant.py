"""``croissant.json``: the same data set in the words of MLCommons, so that hubs and loaders know what they have.

Croissant 1.1 (http://mlcommons.org/croissant/1.1) with the fields of its RAI extension (Responsible AI, version 1.0)
that a crawl knows something of. What only the operator knows - licence, name, address, creator - is there where the
policy says it, and left out where not: a wrong licence is worse than none.
"""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from ingest_guard.dataset.attestation.manifest import Manifest
from ingest_guard.dataset.attestation.model import NOT_PROMISED, PROMISED, Shard
from ingest_guard.dataset.attestation.promises import account, headline
from ingest_guard.dataset.records.schema import Column

NAME = "croissant.json"
CONFORMS_TO = ("http://mlcommons.org/croissant/1.1", "http://mlcommons.org/croissant/RAI/1.0")

_RECORDS = "records"
_PLAIN_NAME = "Image-text records checked by ingest_guard"
_ENCODINGS = {".parquet": "application/x-parquet"}
_LINES = "application/jsonlines"
_TYPES = {
    "string": "sc:Text",
    "int32": "sc:Integer",
    "int64": "sc:Integer",
    "double": "sc:Float",
    "bool": "sc:Boolean",
    "timestamp": "sc:DateTime",
    "list<string>": "sc:Text",
}
_ADDRESSES = frozenset({"URL", "final_url", "page_url"})
# The JSON-LD context of Croissant 1.1 (appendix 1 of its specification), with what mlcroissant adds to it.
_TERMS = [
    "annotation",
    "arrayShape",
    "citeAs",
    "column",
    "containedIn",
    "equivalentProperty",
    "excludes",
    "extract",
    "field",
    "fileObject",
    "fileProperty",
    "fileSet",
    "format",
    "includes",
    "isArray",
    "isLiveDataset",
    "jsonPath",
    "key",
    "md5",
    "parentField",
    "path",
    "readLines",
    "recordSet",
    "references",
    "regex",
    "repeated",
    "replace",
    "samplingRate",
    "sdVersion",
    "separator",
    "source",
    "subField",
    "transform",
    "unArchive",
    "value",
]
_CONTEXT: dict[str, Any] = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "sc": "https://schema.org/",
    "cr": "http://mlcommons.org/croissant/",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "dct": "http://purl.org/dc/terms/",
    "prov": "http://www.w3.org/ns/prov#",
    "conformsTo": "dct:conformsTo",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "description": {"@container": "@language"},
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "name": {"@container": "@language"},
    **{term: f"cr:{term}" for term in _TERMS},
}


@dataclass(frozen=True, slots=True)
class _Origin:
    """Where a field's values come from: the files of one kind, a column, and the way down into it."""

    files: str
    column: str
    path: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        source: dict[str, Any] = {"fileSet": {"@id": self.files}, "extract": {"column": self.column}}
        if self.path:
            steps = [{"jsonPath": step} for step in self.path]
            source["transform"] = steps if len(steps) > 1 else steps[0]
        return source


def to_bytes(manifest: Manifest, columns: Iterable[Column]) -> bytes:
    """Return the Croissant file of a manifest whose shards have these columns."""
    return (json.dumps(describe(manifest, columns), indent=1, ensure_ascii=False) + "\n").encode()


def describe(manifest: Manifest, columns: Iterable[Column]) -> dict[str, Any]:
    """Return the Croissant metadata of a manifest as JSON-LD.

    Parameters
    ----------
    manifest
        With its shards.
    columns
        Of the shards, in order (:func:`~ingest_guard.dataset.attestation.inventory.columns_in`).
    """
    groups = _by_encoding(manifest.shards)
    every = tuple(columns)
    return {
        "@context": _CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": list(CONFORMS_TO),
        **dict(_about(manifest)),
        "distribution": [*map(_file_object, manifest.shards), *(_file_set(each, groups[each]) for each in groups)],
        "recordSet": [_record_set(encoding, len(groups) > 1, every) for encoding in groups if every],
        **dict(_responsible(manifest)),
    }


def _about(manifest: Manifest) -> Iterator[tuple[str, Any]]:
    about = manifest.about
    yield "name", about.name or _PLAIN_NAME
    yield "description", about.description or headline(manifest)
    said = {
        "license": about.license,
        "url": about.url,
        "version": about.version,
        "citeAs": about.cite_as,
        "datePublished": about.published,
    }
    yield from ((key, value) for key, value in said.items() if value is not None)
    if about.creator is not None:
        yield "creator", {"@type": "sc:Organization", "name": about.creator}
    yield "dateCreated", manifest.started or manifest.created
    yield "dateModified", manifest.created
    if manifest.derived_from is not None and manifest.derived_from.manifest is not None:
        yield "prov:wasDerivedFrom", {"@id": f"urn:sha256:{manifest.derived_from.manifest}"}


def _responsible(manifest: Manifest) -> Iterator[tuple[str, Any]]:
    """Yield the RAI fields that a crawl knows; the others are for the publisher of the data set."""
    if manifest.records == "attested":
        yield "rai:dataCollection", " ".join((headline(manifest), *PROMISED))
        yield "rai:dataCollectionType", ["Web Scraping", "Software Collection"]
        yield "rai:dataCollectionRawData", "Web pages and the images that they show. No image is part of the data set."
        if manifest.started and manifest.ended:
            yield "rai:dataCollectionTimeframe", [manifest.started, manifest.ended]
    yield "rai:dataPreprocessingProtocol", list(account(manifest))
    yield "rai:dataLimitations", list(NOT_PROMISED)
    yield (
        "rai:personalSensitiveInformation",
        ["Not examined. Addresses and texts are as pages have them; they, and the images, may show or name persons."],
    )
    yield "rai:dataBiases", ["Not examined."]


def _by_encoding(shards: Iterable[Shard]) -> dict[str, list[Shard]]:
    groups: dict[str, list[Shard]] = {}
    for shard in shards:
        groups.setdefault(_encoding(shard.name), []).append(shard)
    return groups


def _encoding(name: str) -> str:
    return next((kind for suffix, kind in _ENCODINGS.items() if name.endswith(suffix)), _LINES)


def _file_object(shard: Shard) -> dict[str, Any]:
    return {
        "@type": "cr:FileObject",
        "@id": shard.name,
        "name": shard.name,
        "description": f"{shard.rows} records.",
        "contentUrl": shard.name,
        "contentSize": f"{shard.bytes} B",
        "encodingFormat": _encoding(shard.name),
        "sha256": shard.sha256,
    }


def _files_id(encoding: str) -> str:
    return f"shards-{encoding.rpartition('/')[2].removeprefix('x-')}"


def _file_set(encoding: str, shards: list[Shard]) -> dict[str, Any]:
    return {
        "@type": "cr:FileSet",
        "@id": _files_id(encoding),
        "name": _files_id(encoding),
        "description": "All shards of one format; each is listed above with its digest.",
        "encodingFormat": encoding,
        "includes": _patterns([shard.name for shard in shards]),
    }


def _patterns(names: list[str]) -> list[str] | str:
    """Return a glob for the usual names, which are many, and the names themselves where there are others."""
    suffixes = {name.partition(".")[2] for name in names}
    if len(suffixes) == 1 and all(name.startswith("records-") and "/" not in name for name in names):
        return f"records-*.{suffixes.pop()}"
    return [name.replace("[", "[[]").replace("*", "[*]").replace("?", "[?]") for name in names]


def _record_set(encoding: str, is_one_of_several: bool, columns: tuple[Column, ...]) -> dict[str, Any]:  # noqa: FBT001 - private, and called in one place
    files = _files_id(encoding)
    name = f"{_RECORDS}-{files.removeprefix('shards-')}" if is_one_of_several else _RECORDS
    made: dict[str, Any] = {
        "@type": "cr:RecordSet",
        "@id": name,
        "name": name,
        "description": "One record for each image and the text that goes with it.",
    }
    if any(column.name == "uid" for column in columns):
        made["key"] = {"@id": f"{name}/uid"}
    return {**made, "field": [_field(name, column, _Origin(files, column.name)) for column in columns]}


def _field(parent: str, column: Column, origin: _Origin) -> dict[str, Any]:
    made: dict[str, Any] = {
        "@type": "cr:Field",
        "@id": f"{parent}/{column.name}",
        "name": column.name,
        "description": f"{column.doc[:1].upper()}{column.doc[1:]}.",
    }
    if column.type.startswith("list"):
        made |= {"isArray": True, "arrayShape": "-1"}
    if not column.fields:
        is_address = column.name in _ADDRESSES or (column.name == "url" and "absolute" in column.doc)
        return {**made, "dataType": "sc:URL" if is_address else _TYPES[column.type], "source": origin.to_json()}
    inner = [
        _field(made["@id"], each, _Origin(origin.files, origin.column, (*origin.path, each.name)))
        for each in column.fields
    ]
    return {**made, "subField": inner}
