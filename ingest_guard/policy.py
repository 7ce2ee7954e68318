"""The policy: one YAML file that says which lists count, how near is a match, and what happens in doubt.

A policy of the one line ``blocklist: FOLDER`` is complete; every other key has the default that stands here. An unknown
key, a wrong type or a value out of bounds is a :class:`~ingest_guard.errors.PolicyError` that names file, line and key.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator
from typing_extensions import Self

from ingest_guard._yaml import Location, YAMLProblem, load_with_lines
from ingest_guard.errors import PolicyError

_SIZES = {"": 1, "B": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30, "kB": 10**3, "MB": 10**6, "GB": 10**9}
_MOST_WORKERS = 256
_SPANS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


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


Size = Annotated[int, BeforeValidator(_read_size), Field(gt=0)]
Workers = Annotated[int | Literal["auto", "inline"], BeforeValidator(_read_workers)]
Span = Annotated[timedelta, BeforeValidator(_read_span), Field(gt=timedelta(0))]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, validate_default=True)


class Limits(_Section):
    """What one body may cost."""

    bytes: Size = 32 << 20
    pixels: int = Field(100_000_000, gt=0, le=1_000_000_000)
    frames: int = Field(200, gt=0)
    sample_frames: bool = False
    seconds: float = Field(10.0, gt=0, le=600)
    memory: Size = 1 << 30
    nesting: int = Field(3, ge=0, le=16)
    trailing_data: Literal["scan", "refuse"] = "scan"


class Views(_Section):
    """Which other views of each frame are compared beside the native one."""

    orientations: bool = True
    inverse: bool = True
    scale: bool = True
    normalise: bool = True
    trim: bool = True
    quadrants: bool = False
    centre: bool = False


class ListPolicy(_Section):
    """What differs for one list."""

    thresholds: dict[str, int] = {}


class InFlight(_Section):
    """How much may wait for a worker at one time, whoever asked for it."""

    images: int = Field(64, gt=0)
    bytes: Size = 256 << 20


class Records(_Section):
    """What a record is made of."""

    hashes: tuple[str, ...] = ()
    items_without_image: Literal["drop", "pass"] = "drop"
    image_url_fields: tuple[str, ...] = ("image_url", "url")
    image_urls_field: str = "image_urls"
    alt_fields: tuple[str, ...] = ("alt", "text", "caption")
    page_url_field: str = "page_url"
    private_addresses: Literal["same", "allow", "refuse"] = "same"
    remembered_urls: int = Field(20_000, gt=0)


class Policy(_Section):
    """The whole policy. Relative paths in it count from the policy's own folder."""

    blocklist: Path = Field(strict=False)
    allow_empty: bool = False
    max_age: Span = timedelta(days=30)
    lists: dict[str, ListPolicy] = {}
    accept_false_matches: bool = False
    low_quality: Literal["compare", "drop"] = "compare"
    min_quality: int = Field(50, ge=0, le=100)
    low_quality_distance: int = Field(12, ge=0, le=31)
    unscanned_types: tuple[str, ...] = ()
    views: Views = Views()
    limits: Limits = Limits()
    workers: Workers = "auto"
    images_per_worker: int = Field(20_000, gt=0)
    in_flight: InFlight = InFlight()
    records: Records = Records()

    @model_validator(mode="before")
    @classmethod
    def _is_mapping(cls, value: Any) -> Any:
        if not isinstance(value, dict):
            raise ValueError("expected keys and values; the shortest policy is the line 'blocklist: FOLDER'")  # noqa: TRY004 - pydantic wants it so
        return value

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Self:
        """Read and check a policy file.

        Raises
        ------
        PolicyError
            The file is missing or not YAML, or a key is unknown, missing, of a wrong type or out of bounds. The text
            names file, line and key, and what was expected.
        """
        file = Path(path)
        try:
            document, lines = load_with_lines(file)
        except YAMLProblem as problem:
            raise PolicyError(f"policy {file}: {problem}") from None
        except (OSError, ValueError) as error:
            why = getattr(error, "strerror", None) or type(error).__name__
            raise PolicyError(
                f"policy {file}: cannot be read ({why}); name an existing file in INGEST_GUARD_POLICY, or write one "
                "with: ingest-guard init"
            ) from None
        try:
            policy = cls.model_validate(_tuples({} if document is None else document))
        except ValidationError as error:
            raise PolicyError(_explain(file, error, lines)) from None
        return policy.model_copy(update={"blocklist": _resolve(file, policy.blocklist)})

    def to_json(self) -> str:
        """Return the policy for another process of the same crawl; how old a blocklist may be is decided here."""
        return self.model_dump_json(exclude={"max_age"})

    @classmethod
    def from_json(cls, text: str | bytes) -> Self:
        """Read what :meth:`to_json` wrote."""
        return cls.model_validate(_tuples(json.loads(text)))

    @property
    def worker_count(self) -> int:
        """Number of scan workers; 0 for the inline mode."""
        if self.workers == "inline":
            return 0
        if self.workers == "auto":
            return max(1, len(os.sched_getaffinity(0)) - 1) if hasattr(os, "sched_getaffinity") else 1
        return self.workers


def _resolve(file: Path, folder: Path) -> Path:
    try:
        return (file.resolve().parent / folder.expanduser()).resolve()
    except (OSError, RuntimeError, ValueError):
        raise PolicyError(
            f"policy {file}: key blocklist: {str(folder)!r} cannot be the path of a folder; name the folder that "
            "'ingest-guard blocklist build' wrote"
        ) from None


def _tuples(value: Any) -> Any:
    """Turn YAML's lists into tuples: strict models take no list for a tuple."""
    if isinstance(value, dict):
        return {key: _tuples(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return tuple(_tuples(inner) for inner in value)
    return value


def _explain(file: Path, error: ValidationError, lines: dict[Location, int]) -> str:
    """One line: every problem with its line, its key and what was expected."""
    problems = []
    for detail in error.errors(include_url=False, include_context=False, include_input=False):
        where: Location = tuple(part for part in detail["loc"] if (not isinstance(part, str) or "[" not in part))
        key = where
        while key not in lines:
            key = key[:-1]
        name = ".".join(str(part) for part in key or where)
        text = {
            "extra_forbidden": "unknown key; see docs/reference.md for the keys, or remove it",
            "missing": "this key is missing: name the folder that 'ingest-guard blocklist build' wrote",
            "tuple_type": "expected a list, as in [a, b]",
            "time_delta_type": "expected a time span such as 30d, 12h, 90m or 45s",
        }.get(detail["type"], detail["msg"].removeprefix("Value error, ").replace("datetime.timedelta(0)", "0"))
        if not where:
            problem = f"line {lines[key]}: {text}"
        elif detail["type"] == "missing":
            problem = f"line {lines[key]}: key {'.'.join(map(str, where))}: {text}"
        else:
            problem = f"line {lines[key]}: key {name}: {text}"
        if problem not in problems:
            problems.append(problem)
    return f"policy {file}: " + "; ".join(problems)
