"""Incidents, keys and logs for the tests of incidents."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyrage

from ingest_guard.incidents.entry import Addresses, Finding, Incident, ListFacts, Where
from ingest_guard.incidents.log import Log
from ingest_guard.verdict import Grade

if TYPE_CHECKING:
    from pathlib import Path

IDENTITY = pyrage.x25519.Identity.generate()
RECIPIENT = str(IDENTITY.to_public())
FULL = Incident(
    time="2026-12-01T10:00:00.123Z",
    list=ListFacts("hotline", "csam", "a" * 64, "the hotline"),
    grade=Grade.EXACT_CONFIRMED,
    algorithm="md5",
    distance=0,
    view="bytes",
    others=(Finding(ListFacts("platforms"), Grade.NEAR, "pdq", 7, "mirror"),),
    addresses=Addresses(
        "https://a.example/i.jpg", ("https://b.example/i.jpg",), "https://c.example/i.jpg", "https://p.example/"
    ),
    host="c.example",
    server_address="192.0.2.7",
    digests={"md5": "1" * 32, "sha1": "2" * 40, "sha256": "3" * 64},
    fingerprints={"pdq": "4" * 64},
    pdq_quality=97,
    check_set="5" * 16,
    policy="6" * 64,
    guard="0.1.0",
    action="drop",
    source="crawl",
    where=Where("part-0.parquet", "17"),
    count=3,
    more_of=5,
    more_addresses=("https://d.example/i.jpg",),
)


def fill(folder: Path, *sizes: int, run: str = "r1", segment_bytes: int = 1 << 20) -> Log:
    """Write a log with batches of so many entries, which are not sealed: what is in them says their number."""
    log = Log(folder, run, segment_bytes=segment_bytes)
    log.append(why="start")
    for number, size in enumerate(sizes):
        log.append([f"c2VhbGVk{number}{each}" for each in range(size)], why="interval" if number % 2 else None)
    log.append(why="end")
    return log
