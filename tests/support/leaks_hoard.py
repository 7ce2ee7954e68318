"""Part of the crawled projects, not of the tests: it keeps whatever it can reach, a file for each way out.

What a crash reporter, a curious extension or a careless spider might keep, this does. A test then searches the files.
"""

from __future__ import annotations

import gc
import logging
import traceback
from collections import deque
from pathlib import Path
from types import FrameType, FunctionType, MethodType, ModuleType, TracebackType
from typing import TYPE_CHECKING, Any

from scrapy.http import Headers, Request, Response
from twisted.python.failure import Failure

if TYPE_CHECKING:
    from collections.abc import Iterator

_HERE = Path(__file__).resolve()
# In a project: project/tested/hoard.py, next to project is out.
HOARD = _HERE.parents[2] / "out" / "hoard"
_DEEPEST = 9
_MOST = 20_000
# The machinery itself is as large as the crawl; what these hold of a body, they hold in plain containers as well.
_MACHINERY = ("asyncio", "concurrent", "logging", "multiprocessing", "selectors", "threading", "twisted", "zope", "_")
# From these, everything that the crawl has can be reached: other requests and responses that are on their way.
_WHOLE = ("scrapy.", "tested.", "ingest_guard.scrapy_plugin.runtime", "ingest_guard.scrapy_plugin.core.state")


def keep(way: str, *values: object) -> int:
    """Write all bytes and texts that can be reached from some values to the file of a way out; return their length."""
    found = [each for value in values for each in _reached(value)]
    HOARD.mkdir(parents=True, exist_ok=True)
    with (HOARD / way).open("ab") as file:
        for each in found:
            file.write(each + b"\n\0\n")
    return sum(map(len, found))


def keep_failure(way: str, failure: Failure) -> None:
    """Keep what an errback can reach: the exception, what it came from, the frames of its traceback, the request."""
    keep(way, failure, failure.getTraceback(), getattr(failure, "request", None))


def keep_living(way: str) -> int:
    """Keep the bodies of all responses that are alive; return how many of these are not empty."""
    gc.collect()
    living = [each for each in gc.get_objects() if isinstance(each, Response)]
    keep(way, [each.body for each in living])
    return sum(bool(each.body) for each in living)


class Records(logging.Handler):
    """A log handler that looks at records as they are: arguments, extras and exceptions."""

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a record, in a file for its logger."""
        keep(f"log {record.name}", record.getMessage(), {**vars(record)})


class Recording:
    """An extension that installs the log handler before anything has matched."""

    @classmethod
    def from_crawler(cls, crawler: Any) -> Recording:
        """Install it."""
        del crawler
        logging.getLogger().addHandler(Records())
        return cls()


class Careless:
    """A downloader middleware that drops what the guard would drop, as one would write it who does not know better."""

    def process_response(self, request: Request, response: Response, spider: object = None) -> Response:
        """Drop listed images by raising, with the response in the frame."""
        from scrapy.exceptions import IgnoreRequest  # noqa: PLC0415 - the exception that Scrapy tells everybody to use

        if "/listed/" in request.url:
            raise IgnoreRequest("not wanted")
        return response


def _reached(value: object) -> Iterator[bytes]:
    seen: dict[int, object] = {}
    # What is near comes first: what is far is the machinery of the crawl, and there is much of it.
    waiting: deque[tuple[Any, int]] = deque([(value, 0)])
    while waiting and len(seen) < _MOST:
        each, depth = waiting.popleft()
        if isinstance(each, bytes | bytearray | memoryview):
            yield bytes(each)
        elif isinstance(each, str):
            yield each.encode("utf-8", "surrogatepass")
        elif id(each) not in seen and depth < _DEEPEST:
            # Held, so that no other object can come to have the same identity.
            seen[id(each)] = each
            waiting += [(inner, depth + 1) for inner in _inside(each)]


def _inside(value: Any) -> list[Any]:  # noqa: C901, PLR0911 - one a kind of value
    if value is None or isinstance(value, int | float | type | ModuleType | FunctionType):
        return []
    if isinstance(value, Response | Request):
        return [value.url, value.headers, value.body, value.flags, _attributes(value)]
    if isinstance(value, dict | Headers):
        return [*value.keys(), *value.values()]
    if isinstance(value, list | tuple | set | frozenset):
        return list(value)
    if isinstance(value, Failure):
        return [value.value, value.getTracebackObject(), value.__dict__]
    if isinstance(value, BaseException):
        return [value.args, str(value), value.__cause__, value.__context__, value.__traceback__, _attributes(value)]
    if isinstance(value, TracebackType):
        return [dict(frame.f_locals) for frame, _ in traceback.walk_tb(value)]  # since Python 3.13 no dictionaries
    if isinstance(value, FrameType):
        return [dict(value.f_locals)]
    if isinstance(value, MethodType):
        return []
    if type(value).__module__.startswith((*_MACHINERY, *_WHOLE)):
        return []
    return [repr(value), _attributes(value)]


def _attributes(value: Any) -> list[Any]:
    """Return what an object has as attributes, whether in a dictionary or in slots."""
    names = [
        *getattr(value, "__dict__", ()),
        *(n for cls in type(value).__mro__ for n in getattr(cls, "__slots__", ())),
    ]
    return [getattr(value, name, None) for name in names if name not in {"__dict__", "__weakref__"}]
