"""The record: one flat mapping for each image that passed, with what was checked."""

import hashlib
import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any
from urllib.parse import unquote_to_bytes

from ingest_guard.dataset.records.items import Target
from ingest_guard.guard.view_hashes import as_records
from ingest_guard.imaging.embedded.images import embedded_images
from ingest_guard.imaging.pixels.model import Limits, NotScannable
from ingest_guard.urls.data_scheme import quotes_data_url
from ingest_guard.verdict import Verdict

_BASE64_RUN = re.compile(rb"[A-Za-z0-9+/_-]{64,}={0,2}")
_SHORT = 256
_LONGEST_RUN_IN_TEXT = 256
# Signed addresses have tokens of some hundred characters; the longest path that counts here, slashes and all, is this.
_LONGEST_RUN_IN_URL = 2048
_MOST_READINGS = 5
# A path such as /9j/2f/... begins like a JPEG in base64; no picture fits into fewer bytes than this.
_SMALLEST_IMAGE = 128
_LEFT_OUT_OF_URLS = b"\t\r\n"
_LIMITS = Limits()


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
        "language": target.language,
        "fetched_at": fetched_at,
        "attestation": checked,
    }


def uid_of(target: Target) -> str:
    """Return what identifies a record: md5 hex of text and address, the key by which cc2dataset's readers join."""
    text = _well_formed(target.alt) + _well_formed(target.url)
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


def carries_image(target: Target) -> bool:
    """Tell whether a text field of a record would carry a ``data:`` URL, a long base64 run, or an image in one."""
    if _longest_run(_bytes(target.alt)) >= _LONGEST_RUN_IN_TEXT:
        return True
    return any(holds_image(text) for text in (target.alt, target.url, target.page_url or ""))


def holds_image(text: str) -> bool:
    """Tell whether a URL or a text holds a ``data:`` URL, an image in base64, or a run longer than any token's."""
    # The same few addresses come by many times an image. Long ones are not remembered: they may be an image.
    return _short_holds_image(text) if len(text) <= _SHORT else _looks_like_image(text)


def _looks_like_image(text: str) -> bool:
    reading = _bytes(text)
    for _ in range(_MOST_READINGS):
        if _reads_as_image(reading):
            return True
        reading, before = unquote_to_bytes(reading), reading
        if reading == before:
            return False
    return True  # an honest address is not encoded this often


_short_holds_image = lru_cache(maxsize=4096)(_looks_like_image)


def _reads_as_image(text: bytes) -> bool:
    squeezed = text.translate(None, _LEFT_OUT_OF_URLS)
    if quotes_data_url(squeezed) or _longest_run(text) > _LONGEST_RUN_IN_URL:
        return True
    try:
        return any(len(image) >= _SMALLEST_IMAGE for image in embedded_images(text, _LIMITS))
    except NotScannable:
        return True


def _longest_run(text: bytes) -> int:
    """Return the length of the longest run of base64, in one line or in several."""
    return max((len(run) for run in _BASE64_RUN.findall(text.translate(None, _LEFT_OUT_OF_URLS))), default=0)


def _well_formed(text: str) -> str:
    """Return a text that every reader can take: halves of characters, which a script may have cut, become U+FFFD."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")
