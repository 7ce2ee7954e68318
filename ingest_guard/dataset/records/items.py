"""Which images an item is about: its image URLs, with the text and the page that belong to them."""

import contextlib
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import takewhile
from typing import Any
from urllib.parse import urljoin

from itemadapter import ItemAdapter

from ingest_guard.dataset.records.payloads import any_leaf, has_image, is_image
from ingest_guard.policy.records import Records

_ALT_SOURCE_FIELD, _LANGUAGE_FIELD = "alt_source", "language"
# Short words and nothing else: no other text of an item gets into a record by these fields.
_SOURCE = re.compile(r"[a-z][a-z0-9-]{0,31}")
_SMALL = 1 << 13
_LANGUAGE = re.compile(r"[A-Za-z]{2,8}(?:[-_][A-Za-z0-9]{1,8}){0,4}")


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


@dataclass(frozen=True, slots=True)
class Reading:
    """What an item says of its images.

    Attributes
    ----------
    targets
        Its images.
    unread
        Fields for image URLs that have something in them and no URL, and would count before the one that does.
    unmatched
        How many images have no text because the item has more or fewer texts than images.
    """

    targets: list[Target]
    unread: tuple[str, ...] = ()
    unmatched: int = 0


def read_targets(item: Any, fields: Records, page_url: str | None) -> list[Target]:
    """Return the images of an item, as :func:`read_item` finds them."""
    return read_item(item, fields, page_url).targets


def read_item(item: Any, fields: Records, page_url: str | None) -> Reading:
    """Read the images of an item: of ``image_url``, else each of ``image_urls``, else ``url``.

    Each of the fields may have one URL or several. Several texts go with as many images, one each; where the numbers
    differ, it is not known which text belongs to which image, and none has one.

    Parameters
    ----------
    item
        A dict, dataclass, attrs, pydantic or Scrapy item. Anything else has no images.
    fields
        Names of the fields that count.
    page_url
        Of the response that the item came from, for items that name no page themselves.
    """
    if not _is_item(item):
        return Reading([])
    adapter = _adapter(item)
    page = _text(adapter.get(fields.page_url_field)) or page_url
    # A page's own address often stands in ``url`` beside a list of images; then the list is what is meant.
    names = [*fields.image_url_fields[:1], fields.image_urls_field, *fields.image_url_fields[1:]]
    found = {name: _urls(adapter.get(name)) for name in dict.fromkeys(names)}
    chosen = next((name for name in found if found[name]), None)
    passed_over = takewhile(lambda name: name != chosen, found)
    unread = tuple(name for name in passed_over if _is_something(adapter.get(name)))
    if chosen is None:
        return Reading([], unread)
    texts = _texts(adapter, fields, chosen, found)
    source = _word(adapter.get(_ALT_SOURCE_FIELD), _SOURCE)
    language = _word(adapter.get(_LANGUAGE_FIELD), _LANGUAGE)
    targets = [
        Target(url, _join(page, url), texts(position) if texts else "", page, source, language)
        for position, url in found[chosen]
    ]
    return Reading(targets, unread, 0 if texts else len(targets))


def _urls(value: Any) -> list[tuple[int, str]]:
    """Return the URLs in a field, and the place of each among its values."""
    return [(place, text) for place, each in enumerate(_values(value)) if (text := _text(each))]


def _values(value: Any) -> Collection[Any]:
    """Return the values of a field that may have one or many. An iterator has none: who reads it empties it."""
    if isinstance(value, str):
        return (value,)
    if isinstance(value, Collection) and not isinstance(value, bytes | bytearray | memoryview | Mapping):
        return value
    return ()


def _is_something(value: Any) -> bool:
    if isinstance(value, str):
        return bool(value.strip())
    return value is not None and not (isinstance(value, Collection) and all(each is None for each in value))


def _texts(
    adapter: Any, fields: Records, chosen: str, found: Mapping[str, list[tuple[int, str]]]
) -> Callable[[int], str] | None:
    """Return what gives the text of the image at a place; None where it is not known which text is whose."""
    value = next((alt for name in fields.alt_fields if (alt := adapter.get(name)) is not None), None)
    if isinstance(value, str | bytes) or not isinstance(value, Collection) or isinstance(value, Mapping):
        text = _alt(value)
        return lambda _: text
    urls = _values(adapter.get(chosen))
    # Several texts may be meant for a list of images that stands beside this one.
    most = max(map(len, found.values()))
    if isinstance(value, Sequence) and isinstance(urls, Sequence) and most <= len(urls) == len(value):
        alts = value
        return lambda place: _alt(alts[place])
    if len(found[chosen]) == most == 1 or not value:
        text = " ".join(filter(None, map(_alt, value)))
        return lambda _: text
    return None


def page_of(item: Any, fields: Records) -> str | None:
    """Return the page that an item names, if it names one."""
    if not _is_item(item):
        return None
    return _text(_adapter(item).get(fields.page_url_field))


def names_data_url(item: Any) -> bool:
    """Return whether any value of an item is a ``data:`` URL, a picture, or a picture in base64, whatever its field.

    Other pipelines take their URLs from fields of their own (``file_urls``, say), and would hand it on.
    """
    return _is_item(item) and any_leaf(item, is_image)


def carries_picture(item: Any) -> bool:
    """Return whether any value of an item is a picture or has one in it, or there is too much to look at."""
    return _is_item(item) and any_leaf(item, has_image)


def is_small(item: Any) -> bool:
    """Return whether looking through all of an item takes no time worth a thread: plain values, a few kilobytes."""
    left = _SMALL
    values: list[Any] = [dict(_adapter(item))] if _is_item(item) else [object()]
    while values and left >= 0:
        value = values.pop()
        if isinstance(value, str | bytes):
            left -= len(value)
        elif type(value) in {list, tuple, dict}:
            left -= 8 * len(value)
            if left >= 0:
                values += [*value.keys(), *value.values()] if isinstance(value, dict) else value
        elif not (value is None or isinstance(value, int | float)):
            return False
    return left >= 0


def keep_only(item: Any, fields: Records, kept: Collection[str]) -> None:
    """Take the image URLs that are not in ``kept`` out of an item's lists, with the texts that stand beside them.

    Where it is not known which text belongs to which image, the texts go as well: fewer images may have as many texts.
    """
    adapter = _adapter(item)
    for field in dict.fromkeys((fields.image_urls_field, *fields.image_url_fields)):
        urls = adapter.get(field)
        if isinstance(urls, str) or all(_text(url) in kept for url in _values(urls)):
            continue
        places = {place for place, url in enumerate(urls) if _text(url) in kept}
        adapter[field] = _only(urls, places)
        for name in fields.alt_fields:
            alts = adapter.get(name)
            if isinstance(alts, list | tuple):
                adapter[name] = _only(alts, places) if len(alts) == len(urls) else type(alts)()


def _only(values: Collection[Any], places: Collection[int]) -> Collection[Any]:
    kind = type(values) if isinstance(values, list | tuple | set | frozenset) else list
    return kind(value for place, value in enumerate(values) if place in places)


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


def _is_item(item: Any) -> bool:
    return type(item) is dict or ItemAdapter.is_item(item)


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


def _alt(value: Any) -> str:
    """Return a text as it is, bytes as UTF-8, and a number in figures; nothing for anything else."""
    if isinstance(value, bytes):
        try:
            return value.decode()
        except UnicodeDecodeError:
            return ""
    if isinstance(value, int | float | Decimal) and not isinstance(value, bool):
        return str(value)
    return value if isinstance(value, str) else ""
