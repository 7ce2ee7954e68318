"""What a robots.txt says about use: groups, paths, precedence, and files that mean harm."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from protego import Protego
from support.robots_hosts import OWN, PARTNER, PATHS, make_host

from ingest_guard.dataset.optouts.paths import PathPattern, target_of
from ingest_guard.dataset.optouts.robots_lines import limit_names
from ingest_guard.dataset.optouts.robots_txt import RobotsFile
from ingest_guard.dataset.optouts.signals import signals
from ingest_guard.policy.records import OptOutPolicy

HOST = "https://site.example"
_USAGE = "content_usage"
_SIGNAL = "content_signal"
_MEANT = "informal_usage"
_RSL = "rsl_license"


def reason(body: bytes | str, path: str = "/a.jpg", *, further: tuple[str, ...] = (), name: str = OWN) -> str | None:
    """Return why a path is kept out."""
    file = RobotsFile(body.encode() if isinstance(body, str) else body, {name}, further)
    said = dict.fromkeys(each.signal for each in file.statements(HOST + path))
    return signals(*said).reason(OptOutPolicy())


# The file of draft-ietf-aipref-attach-05, 3.4, and each row of its table.
_DRAFT = """
User-Agent: *
Allow: /
Disallow: /never/
Content-Usage: train-ai=n
Content-Usage: /ai-ok/ train-ai=y

User-Agent: ExampleBot
Allow: /
Content-Usage: train-ai=y
"""


@pytest.mark.parametrize(
    ("name", "path", "expected"),
    [
        ("otherbot", "/test", _USAGE),
        ("otherbot", "/never/test", None),
        ("otherbot", "/ai-ok/test", None),
        ("examplebot", "/test", None),
        ("examplebot", "/never/test", None),
    ],
)
def test_the_example_of_the_draft(name: str, path: str, expected: str | None) -> None:
    """Each row of the draft's own table."""
    assert reason(_DRAFT, path, name=name) == expected


