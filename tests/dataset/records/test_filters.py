from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest_guard.dataset.records.filters import REASONS, BlockedWords, Filters, is_sprite, is_tracker
from ingest_guard.pages.extract.found import PageImage
from ingest_guard.policy.records import Filters as Policy


def on_page(**facts: Any) -> PageImage:
    """Return an image as a page shows it."""
    whole = {
        "url": "http://h/a.jpg",
        "alt": "text",
        "alt_source": "alt",
        "language": None,
        "width": None,
        "height": None,
    }
    return PageImage(**{**whole, "place": "img", "candidates": (), **facts})


def why_on_page(policy: dict[str, Any], **facts: Any) -> str | None:
    """Return why an image of a page is left out."""
    return Filters(Policy(**policy)).of_page_image(on_page(**facts))


def why_text(
    text: str = "some text", language: str | None = None, url: str = "http://h/a.jpg", **policy: Any
) -> str | None:
    """Return why a text is left out."""
    return Filters(Policy(**policy)).of_text(url, text, language)


def test_the_defaults_leave_out_little() -> None:
    """Images without text, trackers, sprites, and what is no caption any more by its length."""
    assert why_on_page({}) is None
    assert why_on_page({}, alt="") == "no_text"
    assert why_on_page({}, width=1, height=1) == "tracker"
    assert why_on_page({}, url="http://h/sprite.png") == "sprite"
    assert why_on_page({}, width=2, height=2) is None
    assert why_text("x" * 10_001) == "text_long"
    assert why_text("") is None
    assert Filters(Policy()).of_size(2, 5000) is None


def test_each_can_be_switched_off() -> None:
    """Then nothing is left out."""
    off = {"without_text": "keep", "trackers": False, "sprites": False}
    assert why_on_page(off, alt="", width=0, url="http://h/sprite.png") is None
    assert Filters(Policy(trackers=False)).of_size(1, 1) is None


@pytest.mark.parametrize(
    ("width", "height", "why"),
    [
        (99, 200, "small"),
        (200, 49, "small"),
        (100, 50, None),
        (500, 100, "aspect"),
        (100, 400, None),
        (1, 9, "tracker"),
    ],
)
def test_sizes(width: int, height: int, why: str | None) -> None:
    """Of the decoded image; of the declared one only where the policy trusts the page."""
    sizes = {"min_width": 100, "min_height": 50, "max_aspect": 4}
    assert Filters(Policy(**sizes)).of_size(width, height) == why
    assert why_on_page({**sizes, "declared_size": True}, width=width, height=height) == why
    if why != "tracker":
        assert why_on_page(sizes, width=width, height=height) is None


def test_a_side_that_is_not_declared_is_not_held_against_an_image() -> None:
    """Unknown is not small."""
    policy = {"min_width": 100, "min_height": 50, "max_aspect": 4, "declared_size": True}
    assert why_on_page(policy) is None
    assert why_on_page(policy, width=120) is None
    assert why_on_page(policy, height=40) == "small"


def test_length_of_texts() -> None:
    """Characters, both bounds included."""
    assert why_text("abc", min_text=4) == "text_short"
    assert why_text("abcd", min_text=4, max_text=4) is None
    assert why_text("abcde", max_text=4) == "text_long"


@pytest.mark.parametrize(
    ("language", "why"),
    [
        ("en", None),
        ("en-GB", None),
        ("EN", None),
        ("pt-BR", None),
        ("pt", "language"),
        ("eng", "language"),
        (None, None),
    ],
)
def test_languages(language: str | None, why: str | None) -> None:
    """An allowed language covers its regions; texts of no known language pass unless the policy drops them."""
    assert why_text(language=language, languages=("en", "pt-br")) == why
    dropped = why_text(language=language, languages=("en", "pt-br"), unknown_language="drop")
    assert dropped == (why if language else "language")


@pytest.mark.parametrize(
    ("url", "blocked"),
    [
        ("http://ads.example/a.jpg", True),
        ("https://user@cdn.ADS.example:8080/a.jpg", True),
        ("http://ads.example.:80?x", True),
        ("http://bads.example/a.jpg", False),
        ("http://h/ads.example", False),
        ("nonsense", False),
    ],
)
def test_hosts(url: str, *, blocked: bool) -> None:
    """A host, and all below it."""
    assert why_text(url=url, blocked_hosts=("Ads.example",)) == ("blocked_host" if blocked else None)


def test_hosts_in_their_own_letters() -> None:
    """Both sides are the host that browsers ask for."""
    for host in ("b\u00fccher.example", "xn--bcher-kva.example"):
        assert why_text(url=f"http://a.{host}/x", blocked_hosts=("B\u00dcCHER.example",)) == "blocked_host"
    assert why_text(url="http://strasse.example/", blocked_hosts=("stra\u00dfe.example",)) is None
    assert why_text(url="http://a.example/", blocked_hosts=("example",)) == "blocked_host"


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("A BAD word", True),
        ("badly", False),
        ("bad-tempered", True),
        ("very   Bad\nthing", True),
        ("two, words", True),
        ("words two", False),
        ("\uff22\uff21\uff24", True),
        ("STRASSE", True),
        ("これは禁止語です", True),
        ("", False),
    ],
)
def test_words(text: str, *, found: bool) -> None:
    """Whole words and phrases, whatever their case and width; anywhere in scripts that put no blanks between words."""
    assert BlockedWords(["bad", "two words", "straße", "禁止語", "!!"]).are_in(text) is found
    assert why_text(text, blocked_words=("bad", "two words", "straße", "禁止語")) == ("blocked_word" if found else None)
    assert not BlockedWords([]).are_in(text)


