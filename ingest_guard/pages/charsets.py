"""From bytes to text as a browser does it: https://encoding.spec.whatwg.org and the prescan of HTML.

The order: byte order mark, the transport's label, the document's own declaration, a guess from the bytes. Decoders are
the standard's (``whatwg-*`` of turbohtml): Python's differ in more than a dozen encodings, and know UTF-7 and EBCDIC,
which no browser decodes. Where browsers differ about which declaration counts, every reading is returned.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

import turbohtml
import webencodings
from turbohtml.detect import detect

from ingest_guard.imaging.sniffing.patterns import linear

_MARKS: Final = ((b"\xef\xbb\xbf", "utf-8"), (b"\xfe\xff", "utf-16be"), (b"\xff\xfe", "utf-16le"))
_PRESCANNED: Final = 1024
_LATE: Final = 1 << 18
"""Bytes in which a browser's reader of the head, or one that starts anew, may come upon a declaration."""
_UTF16: Final = ("utf-16be", "utf-16le")
_PARAMETER: Final = re.compile(r";[ \t]*charset[ \t]*=[ \t]*(?:\"([^\"]*)\"?|([^;\"\s]*))", re.IGNORECASE)
_LONGEST_HEADER: Final = 4096
_XML_DECLARATION: Final = linear(rb"^<\?xml[^>]*?encoding[\x00-\x20]*=[\x00-\x20]*(?:\"([^\">]*)\"|'([^'>]*)')")
_CSS_DECLARATION: Final = linear(rb"^@charset \"([^\"]*)\";")
_META: Final = linear(rb"(?i)<meta")
_SPACE: Final = b"\t\n\f\r "
_TAG_END: Final = linear(rb"[\t\n\f\r >]")
_UNQUOTED_END: Final = linear(rb"[\t\n\f\r >]")
_ATTRIBUTE_START: Final = linear(rb"[^\t\n\f\r /]")
_NAME_END: Final = linear(rb"[\t\n\f\r />=]")
_CHARSET: Final = re.compile(
    r"charset[\t\n\f\r ]*=[\t\n\f\r ]*(?:\"([^\"]*)\"|'([^']*)'|([^\t\n\f\r ;\"']+))", re.IGNORECASE
)
_LONGEST_CONTENT: Final = 4096
_SAMPLE: Final = 1 << 17
"""Bytes from which an encoding is guessed."""
_ESCAPE: Final = b"\x1b"
_MANY_BYTES: Final = frozenset(
    {"utf-8", *_UTF16, "gbk", "gb18030", "big5", "euc-jp", "euc-kr", "shift_jis", "iso-2022-jp", "replacement"}
)
"""Encodings that do not take one byte for each letter."""
_BEYOND_ASCII: Final = re.compile("[^\x00-\x7f]")
_LETTERS_FOR_BROKEN: Final = 10
"""Letters beyond ASCII that make up for a broken one in UTF-8."""


class Decoded(NamedTuple):
    """One reading of the bytes; the encoding is None where it is a guess without evidence."""

    text: str
    encoding: str | None


def find_encoding(label: str) -> str | None:
    """Return the WHATWG's name, in lower case, for a label; None where browsers know no such encoding."""
    if len(label) > _PRESCANNED:
        return None
    found = webencodings.lookup(label)
    return None if found is None else found.name.lower()


def header_encoding(declared: str | None) -> str | None:
    """Return the encoding that a Content-Type names."""
    match = _PARAMETER.search(declared[:_LONGEST_HEADER]) if declared else None
    return find_encoding(match[1] if match[1] is not None else match[2]) if match else None


def decode(body: bytes, declared: str | None = None, *, fallback: str | None = None) -> list[Decoded]:
    """Decode a body; the first reading is a browser's, others are added where browsers may differ.

    Parameters
    ----------
    body
        Without content codings.
    declared
        The Content-Type header's value.
    fallback
        Encoding of the document around it, for what declares none.
    """
    for mark, encoding in _MARKS:
        if body.startswith(mark):
            return [Decoded(_decode(body[len(mark) :], encoding), encoding)]
    named = header_encoding(declared)
    if named is not None:
        return [Decoded(_decode(body, named), named)]
    names, certain = _names(body, fallback)
    if _ESCAPE in body and "iso-2022-jp" not in names:
        names.append("iso-2022-jp")
    texts: dict[str, str | None] = {}
    for number, name in enumerate(names):
        texts.setdefault(_decode(body, name), name if certain or number else None)
    return [Decoded(text, name) for text, name in texts.items()]


