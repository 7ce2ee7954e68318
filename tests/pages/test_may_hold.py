from __future__ import annotations

import html
import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest_guard.pages.may_hold import may_hold, may_hold_body, which_may_hold

URL = "data:image/gif;base64,R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7"
SPELT = [
    "data:", "DaTa:", "da\nta:", "d&#10;ata:", "d&#x0000a;ata:", "&#100;ata:", "&#0000100ata:", "d\\61ta:", "\\64 ata:",
    "\\u0064ata:", "\\u{64}ata:", "d\\nata:", "\\144ata:", "d\\\nata:", "d\\\r\nata:", "\\da\\ta:", "data&colon;",
    "data\\u003a", "data&#58", "da&Tab;ta:", "&amp;#100;ata:", "&amp;amp;#100;ata:", "\\u0026#100;ata:",
    "\\\\u0026#100;ata:", "&#38;#100;ata:", "&#038;amp;#100;ata", "da<!-- x > -->ta:", "da]]><![CDATA[ta:", "data\\:",
    '<!ENTITY x "y">', "data%3A", "data%253a", "&#x00000000064;ata:", "d\\00000aata:", "d\\u000aata:", "d\\15ata:",
    'javascript:document.write("%64ata")', "d\\\u2028ata:", "data\\x3a", "data\\72", "\\x64ata:", "\\000064ata:",
]  # fmt: skip
ORDINARY = [
    '&#39; &#8217; &#160; &amp; \\n \\" \\/ \\u003c \\u0026 \\u0027 &nbsp; &#038; &#x27; &#x2F; &#x3D;',
    '{"a":"\\u00e9\\u2014","b":"c\\nd"}',
    "date: datas: metadata database: update: ",
    '.a:before{content:"\\f101"} .b{content:"\\2014"} "\\e900" \\201c',
    '<a href="javascript:void(0)" data-x="%20%41">',
    "/\\d+\\s*\\w\\b/ '\\$1' \\1",
    "<p>A data URL starts with its scheme.</p>",
]


@pytest.mark.parametrize("text", SPELT)
def test_every_spelling_is_seen(text: str) -> None:
    """By a letter, the colon, or something in between that is not there in the end."""
    assert may_hold(text)
    assert may_hold("x" * 100 + text + "y" * 100)


@pytest.mark.parametrize("text", ORDINARY)
def test_escapes_of_ordinary_texts_are_no_spelling(text: str) -> None:
    """Otherwise every page would be read in full."""
    assert not may_hold(text * 50)


def _references(text: str) -> str:
    return "".join(f"&#{ord(letter)};" for letter in text)


def _hexadecimal(text: str) -> str:
    return "".join(f"&#x{ord(letter):06X}" + ";" for letter in text)


def _code(form: str) -> object:
    return lambda text: "".join(form.format(ord(letter)) for letter in text)


WRAPPINGS = {
    "quoted": html.escape,
    "references": _references,
    "hexadecimal": _hexadecimal,
    "json": json.dumps,
    "slashes": lambda text: json.dumps(text).replace("/", "\\/"),
    "tags as PHP writes them": lambda text: json.dumps(text).replace("<", "\\u003C").replace("&", "\\u0026"),
    "wide escapes": _code("\\u{:04x}"),
    "bytes": _code("\\x{:02x}"),
    "braces": _code("\\u{{{:x}}}"),
    "style": _code("\\{:x} "),
    "style, six digits": _code("\\{:06x}"),
    "octal": _code("\\{:03o}"),
}


@given(
    st.lists(st.sampled_from(sorted(WRAPPINGS)), max_size=3),
    st.integers(0, 5),
    st.sampled_from(["", "\n", "\t", "\r\n"]),
)
def test_no_chain_of_escapes_hides_a_url(names: list[str], at: int, gap: str) -> None:
    """One document in another, three deep, with a line break anywhere in the scheme."""
    text = f'<img src="{URL[:at]}{gap}{URL[at:]}">'
    for name in names:
        text = WRAPPINGS[name](text)
    assert may_hold(text)


@given(st.sets(st.integers(0, 4)), st.sampled_from(sorted(WRAPPINGS)), st.sampled_from(["quoted", "json", "slashes"]))
def test_no_single_letter_hides_a_url(letters: set[int], name: str, around: str) -> None:
    """Some letters of the scheme by number, and a document around it."""
    text = "".join(
        WRAPPINGS[name](letter)
        if at in letters and name not in {"json", "slashes", "tags as PHP writes them"}
        else letter
        for at, letter in enumerate(URL)
    )
    assert may_hold(WRAPPINGS[around](text))


@pytest.mark.parametrize(
    "piece",
    [
        "d",
        "da",
        "<",
        "<!--",
        "&",
        "&amp;",
        "&#38;",
        "\\",
        "data",
        "dat<",
        "d\\",
        "&#0",
        "\\u0",
        "javascript:",
        "]]>",
        "%",
        "a&#",
    ],
)
def test_it_takes_linear_time(piece: str) -> None:
    """Twice the text, at most three times the time, or half a second."""

    def seconds(size: int) -> float:
        text = piece * (size // len(piece))
        best = 9.0
        for _ in range(3):
            start = time.process_time()
            may_hold(text)
            best = min(best, time.process_time() - start)
        return best

    assert seconds(1_000_000) < max(3 * seconds(500_000), 0.5)


BODIES = {
    "url": "data:,x",
    "spelt": "&#100;ata:,x",
    "base64": "iVBORw0KGgoAAAANSUhEUg",
    "slashes-escaped": "x\\/9j\\/4AAQSkZJRg",
    "bytes": '{"type":"Buffer","data":[1]}',
    "script": "javascript:%64",
}


@pytest.mark.parametrize("name", BODIES)
def test_each_kind_of_body_is_seen(name: str) -> None:
    """Alone, behind a URL of a script that does nothing, and in UTF-8 with other letters before it."""
    for before in ("", "javascript:;", "\u65e5 \udc80 "):
        assert may_hold_body(before + BODIES[name])


@pytest.mark.parametrize("name", BODIES)
@pytest.mark.parametrize("neighbour", ["", "\u65e5", "dat", "d<", "javascript:void(0)", "&#38;", "AAAA", "data:,y"])
def test_no_neighbour_hides_a_text(name: str, neighbour: str) -> None:
    """Where many texts are gone through at once, each that can hold a body is among those that are found."""
    found = list(which_may_hold([neighbour, BODIES[name], neighbour, neighbour, BODIES[name]]))
    assert {1, 4} <= set(found)
    assert found == sorted(set(found))


def test_no_text_is_found_where_none_can_hold_a_body() -> None:
    """A sign that two texts have together is none; no texts at all are none."""
    assert list(which_may_hold(["dat", "a:", "iVBORw0K", "GgoAAAANSUhEUg", ""])) == []
    assert list(which_may_hold([])) == []