_ANY = "User-agent: *\n"
_GROUPS: dict[str, tuple[str | bytes, str | None]] = {
    # Which groups count (RFC 9309, 2.2.1).
    "for everybody": (_ANY + "Content-Usage: train-ai=n", _USAGE),
    "for us": ("User-agent: mybot\nContent-Usage: train-ai=n", _USAGE),
    "for us, in capitals": ("USER-AGENT: MYBOT\nCONTENT-USAGE: train-ai=n", _USAGE),
    "for a version of us": ("User-agent: MyBot/2.0\nContent-Usage: train-ai=n", _USAGE),
    "for others": ("User-agent: otherbot\nContent-Usage: train-ai=n", None),
    "for a longer name": ("User-agent: mybot-images\nContent-Usage: train-ai=n", None),
    "for a shorter name": ("User-agent: my\nContent-Usage: train-ai=n", None),
    "ours goes before everybody's": (_ANY + "Content-Usage: train-ai=n\n\nUser-agent: mybot\nAllow: /", None),
    "ours goes before, in any order": ("User-agent: mybot\nAllow: /\n" + _ANY + "Content-Usage: train-ai=n", None),
    "ours says no, everybody's yes": (
        _ANY + "Content-Usage: train-ai=y\nUser-agent: mybot\nContent-Usage: train-ai=n",
        _USAGE,
    ),
    "two names, one group": ("User-agent: otherbot\nUser-agent: mybot\nContent-Usage: train-ai=n", _USAGE),
    "one name, two groups": (
        "User-agent: mybot\nAllow: /\n\nUser-agent: x\nAllow: /\n\nUser-agent: mybot\nContent-Usage: train-ai=n",
        _USAGE,
    ),
    "a blank line ends no group": (_ANY + "\n\nContent-Usage: train-ai=n", _USAGE),
    "a blank line between names": ("User-agent: mybot\n\nUser-agent: x\n\nContent-Usage: train-ai=n", _USAGE),
    "a rule ends the names": ("User-agent: mybot\nAllow: /\nUser-agent: x\nContent-Usage: train-ai=n", None),
    "a preference ends the names": (
        _ANY + "Content-Signal: ai-train=yes\nUser-agent: x\nContent-Signal: ai-train=no",
        None,
    ),
    "a crawl delay ends the names": (_ANY + "Crawl-delay: 9\nUser-agent: x\nContent-Usage: train-ai=n", None),
    "a line that is none ends nothing": (
        "User-agent: mybot\nnonsense\nUser-agent: x\nContent-Usage: train-ai=n",
        _USAGE,
    ),
    "a sitemap ends nothing": ("User-agent: mybot\nSitemap: /s.xml\nUser-agent: x\nContent-Usage: train-ai=n", _USAGE),
    "a licence ends nothing": ("User-agent: mybot\nLicense: x\nUser-agent: x\nContent-Usage: train-ai=y", _MEANT),
    "a rule of others behind a sitemap": ("User-agent: x\nSitemap: /s\nContent-Usage: train-ai=n", None),
    "a name without a colon": ("User-agent mybot\nContent-Usage train-ai=n", _USAGE),
    "names with commas": ("User-agent: otherbot, MyBot/2.0, x\nContent-Usage: train-ai=n", _USAGE),
    "an empty name": ("User-agent:\nContent-Usage: train-ai=n", None),
    "an asterisk behind our name": ("User-agent: mybot*\nContent-Usage: train-ai=n", _USAGE),
    # Before any group.
    "a signal before any group": ("Content-Signal: ai-train=no\nUser-agent: x\nDisallow: /", _SIGNAL),
    "a signal before our own group": ("Content-Signal: ai-train=no\nUser-agent: mybot\nAllow: /", _SIGNAL),
    "a signal and no group": ("Content-Signal: search=yes, ai-train=no", _SIGNAL),
    "usage before any group": ("Content-Usage: train-ai=n\nUser-agent: *\nAllow: /", _MEANT),
    "a yes before any group": ("Content-Usage: train-ai=y\nUser-agent: *\nAllow: /", None),
    # How lines are written.
    "CRLF": (b"User-agent: *\r\nContent-Usage: train-ai=n\r\n", _USAGE),
    "CR": (b"User-agent: *\rContent-Usage: train-ai=n\r", _USAGE),
    "a byte order mark": (b"\xef\xbb\xbfUser-agent: *\nContent-Usage: train-ai=n", _USAGE),
    "a byte order mark before a signal": (b"\xef\xbb\xbfContent-Signal: ai-train=no", _SIGNAL),
    "bytes that are no text": (b"\xff\xfe\nUser-agent: *\n\x80\nContent-Usage: train-ai=n", _USAGE),
    "blanks": (" \tUser-agent \t:\t* \n  Content-Usage\t :  train-ai=n \t", _USAGE),
    "a comment behind": (_ANY + "Content-Usage: train-ai=n# search=y", _USAGE),
    "all is a comment": (_ANY + "#Content-Usage: train-ai=n\nContent-Usage: # train-ai=n", None),
    "a comment behind a name": ("User-agent: mybot # that is us\nContent-Usage: train-ai=n", _USAGE),
    "an old spelling": (_ANY + "ContentUsage: train-ai=n", _USAGE),
    "in the middle of a line": (_ANY + "Disallow: /x Content-Usage: train-ai=n", None),
    # Licences.
    "a licence": ("License: https://e.example/license.xml", _RSL),
    "a licence in a group of others": ("User-agent: x\nLicense: https://e.example/l.xml", _RSL),
    "a licence of a relative address": ("License: /license.xml", _MEANT),
    "a licence of nothing": ("License:", None),
    "a licence in a comment": ("# License: https://e.example/l.xml", None),
    "a licence and an Allow": ("License: https://e.example/l.xml\nUser-agent: mybot\nAllow: /", _RSL),
    # Nothing.
    "an empty file": ("", None),
    "a page": ("<!doctype html><html><p>User-agent: a\n", None),
    "no preference": (_ANY + "Allow: /\nDisallow: /x", None),
}


