"""What a policy says of images on pages: where they are looked for, which copy and text count, what is left out."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field

from ingest_guard.policy.lists import Section
from ingest_guard.urls.hosts import listed_host

Place = Literal["elements", "meta", "json-ld", "links"]
TextSource = Literal["alt", "title", "aria-label", "aria-labelledby", "figcaption", "og", "twitter", "json-ld", "link"]
_RATIO = re.compile(r"([0-9]+(?:\.[0-9]+)?) ?[:/] ?([0-9]+(?:\.[0-9]+)?)")
_LANGUAGE = re.compile(r"[A-Za-z]{2,3}(-[A-Za-z0-9]{1,8})*")


def _read_phrase(value: str) -> str:
    if not re.search(r"\w", value):
        raise ValueError("expected a word or a phrase; without a letter or a digit nothing would match it")
    return value


def _read_host(value: str) -> str:
    try:
        return listed_host(value)
    except ValueError:
        raise ValueError("expected a host such as example.org, as a list of domains has it") from None


def _read_language(value: str) -> str:
    if not _LANGUAGE.fullmatch(value):
        raise ValueError("expected the tag of a language, such as en or pt-BR, as pages have it")
    return value


def _read_ratio(value: Any) -> Any:
    """``3:1`` and ``1:3`` -> 3.0; numbers are ratios already."""
    if not isinstance(value, str):
        return value
    found = _RATIO.fullmatch(value.strip())
    if found is None or not float(found[1]) or not float(found[2]):
        raise ValueError("expected a number such as 3, or two sides such as 3:1")
    one, other = float(found[1]), float(found[2])
    return max(one, other) / min(one, other)


_Phrase = Annotated[str, Field(min_length=1, max_length=200), AfterValidator(_read_phrase)]
_Host = Annotated[str, Field(min_length=1, max_length=500), AfterValidator(_read_host)]
_Language = Annotated[str, AfterValidator(_read_language)]
_Ratio = Annotated[float, BeforeValidator(_read_ratio), Field(ge=1, allow_inf_nan=False)]


class Extract(Section):
    """Where images are looked for on a page, and which of their copies and texts is taken."""

    places: tuple[Place, ...] = ("elements", "meta", "json-ld", "links")
    texts: tuple[TextSource, ...] = (
        "alt",
        "title",
        "aria-label",
        "aria-labelledby",
        "figcaption",
        "og",
        "twitter",
        "json-ld",
        "link",
    )
    choose: Literal["largest", "nearest"] = "largest"
    width: int = Field(1024, gt=0, le=100_000)
    screen: int = Field(1920, gt=0, le=100_000)
    lazy: bool = True
    images_per_page: int = Field(5_000, gt=0)


class Filters(Section):
    """Which images make no record, though nothing is known against them."""

    without_text: Literal["drop", "keep"] = "drop"
    trackers: bool = True
    sprites: bool = True
    min_text: int = Field(0, ge=0)
    max_text: int = Field(10_000, gt=0)
    blocked_words: tuple[_Phrase, ...] = ()
    blocked_hosts: tuple[_Host, ...] = ()
    languages: tuple[_Language, ...] = ()
    unknown_language: Literal["keep", "drop"] = "keep"
    min_width: int = Field(0, ge=0)
    min_height: int = Field(0, ge=0)
    max_aspect: _Ratio | None = None
    declared_size: bool = False
