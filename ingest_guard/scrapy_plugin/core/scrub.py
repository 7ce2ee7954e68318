"""Empty a response, a request or an exception in place.

An exception that leaves a middleware takes its traceback along, and the frames in it hold the response: error handlers,
failure caches and crash reporters read them. So what is dropped is emptied first, wherever it is referred to from.

What a download handler raises has what the server sent in it, and goes past every ``process_response``: a stopped
download brings its response along, parsers quote the line that they stumbled over, and Twisted keeps the reasons of a
failure, with the frames in which the bytes were read, in attributes.
"""

import base64
import contextlib
import re
from collections.abc import Iterator
from types import TracebackType
from typing import Any

from scrapy.http import Request, Response, TextResponse
from twisted.python.failure import Failure

from ingest_guard.scrapy_plugin.core.redaction import WITHHELD

_CACHES = ("_cached_ubody", "_cached_selector", "_cached_decoded_json", "_cached_benc")
# What a response of Scrapy's own has; anything else was added by a library, such as a provider's raw answer.
_ORDINARY = frozenset(
    name for cls in TextResponse.__mro__ for name in (*getattr(cls, "__slots__", ()), *getattr(cls, "attributes", ()))
) | {"__dict__", "attributes"}
# Fields of providers' raw answers that hold a body or a picture beside the one that was checked.
_PICTURES = frozenset({"screenshot", "httpResponseBody"})

# What a text may quote of an answer: a byte string as Python writes it, or anything else long that no words are.
_QUOTED = re.compile(r"""\b(?:bytearray\()?b["'].*|["'][^"']{64,}.*|\S{128,}.*""", re.DOTALL)
_LONGEST = 500
# Where older versions of Twisted keep frames, and with them local variables.
_FRAMES = ("frames", "_frames", "stack")
# Attributes of exceptions of Python's own: what could not be decoded, and what an operating system said.
_NO_DICTIONARY = ("object", "strerror", "filename", "filename2")
_BYTES = (bytes, bytearray, memoryview)


def scrub(response: Response) -> None:
    """Remove the body of a response and all that was derived from it, or came along with it."""
    response._set_body(b"")  # noqa: SLF001 - the only way to empty one in place
    for name in (*_CACHES, *_extras(response)):
        if getattr(response, name, None) is not None:
            with contextlib.suppress(AttributeError, TypeError):
                setattr(response, name, None)


def strip_extras(response: Response) -> int:
    """Remove unchecked pictures from what a provider's response carries beside its body.

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


def scrub_exception(exception: BaseException) -> None:
    """Empty what an exception carries: responses, bytes, quotations of bytes, and the frames of its tracebacks.

    The same for all that it came from: causes, contexts, groups, and the reasons of Twisted's ``ResponseFailed``.
    """
    seen: dict[int, object] = {}
    waiting: list[BaseException | Failure] = [exception]
    while waiting:
        each = waiting.pop()
        if id(each) in seen:
            continue
        seen[id(each)] = each
        waiting += [*_inside(each), *(found for value in _parts(each) for found in _exceptions(value))]
        if isinstance(each, Failure):
            _scrub_failure(each)
        else:
            _scrub_exception(each)


def _inside(each: BaseException | Failure) -> Iterator[BaseException | Failure]:
    """Yield what something came from, as far as it stands in no attribute of its own."""
    if isinstance(each, Failure):
        if isinstance(each.value, BaseException):
            yield each.value
        return
    for inner in (each.__cause__, each.__context__, *getattr(each, "exceptions", ())):
        if isinstance(inner, BaseException):
            yield inner


def _parts(each: BaseException | Failure) -> list[Any]:
    return [*vars(each).values(), *getattr(each, "args", ())]


def _exceptions(value: Any) -> Iterator[BaseException | Failure]:
    if isinstance(value, BaseException | Failure):
        yield value
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from _exceptions(inner)


def _scrub_exception(exception: BaseException) -> None:
    exception.__traceback__ = _emptied(exception.__traceback__)
    for name in _NO_DICTIONARY:
        if (value := getattr(exception, name, None)) is not None:
            setattr(exception, name, _clean(value))
    for name, value in list(vars(exception).items()):
        if name == "response" and not isinstance(value, Response):
            # Another library's: it may hold what it has read of the body.
            setattr(exception, name, None)
        else:
            vars(exception)[name] = _clean(value)
    if type(exception).__name__ == "TunnelError":
        # The first kilobyte of whatever the proxy answered stands in its text.
        exception.args = ("the proxy opened no tunnel (its answer is withheld by ingest_guard)",)
    exception.args = tuple(_clean(value) for value in exception.args)


def _scrub_failure(failure: Failure) -> None:
    failure.tb = _emptied(failure.tb)
    for name in _FRAMES:
        if name in vars(failure):
            vars(failure)[name] = []


def _clean(value: Any) -> Any:
    """Return a value without bytes, and without what may be a quotation of some."""
    if isinstance(value, Response):
        scrub(value)
    elif isinstance(value, _BYTES):
        return b""
    elif isinstance(value, str):
        clean = _QUOTED.sub(WITHHELD, value)[:_LONGEST]
        return value if clean == value else clean  # it may be an enumeration's
    elif type(value) in {list, tuple}:
        return type(value)(_clean(inner) for inner in value)
    return value


def _emptied(trace: TracebackType | None) -> TracebackType | None:
    """Empty the frames of a traceback; leave out those that still run, since nothing empties these."""
    kept = []
    while trace is not None:
        try:
            trace.tb_frame.clear()
            kept.append(trace)
        except RuntimeError:
            pass
        trace = trace.tb_next
    for each, following in zip(kept, [*kept[1:], None], strict=False):
        each.tb_next = following
    return kept[0] if kept else None
