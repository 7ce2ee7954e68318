from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest_guard.errors import ListFormatError
from ingest_guard.lists import Entry, Rejected, Row, Unsupported, reader
from ingest_guard.lists.address_lists import NotCompared, Unusable, addresses, domains, read_domains, read_urls
from ingest_guard.lists.streams.text_lines import MAX_LINE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    Read = Callable[[Path], Iterator[Row]]


def both(rest: str) -> list[tuple[str, str]]:
    """Return what an address without a scheme stands for."""
    return [("url", f"http://{rest}"), ("url", f"https://{rest}")]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("https://example.org/a", [("url", "https://example.org/a")]),
        ("HTTP://example.org/a  # a comment", [("url", "http://example.org/a")]),
        ("http://example.org/a#b", [("url", "http://example.org/a#b")]),
        ("hxxps://bad[.]example/a[.]b", [("url", "https://bad.example/a[.]b")]),
        ("http://localhost/a", [("url", "http://localhost/a")]),
        ("example.org/a", both("example.org/a")),
        ("//example.org/a", both("example.org/a")),
        ("example.org/", both("example.org/")),
        ("example.org?x", both("example.org?x")),
        ("example.org:8080/a", both("example.org:8080/a")),
        ("user:pw@example.org/a", both("user:pw@example.org/a")),
        ("[2001:db8::1]/a", both("[2001:db8::1]/a")),
        ("Example.org.", [("domain", "example.org")]),
        ("www.example.org/*", [("domain", "www.example.org")]),
        ("# a comment", []),
        ("   ", []),
    ],
)
def test_lines_of_a_list_of_addresses(line: str, expected: list[tuple[str, str]]) -> None:
    """An address without a scheme is listed for both, a bare host is the whole domain."""
    assert addresses(line) == expected


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("http://example.org/a b", "has_space"),
        ("http://", "bad_url"),
        ("http://[::1/", "bad_url"),
        ("http://a:b/", "bad_url"),
        ("http://exa mple.org/".replace(" ", "\u00a0"), "has_space"),
        ("http://exa<mple.org/", "bad_url"),
        ("local/a", "bad_url"),
        ("//local/a", "bad_url"),
        ("/a", "bad_url"),
        ("com", "single_label"),
        ("co.uk", "public_suffix"),
    ],
)
def test_addresses_that_cannot_be_used(line: str, reason: str) -> None:
    """What is no address has a reason, which is all that is said of it."""
    with pytest.raises(Unusable, match=f"^{reason}$"):
        addresses(line)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("example.org", ["example.org"]),
        ("*.Example.org.", ["example.org"]),
        (".example.org", ["example.org"]),
        ("example.org:8080", ["example.org"]),
        ("https://user:pw@example.org/", ["example.org"]),
        ("hxxp://bad(.)example[dot]org", ["bad.example.org"]),
        ("bücher.example", ["xn--bcher-kva.example"]),
        ("0.0.0.0 a.example.org b.example.org # both", ["a.example.org", "b.example.org"]),
        ("127.0.0.1\tlocalhost example.org", ["example.org"]),
        ("fe80::1%lo0 example.org", ["example.org"]),
        ("||example.org^", ["example.org"]),
        ("||example.org^$important,third-party", ["example.org"]),
        ("||*.example.org^", ["example.org"]),
        ("||example.org", ["example.org"]),
        ("1.2.3.4", ["1.2.3.4"]),
        ("2001:DB8::1", ["2001:db8::1"]),
        ("[2001:db8::1]:80", ["2001:db8::1"]),
        ("! a comment", []),
        ("[Adblock Plus 2.0]", []),
        ("# a comment", []),
        ("", []),
    ],
)
def test_lines_of_a_list_of_domains(line: str, expected: list[str]) -> None:
    """Plain names, hosts files, wildcards and ad blockers' rules give the host in its one spelling."""
    assert domains(line) == [("domain", host) for host in expected]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("a b", "has_space"),
        ("http://example.org/a", "has_path"),
        ("example.org?x", "has_path"),
        ("com", "single_label"),
        ("*.com", "single_label"),
        ("co.uk", "public_suffix"),
        ("||co.uk^", "public_suffix"),
        ("a..b", "bad_domain"),
        ("*", "bad_domain"),
        ("*.", "bad_domain"),
        ("a*.example.org", "bad_domain"),
        ("[::1", "bad_domain"),
        (f"{'a' * 64}.org", "bad_domain"),
    ],
)
def test_domains_that_cannot_be_used(line: str, reason: str) -> None:
    """What is no domain, or would be half the web, has a reason."""
    with pytest.raises(Unusable, match=f"^{reason}$"):
        domains(line)


