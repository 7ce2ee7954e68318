"""The signs of a text: each kind alone, behind another one, inside a run of base64, and none in ordinary text."""

import pytest

from ingest_guard.imaging.embedded.signs import Sign, find_signs, may_hold_images

HEX = "ffd8ffe0" + "01" * 20
SIGNS = {
    "url": ("data:", Sign.URL),
    "capitals": ("DaTa:", Sign.URL),
    "line-breaks": ("d\na\r\nt\ta:", Sign.SPLIT),
    "line-break-before-colon": ("data\n:", Sign.SPLIT),
    "percent": ("Data%3A", Sign.PERCENT),
    "percent-jpeg": ("%2F9j%2f", Sign.PERCENT),
    "reference": ("&#x64;", Sign.ESCAPE),
    "reference-in-reference": ("&amp;amp;#100;", Sign.ESCAPE),
    "name": ("&colon;", Sign.ESCAPE),
    "escape": ("\\u0064", Sign.ESCAPE),
    "hex": (HEX, Sign.SPELT),
    "hex-in-capitals": (HEX.upper(), Sign.SPELT),
    "quoted-printable": ("=FF=D8=FF", Sign.SPELT),
    "quoted-printable-gif": ("gif89a=01", Sign.SPELT),
    "jpeg": ("/9j", Sign.BASE64),
    "png": ("iVBORw0KGgo", Sign.BASE64),
    "gif": ("R0lGOD", Sign.BASE64),
    "bmp": ("AAAAA", Sign.BASE64),
}


@pytest.mark.parametrize("name", SIGNS)
@pytest.mark.parametrize("before", ["", "/9jx", "/9jx ", "dat", "data:", "&#100;", "AAAAAAAAAA", "gif89", f"{HEX} "])
def test_each_sign_is_found_whatever_stands_before_it(name: str, before: str) -> None:
    """Also where the end of one sign, or of a run of base64, is the beginning of another."""
    text, sign = SIGNS[name]
    assert sign in find_signs(f"some words {before}{text} and more".encode()).kinds


@pytest.mark.parametrize("name", SIGNS)
def test_a_sign_alone_is_no_other_one(name: str) -> None:
    """A kind that is not there costs nothing."""
    text, sign = SIGNS[name]
    found = find_signs(f"some words {text} and more".encode())
    assert found.kinds == {sign}
    assert found.has_images == may_hold_images(text.encode()) == (sign in {Sign.URL, Sign.SPLIT, Sign.BASE64})


def test_ordinary_text_has_no_signs() -> None:
    """Neither entities and escapes of what no URL and no base64 needs, nor a colour that begins as a JPEG does."""
    text = b"<p style='color:#ffd8ff'>metadata &amp; more &#39;</p><script>a('\\n\\u003c')</script>"
    found = find_signs(text)
    assert not found.kinds
    assert not found.has_images


def test_base64_may_be_where_a_run_of_it_is_and_nowhere_else() -> None:
    """A part of the text that a run only begins in, or ends in, may have it."""
    text = b"x" * 100 + b" R0lGODabcdef " + b"x" * 100
    found = find_signs(text)
    begin, end = 101, 113
    assert found.runs == [(begin, end)]
    assert not found.has_base64(0, begin)
    assert not found.has_base64(end, len(text))
    assert found.has_base64(0, begin + 1)
    assert found.has_base64(end - 1, len(text))


def test_base64_may_be_anywhere_where_runs_are_too_many() -> None:
    """And the other kinds are found all the same."""
    found = find_signs(b"/9j " * 300 + b"data:" + HEX.encode())
    assert found.kinds == {Sign.BASE64, Sign.URL, Sign.SPELT}
    assert found.has_base64(0, 1)


def test_a_text_of_all_kinds_needs_no_further_look() -> None:
    """Where everything was found, the rest of the text changes nothing."""
    text = "".join(text for text, _ in SIGNS.values()) + "/9j " * 300
    assert find_signs(text.encode()).kinds == set(Sign)
