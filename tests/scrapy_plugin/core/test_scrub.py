from __future__ import annotations

import logging
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scrapy import Request
from scrapy.exceptions import StopDownload
from scrapy.http import JsonResponse, Response, TextResponse
from twisted.python.failure import Failure
from twisted.web._newclient import ParseError, ResponseFailed

from ingest_guard.scrapy_plugin.core.exceptions import ImageBlocked
from ingest_guard.scrapy_plugin.core.scrub import scrub, scrub_exception, scrub_request
from ingest_guard.scrapy_plugin.startup.log_filter import LogFilter
from ingest_guard.verdict import Action, Reason

MARK = b"flagged" * 20
URL = "https://site.example/"


def raised(error: BaseException, depth: int = 3) -> BaseException:
    """Raise something from frames that hold bytes, and return it."""
    body = MARK
    try:
        if depth:
            raised(error, depth - 1)
        raise error
    except type(error) as caught:
        assert body
        return caught


def reached(value: Any, seen: set[int] | None = None) -> str:  # noqa: PLR0911 - one a kind of value
    """Return all that can be reached from an exception, as a text."""
    seen = set() if seen is None else seen
    if id(value) in seen:
        return ""
    seen.add(id(value))
    if isinstance(value, list | tuple):
        return " ".join(reached(each, seen) for each in value)
    if isinstance(value, Failure):
        return reached([value.value, value.tb, *vars(value).values()], seen)
    if isinstance(value, BaseException):
        parts = [value.args, value.__cause__, value.__context__, value.__traceback__, *vars(value).values()]
        return f"{value!s} {value!r} {reached(parts, seen)}"
    if isinstance(value, Response):
        return repr(value.body)
    if hasattr(value, "tb_frame"):
        return f"{dict(value.tb_frame.f_locals)!r} {reached(value.tb_next, seen)}"
    return repr(value)


def chained(cause: BaseException) -> BaseException:
    """Return what a download handler makes of a parser's error: Twisted's failure inside, Scrapy's around it."""
    failed = ResponseFailed([Failure(cause), Failure(raised(ParseError("no status", MARK)))])
    failed.response = MARK  # as Twisted's own response, which holds what it has read
    outer = RuntimeError(str(failed))
    outer.__cause__ = raised(failed)
    return raised(outer)


@pytest.mark.parametrize(
    "error",
    [
        raised(ValueError(f"no number: {MARK!r}")),
        raised(ValueError(f"no number: {MARK.decode()!r}")),
        raised(KeyError(MARK)),
        raised(OSError(5, "read", MARK.decode())),
        raised(ValueError(f"illegal header line: {bytearray(MARK)!r}")),
        raised(RuntimeError([["550", MARK.decode()]])),
        raised(UnicodeDecodeError("utf-8", MARK, 0, 1, "no text")),
        raised(StopDownload(fail=True)),
        chained(raised(ValueError(MARK.decode()))),
    ],
    ids=lambda error: type(error).__name__,
)
def test_nothing_is_left(error: BaseException) -> None:
    """Arguments, texts that quote bytes, attributes, reasons inside, and the frames of every traceback are emptied."""
    if isinstance(error, StopDownload):
        error.response = Response("http://host.example/", body=MARK)
    assert "flagged" in reached(error)
    scrub_exception(error)
    assert "flagged" not in reached(error)
    assert "flagged" not in str(getattr(error, "object", ""))


def running(error: BaseException) -> tuple[object, object]:
    """Scrub an exception while the frame that raised it still runs, with bytes in it; return the tracebacks left."""
    body = MARK
    try:
        raise error
    except type(error):
        inner = raised(ValueError("y"), 1)
        error.__context__ = inner
        assert "flagged" in reached(error)
        scrub_exception(error)
        assert body
        found = reached(error)
    return found, (error.__traceback__, inner.__traceback__)


def test_a_frame_that_still_runs_is_left_out() -> None:
    """It cannot be emptied; those that have ended stay in the traceback, so that one sees where it came from."""
    found, (outer, inner) = running(KeyError("x"))  # type: ignore[misc]  # a pair
    assert "flagged" not in str(found)
    assert (outer is None, inner is None) == (True, False)


