"""The record: one flat mapping for each image that passed, with what was checked."""

import hashlib
from collections.abc import Mapping
from typing import Any

from ingest_guard.dataset.records.items import Target
from ingest_guard.dataset.records.payloads import holds_image, is_payload
from ingest_guard.guard.view_hashes import as_records
from ingest_guard.verdict import Verdict


def build_record(
    target: Target,
    verdict: Verdict,
    *,
    final_url: str,
    fetched_at: str,
    attestation: Mapping[str, Any],
    hashes: tuple[str, ...] = (),
) -> dict[str, Any]:
    """Return the record of an image that ended as ``no_known_match``.

    Parameters
    ----------
    target
        URL, text and page, as the item had them.
    verdict
        What the guard found; its image must have been decoded.
    final_url
        After redirects.
    fetched_at
        RFC 3339, UTC.
    attestation
        The check set, lists, algorithms and guard version.
    hashes
        Names of further fingerprints to add.
    """
    image = verdict.image
    if image is None:
        raise ValueError("a record needs an image that was decoded")
    checked = {**attestation, "low_detail": True} if verdict.low_detail else dict(attestation)
    return {
        "uid": uid_of(target),
        "url": _well_formed(target.url),
        "final_url": _well_formed(final_url),
        "alt": _well_formed(target.alt),
        "alt_source": target.alt_source,
        "page_url": target.page_url and _well_formed(target.page_url),
        "width": image.width,
        "height": image.height,
        "format": image.format,
        "md5": verdict.digests["md5"],
        "sha1": verdict.digests["sha1"],
        "sha256": verdict.digests["sha256"],
        "pdq": image.fingerprints.get("pdq"),
        "pdq_quality": image.pdq_quality,
        **{name: image.fingerprints.get(name) for name in hashes if name != "pdq"},
        **({"hashes": as_records(image.hashes)} if image.hashes else {}),
        **image.scores,
        "language": target.language,
        "fetched_at": fetched_at,
        "attestation": checked,
    }


def uid_of(target: Target) -> str:
    """Return what identifies a record: md5 hex of text and address, the key by which cc2dataset's readers join."""
    text = _well_formed(target.alt) + _well_formed(target.url)
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


def carries_image(target: Target) -> bool:
    """Return whether a text field of a record would carry a ``data:`` URL, a long base64 run, or an image in one."""
    return is_payload(target.alt) or holds_image(target.url) or holds_image(target.page_url or "")


def _well_formed(text: str) -> str:
    """Return a text that every reader can take: halves of characters, which a script may have cut, become U+FFFD."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text
