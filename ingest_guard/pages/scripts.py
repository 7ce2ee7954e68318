r"""Scripts and JSON: the strings in them, with their escapes undone.

JSON goes to :mod:`json`. Of JavaScript only the lexical grammar is followed (https://tc39.es/ecma262/#sec-literals):
comments, regular expressions, string literals, and templates with programs in them. Literals that ``+`` joins are one
string. What a program computes is not known.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, Final

from ingest_guard.imaging.sniffing.patterns import linear
from ingest_guard.pages.findings import EMBEDDED, Kind, Piece
from ingest_guard.pages.may_hold import may_hold
from ingest_guard.pages.strings import may_hold_base64, split_string

_STRING: Final = rb"(?:\"\")+|(?:'')+|\"(?:[^\"\\\n]|\\(?s:.))*\"?|'(?:[^'\\\n]|\\(?s:.))*'?"
_COMMENT: Final = rb"//[^\n]*|/\*(?:[^*]|\*+[^*/])*(?:\*+/|\*?\z)"
_REGEX: Final = (
    rb"(?:[=(,:;!&|?{\[+\-*%^~<>]|\b(?:return|typeof|case|in|of|do|else|void|delete)\b)[ \t\r\n]*"
    rb"/(?:[^/*\\\n\[]|\\[^\n]|\[(?:[^\]\\\n]|\\[^\n])*\])(?:[^/\\\n\[]|\\[^\n]|\[(?:[^\]\\\n]|\\[^\n])*\])*/"
)
_CODE: Final = linear(_COMMENT + rb"|" + _STRING + rb"|`|" + _REGEX)
_CODE_IN_TEMPLATE: Final = linear(_COMMENT + rb"|" + _STRING + rb"|[`{}]|" + _REGEX)
_TEMPLATE: Final = linear(rb"(?:[^`\\$]|\\(?s:.)|\$+[^{`$\\])*")
_JOINT: Final = linear(rb"^(?:[ \t\r\n+]|" + _COMMENT + rb")*$")
_JOINED: Final = linear(rb"[\"'`](?:[ \t\r\n]|" + _COMMENT + rb")*\+(?:[ \t\r\n+]|" + _COMMENT + rb")*[\"'`]")
"""The end of one literal, ``+``, and the beginning of the next, whatever their quotes."""
_LONGEST_JOINT: Final = 1 << 12
_ESCAPE: Final = re.compile(
    r"\\(?:u\{0*([0-9A-Fa-f]{1,6})\}|u([0-9A-Fa-f]{4})|x([0-9A-Fa-f]{2})|([0-3]?[0-7]{1,2})|(\r\n|.)|)", re.DOTALL
)
_CONTROLS: Final = {"n": "\n", "r": "\r", "t": "\t", "v": "\v", "b": "\b", "f": "\f"} | dict.fromkeys(
    ("\n", "\r", "\r\n", "\u2028", "\u2029"), ""
)
_LAST: Final = 0x10FFFF
_SHORTEST: Final = len("data:,")
_SHORTEST_BASE64: Final = 20
_SIGNS: Final = linear(rb"[:\\&%]")
"""One of these is in every ``data:`` URL, however it is spelt."""
_MOST_LITERALS: Final = 200_000
"""A program of 1 MB has some 30,000; each takes 8 microseconds."""
_MANY_BYTES: Final = 64
_LARGEST_BYTE: Final = 255


def read_script(text: str, *, is_shown: bool = True) -> Iterator[Piece]:
    """Yield what the literals of a program hold; what lies beyond the first 200,000 is a doubt."""
    code = text.encode("utf-8", "surrogatepass")
    seen: set[tuple[bytes, bool]] = set()
    for number, (literal, is_cut) in enumerate(_literals(code)):
        if number >= _MOST_LITERALS:
            yield Piece(Kind.DOUBT, EMBEDDED, is_shown=is_shown)
            break
        if not _SIGNS.search(literal) and len(literal) < _SHORTEST_BASE64:
            continue
        if (literal, is_cut) in seen:
            continue
        seen.add((literal, is_cut))
        if may_hold(literal) or may_hold_base64(literal.replace(b"\\/", b"/")):
            value = undo_escapes(literal.decode("utf-8", "surrogatepass"))
            yield from split_string(value, is_shown=is_shown, is_cut=is_cut)
    yield from _between_quotes(text)
    joined = _JOINED.sub(b"", code)
    if len(joined) < len(code):
        yield from _between_quotes(joined.decode("utf-8", "surrogatepass"))


def _between_quotes(text: str) -> Iterator[Piece]:
    """Yield what stands between any two quotes: where a slash was mistaken, what was taken for literals is not."""
    for quote in "\"'`":
        for part in dict.fromkeys(text.split(quote)):
            if len(part) >= _SHORTEST and any(sign in part for sign in ":\\&%") and may_hold(part):
                yield from split_string(undo_escapes(part), is_shown=False)


def undo_escapes(literal: str) -> str:
    """Return the value of a literal that is given without its quotes."""
    return _ESCAPE.sub(_character, literal) if "\\" in literal else literal


def _character(match: re.Match[str]) -> str:
    wide, four, two, octal, plain = match.groups()
    if plain is not None:
        return _CONTROLS.get(plain, plain)
    if octal is not None:
        return chr(int(octal, 8))
    number = int(wide or four or two or "0", 16)
    return chr(number) if 0 < number <= _LAST else "\ufffd"


def _literals(code: bytes) -> Iterator[tuple[bytes, bool]]:
    """Yield the bodies of string and template literals, joined where ``+`` joins them, and whether each is cut off."""
    joined: list[bytes] = []
    last = 0
    for start, end, body, is_cut in _tokens(code):
        between = code[last:start] if start - last < _LONGEST_JOINT else b"x"
        if joined and not (b"+" in between and _JOINT.search(between)):
            yield b"".join(joined), False
            joined = []
        joined.append(body)
        last = end
        if is_cut:
            yield b"".join(joined), True
            joined = []
    if joined:
        yield b"".join(joined), False


def _tokens(code: bytes) -> Iterator[tuple[int, int, bytes, bool]]:
    at = 0
    depths: list[int] = []  # open braces of each program inside a template
    while True:
        match = (_CODE_IN_TEMPLATE if depths else _CODE).search(code, at)
        if match is None:
            return
        start, at = match.span()
        first = code[start : start + 1]
        if first in {b'"', b"'"}:
            is_closed = at - start > 1 and code[at - 1 : at] == first
            body = code[start + 1 : at - 1 if is_closed else at]
            # Several empty strings are one token; only those have their own quote in them unescaped.
            yield start, at, body if body.strip(first) else b"", not is_closed and at >= len(code)
        elif first == b"{" and depths:  # with a regular expression behind it, or without
            depths[-1] += 1
        elif at - start == 1 and first == b"}" and depths[-1]:
            depths[-1] -= 1
        elif at - start == 1 and first in {b"`", b"}"}:
            if first == b"}":
                depths.pop()
            begin = at
            at, is_open = _template_end(code, at)
            if is_open:
                depths.append(0)
            close = at - (2 if is_open else 1)
            is_cut = at > len(code)
            yield start, min(at, len(code)), code[begin : len(code) if is_cut else close], is_cut


def _template_end(code: bytes, at: int) -> tuple[int, bool]:
    """Return where a template, or a part of one, ends, and whether a program follows; past the end: it is cut off."""
    while True:
        match = _TEMPLATE.match(code, at)
        at = match.end() if match else at
        mark = code[at : at + 1]
        if not mark or mark == b"\\":
            return len(code) + 1, False
        if mark == b"`":
            return at + 1, False
        dollars = len(code[at : at + _LONGEST_JOINT]) - len(code[at : at + _LONGEST_JOINT].lstrip(b"$"))
        at += dollars
        if code[at : at + 1] == b"{":
            return at + 1, True


def read_json(text: str, *, is_shown: bool = True, is_cut: bool = False) -> Iterator[Piece]:
    """Yield what the strings of a JSON text hold; what is no JSON, or is too deep, is read as a script."""
    try:
        waiting: list[Any] = [
            json.loads(text.lstrip("\ufeff"), object_pairs_hook=_Pairs, parse_int=_small, parse_float=_nothing)
        ]
    except (ValueError, RecursionError):
        for piece in read_script(text, is_shown=is_shown):
            yield piece._replace(is_cut=is_cut) if is_cut else piece
        return
    while waiting:
        node = waiting.pop()
        if isinstance(node, str):
            if may_hold(node) or may_hold_base64(node):
                yield from split_string(node, is_shown=is_shown, is_cut=is_cut)
        elif isinstance(node, _Pairs):
            for pair in node:
                waiting.extend(pair)
        elif isinstance(node, list):
            if len(node) >= _MANY_BYTES and all(type(item) is int and 0 <= item <= _LARGEST_BYTE for item in node):
                yield Piece(Kind.BYTES, bytes(node).decode("latin-1"), is_shown=False)
            else:
                waiting.extend(node)
                yield from _joined_lines(node)


def _joined_lines(node: list[Any]) -> Iterator[Piece]:
    """Yield what a list of strings holds as one text: notebooks (nbformat) keep pictures as lists of lines."""
    if len(node) > 1 and all(type(item) is str for item in node):
        text = "".join(node)
        if may_hold(text) or may_hold_base64(text):
            yield from split_string(text, is_shown=False)


class _Pairs(list[tuple[str, Any]]):
    """The members of an object, equal names included."""


def _small(number: str) -> int:
    return int(number) if len(number) <= 3 else -1  # noqa: PLR2004 - a byte has no more digits


def _nothing(number: str) -> None:
    del number
