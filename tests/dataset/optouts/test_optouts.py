from __future__ import annotations

import json
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scrapy import Request

from ingest_guard.dataset.optouts.rules import REASONS, agent_names, parse_rules
from ingest_guard.dataset.optouts.said import Signal
from ingest_guard.dataset.optouts.signals import NONE, OF_MARKUP, ORDER, UNREAD, Signals, of_headers, of_metas, signals
from ingest_guard.dataset.optouts.tdmrep import combine, parse_file, read_reservation, reserved_by
from ingest_guard.policy.records import OptOutPolicy

NOW = datetime(2026, 1, 1, tzinfo=UTC)
US = frozenset({"mybot", "friend"})
A_MEGABYTE = 1 << 20


def names(said: Signals) -> list[str]:
    """Return the names of all signals, in order."""
    return [signal.name for signal in said.said]


def stated(*reasons: str, tdm: bool | None = None) -> Signals:
    """Return signals of headers that say no, and a reservation or its absence."""
    reservation = () if tdm is None else (Signal("header", "tdm_reservation", "", "no" if tdm else "yes"),)
    return signals(*(Signal("header", reason, "", "no") for reason in reasons), *reservation)


@pytest.mark.parametrize(
    ("sent", "names"),
    [
        ("MyBot/2.0 (+https://mybot.example/about)", {"mybot"}),
        ("Mozilla/5.0 (compatible; MyBot/2.1; +http://x.example/1)", {"mybot"}),
        ("Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0 Safari/537.36", set()),
        ("my-bot", {"my-bot"}),
        ("sample_project (+http://www.yourdomain.com)", {"sample_project"}),
        ("MyBot/1.0 library/3", {"mybot", "library"}),
        ("", set()),
        (None, set()),
        ("\u00e9/1 (", set()),
    ],
)
def test_names_of_a_crawler(sent: str | None, names: set[str]) -> None:
    """The product tokens of a User-Agent, in lower case; what only says that it is a browser is no name."""
    assert agent_names([sent]) == names


def test_further_names() -> None:
    """The operator's names count beside the crawler's own."""
    assert agent_names(["MyBot/1"], ["GoogleBot"]) == {"mybot", "googlebot"}


@pytest.mark.parametrize(
    ("value", "found"),
    [
        ("noai", {"noai"}),
        ("noai, noimageai", {"noai", "noimageai"}),
        ("NoIndex,NOFOLLOW", {"noindex"}),
        ("none", {"noindex"}),
        ("all", set()),
        ("index, follow", set()),
        ("noindexing, no-ai, xnoai", set()),
        ("noai noimageai", {"noai", "noimageai"}),
        ("noai; noml", {"noai", "noml"}),
        (" noimageindex ,", {"noimageindex"}),
        ("otherbot: noai", set()),
        ("mybot: noai", {"noai"}),
        ("MyBot : noai, noml", {"noai", "noml"}),
        ("mybot/2.0: noai", {"noai"}),
        ("*: noai", {"noai"}),
        ("otherbot: noai, noml", set()),
        ("otherbot: noai, mybot: noml, noindex", {"noml", "noindex"}),
        ("mybot: noml, otherbot: noindex", {"noml"}),
        ("noml, otherbot: noindex", {"noml"}),
        ("max-snippet: 20, noml", {"noml"}),
        ("max-image-preview: none", set()),
        ("mybot: max-snippet:-1, noml", {"noml"}),
        ("unavailable_after: 25 Jun 2010 15:00:00 PST", {"unavailable_after"}),
        ("unavailable_after: Sat, 25 Jun 2010 15:00:00 GMT, noml", {"unavailable_after", "noml"}),
        ("unavailable_after: Saturday, 25-Jun-10 15:00:00 PST", {"unavailable_after"}),
        ("unavailable_after: 25-Aug-2007 15:00:00 EST", {"unavailable_after"}),
        ("unavailable_after: 2010-06-25", {"unavailable_after"}),
        ("unavailable_after: 2010-06-25T15:00:00Z", {"unavailable_after"}),
        ("unavailable_after: 2010-06-25T15:00:00+02:00", {"unavailable_after"}),
        ("unavailable_after: Sat, 25 Jun 2033 15:00:00 GMT", set()),
        ("mybot: unavailable_after: 25 Jun 2010 15:00:00 PST", {"unavailable_after"}),
        ("otherbot: unavailable_after: 25 Jun 2010 15:00:00 PST", set()),
        ("unavailable_after: some day, noml", {"noml"}),
        ("unavailable_after:", set()),
        (f"unavailable_after: {'9' * 100}, noml", {"noml"}),
        ("unavailable_after: 99999-99-99", set()),
        ("unavailable_after: 31 Dec 9999 23:59:59 -2359", set()),
        ("unavailable_after: Fri, 31 Dec 0000 00:00:00 +2359", {"unavailable_after"}),
        ("", set()),
        (":", set()),
        (",,;;::", set()),
    ],
)
def test_rules(value: str, found: set[str]) -> None:
    """Rules count in any case, each with what it is short for, where they are addressed to us or to everybody."""
    assert parse_rules(value, US, NOW) == found


