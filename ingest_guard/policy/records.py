"""The policy's sections for records: what a record is made of, where images are looked for, which are left out.

``extract`` and ``filters`` steer how images are taken from pages, ``opt_outs`` which wishes of publishers are heeded,
``dataset`` what the manifest and the metadata of a data set say of it.
"""

import re
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Literal, Self, get_args

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from ingest_guard.policy.units import Section, Span
from ingest_guard.urls.hosts import listed_host

Place = Literal["elements", "meta", "json-ld", "links"]
TextSource = Literal["alt", "title", "aria-label", "aria-labelledby", "figcaption", "og", "twitter", "json-ld", "link"]
Purpose = Literal["train-ai", "ai-input", "search"]
"""What a data set is for, as publishers name uses: training, input of a model that answers, a search index."""
Agent = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9._-]{0,63}$")]
_Text = Annotated[str, Field(min_length=1, max_length=10_000)]
_Url = Annotated[str, Field(pattern=r"^https?://[^\s]+$", max_length=2_048)]
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


class Records(Section):
    """What a record is made of."""

    hashes: tuple[str, ...] = ()
    record_hashes: Literal["native", "all"] = "native"
    items_without_image: Literal["drop", "pass"] = "drop"
    image_url_fields: tuple[str, ...] = ("image_url", "url")
    image_urls_field: str = "image_urls"
    alt_fields: tuple[str, ...] = ("alt", "text", "caption")
    page_url_field: str = "page_url"
    private_addresses: Literal["same", "allow", "refuse"] = "same"
    remembered_urls: int = Field(20_000, gt=0)
    remembered_uids: int = Field(20_000_000, ge=0)
    page_items: int = Field(10_000, gt=0)


class Extract(Section):
    """Where images are looked for on a page, and which of their copies and texts is taken."""

    places: tuple[Place, ...] = Field(get_args(Place), min_length=1)
    texts: tuple[TextSource, ...] = get_args(TextSource)
    choose: Literal["largest", "nearest"] = "largest"
    width: int = Field(1024, gt=0, le=100_000)
    screen: int = Field(1920, gt=0, le=100_000)
    lazy: bool = True
    images_per_page: int = Field(5_000, gt=0)


class Filters(Section):
    """Which images make no record, although they match no list."""

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

    @model_validator(mode="after")
    def _lets_texts_through(self) -> Self:
        if self.min_text > self.max_text:
            raise ValueError("expected a max_text of at least min_text; no text is both")
        return self


class OptOutPolicy(Section):
    """Which opt-outs keep an image out of the records.

    All but ``ai_txt`` are heeded by default. Each switch has the name under which the statistics count it
    (``opted_out/REASON``). ``robots_txt`` is the add-on's default for ``ROBOTSTXT_OBEY``; ``robots_unreachable`` says
    what a robots.txt that cannot be had does. ``purpose`` is what the data set is for: a preference about another use
    keeps nothing out. ``informal_usage`` heeds preferences in words that their specifications do not have (any more);
    ``iptc`` and ``c2pa`` heed what an image file says itself. ``agents`` are names, beside the crawler's own, that
    count as addressed to it, in robots.txt and ``ai.txt`` as well; ``tdm_wait`` bounds how long an image waits for its
    host's ``tdmrep.json``, and for its ``ai.txt``.
    """

    robots_txt: bool = True
    robots_unreachable: Literal["forbid", "allow"] = "forbid"
    noai: bool = True
    noimageai: bool = True
    noml: bool = True
    noindex: bool = True
    noimageindex: bool = True
    unavailable_after: bool = True
    tdm_reservation: bool = True
    tdm_file: bool = True
    ai_txt: bool = False
    content_usage: bool = True
    content_signal: bool = True
    rsl_license: bool = True
    informal_usage: bool = True
    iptc: bool = True
    c2pa: bool = True
    purpose: tuple[Purpose, ...] = Field(("train-ai",), min_length=1)
    agents: tuple[Agent, ...] = ()
    tdm_wait: Span = timedelta(seconds=30)


class Dataset(Section):
    """For ``attestation.json`` and ``croissant.json``. Relative paths count from the policy's own folder."""

    name: _Text | None = None
    description: _Text | None = None
    license: _Url | None = None
    url: _Url | None = None
    creator: _Text | None = None
    version: str | None = Field(None, pattern=r"^\d+\.\d+\.\d+(?:-[0-9A-Za-z.-]+)?$")
    cite_as: _Text | None = None
    published: str | None = Field(None, pattern=r"^\d{4}-\d\d-\d\d$")
    sign_key: Path | None = Field(None, strict=False)
