from __future__ import annotations

import pytest
from ada_url import URL
from hypothesis import given
from hypothesis import strategies as st
from w3lib.url import safe_url_string

from ingest_guard.urls.join import Addresses, is_placeholder, is_unfilled, looks_like_address, names_picture

PAGE = "http://host.example/a/b?q=1"


def absolute(text: str, base: str | None = None, encoding: str = "utf-8") -> str | None:
    """Return an address of a page."""
    return Addresses(PAGE, base, encoding).absolute(text)


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("c.jpg", "http://host.example/a/c.jpg"),
        ("../c.jpg", "http://host.example/c.jpg"),
        ("./c//d.jpg", "http://host.example/a/c//d.jpg"),
        ("/c.jpg#part", "http://host.example/c.jpg"),
        ("//cdn.example/c.jpg", "http://cdn.example/c.jpg"),
        ("HTTPS://CDN.example/x/%2e%2E/c.jpg", "https://cdn.example/c.jpg"),
        ("http:c.jpg", "http://host.example/a/c.jpg"),
        ("?x=2", "http://host.example/a/b?x=2"),
        (" \n c\t.j\npg ", "http://host.example/a/c.jpg"),
        ("c d.jpg", "http://host.example/a/c%20d.jpg"),
        ("bücher.jpg", "http://host.example/a/b%C3%BCcher.jpg"),
        ("c.jpg?q=ü", "http://host.example/a/c.jpg?q=%C3%BC"),
        ("\\img\\c.jpg", "http://host.example/img/c.jpg"),
        ("c%20d.jpg", "http://host.example/a/c%20d.jpg"),
        ("http:///cdn.example/c.jpg", "http://cdn.example/c.jpg"),
        ("http://straße.example/c.jpg", "http://xn--strae-oqa.example/c.jpg"),
        ("/c[1]|{2}.jpg?x=[3]|'\\#part", "http://host.example/c%5B1%5D%7C%7B2%7D.jpg?x=%5B3%5D%7C%27%5C"),
        ("http://müller.example/c.jpg", "http://xn--mller-kva.example/c.jpg"),
    ],
)
def test_addresses_are_made_absolute_as_browsers_do(written: str, meant: str) -> None:
    """Blanks around, line ends within, backslashes, letters, empty segments."""
    assert absolute(written) == meant


@pytest.mark.parametrize(
    "written",
    [
        "",
        "   ",
        "#part",
        "data:image/gif;base64,R0lGOD",
        "javascript:void(0)",
        "about:blank",
        "blob:http://host.example/1",
        "ftp://host.example/c.jpg",
        "http://[broken/c.jpg",
        "http://host:0/c.jpg",
        "http://host:99999/c.jpg",
        "{{ image.url }}",
        "/img/${name}.jpg",
        "/%7B%7Bname%7D%7D.jpg",
        "/" + "a" * 9000,
        "http://" + "ü" * 300 + ".example/c.jpg",
    ],
)
def test_what_nobody_can_fetch_is_none(written: str) -> None:
    """Other schemes, templates that were not filled in, hosts that cannot be."""
    assert absolute(written) is None


def test_a_base_counts_and_a_broken_one_does_not() -> None:
    """The base itself is relative to the page."""
    assert absolute("c.jpg", "/x/y/") == "http://host.example/x/y/c.jpg"
    assert absolute("c.jpg", "//other.example") == "http://other.example/c.jpg"
    assert absolute("c.jpg", "data:,") == "http://host.example/a/c.jpg"


def test_a_query_is_sent_in_the_encoding_of_the_page() -> None:
    """As browsers do; the path is UTF-8 all the same."""
    assert absolute("ü.jpg?q=ü", encoding="cp1252") == "http://host.example/a/%C3%BC.jpg?q=%FC"
    assert absolute("ж.jpg?q=ж&я", encoding="cp1251") == "http://host.example/a/%D0%B6.jpg?q=%E6&%FF"
    assert absolute("c.jpg?日=ü", encoding="cp1252") == "http://host.example/a/c.jpg?%26%2326085%3B=%FC"
    assert absolute("c.jpg?q=ü", encoding="utf-16-le") == "http://host.example/a/c.jpg?q=%C3%BC"
    assert absolute("c.jpg?q=ü", encoding="no-such-encoding") is None


