"""Patterns that meet the bytes of a page: twice the input costs at most about twice the time."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest
from ingest_guard.dataset.optouts.markup import meta_elements

from ingest_guard.dataset.optouts import signals, tdmrep
from ingest_guard.pages.extract import copies, document, json_ld, media, walk
from ingest_guard.pages.extract.texts import clean

if TYPE_CHECKING:
    from collections.abc import Callable

NOW = datetime(2030, 1, 1, tzinfo=UTC)


CASES: dict[str, tuple[int, Callable[[int], Callable[[], object]]]] = {
    "tags that do not end": (30_000, lambda n: lambda: document.is_too_costly("<a " * n)),
    "names without end": (30_000, lambda n: lambda: document._TAG.match("<a" + "b" * n)),
    "blanks in a tag": (60_000, lambda n: lambda: document._TAG.match("<a b" + " " * n + ">")),
    "blanks and slashes": (60_000, lambda n: lambda: document._TAG.match("<a " + " /" * n + ">")),
    "values without end": (60_000, lambda n: lambda: document._TAG.match("<a b='" + "x" * n)),
    "blanks behind an equals sign": (60_000, lambda n: lambda: document._TAG.match("<a b=" + " " * n + ">")),
    "499 attributes": (800, lambda n: lambda: document._OVERLOADED.match("<a " + (" " * n + "b =") * 499 + ">")),
    "quotes": (30_000, lambda n: lambda: document._TAG.match("<a " + "x='" * n)),
    "digits of a length": (30_000, lambda n: lambda: media._LENGTH.fullmatch("1" * n + "!")),
    "points of a length": (30_000, lambda n: lambda: media._LENGTH.fullmatch("1." * n)),
    "parentheses of descriptors": (30_000, lambda n: lambda: copies._DESCRIPTORS.match("(" * n)),
    "descriptors": (30_000, lambda n: lambda: copies._DESCRIPTORS.match("(a) b" * n)),
    "commas before an address": (60_000, lambda n: lambda: copies._ADDRESS.search(", " * n)),
    "blanks before a type": (60_000, lambda n: lambda: copies.is_scannable_type(" " * n + "image/x")),
    "names of lazy attributes": (60_000, lambda n: lambda: copies._OTHER_LAZY.fullmatch("data-lazy" + "-" * n + "!")),
    "blanks before a size": (60_000, lambda n: lambda: walk._declared({"width": " " * n}, "width")),
    "blanks behind a size": (60_000, lambda n: lambda: walk._declared({"width": "1" + " " * n + "!"}, "width")),
    "a size in structured data": (60_000, lambda n: lambda: json_ld._pixels("1" + " " * n + "!")),
    "control characters": (20_000, lambda n: lambda: clean("\x01 " * n)),
    "names of meta elements": (60_000, lambda n: lambda: list(meta_elements(b"<meta " + b"a" * n))),
    "blanks of meta elements": (60_000, lambda n: lambda: list(meta_elements(b"<meta a" + b" " * n + b"="))),
    "meta elements": (4_000, lambda n: lambda: list(meta_elements(b"<meta name=a content=b>" * (n // 2)))),
    "comments": (20_000, lambda n: lambda: list(meta_elements(b"<!-->" * (n // 2) + b"<meta>"))),
    "scripts": (8_000, lambda n: lambda: list(meta_elements(b"<script ></script >" * (n // 2) + b"<meta>"))),
    "rules": (1_000, lambda n: lambda: signals.of_headers([b"unavailable_after: 1," * n], [], (), NOW)),
    "patterns of a host's file": (
        20_000,
        lambda n: lambda: tdmrep.Rule(("/", *"a" * n), is_anchored=True, reserved=True).matches("/" * n),
    ),
    "escapes of a host's file": (30_000, lambda n: lambda: tdmrep._spelled("%4" * n)),
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
