"""Whatever Chromium shows of a listed picture inside a page, the guard does not pass."""

from __future__ import annotations

import hashlib
import io
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from support import page_generator
from support.blocklists import make_blocklist
from support.devtools import browser
from support.page_generator import GeneratedPage, make_page, picture
from support.pictures import encode, photographs
from support.shown_pages import AT_ONCE, PageServer, pictures_of, shows

from ingest_guard import Guard, Policy
from ingest_guard.encodings.stages import content_codings, undo
from ingest_guard.hashing.pdq import pdq

PAGES = 200
DROPPED = ("match", "not_scannable")


@pytest.fixture(scope="module")
def guard(tmp_path_factory: pytest.TempPathFactory) -> Guard:
    """Return a guard that knows the picture."""
    value, _ = pdq(np.asarray(Image.open(io.BytesIO(picture())).convert("L")))
    digest = hashlib.md5(picture(), usedforsecurity=False).hexdigest()
    folder: Path = tmp_path_factory.mktemp("shown")
    return Guard.from_policy(
        Policy(blocklist=make_blocklist(folder / "l", {"l": [("pdq", value.hex()), ("md5", digest)]}))
    )


def outcome(guard: Guard, page: GeneratedPage) -> str:
    """Return what becomes of a response."""
    stages = undo(page.sent, content_codings([page.coding.encode()] if page.coding else []), 1 << 27)
    if stages.problem:
        return "not_scannable"
    return str(guard.check(stages.bodies[-1], declared_type=page.content_type).outcome)


def test_no_page_that_a_browser_shows_passes(guard: Guard) -> None:
    """Of 200 pages, each a way to write a picture into one, Chromium shows most, and the guard passes none of these."""
    server = PageServer()
    shown, passed = 0, []
    try:
        with browser() as chromium:
            for first in range(0, PAGES, AT_ONCE):
                pages = [make_page(7, number) for number in range(first, min(first + AT_ONCE, PAGES))]
                for page, cell in zip(pages, pictures_of(chromium, server, pages), strict=True):
                    if shows(cell, lambda data: guard.check(data).outcome == "match"):
                        shown += 1
                        passed += [page.cells] if outcome(guard, page) not in DROPPED else []
    finally:
        server.stop()
    assert not passed
    assert shown > PAGES * 0.3


def test_pages_with_another_picture_pass(guard: Guard, monkeypatch: pytest.MonkeyPatch) -> None:
    """The control: it is the listed picture that makes pages drop, not how they are written."""
    other = encode(photographs()["coffee"].resize((90, 60)), "JPEG")
    monkeypatch.setattr(page_generator, "picture", lambda: other)
    outcomes = Counter(outcome(guard, make_page(7, number)) for number in range(120))
    assert outcomes["match"] == 0
    assert outcomes["not_an_image"] > 110
