from __future__ import annotations

import random
import time
import tracemalloc

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pages.support import HTML, b64, found, jpeg, percent, read, url
from pages.test_carriers import SHOWN
from support.hostile_texts import KINDS

from ingest_guard.pages import scripts
from ingest_guard.pages.findings import PageLimits

IMG = f'<img src="{url()}">'
SHAPES = {
    "nested": "<div>", "lists": "<dl><dd>", "open and never closed": "<x>", "stray ends": "<span></p>",
    "formatting": "<b>", "tables": "<table>", "links": "<a>", "paragraphs": "<p><b><i><u>", "templates": "<template>",
    "SVG": "<svg><g>", "options": "<select><option>", "comments": "<!--", "tags": "<", "references": "&",
    "text in tables": "<table>x", "buttons": "<form><button>", "misnested": "<b></p>", "noscript": "<noscript>",
}  # fmt: skip
"""Shapes that take quadratic time in some parser; two more are made below."""
ATTRIBUTES = {
    "one tag": lambda size: "<p " + " ".join(f"a{n:x}=1" for n in range(size // 9)) + ">",
    "a tag each": lambda size: "".join(f"<font a{n}={n}>" for n in range(size // 16)),
    "mismatched": lambda size: "<x>" * (size // 7) + "</y>" * (size // 7),
}


def _seconds(text: str | bytes, declared: str | None = HTML) -> float:
    # Of this process alone: what else the machine does must not count.
    start = time.process_time()
    read(text, declared)
    return time.process_time() - start


def _takes_linear_time(half: str, whole: str, declared: str | None = HTML) -> bool:
    """Return whether twice the text takes less than four times as long, at the best of several tries."""
    for _ in range(4):
        before, after = _seconds(half, declared), _seconds(whole, declared)
        if after < max(3 * before, 1):
            return True
    return False


def _shape(name: str, size: int) -> str:
    return IMG + (ATTRIBUTES[name](size) if name in ATTRIBUTES else SHAPES[name] * (size // len(SHAPES[name])))


@pytest.mark.parametrize("name", [*SHAPES, *ATTRIBUTES])
def test_hostile_pages_take_linear_time(name: str) -> None:
    """Half a megabyte of each shape behind a picture, which is found."""
    half, whole = _shape(name, 250_000), _shape(name, 500_000)
    assert found(read(whole)) is not None
    assert _takes_linear_time(half, whole)


@pytest.mark.parametrize("declared", [HTML, None, "application/json", "image/svg+xml", "text/css", "text/javascript"])
@pytest.mark.parametrize("kind", KINDS)
def test_hostile_texts_take_a_bounded_time(kind: str, declared: str | None) -> None:
    """A quarter of a megabyte, as any type."""
    assert _seconds(KINDS[kind](250_000), declared) < 20


@pytest.mark.parametrize(
    ("head", "piece"),
    [
        ("x = '", "'+'"),
        ("x = `", "${`"),
        ("x = `", "$"),
        ("", "/*"),
        ("", "/a"),
        ("'", "\\"),
        ("", "`${'"),
        ("", "{"),
        ("", "=/["),
        ("", '"'),
    ],
)
def test_hostile_scripts_take_linear_time(head: str, piece: str) -> None:
    """Literals, templates, comments and regular expressions that do not end."""

    def text(size: int) -> str:
        return f"u = '{url()}';" + head + piece * (size // len(piece))

    assert _takes_linear_time(text(150_000), text(300_000), "text/javascript")


@pytest.mark.parametrize("kind", KINDS)
def test_hostile_texts_take_a_bounded_memory(kind: str) -> None:
    """Half a megabyte as a page; what Python's own allocator sees of it."""
    text = KINDS[kind](1 << 19)
    tracemalloc.start()
    read(text)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 120 * len(text)


@pytest.mark.parametrize("depth", [1, 4, 5])
def test_documents_are_opened_as_deep_as_the_limit_says(depth: int) -> None:
    """At the limit the picture is found; one deeper is a doubt."""
    text = IMG
    for _ in range(depth):
        text = f'<iframe src="data:text/html;base64,{b64(text.encode())}">'
    reading = read(text, limits=PageLimits(nesting=4))
    if depth <= 4:
        assert found(reading) is not None
        assert reading.doubt is None
    else:
        assert found(reading) is None
        assert reading.doubt == "nesting"


def test_documents_with_nothing_in_them_are_no_doubt() -> None:
    """However deep."""
    text = "<p>x</p>"
    for _ in range(6):
        text = f'<iframe src="data:text/html,{percent(text.encode())}">'
    assert read(text, limits=PageLimits(nesting=2)).doubt == "nesting"
    assert read(f'<iframe src="data:text/html,{percent(b"<p>x</p>")}">', limits=PageLimits(nesting=0)).doubt is None


@pytest.mark.parametrize(
    "limits", [PageLimits(bodies=2), PageLimits(body_bytes=3000), PageLimits(text=5000), PageLimits(pieces=2)]
)
def test_what_is_over_a_limit_is_a_doubt(limits: PageLimits) -> None:
    """Number, size, length and pieces."""
    text = "".join(f'<img src="{url(jpeg(seed))}">' for seed in range(3, 8))
    assert read(text).doubt is None
    assert read(text, limits=limits).doubt == "embedded"


@pytest.mark.parametrize("limits", [PageLimits(css=100), PageLimits(css_tokens=50)])
def test_a_style_sheet_over_a_limit_is_a_doubt_where_it_can_hold_a_body(limits: PageLimits) -> None:
    """The others are not even looked at."""
    rules = "a{b:c}" * 50
    assert read(rules, "text/css", limits).doubt is None
    assert read(rules + f"a{{b:url({url()})}}", "text/css", limits).doubt == "embedded"
    assert read(f"<style>{rules}a{{b:url({url()})}}</style>", limits=limits).doubt == "embedded"


def test_a_text_over_the_limit_that_can_hold_nothing_passes() -> None:
    """It is not even decoded."""
    reading = read("<p>" * 5000, limits=PageLimits(text=100))
    assert (reading.doubt, reading.text) == (None, None)
    wide = IMG.encode("utf-16")
    assert read(wide, limits=PageLimits(text=100)).doubt == "embedded"


def test_mutated_pages_break_nothing() -> None:
    """Three thousand texts, cut, mixed and spoilt: no error, and never slow."""
    chance = random.Random(7)
    texts = [(text.encode() if isinstance(text, str) else text, declared) for text, declared in SHOWN.values()]
    texts = [(text, declared) for text, declared in texts if len(text) < 9000]
    types = [declared for _, declared in texts]
    slowest = 0.0
    for _ in range(3000):
        text, declared = chance.choice(texts)
        body = bytearray(text)
        for _ in range(chance.randint(1, 4)):
            at = chance.randrange(len(body) + 1)
            match chance.randrange(4):
                case 0:
                    body[at:at] = chance.choice(
                        (b"<", b">", b'"', b"'", b"&", b"\\", b"\0", b"`", b"]]>", b"\xff", b"\x1b$B")
                    )
                case 1:
                    del body[at : at + chance.randint(1, 40)]
                case 2:
                    other = chance.choice(texts)[0]
                    body[at:at] = other[: chance.randrange(200)]
                case _:
                    body = body[: max(at, 1)]
        if chance.random() < 0.2:
            declared = chance.choice(types)
        slowest = max(slowest, _seconds(bytes(body), declared))
    assert slowest < 3


@given(
    st.binary(max_size=200),
    st.sampled_from([None, HTML, "text/css", "image/svg+xml", "application/json", "text/javascript"]),
)
@settings(max_examples=300)
def test_any_bytes_are_read(body: bytes, declared: str | None) -> None:
    """No error, whatever follows a URL."""
    read(b"data:,x" + body, declared)
    read(body + b"<img src='data:,x'>", declared)


def test_a_program_of_many_literals_is_a_doubt(monkeypatch: pytest.MonkeyPatch) -> None:
    """What lies beyond so many literals was not looked at; what lies before is found."""
    monkeypatch.setattr(scripts, "_MOST_LITERALS", 5)
    few = read(f"<script>a=['{url()}','b']</script>")
    assert found(few) is not None
    assert few.doubt is None
    many = read(f"<script>a=['{url()}'];b=[{','.join(['c'.join(chr(39) * 2)] * 9)}]</script>")
    assert found(many) is not None
    assert many.doubt == "embedded"


def test_empty_literals_are_one_token() -> None:
    """A megabyte of quotes takes no longer than a megabyte of anything else, and joins what stands around it."""
    joined = read(f"<script>a='{url()[:40]}'+''+'{url()[40:]}'</script>")
    assert found(joined) is not None
    start = time.process_time()
    assert read("<script>x='data:';" + "'" * 1_000_000).doubt is None
    assert time.process_time() - start < 2