@pytest.mark.parametrize(
    ("word", "longer"),
    [
        ("\u0939\u093f\u0928\u094d\u0926\u0940", "\u0939\u093f\u0928\u094d\u0926\u0940\u092d\u093e\u0937\u0940"),
        ("\u0915", "\u0915\u093f"),
        ("\u0643\u062a\u0628", "\u0643\u064e\u062a\u064e\u0628\u064e"),
        ("\u0ba4\u0bae\u0bbf\u0bb4\u0bcd", "\u0ba4\u0bae\u0bbf\u0bb4\u0bcd\u0ba8\u0bbe\u0b9f\u0bc1"),
        ("\u0e01", "\u0e01\u0e34\u0e19"),
        ("\u05e9\u05dc\u05d5\u05dd", "\u05e9\u05c1\u05b8\u05dc\u05d5\u05b9\u05dd"),
        ("\u0645\u06cc", "\u0645\u06cc\u200c\u0631\u0648\u0645"),
        ("cafe", "cafe\u0323"),
    ],
)
def test_signs_belong_to_their_word(word: str, longer: str) -> None:
    """A word with vowel signs, points or joiners is one word, and no other word begins or ends inside it."""
    assert BlockedWords([word]).are_in(f"x {word}, y")
    assert BlockedWords([longer]).are_in(f"x {longer}, y")
    assert not BlockedWords([word]).are_in(f"x {longer} y")


def test_half_a_pair_of_surrogates_is_no_letter() -> None:
    """It ends a word, and is no error."""
    assert BlockedWords(["bad"]).are_in("\ud800bad")


@given(st.text(max_size=60), st.lists(st.text(min_size=1, max_size=6), max_size=5))
def test_no_text_is_an_error(text: str, words: list[str]) -> None:
    """Any words, any text; a text of the words alone has them."""
    blocked = BlockedWords(words)
    assert blocked.are_in(text) in {True, False}
    for word in words:
        if word.isalpha() and word.isascii():
            assert blocked.are_in(f"{text} {word} {text}")


@pytest.mark.parametrize(
    "url",
    [
        "https://www.facebook.com/tr?id=1&ev=PageView",
        "http://b.scorecardresearch.com/p?c1=2",
        "https://mc.yandex.ru/watch/1",
        "https://h/matomo.php?idsite=1",
        "https://h/img/spacer.gif",
        "https://h/img/1x1.png?v=2",
        "https://h/clear-dot.gif",
        "https://h/pixel_1.gif",
        "https://h/pixel-1x1.png",
        "https://c.statcounter.com/1/0/a/1/",
        "https://www.facebook.com/tr/?id=1",
        "https://h/__utm.gif?x",
    ],
)
def test_trackers(url: str) -> None:
    """Counters that pages have most often, and spacers."""
    assert is_tracker(url)


@pytest.mark.parametrize(
    "url",
    [
        "https://h/facebook.com/tr.jpg",
        "https://h/pixel-art.png",
        "https://h/pixel.jpg",
        "https://h/blank-page.gif",
        "https://h/transparent-frog.png",
        "https://notfacebook.com/tr/a.jpg",
        "https://h/spacer.gif/real.jpg",
        "https://h/pixel-2.png",
        "https://h/clear.png",
        "https://www.facebook.com/tr-photos/a.jpg",
        "https://statcounter.com/images/chart.png",
        "https://h/logo.png",
        "https://h/image.jpg",
    ],
)
def test_what_is_no_tracker(url: str) -> None:
    """Names that only look like one."""
    assert not is_tracker(url)


def test_sprites() -> None:
    """By the name of the file, as a word of its own."""
    assert all(map(is_sprite, ["http://h/sprite.png", "http://h/icons-sprite.png", "http://h/sprites_2.gif"]))
    assert all(map(is_sprite, ["http://h/spritesheet.png", "http://h/flag.sprites.png?v=1"]))
    assert all(
        map(is_sprite, ["http://h/sprite@2x.png", "http://h/sprite.3fa9c1.svg", "http://h/social_sprite_v2.webp"])
    )
    assert not any(map(is_sprite, ["http://h/sprite/can.jpg", "http://h/spritely.jpg", "http://h/Lemonsprite.jpg"]))


@pytest.mark.parametrize(
    "name", ["sprite.jpg", "bottle-of-sprite.png", "water_sprite.gif", "sprite-can.webp", "sprite"]
)
def test_a_picture_whose_name_has_the_word_is_no_sheet(name: str) -> None:
    """A bottle, or a spirit."""
    assert not is_sprite(f"http://h/{name}")


@pytest.mark.parametrize(
    "text", ["The logo of a club", "image", "An icon of the 14th century", "A placeholder in a car"]
)
def test_a_text_is_not_judged_by_its_words(text: str) -> None:
    """Words such as logo and image make no text less of one."""
    assert why_on_page({}, alt=text) is None
    assert why_text(text) is None


def test_the_reasons_are_a_closed_list() -> None:
    """Statistics name these and no others."""
    assert len(REASONS) == len(set(REASONS)) == 11
