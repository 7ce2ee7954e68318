from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest_guard.urls import hosts


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("Example.ORG", "example.org"),
        (" example.org. ", "example.org"),
        (".example.org", "example.org"),
        ("bücher.Example", "xn--bcher-kva.example"),
        ("XN--BCHER-KVA.example", "xn--bcher-kva.example"),
        ("example\u3002org\uff61", "example.org"),
        ("\uff25xample.org", "example.org"),
        ("ex%61mple%2Eorg", "example.org"),
        ("a%2Fb.org", "a%2fb.org"),
        ("127.0.0.1", "127.0.0.1"),
        ("0x7f.1", "127.0.0.1"),
        ("2130706433", "127.0.0.1"),
        ("0177.0.0.01", "127.0.0.1"),
        ("10.0x.0", "10.0.0.0"),
        ("1.2.3.4.", "1.2.3.4"),
        ("256.1.1.1", "256.1.1.1"),
        ("1.2.3.4.5", "1.2.3.4.5"),
        ("1.2.3.256", "1.2.3.256"),
        ("09.1", "09.1"),
        ("4294967296", "4294967296"),
        ("9" * 300, "9" * 300),
        ("[2001:DB8::0001]", "2001:db8::1"),
        ("fe80::1%eth0", "fe80::1"),
        ("a_b.example", "a_b.example"),
    ],
)
def test_one_spelling_for_each_host(host: str, expected: str) -> None:
    """Case, dots, other scripts, escapes and the old notations of addresses are spelled one way."""
    assert hosts.canonical(host) == expected


@pytest.mark.parametrize("host", ["", ".", " ", "a" * 1025, "ü" * 99, "[::1", "[zz::]", "1:2:3", "[]", "["])
def test_no_host_is_a_value_error(host: str) -> None:
    """What is no host has no spelling, unless it is [::1 with its other bracket lost; the error does not show it."""
    if host == "[::1":
        assert hosts.canonical(host) == "::1"
        return
    with pytest.raises(ValueError, match=r"^the host (is|cannot)"):
        hosts.canonical(host)


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("a.b.example.org", ["a.b.example.org", "b.example.org", "example.org"]),
        ("example.org.", ["example.org"]),
        ("localhost", ["localhost"]),
        ("1.2.3.4", ["1.2.3.4"]),
        ("0x7f.1", ["127.0.0.1"]),
        ("[::1]", ["::1"]),
        (f"{'ü' * 99}.bad.example", [f"{'ü' * 99}.bad.example", "bad.example"]),
    ],
)
def test_domains_that_a_host_lies_in(host: str, expected: list[str]) -> None:
    """A host lies in each domain above it but the last label; an address in none."""
    assert hosts.parents(host) == expected


def test_names_that_the_dns_could_have() -> None:
    """Labels have 1 to 63 letters, digits, dashes inside and underscores; a name has at most 253."""
    assert hosts.is_name("_dmarc.a-b.example")
    for bad in ("", "a..b", "-a.b", "a-.b", "a b.c", "a" * 64 + ".b", ".".join(["a" * 60] * 5), "ü.b"):
        assert not hosts.is_name(bad)


@given(host=st.text(st.characters(exclude_categories=()), max_size=30) | st.from_regex(r"[0-9a-fx.:\[%\]]{0,12}"))
def test_spelling_a_host_twice_changes_nothing(host: str) -> None:
    """The one spelling of the one spelling is itself, or there is none."""
    try:
        once = hosts.canonical(host)
    except ValueError:
        return
    assert hosts.canonical(once) == once


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("https://User:pass@Example.ORG:8080/a", "example.org"),
        ("http://[::1]/", "::1"),
        ("/only/a/path", ""),
        ("http://[broken/", ""),
        ("ftp://example.org/", "example.org"),
    ],
)
def test_the_host_of_an_address(url: str, host: str) -> None:
    """The host comes without user and port; what has none or is no address has the empty one."""
    assert hosts.host_of(url) == host
    assert hosts.host_of(url, {"http", "https"}) == ("" if url.startswith("ftp") else host)


@pytest.mark.parametrize(
    ("host", "odd"),
    [("127.1", True), ("0x7f.1", True), ("0177.0.0.1", True), ("2130706433", True), ("a.0x", True), ("a.1b", False)],
)
def test_hosts_that_end_in_a_number(host: str, odd: bool) -> None:  # noqa: FBT001 - drawn
    """A host whose last label is a number is an address to a resolver, however it is written."""
    assert hosts.ends_in_number(host) is odd