def test_what_says_no_bytes_stays() -> None:
    """Ordinary messages, numbers and the enumerations of the guard's own exceptions are as they were."""
    refused = ConnectionRefusedError(111, "Connection refused")
    blocked = ImageBlocked("not_scannable", Reason.TIMEOUT, ("a",), Action.DROP)
    text = str(blocked)
    for error in (refused, blocked):
        scrub_exception(error)
    assert (refused.errno, str(refused)) == (111, "[Errno 111] Connection refused")
    assert str(blocked) == text
    assert (blocked.reason, blocked.action, blocked.lists) == (Reason.TIMEOUT, Action.DROP, ("a",))
    assert isinstance(blocked.reason, Reason)


def test_groups_are_looked_into() -> None:
    """An exception group's members, as libraries with task groups raise them; rings end."""
    group = RuntimeError("several")
    inner = raised(ValueError(MARK.decode()))
    group.exceptions = (inner, group)  # type: ignore[attr-defined]  # as ExceptionGroup of Python 3.11
    inner.__context__ = group
    scrub_exception(group)
    assert "flagged" not in reached(group)


@given(data=st.binary(min_size=40, max_size=300))
def test_no_quotation_of_bytes_survives(data: bytes) -> None:
    """However Python writes a byte string, nothing of it is left."""
    error = ValueError(f"unexpected: {data!r}, {bytearray(data)!r}")
    scrub_exception(error)
    assert str(error) == "unexpected: (withheld by ingest_guard)"


def record(error: BaseException, message: object = "Spider error") -> logging.LogRecord:
    """Return a record that tells of an exception."""
    info = (type(error), error, error.__traceback__)
    return logging.LogRecord("scrapy.pipelines.media", logging.ERROR, __file__, 1, message, (), info)


def test_a_log_record_about_a_drop_holds_no_frames() -> None:
    """A traceback that comes from a drop stays as a text; a failure that is the message itself becomes one line."""
    error = RuntimeError("no file")
    error.__context__ = raised(ImageBlocked("match", lists=("a",)))
    first, second = record(raised(error)), record(raised(error), Failure(error))
    for each in (first, second):
        assert LogFilter(strict=False).filter(each)
        assert each.exc_info is None
    assert "RuntimeError: no file" in str(first.exc_text)
    assert "flagged" not in str(first.exc_text).replace('flagged" *', "")
    assert (second.getMessage(), second.exc_text) == ("ingest_guard dropped this response: match (a)", None)


def test_other_log_records_keep_their_exception() -> None:
    """What has nothing to do with a drop is logged as it was."""
    each = record(raised(ValueError("x")))
    assert LogFilter(strict=True).filter(each)
    assert each.exc_info is not None


@pytest.mark.parametrize("cls", [Response, TextResponse, JsonResponse])
def test_scrub_leaves_nothing(cls: type[Response]) -> None:
    """The body and all that was made of it are gone, in place."""
    from_api = type("FromApi", (cls,), {})  # as scrapy-zyte-api makes them
    response = from_api(URL, body=b'{"flagged": "<p>flagged</p>"}')
    if isinstance(response, TextResponse):
        assert "flagged" in response.text
        assert response.json() == {"flagged": "<p>flagged</p>"}
        assert response.selector is not None
    response.raw_api_response = {"httpResponseBody": "flagged"}
    scrub(response)
    assert response.body == b""
    assert "flagged" not in repr({name: getattr(response, name, None) for name in dir(response)})


def test_scrub_of_a_class_that_allows_no_change() -> None:
    """What cannot be set is passed over; the body is gone all the same."""

    class Fixed(Response):
        @property
        def raw_api_response(self) -> str:
            return "fixed"

    response = Fixed(URL, body=b"flagged")
    scrub(response)
    assert response.body == b""


def test_scrub_request_takes_responses_out() -> None:
    """Whatever they are called in the meta."""
    held = Response(URL, body=b"flagged")
    request = Request(URL, meta={"cached_response": held, "any": Response(URL, body=b"x"), "n": 1})
    scrub_request(request)
    assert (held.body, request.meta) == (b"", {"n": 1})
