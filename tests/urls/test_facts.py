"""What the URL standard says of addresses, and what Scrapy makes of them, held against our one spelling."""

from __future__ import annotations

import time
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scrapy import Request

from ingest_guard.urls.hosts import with_host_spelled
from ingest_guard.urls.normalise import normalise

H = "http://h.example"
PRINTABLE = [chr(code) for code in range(0x21, 0x7F)]
BEYOND = [
    " ",
    "\t",
    "\x01",
    "\x7f",
    "\xa0",
    "\xad",
    "ß",
    "é",
    "\u0435",
    "日",
    "\u200d",
    "\ufffd",
    "😀",
    "%",
    "%%",
    "%zz",
    "%2",
    "%41",
]
PLACES = {
    "path": H + "/a{}b/c",
    "file": H + "/{}",
    "query": H + "/a?b{}c",
    "query alone": H + "/?{}",
    "value": H + "/?a={}&b",
    "fragment": H + "/a#b{}c",
    "user": "http://u{}v@h.example/a",
    "password": "http://u:p{}@h.example/a",
}
FACTS = [
    # Each row: addresses that are one, by the URL standard's parser or by what Scrapy makes of one of them.
    *[
        ("http://h.example/", *each)
        for each in [
            ("HTTP://H.EXAMPLE",),
            ("http:h.example",),
            ("http:/h.example",),
            ("http:///h.example/",),
            ("http:\\\\h.example\\",),
            (" http://h.example ",),
            ("\thttp://h\n.exa\rmple/",),
            ("http://h.example:80/", "http://h.example:/", "http://h.example:0080/"),
            ("http://h.example/.", "http://h.example/./", "http://h.example/%2e", "http://h.example/%2E/"),
            ("http://h.example/..", "http://h.example/a/..", "http://h.example/a/%2e%2E", "http://h.example/a/.%2e/"),
            ("http://h.example?", "http://h.example/?#", "http://h.example#x", "http://h.example/#?"),
            ("http://@h.example/", "http://:@h.example/", "http://u@h.example/", "http://u:p%zz@h.example/"),
            ("http://u@v@h.example/",),
            ("http://h.example./", "http://h.example.:80/", "http://h%2Eexample/", "http://%68.example/"),
            ("http://h\u3002example/", "http://h\uff0eexample", "http://h\uff61example/"),
            ("http://\uff48.\uff45xample/", "http://h.ex\xadample/", "http://h.\u212fxample/"),
        ]
    ],
    ("https://h.example/", "https://h.example:443/", "HTTPS:\\\\h.example"),
    ("https://h.example:80/", "https://h.example:080/"),
    (
        "http://xn--strae-oqa.example/",
        "http://straße.example/",
        "http://STRAßE.example/",
        "http://xn--STRAE-oqa.example",
    ),
    ("http://xn--nxasmm1c.example/", "http://βόλος.example/", "http://ΒΌΛΟΣ.example/".replace("Σ", "ς")),
    ("http://xn--nxasmq6b.example/", "http://βόλοσ.example/", "http://ΒΌΛΟΣ.example/"),
    ("http://xn--mgba3gch31f060k.example/", "http://\u0646\u0627\u0645\u0647\u200c\u0627\u06cc.example/"),
    (
        "http://xn--bcher-kva.example/",
        "http://BÜCHER.example/",
        "http://bu\u0308cher.example/",
        "http://b%C3%BCcher.example/",
    ),
    ("http://xn--ls8h.example/", "http://💩.example/"),
    ("http://a_b.example/", "http://A_B.example/"),
    ("http://a--b.example/", "http://A--B.example/"),
    ("http://127.0.0.1/", "http://0x7f.1/", "http://0177.0.0.01/", "http://2130706433/", "http://0x7F000001/"),
    ("http://127.0.0.1/", "http://127.1/", "http://127.0.1/", "http://017700000001/", "http://127.0.0.1./"),
    ("http://127.0.0.1/", "http://\uff11\uff12\uff17.0.0.1/", "http://%31%32%37.0.0.1/", "http://127\u30020\u30020.1/"),
    ("http://0.0.0.0/", "http://0/", "http://0x/", "http://0.0x0/"),
    ("http://255.255.255.255/", "http://4294967295/", "http://0xffffffff/"),
    ("http://[::1]/", "http://[0:0:0:0:0:0:0:1]/", "http://[::0001]:80/", "http://[0::1]/"),
    ("http://[2001:db8::1]/", "http://[2001:DB8:0:0::1]/", "http://[2001:0db8::0001]/"),
    ("http://[::7f00:1]/", "http://[::127.0.0.1]/"),
    ("http://[::ffff:7f00:1]/", "http://[::ffff:127.0.0.1]/", "http://[::FFFF:7F00:0001]/"),
    ("http://[::1]:81/", "http://[0::1]:0081/"),
    (
        f"{H}/a/b",
        f"{H}/a\\b",
        f"{H}\\a\\b",
        f"{H}/a%5Cb",
        f"{H}/a%5cb",
        f"{H}/a/./b",
        f"{H}/a/c/../b",
        f"{H}/a%5C.%5Cb",
    ),
    (f"{H}/a//b", f"{H}/a/\\b", f"{H}/a//./b"),
    (f"{H}/a/", f"{H}/a/.", f"{H}/a/b/..", f"{H}/a/%2e"),
    (f"{H}/a", f"{H}/../a", f"{H}/%2e%2e/../a", f"{H}/\ta\n"),
    (f"{H}/a%20b", f"{H}/a b"),
    (f"{H}/~a", f"{H}/%7Ea", f"{H}/%7ea"),
    (f"{H}/a[1]|2.jpg", f"{H}/a%5B1%5D%7C2.jpg", f"{H}/a%5b1%5d|2.jpg"),
    (f"{H}/it's", f"{H}/it%27s"),
    (f'{H}/"<>^`{{}}', f"{H}/%22%3C%3E%5E%60%7B%7D"),
    (f"{H}/a;b=c,d", f"{H}/a%3Bb%3Dc%2Cd"),
    (f"{H}/ü", f"{H}/%C3%BC", f"{H}/%c3%bc"),
    (f"{H}/100%25", f"{H}/100%"),
    (f"{H}/%25zz", f"{H}/%zz"),
    (f"{H}/%252e", f"{H}/%2%65"),
    (f"{H}/a?b", f"{H}/a?b#c", f"{H}/a?%62"),
    (f"{H}/?b", f"{H}?b", f"{H}\\?b"),
    (f"{H}/?a'b", f"{H}/?a%27b"),
    (f"{H}/?\\^`{{|}}[]", f"{H}/?%5C%5E%60%7B%7C%7D%5B%5D"),
    (f"{H}/?a/b?c:@", f"{H}/?a%2Fb%3Fc%3A%40"),
    (f"{H}/?q=ü", f"{H}/?q=%c3%bc"),
    (f"{H}/?q=%fc", f"{H}/?q=%FC"),
    (f"{H}/?a..b/../c", f"{H}/?a%2E.b/../c"),
]
DIFFERENT = [
    (f"{H}/a", "https://h.example/a"),
    (f"{H}/a", f"{H}/A"),
    (f"{H}/a", f"{H}/a/"),
    (f"{H}/a", f"{H}:81/a"),
    (f"{H}/a", f"{H}/a?b"),
    (f"{H}/a?b", f"{H}/a?B"),
    (f"{H}/a/b", f"{H}/a%2Fb"),
    (f"{H}/a?b", f"{H}/a%3Fb"),
    (f"{H}/a", f"{H}/a%23b"),
    (f"{H}/a%41", f"{H}/a%2541"),
    (f"{H}/?a&b", f"{H}/?a%26b"),
    (f"{H}/?a=b", f"{H}/?a%3Db"),
    (f"{H}/?a+b", f"{H}/?a%2Bb"),
    (f"{H}/?a+b", f"{H}/?a%20b"),
    (f"{H}/?a;b", f"{H}/?a%3Bb"),
    (f"{H}/ü", f"{H}/%FC"),
    (f"{H}/a//b", f"{H}/a/b"),
    ("http://straße.example/", "http://strasse.example/"),
    ("http://βόλος.example/", "http://βόλοσ.example/"),
    ("http://www.h.example/", "http://h.example/"),
    ("http://[::1]/", "http://127.0.0.1/"),
]
INVALID = [
    *[
        "",
        " ",
        "/a",
        "a.example/x",
        "//h.example/",
        "http:",
        "http://",
        "http://?",
        "http://#",
        "http:///",
        "http://:80/",
    ],
    *["http://@/", "http://u@/x", "http://h:65536/", "http://h:x/", "http://h:-1/", "http://h:8 0/", "http://a b/"],
    *["http://a<b/", "http://a>b/", "http://a^b/", "http://a|b/", "http://a%b/", "http://a%00b/", "http://a%20b/"],
    *[
        "http://[",
        "http://[]/",
        "http://[::1/",
        f"http://{'a.' * 600}example/",
        "http://[::1]x/",
        "http://[1:2]/",
        "http://[::1%25eth0]/",
        "http://[g::]/",
    ],
    *["http://1.2.3.4.5/", "http://256.0.0.1/", "http://1.2.3.256/", "http://4294967296/", "http://0x100000000/"],
    *["http://09.0.0.1/", "http://a.1/", "http://1.2.3.08/", "http://\xad/", "http://\u200d.example/", "http://./"],
    *[
        "http://h.example/\ud800",
        "http://\udfff/",
        "mailto:a@h.example",
        "data:,x",
        "javascript:0",
        "about:blank",
        "blob:http://h/",
    ],
]


