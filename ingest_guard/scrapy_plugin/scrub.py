"""Empty a response in place.

An exception that leaves a middleware takes its traceback along, and the frames in it hold the response: error handlers,
failure caches and crash reporters read them. So what is dropped is emptied first, wherever it is referred to from.
"""

from __future__ import annotations

import contextlib
import traceback
from typing import Any

from scrapy.http import Request, Response

_CACHES = ("_cached_ubody", "_cached_selector", "_cached_decoded_json", "_cached_benc")
_PROVIDER_EXTRAS = ("raw_api_response", "raw_zyte_api_response")


def scrub(response: Response) -> None:
    """Remove the body of a response and all that was derived from it."""
    response._set_body(b"")  # noqa: SLF001 - the only way to empty one in place
    for name in _CACHES + _PROVIDER_EXTRAS:
        if getattr(response, name, None) is not None:
            with contextlib.suppress(AttributeError):
                setattr(response, name, None)


def scrub_request(request: Request) -> None:
    """Remove responses that middlewares put into a request's meta (``cached_response`` and the like)."""
    for key in [key for key, value in request.meta.items() if isinstance(value, Response)]:
        scrub(request.meta.pop(key))


def scrub_exception(exception: BaseException) -> None:
    """Empty the response that an exception carries (``StopDownload`` does), or one that it came from.

    The frames in its traceback are emptied too: a download handler's hold the body beside the response.
    """
    seen: set[int] = set()
    waiting: list[BaseException | None] = [exception]
    while waiting:
        each = waiting.pop()
        if each is None or id(each) in seen:
            continue
        seen.add(id(each))
        waiting += [each.__cause__, each.__context__]
        traceback.clear_frames(each.__traceback__)
        carried: Any = getattr(each, "response", None)
        if isinstance(carried, Response):
            scrub(carried)
