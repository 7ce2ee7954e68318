"""Filters: which images make no record although nothing is known against them, by the policy's section ``filters``.

Each filter has one place. Those that need nothing but the page (no text, trackers, sprites, declared sizes) run where
images are extracted; those for text, hosts and language run on every item before its image is fetched; the one for the
size runs on the decoded image. Trackers and sprites are known by their addresses: counting pixels, spacers, and
sprites, which are many pictures in one.
"""

import re
import unicodedata
from collections.abc import Iterable
from typing import Literal, get_args

import re2

from ingest_guard.pages.extract.found import PageImage
from ingest_guard.pages.extract.texts import is_among
from ingest_guard.policy.records import Filters as FilterPolicy
from ingest_guard.urls.hosts import host_of, is_within

Why = Literal[
    "no_text",
    "text_short",
    "text_long",
    "blocked_word",
    "blocked_host",
    "language",
    "small",
    "aspect",
    "tracker",
    "sprite",
    "detected",
]
REASONS: tuple[str, ...] = get_args(Why)
"""Every reason for which an image is filtered out: the last part of the statistic ``filtered/REASON``."""

# Vowel signs, points and joiners belong to the word in which they stand: \w of Python's own patterns ends there.
_WORD = re2.compile(r"[\pL\pM\pN_\x{200c}\x{200d}]+")
# Scripts that put no blanks between words: there, a word is looked for anywhere.
_UNSPACED = re.compile("[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af\uf900-\ufaff]")

# Services that measure visits: those that pages have most often, each with the path of its pixel.
_COUNTERS = re.compile(
    r"https?://(?:[a-z0-9-]+\.)*(?:"
    r"facebook\.com/tr(?:[/?]|$)|google-analytics\.com/|googletagmanager\.com/|doubleclick\.net/|googleadservices\.com/pagead|"
    r"pixel\.wp\.com/|stats\.wp\.com/|scorecardresearch\.com/|quantserve\.com/|bat\.bing\.com/|c\.clarity\.ms/|"
    r"px\.ads\.linkedin\.com/|analytics\.twitter\.com/|t\.co/i/adsct|ct\.pinterest\.com/|mc\.yandex\.ru/|"
    r"counter\.yadro\.ru/|top-fwz1\.mail\.ru/|hm\.baidu\.com/|(?:c|secure)\.statcounter\.com/|hitwebcounter\.com/|"
    r"imrworldwide\.com/|chartbeat\.net/|omtrdc\.net/|2o7\.net/|alexametrics\.com/|s[0-9a-z]*\.histats\.com/|sc\.omtrdc\.net/"
    r")",
    re.IGNORECASE,
)
_COUNTING_PATH = re.compile(r"/(?:matomo|piwik)\.php$|/(?:__utm|beacon|tracking?(?:[-_]?pixel)?)\.gif$", re.IGNORECASE)
_SPACER = re.compile(
    r"/(?:(?:spacer|blank|transparent|clearpixel|clear[-_]?dot|shim|1x1|1px)(?:[-_.]?(?:1x1|1px|pixel|transparent|\d))?|"
    r"(?:pixel|trans|clear|empty|pix)[-_.]?(?:1x1|1px|transparent))\.(?:gif|png)$|"
    r"/(?:pixel|trans|clear|empty|pix)(?:[-_.]?(?:pixel|\d))?\.gif$",
    re.IGNORECASE,
)
"""Words that are names of things as well (a Pixel 2, a clear sky) count in GIFs, or with a size, alone."""
_SHEET = re.compile(r"sprites?[-_]?sheets?", re.IGNORECASE)
_SPRITES = frozenset({"sprite", "sprites"})
_BESIDE_SPRITES = frozenset(
    "bg button buttons common css emoji flag flags footer global header icon icons image images img logo logos main "  # noqa: SIM905
    "map menu min nav payment payments png rating retina site social star stars svg ui".split()
)
_SHEET_TYPES = frozenset({"png", "gif", "webp", "svg", "avif"})
_PART = re.compile(r"[^-_.@ ]+")