def test_unavailable_after_the_very_moment() -> None:
    """From the moment that is named on, not before it."""
    value = "unavailable_after: Thu, 01 Jan 2026 00:00:00 GMT"
    assert parse_rules(value, US, NOW) == {"unavailable_after"}
    assert parse_rules(value, US, NOW - timedelta(seconds=1)) == set()


def test_rules_far_back_in_a_long_value() -> None:
    """Sixteen KiB of a value are read, and no more."""
    now = datetime.now(UTC)
    assert parse_rules("max-snippet:5," * 1000 + "noai", set(), now) == {"noai"}
    assert parse_rules("max-snippet:5," * 2000 + "noai", set(), now) == set()


def test_rules_that_are_not_addressed() -> None:
    """A value for somebody else counts from our name on."""
    assert parse_rules("noai, mybot: noml", US, NOW, is_addressed=False) == {"noml"}


@given(st.text())
def test_rules_of_anything(value: str) -> None:
    """No text is an error, and what is found is among the reasons."""
    assert parse_rules(value, US, NOW) <= set(REASONS)


_WORDS = st.sampled_from(
    [
        "noai",
        "none",
        "mybot",
        "otherbot",
        ":",
        ",",
        ";",
        " ",
        "unavailable_after",
        "25 Jun 2010 15:00:00",
        "Sat",
        "+0000",
    ]
)


@given(st.lists(_WORDS).map("".join))
def test_rules_of_anything_alike(value: str) -> None:
    """Nor is any that is made of the right words."""
    assert parse_rules(value, US, NOW) <= set(REASONS)


@pytest.mark.parametrize(
    ("value", "reserved"),
    [
        *((value, True) for value in ("1", " 1 ", 1, True, "true")),
        *((value, False) for value in ("0", 0, False, "FALSE")),
        *((value, None) for value in ("2", "", "yes", 2, -1, 1.0, None, [1], {"a": 1}, "11")),
    ],
)
def test_reservations(value: Any, *, reserved: bool | None) -> None:
    """One and zero; anything else is an error of the protocol, and says nothing."""
    assert read_reservation(value) is reserved


def test_reservations_together() -> None:
    """Of several in one place, a reservation counts."""
    assert combine([None, False, True]) is True
    assert combine([None, False]) is False
    assert combine([None]) is None
    assert combine([]) is None


_EXAMPLE = json.dumps(
    [
        {"location": "/directory-a/", "tdm-reservation": 1},
        {"location": "/directory-b/html/", "tdm-reservation": 1, "tdm-policy": "https://provider.example/policy.json"},
        {"location": "/directory-b/images/*.jpg", "tdm-reservation": 0},
        {"location": "/directory-b/", "tdm-reservation": 1},
        {"location": "/exactly$", "tdm-reservation": 1},
        {"location": "/this/*/then/*.png$", "tdm-reservation": 1},
        {"location": "/path/foo-%24", "tdm-reservation": 1},
        {"location": "/stars%2A", "tdm-reservation": 1},
        {"location": "/\u00fcber/", "tdm-reservation": 1},
        {"location": "*.gif$", "tdm-reservation": 1},
        {"location": "bare", "tdm-reservation": 1},
        {"location": "https://provider.example/whole", "tdm-reservation": 1},
    ]
).encode()


