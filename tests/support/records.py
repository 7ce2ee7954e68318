"""Records as a crawl makes them, without a crawl."""

from __future__ import annotations

import hashlib
from typing import Any

ATTESTATION: dict[str, Any] = {
    "check_set": "0123456789abcdef",
    "lists": [{"id": "ncmec", "version": "v1"}, {"id": "vics", "version": "v2", "severity": "A"}],
    "algorithms": ["md5", "pdq"],
    "guard": "ingest_guard 0.1.0",
}


def record(number: int, **changes: Any) -> dict[str, Any]:
    """Return a record in the native schema; each number is another image of another page."""
    digest = hashlib.sha256(str(number).encode()).hexdigest()
    url = f"https://site{number % 97}.example/images/{number}/photo-{digest[:8]}.jpg"
    alt = f"Photograph {number} of a cat on a sofa"
    made = {
        "uid": hashlib.md5((alt + url).encode(), usedforsecurity=False).hexdigest(),
        "url": url,
        "final_url": url,
        "alt": alt,
        "alt_source": "alt",
        "page_url": f"https://site{number % 97}.example/page/{number // 10}",
        "width": 640 + number % 100,
        "height": 480,
        "format": "JPEG",
        "md5": digest[:32],
        "sha1": digest[:40],
        "sha256": digest,
        "pdq": digest,
        "pdq_quality": 100,
        "language": "en",
        "fetched_at": "2026-01-02T03:04:05Z",
        "attestation": dict(ATTESTATION),
    }
    return {**made, **changes}