def test_there_are_facts_enough() -> None:
    """More than sixty rows, each by hand."""
    assert len(FACTS) + len(DIFFERENT) + len(INVALID) > 120


@pytest.mark.parametrize("row", FACTS, ids=lambda row: row[-1].encode("unicode_escape").decode())
def test_spellings_of_one_address(row: tuple[str, ...]) -> None:
    """Each of them has the same one spelling, which is one of them or what they become."""
    assert len({normalise(url) for url in row}) == 1
    assert normalise(normalise(row[0])) == normalise(row[0])


@pytest.mark.parametrize("row", FACTS, ids=lambda row: row[-1].encode("unicode_escape").decode())
def test_what_the_guard_asks_for_is_what_is_meant(row: tuple[str, ...]) -> None:
    """A request for any of them, made as the guard makes it, is for the same address."""
    for url in row:
        if url.strip().lower().startswith(("http://", "https://")) and "///" not in url:
            asked = Request(with_host_spelled(url.strip().replace("\t", "").replace("\n", "").replace("\r", ""))).url
            assert normalise(asked) == normalise(row[0])


@pytest.mark.parametrize(("one", "other"), DIFFERENT)
def test_spellings_of_two_addresses(one: str, other: str) -> None:
    """What a server may take for something else stays apart."""
    assert normalise(one) != normalise(other)


