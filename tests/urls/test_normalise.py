from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest_guard.urls.normalise import domain_key, domain_keys, normalise, url_key


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
        ("http://[2001:DB8::1]:8080/", "http://[2001:db8::1]:8080/"),
        ("  http://example.org/  ", "http://example.org/"),
        ("http://0x7f.1/a", "http://127.0.0.1/a"),
        ("http://ex%61mple.org/a", "http://example.org/a"),
        ("http://example\u3002org/a", "http://example.org/a"),
        ("http://example.org/A?B=C", "http://example.org/A?B=C"),
    ],
)
def test_one_spelling_for_each_address(url: str, expected: str) -> None:
    """Case, ports, dots, escapes and fragments are spelled one way; what may name another resource stays."""
    assert normalise(url) == expected


@pytest.mark.parametrize(
    "url",
    ["", "example.org/a", "/a", "http://", "http://[::1", "http://a:99999/", "http://1.2.3.4.5/", "http://\ud800/"],
)
def test_no_address_is_a_value_error(url: str) -> None:
    """What is not an absolute address with a host has no spelling."""
    with pytest.raises(ValueError, match=r".+"):
        normalise(url)


@given(path=st.text(max_size=20), query=st.text(max_size=10))
def test_spelling_twice_changes_nothing(path: str, query: str) -> None:
    """The one spelling of the one spelling is itself."""
    once = normalise(f"http://example.org/{path}?{query}")
    assert normalise(once) == once
    assert len(url_key(once)) == 64


@pytest.mark.parametrize(
    ("url", "hosts"),
    [
        ("http://a.b.Example.org:8080/x?y", ["a.b.example.org", "b.example.org", "example.org"]),
        ("https://user:pw@example.org./", ["example.org"]),
        ("//example.org/x", ["example.org"]),
        ("http://b\u00fccher.example/", ["xn--bcher-kva.example"]),
        ("http://localhost/", ["localhost"]),
        ("http://1.2.3.4/", ["1.2.3.4"]),
        ("http://[2001:DB8::1]:80/", ["2001:db8::1"]),
        ("http:\\\\example.org\\x", ["example.org"]),
        ("http://example.org\\@good.example/", ["example.org", "good.example"]),
        ("example.org", []),
        ("http://[::1", []),
        ("http:///x", ["x"]),
        ("", []),
    ],
)
def test_domains_of_an_address(url: str, hosts: list[str]) -> None:
    """An address is looked up by its host and each domain that it lies in, however it is spelled."""
    assert domain_keys(url) == [domain_key(host) for host in hosts]


def test_a_listed_domain_is_found_below_it_only() -> None:
    """A subdomain of a listed domain is found; a name that ends alike, or the domain above, is not."""
    key = domain_key("Bad.Example.")
    assert key in domain_keys("http://cdn.bad.example/x")
    assert key not in domain_keys("http://notbad.example/x")
    assert key not in domain_keys("http://example/x")
    assert len(key) == 64


def test_no_host_has_no_key() -> None:
    """Nothing is a value error."""
    with pytest.raises(ValueError, match="the host is empty"):
        domain_key(" . ")


@given(url=st.text(st.characters(exclude_categories=()), max_size=40) | st.from_regex(r"https?://[^/]{0,20}/?"))
def test_any_text_has_domain_keys_or_none(url: str) -> None:
    """Whatever a page writes is no error."""
    assert all(len(key) == 64 for key in domain_keys(url))


@given(host=st.text(st.characters(exclude_categories=()), max_size=30))
def test_one_spelling_of_odd_hosts(host: str) -> None:
    """Whatever stands in the place of the host, the one spelling of the one spelling is itself."""
    try:
        once = normalise(f"http://{host}/x")
    except ValueError:
        return
    assert normalise(once) == once
