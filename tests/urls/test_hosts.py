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
        ("127.0.0.1", "127.0.0.1"),
        ("0x7f.1", "127.0.0.1"),
        ("2130706433", "127.0.0.1"),
        ("0177.0.0.01", "127.0.0.1"),
        ("10.0x.0", "10.0.0.0"),
        ("1.2.3.4.", "1.2.3.4"),
        ("[2001:DB8::0001]", "2001:db8::1"),
        ("fe80::1%eth0", "fe80::1"),
        ("a_b.example", "a_b.example"),
    ],
)
def test_one_spelling_for_each_host(host: str, expected: str) -> None:
    """Case, dots, other scripts, escapes and the old notations of addresses are spelled one way."""
    assert hosts.canonical(host) == expected


@pytest.mark.parametrize(
    "host",
    [
        *[
            "",
            ".",
            " ",
            "a" * 1025,
            "[::1",
            "[zz::]",
            "1:2:3",
            "[]",
            "[",
            "a%2Fb.org",
            "256.1.1.1",
            "1.2.3.4.5",
            "09.1",
        ],
        *["1.2.3.256", "4294967296", "9" * 300, "a b", "a:80", "u@a", "a/b", "a\\b", "a?", "a#", "\u200d.example"],
        *["\ud800", "a<b"],
    ],
)
def test_no_host_is_a_value_error(host: str) -> None:
    """What is no host has no spelling, unless it is [::1 with its other bracket lost; the error does not show it."""
    if host == "[::1":
        assert hosts.canonical(host) == "::1"
        return
    with pytest.raises(ValueError, match=r"^the host is (empty|too long|none that a browser takes)$"):
        hosts.canonical(host)


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("a.b.example.org", ["a.b.example.org", "b.example.org", "example.org"]),
        ("example.org", ["example.org"]),
        ("localhost", ["localhost"]),
        ("127.0.0.1", ["127.0.0.1"]),
        ("::1", ["::1"]),
        ("", []),
    ],
)
def test_domains_that_a_host_lies_in(host: str, expected: list[str]) -> None:
    """A host lies in each domain above it but the last label; an address in none."""
    assert hosts.parents(host) == expected


@pytest.mark.parametrize(
    ("within", "host"),
    [(True, "example.org"), (True, "a.b.example.org"), (False, "notexample.org"), (False, "org"), (False, "")],
)
def test_a_host_within_domains(host: str, *, within: bool) -> None:
    """A domain itself, and everything below it."""
    assert hosts.is_within(host, {"example.org"}) is within


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
    ("url", "host"),
    [
        ("http://256.1.1.1/", "256.1.1.1"),
        ("http://a b.Example/", "a b.example"),
        ("http://\u200d.b\u00fccher.Example/", "\u200d.xn--bcher-kva.example"),
        ("http://[fe80::1%25eth0]/", "fe80::1"),
        ("//Example.org/x", "example.org"),
        (f"http://{'a.' * 2000}example/", ""),
        ("mailto:a@b.example", ""),
    ],
)
def test_the_host_of_what_no_browser_reads(url: str, host: str) -> None:
    """A crawler may ask for it all the same, so the host is as Python reads it."""
    assert hosts.host_of(url) == host


@pytest.mark.parametrize(
    ("url", "spelled"),
    [
        ("http://stra\u00dfe.example/\u00fc?[1]", "http://xn--strae-oqa.example/\u00fc?[1]"),
        ("https://u:p@B\u00dcCHER.example:8080/x", "https://u:p@xn--bcher-kva.example:8080/x"),
        ("http://0x7f.1/x", "http://127.0.0.1/x"),
        ("http://[2001:DB8:0::1]:81/x", "http://[2001:db8::1]:81/x"),
        ("http:\\\\EXAMPLE.org\\x", "http:\\\\example.org\\x"),
        ("http://example.org/\u00df", "http://example.org/\u00df"),
        ("http://256.1.1.1/x", "http://256.1.1.1/x"),
        ("/relative/\u00df", "/relative/\u00df"),
        ("data:,\u00df", "data:,\u00df"),
        ("", ""),
    ],
)
def test_only_the_host_of_an_address_is_spelled(url: str, spelled: str) -> None:
    """What goes into a request keeps its path and query; what has no host stays as it is."""
    assert hosts.with_host_spelled(url) == spelled
    assert hosts.with_host_spelled(spelled) == spelled


@pytest.mark.parametrize(
    ("entry", "host"),
    [
        ("b\u00fccher.example", "xn--bcher-kva.example"),
        ("*.wild.example", "wild.example"),
        (".wild.example", "wild.example"),
        ("https://Full.example/", "full.example"),
        ("port.example:8080", "port.example"),
        ("com", "com"),
        ("2001:DB8::1", "2001:db8::1"),
        ("[2001:db8::1]:80", "2001:db8::1"),
    ],
)
def test_entries_of_a_list_of_domains(entry: str, host: str) -> None:
    """However an entry is written, it names a host."""
    assert hosts.listed_host(entry) == host


@pytest.mark.parametrize(
    ("entry", "why"),
    [
        ("ftp://example.org", "other_scheme"),
        ("example.org/path", "has_path"),
        ("*", "bad_domain"),
        ("a*.example", "bad_domain"),
        ("", "bad_domain"),
        ("two words", "bad_domain"),
        ("example.org:x", "bad_domain"),
    ],
)
def test_entries_that_name_no_host(entry: str, why: str) -> None:
    """The reason is one of three words."""
    with pytest.raises(ValueError, match=f"^{why}$"):
        hosts.listed_host(entry)


@given(
    st.text("ahtps:/.0123456789@#?\\[]%-_ \t\n\u00df", max_size=30),
    st.sampled_from(["", "http://", "https://", "http://a.b", "https://a.b:80", "http://0x7f.1", "http://a.b:99999"]),
)
def test_what_is_read_of_an_origin_is_what_is_read_of_the_address(rest: str, start: str) -> None:
    """The host is the same, whether the whole address is read or only what all addresses of a server begin with."""
    url = start + rest
    try:
        expected = hosts._read_host(url)
    except ValueError:
        with pytest.raises(ValueError, match=r".*"):
            hosts.scheme_and_host(url)
        return
    assert hosts.scheme_and_host(url) == expected


@pytest.mark.parametrize(
    ("url", "origin"),
    [
        ("http://a.b/c", "http://a.b"),
        ("https://a.b:8080?c", "https://a.b:8080"),
        ("http://a.b", "http://a.b"),
        ("http://A.b/", None),
        ("http://user@a.b/", None),
        ("http://a.b:80@c.d/", None),
        ("http://a.b\\@c.d/", None),
        ("ftp://a.b/", None),
        (" http://a.b/", None),
    ],
)
def test_plain_origins(url: str, origin: str | None) -> None:
    """Only an origin that browsers spell just so is taken from an address as it stands."""
    assert hosts.plain_origin(url) == origin