class Filters:
    """The filters of one policy."""

    def __init__(self, policy: FilterPolicy) -> None:
        self._policy = policy
        self._words = BlockedWords(policy.blocked_words)
        self._hosts = frozenset(policy.blocked_hosts)

    def of_page_image(self, image: PageImage) -> Why | None:
        """Return why an image that was found on a page is not worth a request, or None."""
        policy = self._policy
        if not image.alt and policy.without_text == "drop":
            return "no_text"
        if policy.trackers and (_is_pixel(image.width, image.height) or is_tracker(image.url)):
            return "tracker"
        if policy.sprites and is_sprite(image.url):
            return "sprite"
        return self._of_sides(image.width, image.height) if policy.declared_size else None

    def of_text(self, url: str, text: str, language: str | None) -> Why | None:
        """Return why an image must not become a record for its address, text or language, or None."""
        policy = self._policy
        if self._hosts and self.blocks_host(url):
            return "blocked_host"
        if len(text) < policy.min_text:
            return "text_short"
        if len(text) > policy.max_text:
            return "text_long"
        if policy.languages:
            if not language and policy.unknown_language == "drop":
                return "language"
            if language and not is_among(language, policy.languages):
                return "language"
        return "blocked_word" if self._words.are_in(text) else None

    def of_size(self, width: int, height: int) -> Why | None:
        """Return why a decoded image must not become a record for its size, pixels, or None."""
        if self._policy.trackers and _is_pixel(width, height):
            return "tracker"
        return self._of_sides(width, height)

    def blocks_host(self, url: str) -> bool:
        """Say whether the host of an address, or a domain above it, is a blocked one."""
        return bool(self._hosts) and is_within(host_of(url), self._hosts)

    def _of_sides(self, width: int | None, height: int | None) -> Why | None:
        policy = self._policy
        if (width is not None and width < policy.min_width) or (height is not None and height < policy.min_height):
            return "small"
        if width and height and policy.max_aspect is not None:
            return "aspect" if max(width, height) > policy.max_aspect * min(width, height) else None
        return None


class BlockedWords:
    """Finds words and phrases in texts: whole words, whatever their case, in time linear in the text."""

    def __init__(self, phrases: Iterable[str]) -> None:
        folded = [_fold(phrase) for phrase in phrases]
        self._anywhere = [phrase.strip() for phrase in folded if _UNSPACED.search(phrase)]
        split = [tuple(_words(phrase)) for phrase in folded if not _UNSPACED.search(phrase)]
        self._phrases = frozenset(each for each in split if each)
        self._lengths = sorted({len(each) for each in self._phrases})

    def are_in(self, text: str) -> bool:
        """Say whether one of them is in a text."""
        if not self._phrases and not self._anywhere:
            return False
        folded = _fold(text)
        if any(_has(folded, each) for each in self._anywhere):
            return True
        words = _words(folded)
        return any(
            tuple(words[at : at + length]) in self._phrases
            for length in self._lengths
            for at in range(len(words) - length + 1)
        )


def _fold(text: str) -> str:
    return unicodedata.normalize("NFKC", text).casefold()


def _words(folded: str) -> list[str]:
    # re2 refuses halves of surrogate pairs, which are no letters.
    found: list[str] = _WORD.findall(folded.encode("utf-8", "replace").decode())
    return found


def _has(folded: str, phrase: str) -> bool:
    """Say whether a phrase is in a text, and ends where a letter ends with all of its signs."""
    at = folded.find(phrase)
    while at >= 0:
        end = at + len(phrase)
        if not unicodedata.category(folded[end : end + 1] or " ").startswith("M"):
            return True
        at = folded.find(phrase, end)
    return False


def _is_pixel(width: int | None, height: int | None) -> bool:
    return (width is not None and width <= 1) or (height is not None and height <= 1)


def is_tracker(url: str) -> bool:
    """Say whether an address is that of a counting pixel or a spacer, as far as an address can show it."""
    path = url.partition("?")[0]
    return bool(_COUNTERS.match(url) or _COUNTING_PATH.search(path) or _SPACER.search(path))


def is_sprite(url: str) -> bool:
    """Say whether the name of a file says that it is a sheet of icons, and nothing else."""
    name = url.partition("?")[0].rpartition("/")[2].lower()
    parts = _PART.findall(name)
    if _SHEET.search(name):
        return True
    if len(parts) < 2 or parts[-1] not in _SHEET_TYPES or not _SPRITES.intersection(parts):  # noqa: PLR2004 - a name, a type
        return False
    others = (part for part in parts[:-1] if part not in _SPRITES and not any(letter.isdigit() for letter in part))
    return all(part in _BESIDE_SPRITES for part in others)