def most_sensible(body: bytes, readings: list[Decoded]) -> Decoded:
    """Return the reading whose text is worth keeping: as a rule a browser's.

    Bytes that are UTF-8 are not so by chance: they are read as such where nothing is declared although some bytes are
    broken, and where an encoding of one byte a letter is.

    Parameters
    ----------
    body
        Without content codings.
    readings
        Of :func:`decode`.
    """
    first = readings[0]
    if first.encoding in _MANY_BYTES or body.isascii():
        return first
    text = _broken_utf8(body)
    return first if text is None else Decoded(text, "utf-8")


def looks_like_utf16(body: bytes) -> str | None:
    """Return the byte order of a body that is UTF-16 without any declaration, which browsers do not decode."""
    head = body[: _PRESCANNED * 4]
    zeros = head.count(0)
    if zeros * 4 < len(head) or zeros * 4 > len(head) * 3:
        return None
    return "utf-16le" if head[1::2].count(0) >= head[::2].count(0) else "utf-16be"


def decode_as(body: bytes, encoding: str) -> str:
    """Decode with one of the standard's decoders."""
    return _decode(body, encoding)


def _decode(body: bytes, encoding: str) -> str:
    if body.isascii() and encoding not in {*_UTF16, "iso-2022-jp", "replacement"}:
        return body.decode("ascii")
    return body.decode("utf-8", "replace") if encoding == "utf-8" else body.decode("whatwg-" + encoding)


def _guess(body: bytes, fallback: str | None) -> tuple[list[str], bool]:
    """Return the encodings that the bytes may be in, the likeliest first, and whether that one is certain."""
    if fallback is not None and fallback not in _UTF16:
        return [fallback], False
    if body.isascii() and _ESCAPE not in body:
        return ["windows-1252"], True
    if is_utf8(body):
        return ["utf-8"], True
    found = detect(_sample(body))
    encoding = find_encoding(found.encoding.removesuffix("-SIG")) if found.encoding else None
    is_sure = found.confidence > 0
    if encoding is None or encoding in _UTF16:
        encoding, is_sure = "windows-1252", False
    if _broken_utf8(body) is not None:
        # The detector gives UTF-8 up at the first byte that is broken.
        return list(dict.fromkeys(["utf-8", encoding])), True
    return [encoding], is_sure


def _broken_utf8(body: bytes) -> str | None:
    """Return the text of bytes that are UTF-8 but for a few; None where that is by chance."""
    text = body.decode("utf-8", "replace")
    letters = len(_BEYOND_ASCII.findall(text))
    return text if letters > _LETTERS_FOR_BROKEN * text.count("\ufffd") else None


def is_utf8(body: bytes) -> bool:
    """Return whether the bytes are UTF-8 from the first to the last."""
    try:
        body.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _sample(body: bytes) -> bytes:
    """Return the part from which the encoding is guessed, without a declaration: that was looked at before."""
    if len(body) > _SAMPLE:
        # Menus and scripts in ASCII come first on most pages: begin where the first other letter stands.
        at = re.search(rb"[\x80-\xff\x1b]", body)
        start = max(0, at.start() - 1) if at else 0
        body = body[start : start + _SAMPLE]
    return re.sub(rb"(?i)charset", b"_______", re.sub(rb"(?i)<\?xml|<meta", b"<_", body))


def _names(body: bytes, fallback: str | None) -> tuple[list[str], bool]:
    """Return the encodings in which a body without mark and header may be read, and whether the first is certain."""
    own = _own_declaration(body)
    if own is not None:
        return [own], True
    early, token = prescan(body[:_PRESCANNED]), _first_meta(body[:_LATE])
    if early is not None and early == token:
        return [early], True
    guesses, is_sure = _guess(body, fallback)
    late = [token] if token is not None else []
    if early is not None:
        # The prescan finds declarations inside scripts; Chromium's tokenizer does not.
        return list(dict.fromkeys([early, *late, *guesses])), True
    if late and _is_in_head(body):
        return list(dict.fromkeys([*late, *guesses])), True
    return list(dict.fromkeys([*guesses, *late])), is_sure


