"""What a policy says of images on pages: where they are looked for, which copy and text count, what is left out."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from ingest_guard.policy.lists import Section

Place = Literal["elements", "meta", "json-ld", "links"]
TextSource = Literal["alt", "title", "aria-label", "aria-labelledby", "figcaption", "og", "twitter", "json-ld", "link"]
_Phrase = Annotated[str, Field(min_length=1, max_length=200)]
_Host = Annotated[str, Field(min_length=1, max_length=253)]
_Language = Annotated[str, Field(pattern=r"^[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8})*$")]


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
    max_aspect: float | None = Field(None, ge=1)
    declared_size: bool = False