@pytest.mark.parametrize(
    ("line", "kind"),
    [
        ("127.0.0.1 localhost", "local_name"),
        ("::", "local_name"),
        ("@@||example.org^", "exception_rule"),
        ("||example.org^$image", "filter_rule"),
        ("||example.org/ads/", "filter_rule"),
        ("|https://example.org|", "filter_rule"),
        ("example.org##.banner", "filter_rule"),
        ("ftp://example.org", "other_scheme"),
    ],
)
def test_rules_that_are_not_compared(line: str, kind: str) -> None:
    """Rules of ad blockers that speak of less than a domain, and the names of one's own machine, are counted apart."""
    with pytest.raises(NotCompared, match=f"^{kind}$"):
        domains(line)


def test_other_schemes_are_not_compared() -> None:
    """A crawler for the web fetches no ftp."""
    with pytest.raises(NotCompared, match="other_scheme"):
        addresses("ftp://example.org/a")


@pytest.mark.parametrize("encoded", [b"\xef\xbb\xbfhttp://example.org/a\r\n\r\n# x\r\n", b"http://example.org/a"])
def test_files_of_addresses(tmp_path: Path, encoded: bytes) -> None:
    """A byte-order mark, CRLF, blank lines and comments do not matter."""
    path = tmp_path / "list.txt"
    path.write_bytes(encoded)
    (entry,) = read_urls(path)
    assert entry == Entry("url", "http://example.org/a", 1)


def test_bad_lines_do_not_hurt_their_neighbours(tmp_path: Path) -> None:
    """Each line stands for itself: bad encodings, NUL and endless lines are rejected, the next one is read."""
    path = tmp_path / "list.txt"
    lines = [
        b"example.org # caf\xe9",
        b"ex\xe9mple.org",
        b"exam\0ple.org",
        b"x" * 3 * MAX_LINE,
        b"@@||x.org^",
        b"b.org",
    ]
    path.write_bytes(b"\n".join(lines))
    assert list(read_domains(path)) == [
        Entry("domain", "example.org", 1),
        Rejected(2, "unreadable_text"),
        Rejected(3, "unreadable_text"),
        Rejected(4, "line_too_long"),
        Unsupported(5, "exception_rule"),
        Entry("domain", "b.org", 6),
    ]


@pytest.mark.parametrize("name", ["urls", "domains"])
def test_a_missing_file_is_an_error(tmp_path: Path, name: str) -> None:
    """The registry knows both formats, and a file that is not there is an error that names it."""
    with pytest.raises(ListFormatError, match=r"gone cannot be read: No such file.*check the path"):
        list(reader(name)(tmp_path / "gone"))
    with pytest.raises(ListFormatError, match="cannot be read: ValueError"):
        list(reader(name)(tmp_path / "a\0b"))


pieces = st.sampled_from(
    [
        "http://",
        "hxxp://",
        "||",
        "^",
        "*",
        ".",
        "a",
        "org",
        "[.]",
        "/",
        "#",
        " ",
        ":",
        "@",
        "0.0.0.0 ",
        "[",
        "]",
        "ü",
        "%",
        "\\",
    ]
)


@settings(deadline=None, max_examples=60)
@given(parts=st.lists(pieces, max_size=9), data=st.binary(max_size=40))
@pytest.mark.parametrize("read", [read_urls, read_domains])
def test_no_file_is_an_error(
    tmp_path_factory: pytest.TempPathFactory, read: Read, parts: list[str], data: bytes
) -> None:
    """Whatever a file holds, its rows have numbers and reasons, and nothing of it shows in a repr."""
    path = tmp_path_factory.mktemp("lists") / "list.txt"
    path.write_bytes("".join(parts).encode() + b"secret\n" + data)
    for row in read(path):
        assert row.row >= 1
        assert "secret" not in repr(row)
