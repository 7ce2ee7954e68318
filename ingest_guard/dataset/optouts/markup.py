"""The ``meta`` elements of a page, without building a tree: names and contents, in linear time.

What is commented out does not count, nor what stands inside of a script, a style sheet or another element whose content
is text. ``noscript`` counts: a crawler runs no scripts.
"""

import html
import re
from collections.abc import Iterator

from ingest_guard.imaging.sniffing.text import utf16

_LIMIT = 1 << 19
_LONGEST_NAME = 128
_LONGEST_CONTENT = 4096
_TEXTS = ("script", "style", "textarea", "title", "xmp", "iframe", "noembed", "noframes")
_OPENING = re.compile(rf"<(?:!--|meta(?=[\s/>])|({'|'.join(_TEXTS)})(?=[\s/>]))", re.IGNORECASE)
_CLOSING = {name: re.compile(rf"</{name}(?=[\s/>])", re.IGNORECASE) for name in _TEXTS}
_BLANK = re.compile(r"[\s/]*")
_NAME = re.compile(r"[^\s/>][^\s/>=]*")
_EQUALS = re.compile(r"\s*=\s*")
_BARE = re.compile(r"[^\s>]*")


def meta_elements(body: bytes) -> Iterator[tuple[str, str]]:
    """Yield name and content of each ``meta`` element in the first 512 KiB of a page.

    Names are in lower case; ``http-equiv`` stands for a name. Elements without either, or without content, are left
    out.
    """
    text = _decode(body[:_LIMIT])
    # Nearly all of them stand in the head: the tags behind the last one need no look.
    last = text.lower().rfind("<meta")
    at = 0
    while at <= last and (opening := _OPENING.search(text, at)) is not None:
        at = opening.end()
        if opening[1]:
            closing = _CLOSING[opening[1].lower()].search(text, at)
            if closing is None:
                return
            at = closing.end()
        elif opening[0] == "<!--":
            # ``<!-->`` is a whole comment.
            at = text.find("-->", at - 2)
            if at < 0:
                return
            at += 3
        else:
            attributes, at = _attributes(text, at)
            if at < 0:
                return
            name = attributes.get("name") or attributes.get("http-equiv") or ""
            content = attributes.get("content") or ""
            if name and content and len(name) <= _LONGEST_NAME:
                yield _value(name).lower(), _value(content)


def _decode(body: bytes) -> str:
    """Return the markup; what is not ASCII may come out wrong, as no name and no rule has any of it."""
    if b"\0" in body[:64]:
        return utf16(body) or ""
    return body.decode("latin-1")


def _value(text: str) -> str:
    return html.unescape(text[:_LONGEST_CONTENT]).strip()


def _attributes(text: str, at: int) -> tuple[dict[str, str], int]:
    """Return a tag's attributes and where it ends; -1 where it does not, and so takes the rest of the page along."""
    found: dict[str, str] = {}
    while True:
        at = _match(_BLANK, text, at)
        if at >= len(text):
            return found, -1
        if text[at] == ">":
            return found, at + 1
        end = _match(_NAME, text, at)
        name, at = text[at:end].lower(), end
        value = ""
        if (equals := _EQUALS.match(text, at)) is not None:
            at = equals.end()
            quote = text[at : at + 1]
            if quote and quote in "\"'":
                end = text.find(quote, at + 1)
                if end < 0:
                    return found, -1
                value, at = text[at + 1 : end], end + 1
            else:
                end = _match(_BARE, text, at)
                value, at = text[at:end], end
                if text[end : end + 1] == ">":
                    value = value.removesuffix("/")  # not after the standard, but after what is meant
        found.setdefault(name, value)


def _match(pattern: re.Pattern[str], text: str, at: int) -> int:
    match = pattern.match(text, at)
    return match.end() if match else at