@pytest.mark.parametrize(
    ("path", "reserved"),
    [
        ("/directory-a/x.pdf", True),
        ("/directory-a", None),
        ("/Directory-A/x.pdf", None),
        ("/directory-b/html/x", True),
        ("/directory-b/images/x.jpg", False),
        ("/directory-b/images/deep/x.jpg?size=2", False),
        ("/directory-b/images/x.png", True),
        ("/exactly", True),
        ("/exactly/not", None),
        ("/exactly?not", None),
        ("/this/way/then/x.png", True),
        ("/this/then/x.png", None),
        ("/this/way/then/x.png.html", None),
        ("/path/foo-$", True),
        ("/path/foo-%24", True),
        ("/stars*", True),
        ("/starsX", None),
        ("/%C3%BCber/x", True),
        ("/%c3%bcber/x", True),
        ("/\u00fcber/x", True),
        ("/%64irectory-a/x", True),
        ("/any/where.gif", True),
        ("/bare/x", True),
        ("/whole/x", True),
        ("/", None),
        ("", None),
    ],
)
def test_the_first_rule_that_matches_counts(path: str, *, reserved: bool | None) -> None:
    """Patterns match from a path's beginning, in one spelling, with asterisk and dollar sign as in robots.txt."""
    rules = parse_file(_EXAMPLE)
    assert rules is not None
    assert len(rules) == 12
    assert reserved_by(rules, f"https://provider.example{path}") is reserved


def test_a_part_that_would_overlap_does_not_match() -> None:
    """What stands at the end comes behind what stands before it."""
    rules = parse_file(b'[{"location": "/ab*ba$", "tdm-reservation": 1}]')
    assert rules is not None
    assert reserved_by(rules, "https://a.example/aba") is None
    assert reserved_by(rules, "https://a.example/abba") is True


@pytest.mark.parametrize(
    ("body", "count"),
    [
        (b'{"location": "/", "tdm-reservation": 1}', 1),
        (b'\xef\xbb\xbf[{"location": "/", "tdm-reservation": "1"}]', 1),
        (b"[]", 0),
        (b'[1, "x", null, {}, {"location": 1, "tdm-reservation": 1}, {"location": "/"}]', 0),
        (b'[{"location": "/", "tdm-reservation": 2}, {"location": "", "tdm-reservation": 1}]', 0),
        (b'[{"location": "https://a.example", "tdm-reservation": 1}]', 1),
        (b"[" + b'{"location": "/", "tdm-reservation": 1},' * 1999 + b"{}]", 1000),
        (json.dumps([{"location": "/" + "x" * 2000, "tdm-reservation": 1}] * 100).encode(), 32),
        (json.dumps([{"location": "/" + "x" * 3000, "tdm-reservation": 1}]).encode(), 0),
    ],
)
def test_rules_that_count(body: bytes, count: int) -> None:
    """A rule needs both of its parts; there is an end to how many there may be."""
    rules = parse_file(body)
    assert rules is not None
    assert len(rules) == count


@pytest.mark.parametrize(
    "body", [b"", b"<!doctype html>", b"1", b'"x"', b"null", b"[" * 100_000, b"\xff\xfe", b"[" + b"9" * 5000 + b"]"]
)
def test_no_file(body: bytes) -> None:
    """What is no JSON array of the protocol's is told apart from one without rules."""
    assert parse_file(body) is None


@given(st.binary())
def test_a_file_of_anything(body: bytes) -> None:
    """No body is an error."""
    parse_file(body)


_JSON = st.recursive(st.none() | st.booleans() | st.integers() | st.text(), st.lists, max_leaves=5)
_ENTRIES = st.fixed_dictionaries(
    {},
    optional={"location": _JSON | st.text("/*$%ab24", max_size=12), "tdm-reservation": st.sampled_from([0, 1]) | _JSON},
)


@given(st.lists(_ENTRIES), st.text("/*$%ab24?#:@[\udcff", max_size=20))
def test_matching_of_anything(document: Any, path: str) -> None:
    """No rule and no address is an error."""
    rules = parse_file(json.dumps(document).encode())
    assert rules is not None
    assert reserved_by(rules, f"https://a.example{path}") in {True, False, None}
    assert reserved_by(rules, path) in {True, False, None}


