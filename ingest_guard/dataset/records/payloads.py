"""Pictures where texts should be: in base64 under a light disguise, or as bytes anywhere in an item.

Spelling that needs a program to undo (reversed, shifted, put together from fields) is out of reach.
"""

from __future__ import annotations

import io
import re
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from typing import Any, Final, TypeAlias
from urllib.parse import unquote_to_bytes

from itemadapter import ItemAdapter

from ingest_guard.imaging.embedded.images import embedded_images
from ingest_guard.imaging.embedded.signs import may_hold_images
from ingest_guard.imaging.embedded.spellings import spelt_pictures
from ingest_guard.imaging.embedded.url_net import decoded
from ingest_guard.imaging.pixels.model import Limits, NotScannable
from ingest_guard.imaging.sniffing.sniff import Kind, sniff
from ingest_guard.urls.data_scheme import begins_data_url, quotes_data_url

_BASE64_RUN: Final = re.compile(rb"[A-Za-z0-9+/_-]{64,}={0,2}")
_SHORT: Final = 256
_LONGEST_RUN_IN_TEXT: Final = 256
# Signed addresses have tokens of some hundred characters; the longest path that counts here, slashes and all, is this.
_LONGEST_RUN_IN_URL: Final = 2048
_MOST_READINGS: Final = 5
# A path such as /9j/2f/... begins like a JPEG in base64; no picture fits into fewer bytes than this.
_SMALLEST_IMAGE: Final = 128
_LEFT_OUT_OF_URLS: Final = b"\t\r\n"
_LIMITS: Final = Limits()
_LETTERS: Final = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
_ALPHABETS: Final = tuple(bytes({*range(256)} - {*_LETTERS, *more}) for more in (b"+/", b"-_"))
"""What is not in each of base64's two alphabets; padding is left out as well."""
_RANDOM: Final = re.compile(rb"[A-Za-z0-9+/_-]{48,}={0,2}")
_MIXED: Final = (re.compile(rb"[A-Z]"), re.compile(rb"[a-z]"), re.compile(rb"[0-9]"))
_MOST_RANDOM: Final = 512
_DEEPEST: Final = 32
_MOST_VALUES: Final = 100_000
_MOST_BYTES: Final = 16 << 20
_SCALARS: Final = (type(None), bool, int, float, complex)
_MANY: Final = (list, tuple, set, frozenset, deque)
_BYTE: Final = range(256)
Leaf: TypeAlias = str | bytes | None
"""A text or bytes in an item; None for a decoded picture."""


def holds_image(text: str) -> bool:
    """Return whether a URL or a text holds a ``data:`` URL, an image in base64, or a run longer than any token's."""
    # The same few addresses come by many times an image. Long ones are not remembered: they may be an image.
    return _short_holds_image(text) if len(text) <= _SHORT else _looks_like_image(text)


def is_payload(text: str) -> bool:
    """Return whether a text that goes with an image is none: an image, or a long run of base64, or one in pieces."""
    data = to_bytes(text)
    if _longest_run(data) >= _LONGEST_RUN_IN_TEXT or _random_letters(data) >= _MOST_RANDOM:
        return True
    return holds_image(text) or _is_disguised(data)


def to_bytes(text: str) -> bytes:
    """Return a text in UTF-8, halves of characters included."""
    return text.encode("utf-8", "surrogatepass")


def any_leaf(item: Any, is_image: Callable[[Leaf], bool]) -> bool:
    """Return whether a value of an item is an image; also where there is too much to look at.

    What is looked at: mappings and their keys, lists, sets, bytes, files in memory, and objects with attributes.
    """
    try:
        return any(is_image(leaf) for leaf in _leaves(item))
    except _TooMuch:
        return True


class _TooMuch(Exception):  # noqa: N818 - no error: a bound was reached
    pass


def _leaves(item: Any) -> Iterator[Leaf]:
    """Yield the texts, the bytes and the decoded pictures in an item."""
    waiting, seen, size = [(item, 0)], set[int](), 0
    for _ in range(_MOST_VALUES):
        if not waiting:
            return
        value, depth = waiting.pop()
        if isinstance(value, _SCALARS) or id(value) in seen:
            continue
        leaf = _leaf(value)
        if leaf is not _NO_LEAF:
            size += len(leaf) if leaf is not None else 0
            if size > _MOST_BYTES:
                raise _TooMuch
            yield leaf
            continue
        seen.add(id(value))
        inner = _inner(value)
        if inner and depth >= _DEEPEST:
            raise _TooMuch
        waiting.extend((each, depth + 1) for each in inner)
    raise _TooMuch


_NO_LEAF: Final[Any] = object()


