"""Which images an item is about: its image URLs, with the text and the page that belong to them."""

import contextlib
import re
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any
from urllib.parse import urljoin

from itemadapter import ItemAdapter

from ingest_guard.policy.records import Records
from ingest_guard.urls.data_scheme import begins_data_url

# Browsers and Scrapy pass over blanks and control characters before a URL, and over tabs and line ends within it.
_MANY = (list, tuple, set, frozenset)
_ALT_SOURCE_FIELD, _LANGUAGE_FIELD = "alt_source", "language"
# Short words and nothing else: no other text of an item gets into a record by these fields.
_SOURCE = re.compile(r"[a-z][a-z0-9-]{0,31}")
_LANGUAGE = re.compile(r"[A-Za-z]{2,8}(?:[-_][A-Za-z0-9]{1,8}){0,4}")
_DEEPEST = 4


@dataclass(frozen=True, slots=True)
class Target:
    """One image of an item.

    Attributes
    ----------
    url
        As in the item.
    absolute_url
        The same, joined with the page's URL.
    alt
        The text that goes with it; empty where there is none.
    page_url
        The page that shows it; None where it is not known.
    alt_source
        Where the text came from, in one of the words of :mod:`ingest_guard.dataset.records.schema`; None where
        that is not known.
    language
        Its language tag; None where it is not known.
    """

    url: str
    absolute_url: str
    alt: str
    page_url: str | None
    alt_source: str | None = None
    language: str | None = None


def read_targets(item: Any, fields: Records, page_url: str | None) -> list[Target]:
    """Return the images of an item: of ``image_url``, else ``url``, else each of ``image_urls``.

    Parameters
    ----------
    item
        A dict, dataclass, attrs, pydantic or Scrapy item. Anything else has no images.
    fields
        Names of the fields that count.
    page_url
        Of the response that the item came from, for items that name no page themselves.
    """
    if type(item) is not dict and not ItemAdapter.is_item(item):
        return []
    adapter = _adapter(item)
    page = _text(adapter.get(fields.page_url_field)) or page_url
    many = _strings(adapter.get(fields.image_urls_field))
    single = next((url for name in fields.image_url_fields if (url := _text(adapter.get(name)))), None)
    # A page's own address often stands in ``url`` beside a list of images; then the list is what is meant.
    preferred = _text(adapter.get(fields.image_url_fields[0])) if fields.image_url_fields else None
    urls = [preferred] if preferred else many or ([single] if single else [])
    alts = next((alt for name in fields.alt_fields if (alt := adapter.get(name)) is not None), None)
    source = _word(adapter.get(_ALT_SOURCE_FIELD), _SOURCE)
    language = _word(adapter.get(_LANGUAGE_FIELD), _LANGUAGE)
    return [
        Target(url, _join(page, url), _alt(alts, position, len(urls)), page, source, language)
        for position, url in enumerate(urls)
    ]


def page_of(item: Any, fields: Records) -> str | None:
    """Return the page that an item names, if it names one."""
    if type(item) is not dict and not ItemAdapter.is_item(item):
        return None
    return _text(_adapter(item).get(fields.page_url_field))


def names_data_url(item: Any) -> bool:
    """Tell whether any value of an item is a ``data:`` URL, whatever its field is called.

    Other pipelines take their URLs from fields of their own (``file_urls``, say), and would hand it on.
    """
    if type(item) is not dict and not ItemAdapter.is_item(item):
        return False
    waiting: list[tuple[Any, int]] = [(value, 0) for value in _adapter(item).values()]
    while waiting:
        value, depth = waiting.pop()
        if isinstance(value, str):
            if begins_data_url(value):
                return True
        elif depth < _DEEPEST:
            inner = value.values() if isinstance(value, dict) else value if isinstance(value, _MANY) else ()
            waiting.extend((each, depth + 1) for each in inner)
    return False


def keep_only(item: Any, fields: Records, kept: Collection[str]) -> None:
    """Take the image URLs that are not in ``kept`` out of an item's list, with the texts that stand beside them."""
    adapter = _adapter(item)
    urls = adapter.get(fields.image_urls_field)
    if not isinstance(urls, list | tuple) or all(url in kept for url in urls):
        return
    positions = [position for position, url in enumerate(urls) if url in kept]
    adapter[fields.image_urls_field] = type(urls)(urls[position] for position in positions)
    for name in fields.alt_fields:
        alts = adapter.get(name)
        if isinstance(alts, list | tuple) and len(alts) == len(urls):
            adapter[name] = type(alts)(alts[position] for position in positions)


def clear(item: Any) -> None:
    """Empty an item in place: Scrapy writes dropped items to the log."""
    if isinstance(item, dict) or hasattr(type(item), "fields"):
        with contextlib.suppress(Exception):
            item.clear()
            return
    names = list(ItemAdapter(item).field_names()) if ItemAdapter.is_item(item) else list(getattr(item, "__dict__", ()))
    for name in names:
        # Frozen and validated classes refuse a plain assignment; this one goes below them.
        with contextlib.suppress(Exception):
            object.__setattr__(item, name, None)
    if isinstance(extra := getattr(item, "__pydantic_extra__", None), dict):
        extra.clear()


def _adapter(item: Any) -> Any:
    """Return something to get fields from; most items are dicts, which need no adapter for that."""
    return item if type(item) is dict else ItemAdapter(item)


def _join(page: str | None, url: str) -> str:
    if url.startswith(("https://", "http://")):
        return url
    try:
        return urljoin(page, url) if page else url
    except ValueError:
        return url  # one bad address must not cost the others; fetching it will say what it is


def _text(value: Any) -> str | None:
    return value.strip() or None if isinstance(value, str) else None


def _word(value: Any, form: re.Pattern[str]) -> str | None:
    text = _text(value)
    return text if text and form.fullmatch(text) else None


def _strings(value: Any) -> list[str]:
    values = [value] if isinstance(value, str) else value if isinstance(value, list | tuple) else []
    return [text for entry in values if (text := _text(entry))]


def _alt(value: Any, position: int, count: int) -> str:
    if isinstance(value, list | tuple):
        value = value[position] if len(value) == count else " ".join(str(part) for part in value)
    return value if isinstance(value, str) else ""
