"""What an ai.txt says about an address."""

from __future__ import annotations

import hashlib
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest_guard.dataset.optouts.ai_txt import NO_FILE, parse_file

HOST = "https://media.example"
SPAWNING = b"""# Spawning AI
# Prevent datasets from using the following file types

User-Agent: *
Disallow: *.txt
Disallow: *.jpg
Allow: *.png
Disallow: /
Disallow: *
"""
TYPES = b"User-Agent: *\nDisallow: *.jpg\nDisallow: *.webp$\nAllow: /free/\n"


def said(body: bytes, path: str, *names: str, further: tuple[str, ...] = ()) -> tuple[str, str] | None:
    """Return what a file says of a path: the decision, and the line."""
    file = parse_file(body, names, further)
    signal = None if file is None else file.signal(HOST + path)
    if signal is None:
        return None
    assert (signal.source, signal.name) == ("ai.txt", "ai_txt")
    assert signal.digest == hashlib.sha256(body).hexdigest()
    return signal.decision, signal.said


@pytest.mark.parametrize(
    ("body", "path", "expected"),
    [
        (SPAWNING, "/a.jpg", ("no", "Disallow: *.jpg")),
        (SPAWNING, "/a.png", ("yes", "Allow: *.png")),
        (SPAWNING, "/a.gif", ("no", "Disallow: /")),
        (b"User-Agent: *\nDisallow: *\n", "/", ("no", "Disallow: *")),
        (TYPES, "/a.jpg", ("no", "Disallow: *.jpg")),
        (TYPES, "/A.JPG", ("no", "Disallow: *.jpg")),
        (TYPES, "/a.jpg?width=100", ("no", "Disallow: *.jpg")),
        (TYPES, "/a.webp", ("no", "Disallow: *.webp$")),
        (TYPES, "/a.webp?x", None),
        (TYPES, "/free/a.png", ("yes", "Allow: /free/")),
        (TYPES, "/a.jpeg", None),
        (TYPES, "/", None),
        (b"User-Agent: *\nAllow: /a/\nDisallow: /\n", "/a/b.jpg", ("yes", "Allow: /a/")),
        (b"User-Agent: *\nAllow: *.jpg\nDisallow: *.jpg\n", "/b.jpg", ("no", "Disallow: *.jpg")),
        (b"User-Agent: *\nDisallow:\n", "/b.jpg", None),
        (b"Disallow: *.jpg\n", "/b.jpg", ("no", "Disallow: *.jpg")),
        (b"\xef\xbb\xbfUSER-AGENT : *\r\ndisallow : *.jpg # all\r\n", "/b.jpg", ("no", "Disallow: *.jpg")),
        (b"User-Agent: *\n\nDisallow: /%C3%A4*.jpg\n", "/\xe4b.jpg", ("no", "Disallow: /%C3%A4*.jpg")),
        (b"", "/b.jpg", None),
        (b"# A site about gardens\n\nAllowed uses: all\n", "/b.jpg", None),
        (b" <!doctype html><p>Disallow: /", "/b.jpg", None),
    ],
)
def test_what_rules_say(body: bytes, path: str, expected: tuple[str, str] | None) -> None:
    """The longest rule that matches counts; of equal ones, a no. Capitals do not matter, and pages are no file."""
    assert said(body, path) == expected


@pytest.mark.parametrize(
    ("names", "further", "expected"),
    [
        ((), (), "no"),
        (("mybot",), (), "yes"),
        (("otherbot",), (), "no"),
        (("mybot",), ("friend",), "no"),
        ((), ("mybot",), "no"),
    ],
)
def test_groups_that_count(names: tuple[str, ...], further: tuple[str, ...], expected: str) -> None:
    """As in robots.txt: our own group, else that for everybody, beside those of the policy's further names."""
    body = b"User-agent: *\nDisallow: /\n\nUser-agent: mybot\nAllow: /\n\nUser-agent: friend\nDisallow: *.jpg\n"
    found = said(body, "/a.jpg", *names, further=further)
    assert found is not None
    assert found[0] == expected


def test_no_file_says_nothing() -> None:
    """Nor does a file about an address that is none."""
    assert NO_FILE.signal(f"{HOST}/a.jpg") is None
    file = parse_file(SPAWNING, ())
    assert file is not None
    assert file.signal("https://[broken") is None


def test_more_rules_than_are_read() -> None:
    """A Disallow for which there is no room holds for the whole host; an Allow does not."""
    rules = b"".join(b"Disallow: /%040d/\n" % number for number in range(3000))
    assert said(b"User-agent: *\n" + rules, "/a.jpg") == ("no", f"Disallow: /{1560:040}/")
    assert said(b"User-agent: *\n" + rules.replace(b"Disallow", b"Allow"), "/a.jpg") is None
    assert said(b"User-agent: *\n" + rules[:1000], "/a.jpg") is None


@pytest.mark.parametrize(
    "rule", [b"Disallow: *a*a*a*a*a*a*a*a*b\n", b"Allow: /\n", b"Disallow: " + b"*" * 60_000 + b"b\n"]
)
def test_hostile_files_take_little_time(rule: bytes) -> None:
    """256 KiB, as many as are fetched, are read in less than a second, and each address in less than that."""
    body = (b"User-agent: *\n" + rule * (1 + (256 << 10) // len(rule)))[: 256 << 10]
    started = time.process_time()
    said(body, "/" + "a" * 4000)
    assert time.process_time() - started < 5


@given(st.binary(max_size=300), st.text(max_size=30))
def test_no_bytes_make_it_raise(body: bytes, path: str) -> None:
    """Whatever a host has in place of the file."""
    said(b"User-agent: *\nDisallow: " + body, "/" + path)
    said(body, "/a.jpg")