def _own_declaration(body: bytes) -> str | None:
    """Return the encoding that the first bytes of XML or of a style sheet name."""
    if body.startswith(b"<\0?\0x\0"):
        return "utf-16le"
    if body.startswith(b"\0<\0?\0x"):
        return "utf-16be"
    head = body[:_PRESCANNED]
    for match in (_XML_DECLARATION.search(head), _CSS_DECLARATION.search(head)):
        if match is not None:
            label = next(group for group in match.groups() if group is not None)
            if encoding := _declared(label.decode("latin-1")):
                return encoding
    return None


def _declared(label: str) -> str | None:
    encoding = find_encoding(label.strip("\t\n\f\r "))
    if encoding in _UTF16:
        return "utf-8"
    return "windows-1252" if encoding == "x-user-defined" else encoding


def _first_meta(body: bytes) -> str | None:
    """Return the first declaration that a tokenizer comes upon: it knows what is inside a script or a comment."""
    if _META.search(body) is None:
        return None
    for token in turbohtml.tokenize(body.decode("latin-1")):
        if token.type is turbohtml.TokenType.START_TAG and token.tag == "meta":
            # Of equal names the first one counts.
            encoding = _meta(dict(reversed(token.attrs or ())))
            if encoding:
                return encoding
    return None


def _meta(attributes: dict[str, str]) -> str | None:
    if "charset" in attributes:
        return _declared(attributes["charset"])
    if attributes.get("http-equiv", "").lower() != "content-type":
        return None
    match = _CHARSET.search(attributes.get("content", "")[:_LONGEST_CONTENT])
    return _declared(match[1] or match[2] or match[3] or "") if match else None


def _is_in_head(body: bytes) -> bool:
    """Return whether the late declaration stands in the head, as far as Chromium looks."""
    head = body[:_LATE].lower()
    start = head.find(b"<body")
    return start < 0 or head.find(b"<meta") < start


def prescan(head: bytes) -> str | None:
    """Find a declaration as https://html.spec.whatwg.org/#prescan-a-byte-stream-to-determine-its-encoding does."""
    at = 0
    while (at := head.find(b"<", at)) >= 0:
        if head.startswith(b"<!--", at):
            at = head.find(b"-->", at + 2) + 3
            if at < 3:  # noqa: PLR2004 - not found
                return None
        elif head[at : at + 5].lower() == b"<meta" and head[at + 5 : at + 6] in {
            b"\t",
            b"\n",
            b"\f",
            b"\r",
            b" ",
            b"/",
        }:
            attributes, at = _attributes(head, at + 5)
            encoding = _meta(attributes)
            if encoding:
                return encoding
        elif head[at + 1 : at + 2].isalpha() or (head[at + 1 : at + 2] == b"/" and head[at + 2 : at + 3].isalpha()):
            end = _TAG_END.search(head, at)
            if end is None:
                return None
            _, at = _attributes(head, end.start())
        elif head[at + 1 : at + 2] in {b"!", b"/", b"?"}:
            at = head.find(b">", at)
            if at < 0:
                return None
        else:
            at += 1
    return None


def _attributes(head: bytes, at: int) -> tuple[dict[str, str], int]:
    attributes: dict[str, str] = {}
    while True:
        start = _ATTRIBUTE_START.search(head, at)
        if start is None:
            return {}, len(head)
        at = start.start()
        if head[at : at + 1] == b">":
            return attributes, at + 1
        end = _NAME_END.search(head, at + 1)  # a leading = is part of the name
        if end is None:
            return {}, len(head)
        name, at = head[at : end.start()], _skip_space(head, end.start())
        value = b""
        if head[at : at + 1] == b"=":
            at = _skip_space(head, at + 1)
            quote = head[at : at + 1]
            if quote in {b'"', b"'"}:
                stop = head.find(quote, at + 1)
                if stop < 0:
                    return {}, len(head)
                value, at = head[at + 1 : stop], stop + 1
            elif quote != b">":
                last = _UNQUOTED_END.search(head, at)
                if last is None:
                    return {}, len(head)
                value, at = head[at : last.start()], last.start()
        attributes.setdefault(name.lower().decode("latin-1"), value.decode("latin-1"))


def _skip_space(head: bytes, at: int) -> int:
    while head[at : at + 1] in {b"\t", b"\n", b"\f", b"\r", b" "}:
        at += 1
    return at
