"""Records with fingerprints of our own making, and the brute-force answer to what must go of them."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

SIZES = {"md5": 16, "sha1": 20, "sha256": 32, "pdq": 32}
VERSION = "0" * 64


def value(seed: object, name: str) -> str:
    """Return a value of an algorithm, hex; the same for the same seed."""
    digest = hashlib.sha512(f"{name} {seed}".encode()).digest()
    return digest[: SIZES.get(name, 8)].hex()


def flipped(hexadecimal: str, bits: int) -> str:
    """Return a value so many bits apart."""
    number = int(hexadecimal, 16) ^ ((1 << bits) - 1)
    return f"{number:0{len(hexadecimal)}x}"


def record(number: int, **changes: Any) -> dict[str, Any]:
    """Return a record of the native schema."""
    url = f"https://images.example.org/{number}.jpg"
    alt = f"picture {number}"
    made = {
        "uid": hashlib.md5((alt + url).encode(), usedforsecurity=False).hexdigest(),
        "url": url,
        "final_url": url,
        "alt": alt,
        "alt_source": "alt",
        "page_url": f"https://www.example.org/{number // 3}.html",
        "width": 640,
        "height": 480,
        "format": "JPEG",
        **{name: value(number, name) for name in SIZES},
        "pdq_quality": 100,
        "language": None,
        "fetched_at": "2024-02-29T12:00:00Z",
        "attestation": {
            "check_set": "0" * 16,
            "lists": [{"id": "old", "version": VERSION}],
            "algorithms": ["md5"],
            "guard": "ingest_guard",
        },
    }
    return {**made, **changes}


def write_lines(file: Path, rows: Iterable[dict[str, Any]]) -> Path:
    """Write JSON Lines."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return file


def brute_force(
    rows: Sequence[dict[str, Any]], listed: Iterable[tuple[str, str]], radius: int = 31, low: int = 12
) -> set[str]:
    """Return the uids of all records that a list knows: every value against every entry."""
    entries = list(listed)
    found = set()
    for row in rows:
        for name, entry in entries:
            own = row.get(name)
            if own is None:
                continue
            if name == "pdq":
                quality = row.get("pdq_quality")
                limit = low if quality is not None and quality < 50 else radius
                apart = int(own, 16) ^ int(entry, 16)
                near = apart.bit_count() <= limit
            else:
                near = own.lower() == entry
            if near:
                found.add(row["uid"])
    return found


def read_lines(file: Path) -> list[dict[str, Any]]:
    """Read JSON Lines."""
    return [json.loads(line) for line in file.read_text().splitlines() if line.strip()]


def uids(rows: Iterable[dict[str, Any]]) -> set[str]:
    """Return their names."""
    return {row["uid"] for row in rows}
