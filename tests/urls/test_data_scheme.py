from __future__ import annotations

import time

import pytest

from ingest_guard.scrapy_plugin.core.redaction import WITHHELD, redact
from ingest_guard.urls.data_scheme import begins_data_url, is_data_url, quotes_data_url, redact_data_urls

BODY = "image/png;base64,iVBORw0KGgoAAAANSUhEUg=="


@pytest.mark.parametrize("scheme", ["data:", "DATA:", "Data:", "dAta:", "daTA:"])
def test_no_spelling_of_a_data_url_reaches_a_log_line(scheme: str) -> None:
    """The case of the scheme does not matter, and the rest of the line stays."""
    line = f"Crawled (200) <GET {scheme}{BODY}> (referer: None)"
    assert redact(line) == f"Crawled (200) <GET data:{WITHHELD}> (referer: None)"


@pytest.mark.parametrize("line", ["metadata: a, b", "data:", "the data: none", "big data, small data", ""])
def test_lines_that_talk_about_data_stay(line: str) -> None:
    """Where no body follows the colon, there is no URL."""
    assert redact_data_urls(line, "x") == line


def test_every_data_url_of_a_line_goes() -> None:
    """Several of them, quoted or not, each up to what ends it."""
    assert (
        redact_data_urls("'data:,a' data:text/html,b\tdata:c \"dAtA:;x,y\"", "-")
        == "'data:-' data:-\tdata:c \"data:-\""
    )


@pytest.mark.parametrize("url", ["data:,x", "DATA:,x", " data:,x", "\x00d\na\tt\ra:,x", "dAta:image/png;base64,AAAA"])
def test_what_a_browser_takes_for_a_data_url_is_one(url: str) -> None:
    """Blanks before it, tabs and line breaks inside the scheme, and any case."""
    assert is_data_url(url)


@pytest.mark.parametrize("url", ["http://data:80/", "xdata:,x", "data", "https://example.org/data:,x", ""])
def test_other_urls_are_none(url: str) -> None:
    """Only the scheme counts."""
    assert not is_data_url(url)


def test_prose_about_data_is_no_url() -> None:
    """A value of an item that begins with the word is none, and a text that quotes one with its type has one."""
    assert not begins_data_url("Data: collected in 2019, cleaned in 2020")
    assert begins_data_url(" dAta:image/png;base64,AAAA")
    assert not quotes_data_url(b"the data: images, texts")
    assert quotes_data_url(b"see data:image/png;base64,AAAA")
    assert quotes_data_url(b" data:,x")


@pytest.mark.parametrize("line", ["a" * 65536, "a://" * 20000, "data:;" * 20000, "data:" * 20000, "://" * 20000])
def test_hostile_log_lines_take_no_time(line: str) -> None:
    """A line of 64 kB is rewritten at once; patterns that try every start take 20 seconds."""
    began = time.process_time()
    redact(line, every_url=True)
    assert time.process_time() - began < 1