@pytest.mark.parametrize(("body", "expected"), _GROUPS.values(), ids=_GROUPS)
def test_groups(body: str | bytes, expected: str | None) -> None:
    """Which lines are said to us."""
    assert reason(body) == expected


_PREFERENCES: dict[str, tuple[str, str, str | None]] = {
    # rules, path, what keeps it out
    "the longest path": ("Content-Usage: / train-ai=n\nContent-Usage: /img/ train-ai=y", "/img/a.jpg", None),
    "the longest path, first": ("Content-Usage: /img/ train-ai=y\nContent-Usage: / train-ai=n", "/img/a.jpg", None),
    "not below it": ("Content-Usage: / train-ai=n\nContent-Usage: /img/ train-ai=y", "/images/a.jpg", _USAGE),
    "a longer no": ("Content-Usage: train-ai=y\nContent-Usage: /img train-ai=n", "/img/a.jpg", _USAGE),
    "equal paths": ("Content-Usage: /img/ train-ai=y\nContent-Usage: /img/ train-ai=n", "/img/a.jpg", _USAGE),
    "equal paths, turned": ("Content-Usage: /img/ train-ai=n\nContent-Usage: /img/ train-ai=y", "/img/a.jpg", _USAGE),
    "equal in two spellings": ("Content-Usage: /%69mg/ train-ai=n\nContent-Usage: /img/ train-ai=y", "/img/a", _USAGE),
    "no path is the whole host": ("Content-Usage: train-ai=n\nContent-Usage: / train-ai=y", "/img/a", _USAGE),
    "the longest is silent": ("Content-Usage: / train-ai=n\nContent-Usage: /img/ search=n", "/img/a.jpg", None),
    "the longest is no dictionary": ("Content-Usage: / train-ai=n\nContent-Usage: /img/ !", "/img/a.jpg", None),
    "the longest is empty": ("Content-Usage: / train-ai=n\nContent-Usage: /img/", "/img/a.jpg", None),
    "a path and a tab": ("Content-Usage: /img/\ttrain-ai=n", "/img/a.jpg", _USAGE),
    "a path without a slash": ("Content-Usage: img/ train-ai=n", "/a.jpg", _MEANT),
    "an asterisk in the path": ("Content-Usage: /*.jpg train-ai=n", "/img/a.jpg", _USAGE),
    "an end": ("Content-Usage: /*.jpg$ train-ai=n", "/img/a.jpg?x", None),
    "a query": ("Content-Usage: /*?size= train-ai=n", "/a.jpg?size=9", _USAGE),
    "an escaped blank": ("Content-Usage: /a%20b/ train-ai=n", "/a b/c.jpg", _USAGE),
    "letters beyond ASCII": ("Content-Usage: /\u00fc/ train-ai=n", "/%C3%BC/a.jpg", _USAGE),
    "another path": ("Content-Usage: /img/ train-ai=n", "/a.jpg", None),
    "capitals in a path": ("Content-Usage: /IMG/ train-ai=n", "/img/a.jpg", None),
    # A path that is disallowed has no preference; Allow wins where it is as long.
    "disallowed": ("Disallow: /img/\nContent-Usage: train-ai=n", "/img/a.jpg", None),
    "disallowed, misspelled": ("Disalow: /img/\nContent-Usage: train-ai=n", "/img/a.jpg", None),
    "disallowed elsewhere": ("Disallow: /img/\nContent-Usage: train-ai=n", "/a.jpg", _USAGE),
    "disallowed, and allowed by more": ("Disallow: /img/\nAllow: /img/a\nContent-Usage: train-ai=n", "/img/a", _USAGE),
    "allowed by as much": ("Disallow: /img/\nAllow: /img/\nContent-Usage: train-ai=n", "/img/a", _USAGE),
    "an empty Disallow": ("Disallow:\nContent-Usage: train-ai=n", "/img/a.jpg", _USAGE),
    "all is disallowed": ("Disallow: /\nContent-Signal: ai-train=no", "/a.jpg", None),
    # The two headers are independent of each other.
    "two kinds": ("Content-Usage: /img/ train-ai=y\nContent-Signal: ai-train=no", "/img/a.jpg", _SIGNAL),
    "two kinds say no": ("Content-Signal: ai-train=no\nContent-Usage: train-ai=n", "/a.jpg", _USAGE),
    "a signal with a path": ("Content-Signal: /img/ ai-train=no", "/a.jpg", None),
    "a signal with our path": ("Content-Signal: /img/ ai-train=no", "/img/a.jpg", _SIGNAL),
    "several signals": ("Content-Signal: ai-train=no\nContent-Signal: ai-train=yes", "/a.jpg", _SIGNAL),
    "a meant one": ("Content-Usage: train-genai=n", "/a.jpg", _MEANT),
}


