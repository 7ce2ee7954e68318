from __future__ import annotations

import json
from importlib.resources import files
from typing import TYPE_CHECKING

import pytest
from support.course import write_course
from support.devtools import Browser, browser

from ingest_guard.dataset.report.page import build_report

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_TAB = 9
_AXE = "axe.run(document, {resultTypes: ['violations', 'incomplete']})"
_NEWS = f"""{_AXE}.then(found => JSON.stringify([
    found.violations.map(each => [each.id, each.nodes.map(node => node.target.join(' ')).slice(0, 3)]),
    found.passes.length
]))"""


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """Start a browser for all tests here."""
    with browser() as started:
        yield started


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write the report of a made-up crawl, with host names as long as they may be."""
    folder = tmp_path_factory.mktemp("course")
    file = write_course(folder, hours=3, hosts=30)
    long = {"kind": "hosts", "run": "00000001", "others": [1, 1, 1], "distinct": 900}
    rows = [["a" * 253, 90_000_000, 10**13, 80_000_000], ["مثال.example", 5, 5, 0], ["<b>", 4, 4, 0]]
    with file.open("a") as lines:
        lines.write(json.dumps({**long, "hosts": rows}) + "\n")
    (folder / "records-00000.jsonl").write_text("{}\n" * 1000)
    report = folder / "report.html"
    report.write_text(build_report(folder, name="a-name-" * 12), encoding="utf-8")
    return report


@pytest.mark.parametrize(("width", "dark"), [(1280, False), (1280, True), (390, True)])
def test_axe_finds_nothing(chromium: Browser, page: Path, width: int, dark: object) -> None:
    """With every part unfolded, axe-core has no complaint: contrast, names, headings, tables, landmarks."""
    chromium.show(page, width=width, dark=bool(dark))
    chromium.run("document.querySelectorAll('details').forEach(each => each.open = true)")
    chromium.run(files("axe_core_python").joinpath("axe.min.js").read_text(encoding="utf-8") + ";undefined")
    violations, passes = json.loads(chromium.run(_NEWS))
    assert violations == []
    assert passes > 15


def test_axe_would_find_something(chromium: Browser, page: Path) -> None:
    """The same look at the same page, with a text too pale and an image without a name, complains of both."""
    chromium.show(page)
    chromium.run(files("axe_core_python").joinpath("axe.min.js").read_text(encoding="utf-8") + ";undefined")
    chromium.run("document.querySelector('h1').style.color = '#d8d8d8'; document.body.append(new Image())")
    violations, _ = json.loads(chromium.run(_NEWS))
    assert {"color-contrast", "image-alt"} <= {name for name, _ in violations}


@pytest.mark.parametrize("width", [1280, 820, 390, 360])
def test_nothing_is_wider_than_the_window(chromium: Browser, page: Path, width: int) -> None:
    """From a desk to a small phone, nobody scrolls sideways, and no text of a chart leaves the window."""
    chromium.show(page, width=width)
    chromium.run("document.querySelectorAll('details').forEach(each => each.open = true)")
    assert chromium.run("document.documentElement.scrollWidth") <= width
    outside = """[...document.querySelectorAll('svg text, .tile dd, h1, h2, h3, th, td')]
        .filter(each => !each.closest('.scroll')).map(each => each.getBoundingClientRect())
        .filter(box => box.left < 0 || box.right > innerWidth + 0.5).length"""
    assert chromium.run(outside) == 0


@pytest.mark.parametrize("width", [1280, 360])
def test_no_label_lies_on_another(chromium: Browser, page: Path, width: int) -> None:
    """The labels of each chart are apart, and large enough to be read."""
    chromium.show(page, width=width)
    found = chromium.run("""(() => {
        const touching = [];
        let smallest = 99;
        for (const plot of document.querySelectorAll('.plot')) {
            const boxes = [...plot.querySelectorAll('text')]
                .map(each => [each.textContent, each.getBoundingClientRect()]);
            for (const [name, a] of boxes) {
                smallest = Math.min(smallest, a.height);
                for (const [other, b] of boxes)
                    if (a !== b && a.left < b.right && b.left < a.right
                        && a.top + 2 < b.bottom - 2 && b.top + 2 < a.bottom - 2)
                        touching.push([plot.parentNode.id, name, other]);
            }
        }
        return [touching, smallest];
    })()""")
    assert found[0] == []
    assert found[1] >= 12


def test_the_page_asks_for_nothing(chromium: Browser, page: Path) -> None:
    """One request, for the file itself; the page's own policy forbids nothing that it does, and would forbid others."""
    chromium.show(page)
    assert chromium.requests == [page.resolve().as_uri()]
    assert chromium.messages == []
    chromium.run(
        "document.body.insertAdjacentHTML('beforeend', '<img src=\"data:image/gif;base64,R0lGODlhAQABAAAAACw=\">')"
    )
    chromium.run("new Promise(later => setTimeout(later, 50))")
    assert any("Content Security Policy" in message for message in chromium.messages)


def test_the_keyboard_reaches_every_part(chromium: Browser, page: Path) -> None:
    """The first stop leads to the content; each link and each fold is a stop, in the order of the page."""
    chromium.show(page)
    chromium.press("Tab", _TAB)
    assert chromium.run("document.activeElement.textContent") == "Skip to the content"
    wanted = chromium.run("document.querySelectorAll('a, summary').length")
    seen = chromium.run("""(() => {
        const stops = [...document.querySelectorAll('a, summary')];
        return stops.filter(each => { each.focus(); return document.activeElement === each; }).length;
    })()""")
    assert seen == wanted > 15


def test_dark_is_dark(chromium: Browser, page: Path) -> None:
    """The page follows the scheme that the reader has chosen."""
    shades = []
    for dark in (False, True):
        chromium.show(page, dark=dark)
        shades.append(chromium.run("getComputedStyle(document.body).backgroundColor"))
    assert shades == ["rgb(246, 247, 249)", "rgb(16, 20, 27)"]
