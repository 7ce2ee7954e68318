"""Charsets of pages, and the ways in which a page says or does not say which one it is in."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import random

_WORDS: Final = {
    "western": "Grüße, déjà vu, señor",
    "russian": "Доброе утро, это страница",
    "greek": "Καλημέρα, αυτή είναι η σελίδα",
    "japanese": "表示のソースコードは、能力の申請です",
    "chinese": "这是一个网页, 许多图片",
    "korean": "안녕하세요 이것은 페이지입니다",
    "ascii": "plain words",
}
_LATE: Final = 1200
"""Bytes of a comment that pushes a declaration beyond the first 1,024."""


@dataclass(frozen=True)
class Sent:
    """How a page is encoded and declared.

    Attributes
    ----------
    codec
        Python's name.
    label
        What is declared; empty where nothing is.
    where
        ``header``, ``meta``, ``http-equiv``, ``late``, ``xml`` or nothing.
    words
        Which of the sample words stand in the page.
    mark
        Bytes before the page.
    """

    codec: str
    label: str = ""
    where: str = ""
    words: str = "western"
    mark: bytes = b""


CHARSETS: Final = {
    "utf-8 header": Sent("utf-8", "utf-8", "header", "japanese"),
    "utf-8 meta": Sent("utf-8", "UTF8", "meta", "russian"),
    "utf-8 late": Sent("utf-8", "utf-8", "late", "greek"),
    "utf-8 mark": Sent("utf-8", "windows-1252", "header", "chinese", b"\xef\xbb\xbf"),
    "nothing, ascii": Sent("ascii", words="ascii"),
    "utf-16le mark": Sent("utf-16-le", "", "", "japanese", b"\xff\xfe"),
    "utf-16be mark": Sent("utf-16-be", "utf-8", "header", "western", b"\xfe\xff"),
    "utf-16le header": Sent("utf-16-le", "utf-16", "header", "russian"),
    "utf-16be header": Sent("utf-16-be", "utf-16be", "header", "western"),
    "utf-16 meta": Sent("utf-8", "utf-16le", "meta", "western"),
    "utf-16 nothing": Sent("utf-16-le", "", "", "western"),
    "windows-1251 header": Sent("cp1251", "windows-1251", "header", "russian"),
    "windows-1251 meta": Sent("cp1251", "cp1251", "http-equiv", "russian"),
    "windows-1251 nothing": Sent("cp1251", "", "", "russian"),
    "windows-1252 meta": Sent("cp1252", "iso-8859-1", "meta"),
    "windows-1252 nothing": Sent("cp1252"),
    "windows-1253 late": Sent("cp1253", "windows-1253", "late", "greek"),
    "windows-1254 header": Sent("cp1254", "iso-8859-9", "header"),
    "shift_jis header": Sent("cp932", "shift_jis", "header", "japanese"),
    "shift_jis meta": Sent("cp932", "x-sjis", "http-equiv", "japanese"),
    "shift_jis nothing": Sent("cp932", "", "", "japanese"),
    "euc-jp meta": Sent("euc_jp", "euc-jp", "meta", "japanese"),
    "euc-kr header": Sent("cp949", "ks_c_5601-1987", "header", "korean"),
    "big5 meta": Sent("big5", "big5", "late", "ascii"),
    "gbk header": Sent("gbk", "gb2312", "header", "chinese"),
    "gbk nothing": Sent("gbk", "", "", "chinese"),
    "gb18030 meta": Sent("gb18030", "gb18030", "meta", "chinese"),
    "iso-2022-jp header": Sent("iso2022_jp", "iso-2022-jp", "header", "japanese"),
    "iso-2022-jp meta": Sent("iso2022_jp", "csISO2022JP", "meta", "japanese"),
    "iso-2022-jp late": Sent("iso2022_jp", "iso-2022-jp", "late", "ascii"),
    "iso-2022-jp nothing": Sent("iso2022_jp", "", "", "japanese"),
    "koi8-r header": Sent("koi8-r", "koi8", "header", "russian"),
    "x-user-defined header": Sent("ascii", "x-user-defined", "header", "ascii"),
    "two declarations": Sent("utf-8", "iso-2022-jp", "meta", "western"),
    "no charset": Sent("cp1252", "none", "header"),
}


def sent(rng: random.Random, text: str, kind: str, name: str) -> tuple[str | None, bytes]:
    """Return the Content-Type and the bytes of a page.

    Parameters
    ----------
    text
        With ``@HEAD@`` where a declaration can stand, if it is HTML.
    kind
        Its media type.
    """
    chosen = CHARSETS[name]
    words = _WORDS[chosen.words]
    content_type: str | None = kind
    if chosen.where == "header":
        label = rng.choice((chosen.label, chosen.label.upper(), f'"{chosen.label}"'))
        content_type = f"{kind}; charset={label}" if rng.random() < 0.8 else f"{kind};x=y;Charset={label}"
    elif kind == "text/html" and rng.random() < 0.1:
        content_type = None
    if kind == "text/html":
        text = text.replace("@HEAD@", _declaration(rng, chosen) + f"<!-- {words} -->", 1)
        text = _with_words(rng, text, words)
    elif chosen.where != "header" and chosen.label:
        text = f'<?xml version="1.0" encoding="{chosen.label}"?>{text}'
    body = text.encode(chosen.codec, "replace")
    if chosen.codec == "iso2022_jp":
        body = _with_escapes(rng, body)
    return content_type, chosen.mark + body


def _declaration(rng: random.Random, chosen: Sent) -> str:
    label = chosen.label
    if not label or chosen.where == "header":
        return ""
    plain = rng.choice((f"<meta charset={label}>", f'<META CHARSET="{label}">', f"<meta/charset='{label}'/>"))
    if chosen.where == "http-equiv":
        return f'<meta http-equiv="Content-Type" content="text/html; charset={label}">'
    if chosen.where == "late":
        return f"<!-- {'x' * _LATE} -->{plain}"
    return rng.choice(("", "<!-- <meta charset=utf-7> -->", "<title>&lt;meta charset=big5></title>")) + plain


def _with_words(rng: random.Random, text: str, words: str) -> str:
    """Put words of the language before the first literal or attribute: bytes that another charset reads otherwise."""
    before = rng.choice((f'<p title="{words}">', f"<p>{words}</p>", f'<script>var w="{words[:1]}";</script>', ""))
    return re.sub(
        r"<(?=img|svg|i>|iframe|script|object|embed|input|video)", lambda match: before + match[0], text, count=1
    )


def _with_escapes(rng: random.Random, body: bytes) -> bytes:
    """Put escape sequences that change nothing into the scheme and, a few, elsewhere."""
    at = body.lower().find(b"data:")
    if at < 0 or rng.random() < 0.3:
        return body
    places = sorted({at + rng.randrange(1, 30) for _ in range(rng.choice((1, 2, 4)))}, reverse=True)
    for place in places:
        body = body[:place] + rng.choice((b"\x1b(B", b"\x1b(J")) + body[place:]
    return body
