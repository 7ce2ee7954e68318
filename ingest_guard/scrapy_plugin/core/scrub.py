"""Empty a response in place.

An exception that leaves a middleware takes its traceback along, and the frames in it hold the response: error handlers,
failure caches and crash reporters read them. So what is dropped is emptied first, wherever it is referred to from.
"""

from __future__ import annotations

import base64
import contextlib
from typing import Any

from scrapy.http import Request, Response, TextResponse

_CACHES = ("_cached_ubody", "_cached_selector", "_cached_decoded_json", "_cached_benc")
# What a response of Scrapy's own has; anything else was added by whoever made it: a provider's raw answer, say.
_ORDINARY = frozenset(
    name for cls in TextResponse.__mro__ for name in (*getattr(cls, "__slots__", ()), *getattr(cls, "attributes", ()))
) | {"__dict__", "attributes"}
# Fields of providers' raw answers that hold a body or a picture beside the one that was checked.
_PICTURES = frozenset({"screenshot", "httpResponseBody"})


def scrub(response: Response) -> None:
    """Remove the body of a response and all that was derived from it, or came along with it."""
    response._set_body(b"")  # noqa: SLF001 - the only way to empty one in place
    for name in (*_CACHES, *_extras(response)):
        if getattr(response, name, None) is not None:
            with contextlib.suppress(AttributeError, TypeError):
                setattr(response, name, None)


def strip_extras(response: Response) -> int:
    """Take pictures that nobody has checked out of what a provider's response carries beside its body.

    A screenshot, or the body of another request in the provider's raw answer. A copy of the very body that was checked
    stays.

    Returns
    -------
    int
        How many were removed.
    """
    return sum(_strip(getattr(response, name, None), response.body) for name in _extras(response))


def _strip(value: Any, checked: bytes) -> int:
    if isinstance(value, list | tuple):
        return sum(_strip(inner, checked) for inner in value)
    if not isinstance(value, dict):
        return 0
    removed = 0
    for key in list(value):
        if key not in _PICTURES:
            removed += _strip(value[key], checked)
        elif value[key] and not _is_copy(value[key], checked):
            value[key] = None
            removed += 1
    return removed


def _is_copy(value: Any, checked: bytes) -> bool:
    try:
        return (base64.b64decode(value, validate=True) if isinstance(value, str) else value) == checked
    except ValueError:
        return False


def _extras(response: Response) -> list[str]:
    """Return the attributes of a response that Scrapy's own do not have."""
    if type(response).__module__.startswith("scrapy.http."):
        return []
    slots = (name for cls in type(response).__mro__ for name in getattr(cls, "__slots__", ()))
    return [name for name in (*getattr(response, "__dict__", ()), *slots) if name not in _ORDINARY]


def scrub_request(request: Request) -> None:
    """Remove responses that middlewares put into a request's meta (``cached_response`` and the like)."""
    for key in [key for key, value in request.meta.items() if isinstance(value, Response)]:
        scrub(request.meta.pop(key))
