"""Which links are RSL licences: Really Simple Licensing 1.0 (https://rslstandard.org/rsl)."""

from __future__ import annotations

from typing import Final

RSL_TYPE: Final = "application/rsl+xml"
RSL_NAME: Final = "rsl:license"
"""The name under which a licence is among the ``meta`` elements of a page."""


def is_rsl_link(rel: str, media_type: str) -> bool:
    """Return whether a link's relation and media type, as written, name a licence."""
    return "license" in rel.lower().split() and is_rsl_type(media_type)


def is_rsl_type(media_type: str) -> bool:
    """Return whether a media type, as written, is that of licences."""
    return media_type.partition(";")[0].strip().lower() == RSL_TYPE
