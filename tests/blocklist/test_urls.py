from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest_guard.blocklist.urls import normalise, url_key


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("HTTP://Example.ORG", "http://example.org/"),
        ("http://example.org:80/a", "http://example.org/a"),
        ("https://example.org:443/a", "https://example.org/a"),
        ("https://example.org:80/a", "https://example.org:80/a"),
        ("http://example.org./a", "http://example.org/a"),
        ("http://example.org/a#part", "http://example.org/a"),
        ("http://example.org/a/./b/../c", "http://example.org/a/c"),
        ("http://example.org/../../a", "http://example.org/a"),
        ("http://example.org/a/..", "http://example.org/"),
        ("http://example.org/a/b/.", "http://example.org/a/b/"),
        ("http://example.org/%7euser/%c3%bc", "http://example.org/~user/%C3%BC"),
        ("http://example.org/ü?q=ü", "http://example.org/%C3%BC?q=%C3%BC"),
        ("http://example.org/%2e%2e/a", "http://example.org/a"),
        ("http://example.org/a%2Fb", "http://example.org/a%2Fb"),
        ("http://example.org?x=1", "http://example.org/?x=1"),
        ("http://bücher.example/", "http://xn--bcher-kva.example/"),
        ("http://user:pw@Example.org/", "http://user:pw@example.org/"),
        ("http://[2001:DB8::1]:8080/", "http://[2001:db8::1]:8080/"),
        ("  http://example.org/  ", "http://example.org/"),
        ("http://example.org/A?B=C", "http://example.org/A?B=C"),
    ],
)
def test_one_spelling_for_each_address(url: str, expected: str) -> None:
    """Case, ports, dots, escapes and fragments are spelled one way; what may name another resource stays."""
    assert normalise(url) == expected


@pytest.mark.parametrize(
    "url", ["", "example.org/a", "/a", "http://", "http://[::1", "http://a:99999/", f"http://{'ü' * 99}/"]
)
def test_no_address_is_a_value_error(url: str) -> None:
    """What is not an absolute address with a host has no spelling."""
    with pytest.raises(ValueError, match=r".+"):
        normalise(url)


@given(path=st.text(st.characters(exclude_categories=()), max_size=20), query=st.text(max_size=10))
def test_spelling_twice_changes_nothing(path: str, query: str) -> None:
    """The one spelling of the one spelling is itself."""
    once = normalise(f"http://example.org/{path}?{query}")
    assert normalise(once) == once
    assert len(url_key(once)) == 64