def _leaf(value: Any) -> Any:
    """Return a value as a text or as bytes, None for a decoded picture, ``_NO_LEAF`` for what has values in it."""
    if isinstance(value, str | bytes):
        return value
    if isinstance(value, bytearray | memoryview):
        return bytes(value)
    if isinstance(value, io.BytesIO | io.StringIO):
        return value.getvalue()
    if isinstance(value, list | tuple):
        numbers = len(value) >= _SMALLEST_IMAGE and all(type(each) is int and each in _BYTE for each in value)
        return bytes(value) if numbers else _NO_LEAF
    if hasattr(value, "tobytes"):
        return None if hasattr(value, "getpixel") else value.tobytes()
    return _NO_LEAF


def _inner(value: Any) -> list[Any]:
    if isinstance(value, Mapping):
        return [*value.keys(), *value.values()]
    if isinstance(value, _MANY):
        return list(value)
    if isinstance(value, type) or callable(value):
        return []
    fields = ItemAdapter(value).values() if ItemAdapter.is_item(value) else ()
    # What a pydantic model did not declare is in neither of the other two.
    more = getattr(value, "__pydantic_extra__", None) or {}
    return [*fields, *getattr(value, "__dict__", {}).values(), *more.values()]


def is_image(leaf: Leaf) -> bool:
    """Return whether a value is a ``data:`` URL, a picture, or a picture in base64, and nothing else.

    A text that has such a URL among other things, a page above all, is none.
    """
    if leaf is None:
        return True
    if isinstance(leaf, bytes):
        kind = sniff(leaf).kind
        if kind is not Kind.TEXT:
            return kind is Kind.IMAGE
        leaf = leaf.decode("latin-1")
    return begins_data_url(leaf) or _is_image_in_base64(to_bytes(leaf))


def has_image(leaf: Leaf) -> bool:
    """Return whether a value is a picture or has one in it, or is bytes of an unknown kind."""
    if leaf is None:
        return True
    if isinstance(leaf, bytes):
        kind = sniff(leaf).kind
        if kind is not Kind.TEXT:
            return kind is Kind.IMAGE or len(leaf) >= _SMALLEST_IMAGE
        leaf = leaf.decode("latin-1")
    if begins_data_url(leaf) or holds_image(leaf):
        return True
    return len(leaf) >= _SMALLEST_IMAGE and not _is_address(leaf) and _is_disguised(to_bytes(leaf))


def _is_address(text: str) -> bool:
    return text.lstrip().startswith(("http://", "https://")) and len(text.split(None, 1)) == 1


def _is_image_in_base64(data: bytes) -> bool:
    """Return whether a value is a picture in base64, and nothing else."""
    run = data.translate(None, b" \t\r\n")
    if len(run) < _SMALLEST_IMAGE or not may_hold_images(run[:_SHORT]):
        return False
    body = decoded(run)
    return len(body) >= _SMALLEST_IMAGE and sniff(body).kind is Kind.IMAGE


def _is_disguised(data: bytes) -> bool:
    """Return whether a text is a picture in base64 or hex once everything else is left out of it."""
    for others in _ALPHABETS:
        run = data.translate(None, others)
        if len(run) < _SMALLEST_IMAGE:
            continue
        if may_hold_images(run) and _has_embedded(run):
            return True
        if any(sniff(body).kind is Kind.IMAGE for body in spelt_pictures(run) if len(body) >= _SMALLEST_IMAGE):
            return True
    return False


def _has_embedded(text: bytes) -> bool:
    try:
        return any(len(image) >= _SMALLEST_IMAGE for image in embedded_images(text, _LIMITS))
    except NotScannable:
        return True


def _looks_like_image(text: str) -> bool:
    reading = to_bytes(text)
    for _ in range(_MOST_READINGS):
        if _reads_as_image(reading):
            return True
        reading, before = unquote_to_bytes(reading), reading
        if reading == before:
            return False
    return True  # an honest address is not encoded this often


_short_holds_image = lru_cache(maxsize=4096)(_looks_like_image)


def _reads_as_image(text: bytes) -> bool:
    squeezed = text.translate(None, _LEFT_OUT_OF_URLS)
    if quotes_data_url(squeezed) or _longest_run(text) > _LONGEST_RUN_IN_URL:
        return True
    return _has_embedded(text)


def _longest_run(text: bytes) -> int:
    """Return the length of the longest run of base64, in one line or in several."""
    return max((len(run) for run in _BASE64_RUN.findall(text.translate(None, _LEFT_OUT_OF_URLS))), default=0)


def _random_letters(text: bytes) -> int:
    """Return how many letters are in runs that are longer than words and mix capitals, small letters and digits."""
    runs = _RANDOM.findall(text)
    return sum(len(run) for run in runs if all(kind.search(run) for kind in _MIXED))
