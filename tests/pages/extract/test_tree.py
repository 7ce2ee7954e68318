"""Trees of HTML and XML, as browsers build them, in linear time."""

from __future__ import annotations

import time

import pytest

from ingest_guard.pages.extract import extract_from, extract_images
from ingest_guard.policy.records import Extract

XHTML = "application/xhtml+xml"
NAMES = "xmlns='http://www.w3.org/1999/xhtml'"


def told(html: str, content_type: str = "text/html") -> list[tuple[str, str]]:
    """Return the images of a page: the end of each address, and the text."""
    found = extract_images(html.encode(), "http://h/", content_type=content_type)
    return [(image.url.removeprefix("http://h/"), image.alt) for image in found]


@pytest.mark.parametrize("tag", ["div", "b", "span", "font", "a", "p", "figure", "section"])
def test_depth_hides_nothing(tag: str) -> None:
    """Sixty thousand elements inside each other."""
    assert told(f"<{tag}>" * 60_000 + "<img src=a.jpg alt=x>") == [("a.jpg", "x")]


@pytest.mark.parametrize(
    "name", ["script", "title", "style", "textarea", "iframe", "noscript", "xmp", "template", "a", "div", "object"]
)
@pytest.mark.parametrize("content_type", [XHTML, f"{XHTML}; charset=utf-8", "text/xml", "application/xml"])
@pytest.mark.parametrize("end", ["</body></html>", "<p></body></html>"], ids=["well-formed", "broken"])
def test_an_element_that_closes_itself_hides_nothing(name: str, content_type: str, end: str) -> None:
    """In XML any element can; also where the page is broken further down."""
    page = f"<?xml version='1.0'?><html {NAMES}><body><{name} src='x'/><img src='a.jpg' alt='&lt;x&gt;'/>{end}"
    assert told(page, content_type) == [("a.jpg", "<x>")]


def test_names_of_xml() -> None:
    """Prefixes are as good as none, elements of others are others, and no text is lost between them."""
    page = f"""<!DOCTYPE html PUBLIC "-//W3C//DTD XHTML 1.0 Strict//EN" "x"><?pi a?>
    <h:html xmlns:h="http://www.w3.org/1999/xhtml" xml:lang="de"><h:body>
    <h:img src="a.jpg" alt="&eacute;"/><o:img xmlns:o="urn:other" src="no.jpg"/>
    <figure {NAMES}><img src="b.jpg"/><figcaption>One<br/>two<?pi?> <b>thr</b>ee<!-- --> four</figcaption></figure>
    <svg xmlns="http://www.w3.org/2000/svg" xmlns:x="http://www.w3.org/1999/xlink">
    <image x:href="c.jpg"><title>Three</title></image></svg>
    <script {NAMES} type="application/ld+json"><![CDATA[{{"image": "d.jpg", "name": "Four"}}]]></script>
    </h:body></h:html>"""
    assert told(page, XHTML) == [
        ("a.jpg", "\u00e9"),
        ("b.jpg", "One two three four"),
        ("c.jpg", "Three"),
        ("d.jpg", "Four"),
    ]
    assert extract_images(page.encode(), "http://h/", content_type=XHTML)[0].language == "de"


def test_nothing_comes_from_outside() -> None:
    """Entities of files are empty, and those that grow without end break the page, which is then read as HTML."""
    outside = (
        f"<!DOCTYPE html [<!ENTITY f SYSTEM 'file:///etc/hostname'>]><html {NAMES}><img src='a.jpg' alt='x'/>&f;</html>"
    )
    assert told(outside, XHTML) == [("a.jpg", "x")]
    growing = "".join(f"<!ENTITY e{n + 1} '{f'&e{n};' * 10}'>" for n in range(12))
    bomb = f"<!DOCTYPE html [<!ENTITY e0 'x'>{growing}]><html {NAMES}><img src='a.jpg' alt='x'/><p>&e12;</p></html>"
    started = time.process_time()
    assert told(bomb, XHTML)[0] == ("a.jpg", "x")
    assert time.process_time() - started < 5


def test_a_page_that_is_decoded_already() -> None:
    """As the workers hand it over."""
    (image,) = extract_from("<img src='?q=ü' alt=ü>", "windows-1252", "http://h/", is_xml=False, policy=Extract())
    assert (image.url, image.alt) == ("http://h/?q=%FC", "ü")


def test_a_base_inside_a_template_is_none() -> None:
    """It is not on the page."""
    assert told("<template><base href=/no/></template><base href=/yes/><img src=a.jpg>") == [("yes/a.jpg", "")]


@pytest.mark.parametrize(
    "text",
    ["", "   ", "\x00", "<!-- -->"],
)
def test_a_page_without_an_element_has_no_images(text: str) -> None:
    """And is no error."""
    assert told(text) == told(text, XHTML) == []


SHAPES = {
    "divs": "<div>",
    "formats": "<b><i><u>",
    "definitions": "<dl><dd>",
    "end tags": "<x></y>",
    "paragraph ends": "<span></p>",
    "fonts": "<font a{n}={n}>",
    "attributes": "<p a{n}={n}",
    "one tag": " a{n}={n}",
    "noscripts": "<noscript>",
    "noscripts with elements": "<noscript><p>",
    "templates": "<template shadowrootmode=open>",
    "captions": "<figure><img src={n}.jpg><figcaption>x",
    "links": "<a href={n}.jpg><b>x",
    "tables": "<table><tr><td>",
    "tables of nothing": "<table><a>",
    "selects": "<select><option>",
    "frames": "<object><a href={n}.png>",
    "labels": "<img src={n}.jpg aria-labelledby=l{n}><p id=l{n}>",
    "titles": "<svg><image href={n}.jpg><title>",
    "bases": "<base><template>",
    "stand-ins": "<img src=blank-{n}.gif><noscript><img src={n}.jpg></noscript>",
    "other attributes": "<img src=blank.gif data-a{n}={n}.jpg>",
}


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
@pytest.mark.parametrize("head", ["<img src=a.jpg alt=x>", "<p "], ids=["page", "in a tag"])
def test_time_grows_with_the_length(head: str, shape: str) -> None:
    """Twice the page, at most two and a half times the time: a page that takes long enough to say so."""

    def seconds(size: int) -> float:
        page = head + "".join(shape.replace("{n}", str(number)) for number in range(size))
        times = []
        for _ in range(2):
            started = time.process_time()
            extract_images(page, "http://h/")
            times.append(time.process_time() - started)
        return min(times)

    size, once = 500, seconds(500)
    while once < 0.05 and size < 2_000:
        size *= 2
        once = seconds(size)
    for _ in range(3):
        once, twice = min(once, seconds(size)), seconds(2 * size)
        if twice <= 2.5 * once + 0.03:
            return
    raise AssertionError((once, twice))