@pytest.mark.parametrize(("rules", "path", "expected"), _PREFERENCES.values(), ids=_PREFERENCES)
def test_rules_of_one_group(rules: str, path: str, expected: str | None) -> None:
    """Which of a group's rules count for a path."""
    assert reason(_ANY + rules, path) == expected


# As hosts publish them: Cloudflare's managed file of 2025 and of 2026, one of a shop, one with an RSL licence.
_MANAGED = b"""# As a condition of accessing this website, you agree to abide by the following
# content signals:
# (a)  If a content-signal = yes, you may collect content for the use.
# ANY RESTRICTIONS EXPRESSED VIA CONTENT SIGNALS ARE EXPRESS RESERVATIONS OF RIGHTS UNDER
# ARTICLE 4 OF THE EUROPEAN UNION DIRECTIVE 2019/790

# BEGIN Cloudflare Managed content

User-Agent: *
Content-signal: search=yes,ai-train=no%s
Allow: /

User-agent: Amazonbot
Disallow: /

User-agent: CCBot
Disallow: /

User-agent: GPTBot
Disallow: /

# END Cloudflare Managed Content

User-agent: *
Disallow: /checkout
Sitemap: https://shop.example/sitemap.xml
"""
_SHAPES: dict[str, tuple[bytes, tuple[str, ...], str, str | None]] = {
    "managed": (_MANAGED % b"", (), "/a.jpg", _SIGNAL),
    "managed, 2026": (_MANAGED % b",use=reference", (), "/a.jpg", _SIGNAL),
    "managed, a page of the shop": (_MANAGED % b"", (), "/checkout/a", None),
    "a list of AI bots": (b"User-agent: GPTBot\nUser-agent: CCBot\nDisallow: /\n", (), "/a.jpg", None),
    "an RSL licence": (
        b"License: https://paper.example/license.xml\n\nUser-agent: *\nAllow: /\nUser-agent: GPTBot\nDisallow: /\n",
        (),
        "/a.jpg",
        _RSL,
    ),
    "a blog's signal behind a Disallow": (
        b"User-agent: *\nDisallow: /wp-admin/\nAllow: /wp-admin/a.php\nContent-Signal: ai-train=no, search=yes\n",
        (),
        "/wp-content/a.jpg",
        _SIGNAL,
    ),
    "a Content-Usage for training bots": (
        b"User-agent: GPTBot\nUser-agent: CCBot\nContent-Usage: train-ai=n\nDisallow: /private/\n",
        (PARTNER,),
        "/a.jpg",
        _USAGE,
    ),
}


@pytest.mark.parametrize(("body", "further", "path", "expected"), _SHAPES.values(), ids=_SHAPES)
def test_files_as_hosts_publish_them(body: bytes, further: tuple[str, ...], path: str, expected: str | None) -> None:
    """Shapes that many hosts have."""
    assert reason(body, path, further=further) == expected


@pytest.mark.parametrize("body", [_MANAGED % b"", b"User-agent: CCBOT/2\nAllow: /\n"])
def test_names_of_others_count_where_they_have_a_group(body: bytes) -> None:
    """A group for a name that counts as ours is known by its name; without one, nothing is."""
    assert RobotsFile(body, {OWN}, {PARTNER, "img2dataset"}).further == {PARTNER}
    assert RobotsFile(body, {OWN}).further == frozenset()
    assert not RobotsFile(body, {OWN}, {PARTNER}).is_silent


