"""Pages that mean harm: nothing raises, and time grows with the length of the page, not with its square."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING

import pytest

from ingest_guard.pages.extract import extract_images

if TYPE_CHECKING:
    from collections.abc import Callable


def _subjects(n: int) -> list[dict[str, str]]:
    return [{"image": str(number)} for number in range(1500 * n)]


def _copies(number: int) -> str:
    return ",".join(f"u{number}-{part} 1x" for part in range(40))


PAGES: dict[str, Callable[[int], str]] = {
    "a text of a megabyte": lambda n: f"<img src=a.jpg alt='{'x y ' * 20_000 * n}'>",
    "an address of a megabyte": lambda n: f"<img alt=a src='{'/a' * 40_000 * n}'>",
    "a srcset of commas": lambda n: f"<img alt=a srcset='{',' * 15_000 * n}'>",
    "a srcset of parentheses": lambda n: f"<img alt=a srcset='a {'(' * 15_000 * n}'>",
    "a srcset without end": lambda n: f"<img alt=a srcset='{'a 1x,' * 3000 * n}'>",
    "deep nesting": lambda n: "<div>" * 10_000 * n + "<img src=a.jpg alt=x>",
    "nested figures": lambda n: "<figure><img src=a.jpg><figcaption>x" * 1000 * n,
    "nested links": lambda n: "<a href=x.jpg><b>" * 3000 * n,
    "nested languages": lambda n: "<i lang=de><img src=a.jpg>" * 2000 * n,
    "end tags of nothing": lambda n: "<b>" * 200 + "</x></i>" * 4000 * n,
    "one image again and again": lambda n: (
        f"<img src=a.jpg alt='{'x ' * 50_000}'>" + "<img src=a.jpg alt=y>" * 2000 * n
    ),
    "labels of labels": lambda n: (
        "".join(f"<p id=l{each}><b>" for each in range(100))
        + "<b>x</b>" * 500 * n
        + "".join(f"<img src={each}.jpg aria-labelledby='l{each % 99} l0'>" for each in range(300 * n))
    ),
    "JSON without end": lambda n: f"<script type=application/ld+json>{'[' * 50_000 * n}</script>",
    "JSON of images": lambda n: f"<script type=application/ld+json>{json.dumps(_subjects(n))}</script>",
    "cards": lambda n: "<meta property=og:image content=a.jpg>" * 2000 * n,
    "attributes": lambda n: f"<div {' '.join(f'a{each}' for each in range(10_000 * n))}><img src=a.jpg alt=x>",
    "lazy attributes": lambda n: f"<img alt=x {' '.join(f'data-lazy{each}=a.b' for each in range(200 * n))}>",
    "media queries": lambda n: (
        f"<picture>{'<source media=(not(not(min-width:1px) srcset=a>' * 2000 * n}<img src=a.jpg>"
    ),
    "styles": lambda n: f"<img src=a.jpg style='{'width : ' * 200}'>" * 60 * n,
    "angle brackets": lambda n: "<" * 100_000 * n,
    "comments": lambda n: "<!--" * 40_000 * n,
    "zeros": lambda n: "\x00" * 100_000 * n + "<img src=a.jpg alt=x>",
    "dots": lambda n: "".join(f"<img alt=a src='{each}{'../' * 1000}'>" for each in range(10 * n)),
    "copies of copies": lambda n: "".join(f"<img src=s.jpg srcset='{_copies(each)}'>" for each in range(30 * n)),
}


@pytest.mark.parametrize("make", PAGES.values(), ids=PAGES)
def test_time_grows_with_the_length(make: Callable[[int], str]) -> None:
    """A page eight times as long costs no more than some ten times as much; sixty-four would be its square."""

    def seconds(size: int) -> float:
        page = make(size)
        started = time.process_time()
        extract_images(page, "http://h/")
        return time.process_time() - started

    once = min(seconds(1), seconds(1))
    assert seconds(8) < 24 * once + 0.15
