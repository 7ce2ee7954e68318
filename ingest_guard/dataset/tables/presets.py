"""Presets: what the columns of published data sets are called, so that ``--preset`` says it in one word."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from ingest_guard.errors import PolicyError

_LAION: Final = {"url": ("URL", "url"), "alt": ("TEXT", "caption", "text", "alt")}
_PRESETS: Final[Mapping[str, Mapping[str, tuple[str, ...]]]] = {
    "datacomp": {"uid": ("uid",), "sha256": ("sha256",), "url": ("url",), "alt": ("text",)},
    "pd12m": {"md5": ("hash",), "uid": ("id",), "url": ("url",), "alt": ("caption",)},
    "laion-md5": {"md5": ("md5", "MD5", "image_md5", "md5_hash"), **_LAION},
    "relaion": {**_LAION, "md5": ("md5", "MD5", "image_md5", "md5_hash")},
}
_NEEDED: Final = {"datacomp": "sha256", "pd12m": "md5", "laion-md5": "md5", "relaion": "url"}
NAMES: Final = tuple(_PRESETS)
"""DataComp (SHA-256), PD12M (``hash`` is MD5), LAION's sets of MD5 values, Re-LAION (addresses)."""


def preset_columns(name: str, present: Sequence[str], where: str) -> dict[str, str]:
    """Return what a table's columns stand for, by a preset: algorithm or role -> column.

    Parameters
    ----------
    name
        One of :data:`NAMES`.
    present
        The columns of the table.
    where
        The table, for error texts.

    Raises
    ------
    PolicyError
        The table lacks the column for which the preset is there.
    """
    found = {
        role: next(column for column in columns if column in present)
        for role, columns in _PRESETS[name].items()
        if any(column in present for column in columns)
    }
    needed = _NEEDED[name]
    if needed not in found:
        raise PolicyError(
            f"--preset {name}: {where} has no column {' or '.join(_PRESETS[name][needed])}; it has "
            f"{', '.join(present) or 'none'}; name what there is with --columns"
        )
    return found