@pytest.mark.parametrize("url", INVALID)
def test_what_no_browser_reads_has_no_spelling(url: str) -> None:
    """The error is one, and shows nothing of the address."""
    with pytest.raises(ValueError, match=r"^(not an absolute address with a host|the host is .*)$"):
        normalise(url)


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("char", PRINTABLE + BEYOND)
def test_a_character_is_the_same_before_and_after_scrapy(place: str, char: str) -> None:
    """Whatever is written into a part of an address, what Scrapy sends is taken for it."""
    url = PLACES[place].format(char)
    try:
        sent = Request(url).url
    except ValueError:
        return  # nothing that a crawl could ask for
    assert normalise(sent) == normalise(url)
    assert normalise(normalise(url)) == normalise(url)


@pytest.mark.parametrize("place", [place for place in PLACES if place not in {"user", "password"}])
@pytest.mark.parametrize("code", range(256))
def test_an_escape_is_the_same_before_and_after_scrapy(place: str, code: int) -> None:
    """In either case."""
    upper, lower = (PLACES[place].format(f"%{code:02{case}}") for case in "Xx")
    assert normalise(Request(lower).url) == normalise(Request(upper).url) == normalise(lower) == normalise(upper)


@given(path=st.text(max_size=12), query=st.text(max_size=12))
def test_any_path_and_query_are_the_same_before_and_after_scrapy(path: str, query: str) -> None:
    """Of whatever characters."""
    url = f"{H}/{path}?{query}"
    assert normalise(Request(url).url) == normalise(url)


def test_an_address_takes_microseconds() -> None:
    """Every request is asked about."""
    url = "https://cdn.h.example/wiki/thumb/%D0%9A/IMG%5B1%5D.jpg?width=300&v=1%7C2"
    began = time.process_time()
    for _ in range(20_000):
        normalise(url)
    assert time.process_time() - began < 20_000 * 60e-6  # four times as long as it may take on an idle machine


@pytest.mark.parametrize(
    "text", ["%" * 200_000, "%5c" * 100_000, "/.." * 100_000, "@" * 200_000, "a." * 100_000, "ü" * 200_000]
)
@pytest.mark.parametrize("where", ["http://h.example/{}", "http://h.example/?{}", "http://{}/", "http://{}@h.example/"])
def test_hostile_addresses_take_no_time(where: str, text: str) -> None:
    """However long, an address is read in linear time."""
    began = time.process_time()
    with suppress(ValueError):
        normalise(where.format(text))
    assert time.process_time() - began < 1
