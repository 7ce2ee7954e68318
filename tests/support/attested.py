"""Folders with shards and a manifest, made without a crawl."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

from ingest_guard._clock import now
from ingest_guard.dataset.attestation.files import write_manifest
from ingest_guard.dataset.attestation.manifest import Manifest
from ingest_guard.dataset.attestation.model import BlocklistFacts, CheckSet, ListFacts, Run
from ingest_guard.dataset.records.layouts import outfit
from ingest_guard.dataset.shards.writer import write_parquet

if TYPE_CHECKING:
    from pathlib import Path

CHECK_SET = "00112233445566ff"
OTHER = "ffeeddccbbaa0000"


def record(number: int, check_set: str = CHECK_SET) -> dict[str, Any]:
    """Return a record in the native schema."""
    digest = hashlib.sha256(str(number).encode()).hexdigest()
    return {
        "uid": digest[:32],
        "url": f"https://example.org/{number}.jpg",
        "final_url": f"https://example.org/{number}.jpg",
        "alt": f"picture {number}",
        "alt_source": "alt",
        "page_url": "https://example.org/" if number % 2 else None,
        "width": 100 + number,
        "height": 80,
        "format": "JPEG",
        "md5": f"a{digest[:31]}",
        "sha1": f"a{digest[:39]}",
        "sha256": f"a{digest[:63]}",
        "pdq": f"a{digest[:63]}" if number % 3 else None,
        "pdq_quality": 90 if number % 3 else None,
        "language": "en",
        "fetched_at": "2026-05-06T07:08:09Z",
        "attestation": {
            "check_set": check_set,
            "lists": [{"id": "first", "version": "1" * 64}, {"id": "second", "version": "2" * 64}],
            "algorithms": ["md5", "pdq"],
            "guard": "ingest_guard 0",
        },
    }


def write_shard(file: Path, records: list[dict[str, Any]], name: str = "native") -> None:
    """Write a shard in the format that its name says."""
    dress = outfit(name)
    if file.suffix == ".parquet":
        write_parquet(file, [dress.row(each) for each in records], dress, replace=True)
    else:
        file.write_text("".join(json.dumps(dress.row(each)) + "\n" for each in records), encoding="utf-8")


def check_set(name: str = CHECK_SET) -> CheckSet:
    """Return what a check set stands for."""
    lists = (
        ListFacts(id="first", version="1" * 64, counts={"md5": 3}, thresholds={}),
        ListFacts(id="second", severity="A1", version="2" * 64, counts={"pdq": 2}, thresholds={"pdq": 31}),
    )
    return CheckSet(
        check_set=name,
        guard="ingest_guard 0",
        since=now(),
        blocklist=BlocklistFacts(version="b" * 64, created=now(), lists=lists),
        algorithms=("md5", "pdq"),
        views=("native", "inverse"),
    )


def run(**changes: Any) -> Run:
    """Return a crawl that ended well."""
    facts: dict[str, Any] = {
        "started": "2026-05-06T07:00:00Z",
        "ended": "2026-05-06T08:00:00Z",
        "finish_reason": "finished",
        "versions": {"Python": "3"},
        "policy_digest": "c" * 64,
        "check_sets": (CHECK_SET,),
        "counts": {
            "checked": 20,
            "no_known_match": 16,
            "matched": 1,
            "matched/first": 1,
            "not_scannable": 3,
            "records": 16,
            "opted_out/noai": 4,
            "filtered/text_length": 5,
            "extract/images": 40,
        },
    }
    return Run(**{**facts, **changes})


def manifest(**changes: Any) -> Manifest:
    """Return the manifest of one crawl, without shards."""
    facts: dict[str, Any] = {
        "created": now(),
        "check_set": CHECK_SET,
        "outfit": "native",
        "check_sets": (check_set(),),
        "runs": (run(),),
    }
    return Manifest(**{**facts, **changes}).counted()


def data_set(folder: Path, suffix: str = ".parquet", name: str = "native", **changes: Any) -> Manifest:
    """Write two shards of eight records each, and their manifest; return it."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(2):
        records = [record(8 * number + each) for each in range(8)]
        write_shard(folder / f"records-{number:05d}{suffix}", records, name)
    return write_manifest(folder, manifest(outfit=name, **changes))