def test_what_is_known_of_a_line() -> None:
    """Number, group and words as written, and the file's digest."""
    body = b"User-agent: *\n\nContent-Usage:  /img/ train-ai=n # x\nLicense: https://e.example/\xff\n"
    file = RobotsFile(body, {OWN})
    (first, second) = file.statements(f"{HOST}/img/a.jpg")
    assert (first.line, first.group, first.signal.said) == (3, "*", "/img/ train-ai=n")
    assert (second.line, second.signal.said) == (4, r"https://e.example/\xff")
    assert first.signal.digest == second.signal.digest == file.digest
    assert file.signals("not an address") == (second.signal,)
    assert [group.lines for group in file.groups] == [[1]]


@pytest.mark.parametrize("seed", range(10))
def test_a_thousand_hosts(seed: int) -> None:
    """Each file says what its maker meant, in whichever of the equal ways it was written."""
    for number in range(100):
        host = make_host(seed * 100 + number)
        file = RobotsFile(host.robots, {OWN}, {PARTNER})
        for path in PATHS:
            expected = host.answers[path]
            if expected == "robots_txt":
                assert any(group.disallows(path) for group in file.groups), host.robots
            else:
                assert reason(host.robots, path, further=(PARTNER,)) == expected, (path, host.robots)
                assert signals(*file.signals(HOST + path)).reason(OptOutPolicy()) == expected


def test_the_maker_of_hosts_makes_all_kinds() -> None:
    """The control: each answer comes often."""
    answers = [answer for seed in range(1000) for answer in make_host(seed).answers.values()]
    reasons = {None, "robots_txt", _USAGE, _SIGNAL, _MEANT, _RSL}
    assert set(answers) == reasons
    assert all(answers.count(each) > 200 for each in reasons)