@pytest.mark.parametrize("page", ["http://256.1.1.1/", "http://[broken/", "\ud800", ""])
def test_on_a_page_whose_own_address_is_none_absolute_ones_count(page: str) -> None:
    """Nothing can be relative to it."""
    addresses = Addresses(page, None, "utf-8")
    assert addresses.absolute("http://host.example/c.jpg") == "http://host.example/c.jpg"
    assert addresses.absolute("c.jpg") is None


@given(st.text("ab/.?\\", min_size=1, max_size=12))
def test_what_is_relative_counts_from_the_page_as_in_browsers(reference: str) -> None:
    """Empty segments, dots and backslashes included."""
    try:
        expected = safe_url_string(URL(reference, base=PAGE).href)
    except ValueError:
        expected = None
    assert absolute(reference) == expected


@given(st.text(max_size=40))
def test_no_address_is_an_error(text: str) -> None:
    """Whatever stands there, it is none or an address that can be asked for."""
    found = absolute(text)
    assert found is None or (found.lower().startswith(("http://", "https://")) and found.isascii())


def test_names_of_pictures() -> None:
    """By the end of the path, whatever the query says."""
    assert names_picture("http://h/a.JPG?x=.html")
    assert not names_picture("http://h/a.html?x=.jpg")
    assert not names_picture("http://h/jpg")


@pytest.mark.parametrize("text", ["true", "{'a': 1.5}", "[1/2]", "a b/c", "x" * 9000 + "/", "", "<a/>"])
def test_what_is_no_address(text: str) -> None:
    """Attributes of a page's own hold many things."""
    assert not looks_like_address(text)


def test_placeholders() -> None:
    """What stands for an image that a script will put there."""
    assert all(map(is_placeholder, ["", " ", "data:,", " DATA:x", "about:blank", "javascript:0"]))
    assert not any(map(is_placeholder, ["a.jpg", "http://h/a", "//h/a", "a:b/c.jpg"[2:]]))


FIELDS = ["width", "height", "w", "size", "url", "image", "imageWidth"]
MARKS = [
    "{}",
    "{{}}",
    "${}",
    "<%=x%>",
    "[]",
    "%%x%%",
    "##x##",
    "__x__",
    "@@x@@",
    "[[x]]",
    "#{}",
    "{%x%}",
    "*|x|*",
    "<x>",
]


@pytest.mark.parametrize("field", FIELDS)
@pytest.mark.parametrize("mark", MARKS)
@pytest.mark.parametrize("place", ["/p_{}x.jpg", "/{}/p.jpg", "/p.jpg?w={}", "https://h.example/{}"])
def test_a_template_is_never_asked_for(field: str, mark: str, place: str) -> None:
    """Whatever marks it has, and also where they are escaped."""
    if "{}" in mark:
        template = mark.replace("{}", "{" + field + "}")
    else:
        template = mark.replace("x", field) if "x" in mark else f"[{field}]"
    for address in (
        place.replace("{}", template),
        place.replace("{}", template.replace("{", "%7B").replace("}", "%7d")),
    ):
        assert is_unfilled(address)
        assert absolute(address) is None


@pytest.mark.parametrize(
    "address", ["/:w/a.jpg", "/p_:wx:h.jpg", "/a?w=:width", "/:size/b", "/%WIDTH%/a", "/{w}x{h}", "/{0}"]
)
def test_other_templates(address: str) -> None:
    """Names behind a colon, or between signs."""
    assert is_unfilled(address)


@pytest.mark.parametrize(
    "address",
    [
        "/list[1].jpg",
        "/photo[final].jpg",
        "/a{3F2504E0-4F89-11D3-9A0C-0305E82C3301}.jpg",
        "/a%7BCF2504E0-4F89-11D3-9A0C-0305E82C3301%7D.jpg",
        "/a?filter[width]=3",
        "/a?size%5Bw%5D=3",
        "/a.jpg:large",
        "https://h.example:8080/a.jpg",
        "/a%20b%ECECE%20.jpg",
        "/File:Width.jpg",
        "/a__b__.jpg",
        "/a.jpg#[width]",
        "/w_100,h_200/a.jpg",
        "/a.jpg?$large$",
        "/100%/src",
    ],
)
def test_marks_that_addresses_have_are_no_templates(address: str) -> None:
    """Brackets, braces and colons stand in real ones, too."""
    assert not is_unfilled(address)
    assert absolute(address) is not None
