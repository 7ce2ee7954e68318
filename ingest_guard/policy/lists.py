"""What a policy says of single lists: what of them counts, what a match does, and what never matches."""

from __future__ import annotations

import re
from pathlib import Path  # noqa: TC003 - pydantic reads the annotations
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

_HEX_KEY = re.compile(r"[0-9a-fA-F]{64}")


def is_hex_key(text: str) -> bool:
    """Tell whether a signer is written as the public key itself, not as the name of a file with it."""
    return _HEX_KEY.fullmatch(text) is not None


def _read_severity(value: Any) -> Any:
    """``a1`` -> ``A1``, 2 -> ``2``: numbers are what some sources classify by."""
    if type(value) is int:
        return str(value)
    return value.upper() if isinstance(value, str) else value


def _read_signers(value: Any) -> Any:
    return (value,) if isinstance(value, str) else value


Severity = Annotated[str, BeforeValidator(_read_severity), Field(pattern=r"^[A-Z0-9][A-Z0-9_.-]{0,15}$")]
Signers = Annotated[tuple[Annotated[str, Field(min_length=1, max_length=4096)], ...], BeforeValidator(_read_signers)]


class Section(BaseModel):
    """A part of the policy: unknown keys and wrong types are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, validate_default=True)


class ListPolicy(Section):
    """What differs for one list.

    ``severities`` names the source's own classifications; ``NONE`` stands for entries that have none. What is left out
    of ``algorithms`` or ``severities`` does not count.
    """

    owner: str | None = Field(None, min_length=1, max_length=200)
    algorithms: tuple[str, ...] | None = Field(None, min_length=1)
    thresholds: dict[str, int] = {}
    severities: tuple[Severity, ...] | None = Field(None, min_length=1)
    action: Literal["drop", "drop_page", "hold"] = "drop"


class Allow(Section):
    """What never matches: files in the plain list format, and how near an entry must be to a value of theirs."""

    files: tuple[Annotated[Path, Field(strict=False)], ...] = ()
    distances: dict[str, Annotated[int, Field(ge=0)]] = {}


class KeySource(Section):
    """Where the key of keyed lists is read from; the key itself stands in no policy."""

    env: str | None = Field(None, pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")
    file: Path | None = Field(None, strict=False)

    @model_validator(mode="after")
    def _is_one_place(self) -> Self:
        if (self.env is None) == (self.file is None):
            raise ValueError("expected either {env: NAME} or {file: PATH}")
        return self
