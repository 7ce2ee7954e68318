"""Texts as readers see them: what is set apart stays apart, what is hidden is left out."""

from __future__ import annotations

import pytest

from ingest_guard.pages.extract import extract_images

PLACES = {
    "figcaption": "<figure><img src=/a.jpg><figcaption>{}</figcaption></figure>",
    "aria-labelledby": "<img src=/a.jpg aria-labelledby=y><div id=y>{}</div>",
    "link": "<a href=/a.jpg>{}</a>",
    "around": "<a href=/page><img src=/a.jpg>{}</a>",
    "object": "<object data=/a.jpg type=image/jpeg>{}</object>",
}
APART = {
    "paragraphs": "<p>Red</p><p>fox</p>",
    "line break": "Red<br>fox",
    "blocks": "<div>Red</div><div>fox</div>",
    "list": "<ul><li>Red</li><li>fox</li></ul>",
    "definitions": "<dl><dt>Red</dt><dd>fox</dd></dl>",
    "cells": "<table><tr><td>Red</td><th>fox</th></tr></table>",
    "rows": "<table><tr><td>Red</td></tr><tr><td>fox</td></tr></table>",
    "heading": "<h3>Red</h3>fox",
    "rule": "Red<hr>fox",
    "block by style": "<span style='color: red; DISPLAY : Block !important'>Red</span><span>fox</span>",
    "button between": "Red<button>Share</button>fox",
    "blanks": " Red \n\t\u00a0 fox ",
}
TOGETHER = {
    "inline elements": ("H<sub>2</sub>O and <b>fire</b>works", "H2O and fireworks"),
    "break opportunities": ("fire<wbr>works", "fireworks"),
    "inline by style": ("fire<div style='display:inline'>works</div>", "fireworks"),
    "comments": ("fire<!-- x -->works", "fireworks"),
    "letters with signs": ("<b>कि</b>ताब กิ<i>น</i> كِتَاب", "किताब กิน كِتَاب"),
    "ruby": ("<ruby>漢<rp>(</rp><rt>かん</rt><rp>)</rp></ruby>", "漢かん"),
    "shadow root": ("fire<span><template shadowrootmode=open>works</template></span>", "fireworks"),
}
HIDDEN = [
    "<span hidden>no</span>",
    "<span hidden=until-found>no</span>",
    "<span aria-hidden=true>no</span>",
    "<span style='display:none'>no</span>",
    "<span style='color:red;Display: NONE !important'>no</span>",
    "<span style='visibility: hidden'>no</span>",
    "<script>no()</script>",
    "<style>no</style>",
    "<template>no</template>",
    "<noscript>fox</noscript>",
    "<noscript><b>fox</b></noscript>",
    "<iframe>no</iframe>",
    "<svg><title>no</title></svg>",
    "<dialog>no</dialog>",
    "<button>Share</button>",
    "<span role=button>Share</span>",
    "<select><option>no</select>",
    "<textarea>no</textarea>",
    "<input value=no>",
]


def text_of(html: str) -> str:
    """Return the text of the image."""
    (image,) = extract_images(html, "https://s.example/p/")
    return image.alt


@pytest.mark.parametrize("place", PLACES.values(), ids=PLACES)
@pytest.mark.parametrize("inside", APART.values(), ids=APART)
def test_what_a_page_sets_apart_is_set_apart(place: str, inside: str) -> None:
    """By one blank, wherever a text is taken from."""
    if place == PLACES["object"] and "button" in inside:
        inside = "Red fox"
    assert text_of(place.format(inside)) == "Red fox"


@pytest.mark.parametrize("place", PLACES.values(), ids=PLACES)
@pytest.mark.parametrize(("inside", "text"), TOGETHER.values(), ids=TOGETHER)
def test_what_a_page_puts_together_stays_together(place: str, inside: str, text: str) -> None:
    """Inline elements part no words."""
    assert text_of(place.format(inside)) == text


@pytest.mark.parametrize("place", PLACES.values(), ids=PLACES)
@pytest.mark.parametrize("hidden", HIDDEN)
def test_what_readers_do_not_see_is_no_text(place: str, hidden: str) -> None:
    """Nor is what they see and press."""
    assert text_of(place.format(f"Red {hidden} fox")) == "Red fox"


def test_what_a_label_names_may_be_hidden_itself() -> None:
    """That is what such labels are for; a hidden caption is none, and of closed details the summary is seen."""
    assert text_of("<img src=a.jpg aria-labelledby=y><p id=y hidden>Red fox") == "Red fox"
    assert text_of("<figure><img src=a.jpg><figcaption hidden>no</figcaption><figcaption>Red fox") == "Red fox"
    closed = "<figure><img src=a.jpg><figcaption><details{}><summary>Red</summary>fox</details>"
    assert text_of(closed.format("")) == "Red"
    assert text_of(closed.format(" open")) == "Red fox"


def test_a_text_of_many_elements_is_no_caption() -> None:
    """Nor one of many characters; and a page may not ask for many of them."""
    assert text_of("<figure><img src=a.jpg><figcaption>" + "<b>x</b>" * 20_000) == ""
    assert text_of("<figure><img src=a.jpg><figcaption>" + "x" * 3000) == ""


def test_references_are_read_as_browsers_read_them() -> None:
    """Those to Windows' characters, and those without a semicolon; a textarea holds no elements."""
    page = "<img src=/a.jpg alt='don&#146;t &#150; &#133; &AMP &copy'><textarea><img src=/no.jpg alt=no></textarea>"
    assert text_of(page) == "don\u2019t \u2013 \u2026 & \u00a9"