def test_patterns_of_many_asterisks_take_linear_time() -> None:
    """The pattern that ruins matchers which go back does nothing here."""
    rules = parse_file(json.dumps([{"location": "/" + "*a" * 1000 + "*b$", "tdm-reservation": 1}] * 30).encode())
    assert rules
    began = time.process_time()
    assert reserved_by(rules, "https://a.example/" + "a" * 100_000) is None
    assert time.process_time() - began < 2


def test_headers_together() -> None:
    """Rules of several headers add up; reservations come one a header, or several in one."""
    said = of_headers([b"noindex", b"mybot: noai", b"otherbot: noml"], [b"0, 1"], US, NOW)
    assert names(said) == ["noindex", "noai", "tdm_reservation"]
    assert said.tdm is True
    assert of_headers([b"\xff\xfe: noai"], [b"\xff"], US, NOW).tdm is None
    assert of_headers([], [], US, NOW) == NONE


def test_markup_together() -> None:
    """Elements for everybody and for us add up; those for others do not count."""
    metas = [("robots", "noml"), ("friend", "noai"), ("other", "noindex"), ("description", "noimageai")]
    assert names(of_metas(metas, US, NOW)) == ["noml", "noai"]
    assert of_metas([*metas, ("tdm-reservation", "0")], US, NOW).tdm is False
    assert of_metas([*metas, ("tdm-reservation", "0"), ("tdm-reservation", "1")], US, NOW).tdm is True
    assert of_metas([], US, NOW) == NONE


def test_a_page_that_was_not_read_may_have_said_anything() -> None:
    """It has opted out, for a reason of its own, where anything that a page can say is heeded."""
    assert UNREAD.reason(OptOutPolicy()) == "unread_page"
    assert UNREAD.and_then(stated("noai")).reason(OptOutPolicy()) == "noai"
    assert stated(tdm=True).and_then(UNREAD).reason(OptOutPolicy()) == "tdm_reservation"
    assert stated(tdm=False).and_then(UNREAD).reason(OptOutPolicy()) == "unread_page"
    off = dict.fromkeys(ORDER, False)
    assert UNREAD.reason(OptOutPolicy(**off)) is None
    assert all(UNREAD.reason(OptOutPolicy(**{**off, name: True})) == "unread_page" for name in OF_MARKUP)
    assert all(UNREAD.reason(OptOutPolicy(**{**off, name: True})) is None for name in set(ORDER).difference(OF_MARKUP))


def test_markup_goes_before_headers() -> None:
    """What a page's markup says of a reservation replaces what its header said; silence does not. Rules add up."""
    header = stated("noai", tdm=True)
    assert header.and_then(stated("noml", tdm=False)) == stated("noai", "noml", tdm=False)
    assert header.and_then(NONE) == header == NONE.and_then(header)


def test_the_first_reason_that_is_heeded() -> None:
    """One reason a response: the first in a fixed order that the policy has not switched off."""
    said = stated("noindex", "noai", tdm=True)
    assert said.reason(OptOutPolicy()) == "noai"
    assert said.reason(OptOutPolicy(noai=False)) == "noindex"
    assert said.reason(OptOutPolicy(noai=False, noindex=False)) == "tdm_reservation"
    assert said.reason(OptOutPolicy(noai=False, noindex=False, tdm_reservation=False)) is None
    assert NONE.reason(OptOutPolicy()) is None


@pytest.mark.parametrize("reason", ORDER)
def test_each_reason_has_its_switch(reason: str) -> None:
    """Each rule is heeded by default, and switched off by its own name."""
    said = stated(reason)
    assert said.reason(OptOutPolicy()) == reason
    assert said.reason(OptOutPolicy.model_validate({reason: False})) is None


@pytest.mark.parametrize(
    "char", [chr(code) for code in range(0x21, 0x7F) if chr(code) not in "#?*$%&+/;=\\"] + ["\u00fc", "%c3%bc", "%7e"]
)
def test_a_rule_is_the_same_for_an_address_as_written_and_as_sent(char: str) -> None:
    """In path and query, whatever Scrapy escapes."""
    rules = parse_file(json.dumps([{"location": f"/a{char}b?c{char}d$", "tdm-reservation": 1}]).encode())
    assert rules
    url = f"https://a.example/a{char}b?c{char}d"
    assert reserved_by(rules, url) is reserved_by(rules, Request(url).url) is True
    assert reserved_by(rules, "https://a.example/ab?cd") is None
    assert reserved_by(rules, "https://[/") is None