_LARGE = 10 << 20
_HOSTILE: dict[str, bytes] = {
    "comments": b"#" * _LARGE,
    "blank lines": b"\n" * (_LARGE // 4),
    "one long line": b"User-agent: *\nContent-Usage: " + b"train-ai=n," * (_LARGE // 11),
    "lines that are none": b"a: b\n" * 200_000,
    "groups": b"".join(b"User-agent: b%d\nDisallow: /\nContent-Usage: train-ai=n\n" % n for n in range(10_000)),
    "our group, often": b"User-agent: *\nContent-Usage: /a train-ai=y\nAllow: /\n" * 10_000,
    "names": b"User-agent: mybot\n" * 100_000 + b"Content-Usage: train-ai=n\n" * 100_000,
    "names of others": b"".join(b"User-agent: b%d\n" % n for n in range(100_000)) + b"Disallow: /x\n" * 100_000,
    "rules": b"User-agent: *\n" + b"".join(b"Content-Usage: /%d/ train-ai=n\n" % n for n in range(100_000)),
    "asterisks": b"User-agent: *\n" + (b"Content-Usage: /" + b"*a" * 500 + b"b train-ai=n\n") * 5_000,
    "licences": b"License: https://e.example/\n" * 100_000,
    "words without a colon": b"user agent " * 500_000,
    "zeros": bytes(_LARGE),
}


@pytest.mark.parametrize("body", _HOSTILE.values(), ids=_HOSTILE)
def test_a_file_that_means_harm(body: bytes) -> None:
    """Megabytes of anything are read in seconds, kept small, and asked about in milliseconds."""
    began = time.process_time()
    file = RobotsFile(body, {OWN}, {PARTNER})
    assert time.process_time() - began < 6
    assert len(file.licenses) <= 10
    assert sum(len(group.usage) for group in file.groups) <= 2000
    began = time.process_time()
    for number in range(10):
        file.signals(f"{HOST}/{number}/{'a' * 4000}")
    assert time.process_time() - began < 1


_MANY = [f"User-agent: b{n}" for n in range(1000)]


@pytest.mark.parametrize(
    ("path", "agent", "allowed"),
    [("/x1", "MyBot/1.0", False), ("/y", "MyBot/1.0", True), ("/x1", "Third/1", False), ("/z", "Third/1", True)],
)
@pytest.mark.parametrize("at", [0, 500, 1000])
def test_a_file_with_too_many_names_for_its_rules(at: int, path: str, agent: str, *, allowed: bool) -> None:
    """Scrapy's parser gets it without the names of others, and answers as before for our own and for everybody."""
    rules = [f"Disallow: /x{n}" for n in range(500)]
    lines = [
        *_MANY[:at],
        "User-agent: MyBot",
        "Sitemap: https://a.example/s.xml",
        *_MANY[at:],
        *rules,
        "Crawl-delay: 9",
    ]
    body = "\n".join([*lines, "User-agent: *", "Disallow: /x"]).encode()
    began = time.process_time()
    limited = limit_names(body, ["MyBot/1.0 (+https://mybot.example)", "mybot"])
    parser = Protego.parse(limited.decode())
    assert time.process_time() - began < 0.5
    assert len(limited) < len(body) - 10_000
    assert parser.can_fetch(HOST + path, agent) is allowed
    assert list(parser.sitemaps) == ["https://a.example/s.xml"]


def test_an_ordinary_file_stays_as_it_is() -> None:
    """Byte for byte, with all its names: those of hundreds of bots in one group, and each in a group of its own."""
    together = "\n".join(_MANY[:500]) + "\nDisallow: /\nAllow: /a\n"
    each = "".join(f"{agent}\nDisallow: /\n\n" for agent in _MANY[:500])
    for text in (together, each, together + each + "User-agent: *\n" + "Disallow: /x\n" * 2_000):
        body = text.encode()
        assert limit_names(body, ["mybot"]) is body


@pytest.mark.parametrize("names", [10_000, 200])
def test_names_beyond_measure(names: int) -> None:
    """Parts of our own User-Agent are names that Scrapy's parser takes for ours: fifty of them are kept."""
    agent = "MyBot/" + "x" * 300
    lines = [f"User-agent: {agent[: 1 + n % 300]}" for n in range(names)]
    limited = limit_names("\n".join([*lines, *["Disallow: /x"] * 20_000]).encode(), [agent])
    found = {line for line in limited.split(b"\n") if line.lower().startswith(b"user-agent")}
    assert len(found) == 51


def test_more_rules_than_are_kept() -> None:
    """A no among the rules for which there is no room holds for the whole host: none of them gets lost."""
    many = "".join(f"Content-Usage: /{n}/ train-ai=y\n" for n in range(1000))
    assert reason(_ANY + many, "/late/a") is None
    assert reason(_ANY + many + "Content-Usage: /late/ train-ai=y", "/late/a") is None
    assert reason(_ANY + many + "Content-Usage: /late/ train-ai=n", "/late/a") == _USAGE
    assert reason(_ANY + many + "Content-Signal: /late/ ai-train=no", "/5/a") == _SIGNAL
    assert reason(_ANY + f"Content-Usage: /{'x' * 70_000} train-ai=n", "/a") == _USAGE


@given(st.binary(max_size=400), st.text(max_size=30))
def test_any_file_can_be_read(body: bytes, path: str) -> None:
    """Whatever stands in a file and in an address, there is an answer."""
    file = RobotsFile(b"User-agent: *\n" + body, {OWN}, {PARTNER})
    assert isinstance(file.signals(HOST + "/" + path), tuple)


@pytest.mark.parametrize(
    ("pattern", "length"),
    [("/", 1), ("/a*", 3), ("/a$", 3), ("/*.jpg$", 7), ("a", 2), ("/\u00fc", 7)],
)
def test_how_specific_a_pattern_is(pattern: str, length: int) -> None:
    """Its characters count, as they are sent."""
    assert PathPattern.parse(pattern).length == PathPattern.parse(pattern.encode()).length == length
    assert target_of("nonsense") is None
