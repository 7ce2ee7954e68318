"""Filters: which images make no record although nothing is known against them, by the policy's section ``filters``.

Each has one place. What a page alone can tell (no text, trackers, sprites, declared sizes) is asked where images are
extracted; text, hosts and language are asked of every item before its image is fetched; the size is asked of the
decoded image.
"""

from __future__ import annotations

import re
import unicodedata
from typing import TYPE_CHECKING, Literal, get_args

from ingest_guard.dataset.extract.languages import is_among
from ingest_guard.dataset.records.pixels import is_sprite, is_tracker
from ingest_guard.urls.hosts import host_of, is_within

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ingest_guard.dataset.extract.found import PageImage
    from ingest_guard.policy.extract import Filters as FilterPolicy

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
]
REASONS: tuple[str, ...] = get_args(Why)
"""Every reason for which an image is filtered out: the last part of the statistic ``filtered/REASON``."""

_WORD = re.compile(r"\w+")
# Scripts that put no blanks between words: there, a word is looked for anywhere.
_UNSPACED = re.compile("[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af\uf900-\ufaff]")


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
        """Tell whether the host of an address, or a domain above it, is a blocked one."""
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
        folded = [_folded(phrase) for phrase in phrases]
        self._anywhere = [phrase.strip() for phrase in folded if _UNSPACED.search(phrase)]
        split = [tuple(_WORD.findall(phrase)) for phrase in folded if not _UNSPACED.search(phrase)]
        self._phrases = frozenset(each for each in split if each)
        self._lengths = sorted({len(each) for each in self._phrases})

    def are_in(self, text: str) -> bool:
        """Tell whether one of them is in a text."""
        if not self._phrases and not self._anywhere:
            return False
        folded = _folded(text)
        if any(each in folded for each in self._anywhere):
            return True
        words = _WORD.findall(folded)
        return any(
            tuple(words[at : at + length]) in self._phrases
            for length in self._lengths
            for at in range(len(words) - length + 1)
        )


def _folded(text: str) -> str:
    return unicodedata.normalize("NFKC", text).casefold()


def _is_pixel(width: int | None, height: int | None) -> bool:
    return (width is not None and width <= 1) or (height is not None and height <= 1)
