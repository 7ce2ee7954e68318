"""The policy's sections for lists: which entries count, what a match does, what never matches, where the key is."""

import re
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from ingest_guard.policy.units import Section

_HEX_KEY = re.compile(r"[0-9a-fA-F]{64}")


def is_hex_key(text: str) -> bool:
    """Return whether a signer is the public key itself and not the name of a file that holds it."""
    return _HEX_KEY.fullmatch(text) is not None


def _read_severity(value: Any) -> Any:
    """``a1`` -> ``A1``, 2 -> ``2``: some sources classify by numbers."""
    if type(value) is int:
        return str(value)
    return value.upper() if isinstance(value, str) else value


def _read_signers(value: Any) -> Any:
    return (value,) if isinstance(value, str) else value


def _read_state(value: Any) -> Any:
    return Path(value) if isinstance(value, str) and value != "none" else value


Severity = Annotated[str, BeforeValidator(_read_severity), Field(pattern=r"^[A-Z0-9][A-Z0-9_.-]{0,15}$")]
State = Annotated[Literal["none"] | Path | None, BeforeValidator(_read_state)]
Signers = Annotated[tuple[Annotated[str, Field(min_length=1, max_length=4096)], ...], BeforeValidator(_read_signers)]


class ListPolicy(Section):
    """What differs for one list.

    ``severities`` names the source's own classifications; ``NONE`` stands for entries that have none. What is left out
    of ``algorithms`` or ``severities`` does not count. ``kind`` is what the list lists: incidents are kept apart by it.
    """

    owner: str | None = Field(None, min_length=1, max_length=200)
    algorithms: tuple[str, ...] | None = Field(None, min_length=1)
    thresholds: dict[str, int] = Field(default_factory=dict)
    severities: tuple[Severity, ...] | None = Field(None, min_length=1)
    action: Literal["drop", "drop_page", "hold"] = "drop"
    kind: Literal["csam", "ncii", "terrorism", "other"] = "other"


class Allow(Section):
    """What never matches: files in the plain list format, and how near an entry must be to a value of theirs."""

    files: tuple[Annotated[Path, Field(strict=False)], ...] = ()
    distances: dict[str, Annotated[int, Field(ge=0)]] = Field(default_factory=dict)


class KeySource(Section):
    """Where the key of keyed lists is read from; the key itself stands in no policy."""

    env: str | None = Field(None, pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")
    file: Path | None = Field(None, strict=False)

    @model_validator(mode="after")
    def _is_one_place(self) -> Self:
        if (self.env is None) == (self.file is None):
            raise ValueError("expected either {env: NAME} or {file: PATH}")
        return self
