"""What the sections of a policy are made of: their base class, and types for sizes, time spans and process counts."""

import contextlib
import re
from datetime import timedelta
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer

_SIZES = {"": 1, "B": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30, "kB": 10**3, "MB": 10**6, "GB": 10**9}
_MOST_WORKERS = 256
_SPANS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


class Section(BaseModel):
    """A part of the policy: unknown keys and wrong types are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, validate_default=True)


def _read_size(value: Any) -> Any:
    """``32 MiB`` -> 33554432; numbers are bytes already."""
    if isinstance(value, str):
        found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([KMG]i?B|kB|B|)\s*", value)
        if not found or found[2] not in _SIZES:
            raise ValueError("expected a size such as 32 MiB, 500 kB or a number of bytes")
        with contextlib.suppress(OverflowError):
            return int(float(found[1]) * _SIZES[found[2]])
        raise ValueError("expected a size that a computer can have")
    return value


def _read_span(value: Any) -> Any:
    """``30d``, ``12h``, ``90m``, ``45s`` -> timedelta; numbers are seconds."""
    if isinstance(value, bool):
        raise ValueError("expected a time span such as 30d, 12h, 90m or 45s")  # noqa: TRY004 - pydantic wants it so
    if isinstance(value, str):
        found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([smhd])\s*", value)
        if not found:
            raise ValueError("expected a time span such as 30d, 12h, 90m or 45s")
        value = float(found[1]) * _SPANS[found[2]]
    try:
        return timedelta(seconds=value) if isinstance(value, int | float) else value
    except (OverflowError, ValueError):
        raise ValueError("expected a time span of at most some million years") from None


def _read_workers(value: Any) -> Any:
    if value not in ("auto", "inline") and (type(value) is not int or not 1 <= value <= _MOST_WORKERS):
        raise ValueError(f"expected auto, inline, or a number of processes from 1 to {_MOST_WORKERS}")
    return value


def _read_bodies(value: Any) -> Any:
    if value != "auto" and (type(value) is not int or value < 1):
        raise ValueError("expected auto, or a number from 1")
    return value


def _seconds(value: timedelta) -> float:
    # Pydantic 2.7 asks for a signature, and a method of a C type has none.
    return value.total_seconds()


def _read_type(value: str) -> str:
    if not re.fullmatch(r"[A-Z0-9]{2,12}", value):
        raise ValueError("expected the short name of a type, such as PDF, ZIP or GZIP; no other name ever matches one")
    return value


BinaryType = Annotated[str, AfterValidator(_read_type)]
Bodies = Annotated[int | Literal["auto"], BeforeValidator(_read_bodies)]
Size = Annotated[int, BeforeValidator(_read_size), Field(gt=0)]
Workers = Annotated[int | Literal["auto", "inline"], BeforeValidator(_read_workers)]
Span = Annotated[
    timedelta,
    BeforeValidator(_read_span),
    # Seconds, which another process can read back: a policy does not accept pydantic's own PT10S.
    PlainSerializer(_seconds, return_type=float, when_used="json"),
    Field(gt=timedelta(0)),
]
