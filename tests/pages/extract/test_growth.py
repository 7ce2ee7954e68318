"""Patterns that meet the bytes of a page: twice the input costs at most about twice the time."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest
import turbohtml

from ingest_guard.dataset.optouts import paths, signals
from ingest_guard.pages.extract import copies, json_ld, json_text, media, placeholders, texts, walk
from ingest_guard.pages.extract.texts import clean
from ingest_guard.pages.metas import read_links, read_metas
from ingest_guard.urls.join import is_unfilled

if TYPE_CHECKING:
    from collections.abc import Callable

NOW = datetime(2030, 1, 1, tzinfo=UTC)


CASES: dict[str, tuple[int, Callable[[int], Callable[[], object]]]] = {
    "digits of a length": (30_000, lambda n: lambda: media._LENGTH.fullmatch("1" * n + "!")),
    "points of a length": (30_000, lambda n: lambda: media._LENGTH.fullmatch("1." * n)),
    "parentheses of descriptors": (30_000, lambda n: lambda: copies._DESCRIPTORS.match("(" * n)),
    "descriptors": (30_000, lambda n: lambda: copies._DESCRIPTORS.match("(a) b" * n)),
    "commas before an address": (60_000, lambda n: lambda: copies._ADDRESS.search(", " * n)),
    "blanks before a type": (60_000, lambda n: lambda: copies.is_scannable_type(" " * n + "image/x")),
    "names of lazy attributes": (
        60_000,
        lambda n: lambda: placeholders._OTHER_LAZY.fullmatch("data-lazy" + "-" * n + "!"),
    ),
    "names of other attributes": (60_000, lambda n: lambda: placeholders._NO_OTHERS.fullmatch("lowtiny" * (n // 7))),
    "blanks in a set": (60_000, lambda n: lambda: placeholders._SET.match("a" + " " * n + "1")),
    "words of a file's name": (60_000, lambda n: lambda: placeholders.stands_in("/" + "blank-" * n)),
    "declarations of a style": (
        60_000,
        lambda n: lambda: texts._declared(turbohtml.Element("p", {"style": "display:" * n}), "display"),
    ),
    "braces": (8_000, lambda n: lambda: is_unfilled("{a" * n)),
    "colons": (8_000, lambda n: lambda: is_unfilled("/:image" * n)),
    "signs of templates": (8_000, lambda n: lambda: is_unfilled("%%a##@@a" * n)),
    "quotes in JSON": (60_000, lambda n: lambda: json_text.read_json('{"a' + '\\"' * n)),
    "comments in JSON": (60_000, lambda n: lambda: json_text.read_json("{/*" * n)),
    "commas in JSON": (60_000, lambda n: lambda: json_text.read_json("[" + "," * n + "x")),
    "documents of JSON": (30_000, lambda n: lambda: json_text.read_json("{}," * n)),
    "marks around JSON": (30_000, lambda n: lambda: json_text.read_json("<!--" * n + "</script")),
    "blanks before a size": (60_000, lambda n: lambda: walk._declared({"width": " " * n}, "width")),
    "blanks behind a size": (60_000, lambda n: lambda: walk._declared({"width": "1" + " " * n + "!"}, "width")),
    "a size in structured data": (60_000, lambda n: lambda: json_ld._pixels("1" + " " * n + "!")),
    "control characters": (20_000, lambda n: lambda: clean("\x01 " * n)),
    "names of meta elements": (60_000, lambda n: lambda: read_metas(["<meta " + "a" * n], "text/html")),
    "blanks of meta elements": (60_000, lambda n: lambda: read_metas(["<meta a" + " " * n + "="], "text/html")),
    "meta elements": (4_000, lambda n: lambda: read_metas(["<meta name=a content=b>" * (n // 2)], "text/html")),
    "comments": (20_000, lambda n: lambda: read_metas(["<!-->" * (n // 2) + "<meta>"], "text/html")),
    "scripts": (8_000, lambda n: lambda: read_metas(["<script ></script >" * (n // 2) + "<meta>"], "text/html")),
    "scripts that close themselves": (
        8_000,
        lambda n: lambda: read_metas(["<script a/>" * n + "<meta >"], "text/html"),
    ),
    "links": (8_000, lambda n: lambda: read_links("<a href=/x>" * n, "utf-8", "http://a.example/", "text/html")),
    "rules": (1_000, lambda n: lambda: signals.of_headers([b"unavailable_after: 1," * n], [], (), NOW)),
    "patterns of a host's file": (
        20_000,
        lambda n: lambda: paths.PathPattern(("/", *"a" * n), is_anchored=True).matches("/" * n),
    ),
    "escapes of a host's file": (30_000, lambda n: lambda: paths._spelled("%4" * n)),
}


@pytest.mark.parametrize(("size", "make"), CASES.values(), ids=CASES)
def test_twice_the_input_takes_twice_the_time(size: int, make: Callable[[int], Callable[[], object]]) -> None:
    """At most 2.5 times, where four times would be the square."""

    def seconds(n: int) -> float:
        run = make(n)
        times = []
        for _ in range(5):
            started = time.thread_time()
            run()
            times.append(time.thread_time() - started)
        return min(times)

    for _ in range(3):
        once, twice = seconds(size), seconds(2 * size)
        if twice <= 2.5 * once + 0.002:
            return
    raise AssertionError((once, twice))


@pytest.mark.parametrize(
    "query",
    [
        "(a:" + " " * 990 + "x",
        "screen" + " " * 990 + "x",
        "not " * 249,
        "(not " * 190 + ")" * 40,
        "(" + "1" * 990 + "<",
    ],
)
def test_a_media_condition_takes_no_time(query: str) -> None:
    """The longest condition that is read at all is read within milliseconds."""
    media.holds.cache_clear()
    started = time.thread_time()
    media.holds(query, 1200)
    assert time.thread_time() - started < 0.1
