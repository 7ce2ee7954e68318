"""XML as a browser reads it: XHTML, SVG, feeds and any other.

lxml parses it, with nothing from outside: no file, no network. Entities that the document declares are put in, and so
are attributes that it gives a default. libxml2 stops where browsers go on in some cases (parameter entities, depth,
expansion), and a browser shows what stands before an error: any error is a doubt. What can still be read is read.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from functools import cache
from html.entities import html5
from typing import Any, Final

from lxml import etree

from ingest_guard.imaging.sniffing.patterns import linear
from ingest_guard.pages.findings import EMBEDDED, Kind, Piece
from ingest_guard.pages.markup import read_attribute, read_script_element
from ingest_guard.pages.may_hold import may_hold
from ingest_guard.pages.strings import may_hold_base64, split_string, urls_in_text

_XHTML: Final = ("-//W3C//DTD XHTML", "-//W3C//DTD MathML 2.0", "-//WAPFORUM//DTD XHTML Mobile")
"""Beginnings of the public identifiers with which browsers know HTML's entities in XML."""
_SHOWN_AS_TEXT: Final = frozenset(
    {"http://www.w3.org/1999/xhtml", "http://www.w3.org/2000/svg", "http://www.w3.org/1998/Math/MathML"}
)
_PSEUDO_ATTRIBUTE: Final = re.compile(r"([\w:.-]{1,64})[\t\n\r ]{0,64}=[\t\n\r ]{0,64}(?:\"([^\"]*)\"|'([^']*)')")
_DOCTYPE: Final = linear(rb"(?i)<!doctype")
_FAULT: Final = linear(
    rb"(?s)<!\[CDATA\[.*?\]\]>|<!--.*?-->|<\?.*?\?>|&#[0-9]+;|&#x[0-9A-Fa-f]+;|&(?:[A-Za-z][A-Za-z0-9]{0,39};)?"
)
"""An ampersand, with its name where it has one; sections and numbers are left as they are."""
_XML_NAMES: Final = frozenset({"amp;", "lt;", "gt;", "quot;", "apos;"})
_MOST_DIGITS: Final = 7
_CONTROLS: Final = bytes({*range(32)} - {*b"\t\n\r"})
_READ_IN_FULL: Final = frozenset(
    {
        etree.ErrorTypes.ERR_DOCUMENT_END,  # what stands behind the end is read as HTML and as text
        etree.ErrorTypes.ERR_MISPLACED_CDATA_END,
        etree.ErrorTypes.NS_ERR_UNDEFINED_NAMESPACE,
    }
)
"""Errors with which the tree is still whole."""
_START: Final = linear(
    rb"(?i)^(?:\xef\xbb\xbf)?(?:[\t\n\r ]|<!--(?:[^-]|-+[^->])*-+->)*(?:<\?xml[\t\n\r ]"
    rb"|<!doctype[\t\n\r ]+(?:[a-z][\w.-]*:)?(?:svg|rss|feed)[\t\n\r >\[]|<!doctype[\t\n\r ]+[\w:.-]+[^>\[\"']*\["
    rb"|<(?:[a-z][\w.-]*:)?(?:svg|rss|feed|rdf)[\t\n\r />])"
)
_NAMESPACE: Final = linear(
    rb"(?i)^(?:\xef\xbb\xbf)?[\t\n\r ]*<([a-z][\w:.-]*)"
    rb"(?:[\t\n\r ]+[\w:.-]+[\t\n\r ]*=[\t\n\r ]*(?:\"[^\"]*\"|'[^']*'))*"
    rb"[\t\n\r ]+xmlns(?::[\w.-]+)?[\t\n\r ]*="
)


def looks_like_xml(text: str) -> bool:
    """Return whether a text begins as XML does that is no HTML."""
    head = text[:4096].encode("utf-8", "surrogatepass")
    if _START.search(head) is not None:
        return True
    root = _NAMESPACE.search(head)
    return root is not None and root[1].lower() not in {b"html", b"body", b"div", b"p", b"a", b"img", b"span"}


class _Outside(etree.Resolver):  # type: ignore[misc]
    """What a document wants from outside: HTML's entities for XHTML, nothing else."""

    def resolve(self, system_url: str | None, public_id: str | None, context: Any) -> Any:
        del system_url
        if public_id is not None and public_id.startswith(_XHTML):
            return self.resolve_string(_html_entities(), context)
        return self.resolve_empty(context)


@cache
def _html_entities() -> str:
    return "".join(
        f'<!ENTITY {name[:-1]} "{"".join(f"&#38;#{ord(character)};" for character in value)}">'
        for name, value in html5.items()
        if name.endswith(";") and name not in {"amp;", "lt;", "gt;", "quot;", "apos;"}
    )


def _parser(*, recover: bool) -> Any:
    parser = etree.XMLParser(
        encoding="utf-8",
        attribute_defaults=True,
        load_dtd=False,
        no_network=True,
        resolve_entities="internal",
        huge_tree=False,
        remove_comments=True,
        recover=recover,
    )
    parser.resolvers.add(_Outside())
    return parser


def parse_strictly(text: str) -> Any:
    """Return the root of a well-formed XML document; None where a browser would show an error."""
    parser = _parser(recover=False)
    try:
        root = etree.fromstring(text.encode("utf-8", "replace"), parser)
    except (etree.XMLSyntaxError, ValueError):
        return None
    return None if any(entry.level >= etree.ErrorLevels.ERROR for entry in parser.error_log) else root


def _parse(data: bytes, *, recover: bool) -> tuple[Any, set[int]]:
    """Return the root, None where there is none, and the numbers of libxml2's errors."""
    parser = _parser(recover=recover)
    try:
        root = etree.fromstring(data, parser)
    except (etree.XMLSyntaxError, ValueError):
        root = None
    faults = {entry.type for entry in parser.error_log if entry.level >= etree.ErrorLevels.ERROR}
    return root, faults if root is not None or faults else {etree.ErrorTypes.ERR_DOCUMENT_EMPTY}


def _mend(data: bytes) -> bytes:
    """Mend what feeds often have: HTML's entities, bare ampersands, control characters, blanks before the start."""
    return _FAULT.sub(_mended, data.removeprefix(b"\xef\xbb\xbf").lstrip(b"\t\n\r ").translate(None, _CONTROLS))


def _mended(match: re.Match[bytes]) -> bytes:
    fault = match[0]
    name = fault[1:].decode("latin-1")
    if name.startswith("#"):
        return fault if _is_character(name) else b""
    if not fault.startswith(b"&") or name in _XML_NAMES:
        return fault
    value = html5.get(name)
    if value is None:
        return b"&amp;" + fault[1:]
    return "".join(f"&#{ord(character)};" for character in value).encode()


def _is_character(reference: str) -> bool:
    """Return whether XML allows the character of ``#97;`` or ``#x61;``."""
    digits, base = (reference[2:-1], 16) if reference[1] == "x" else (reference[1:-1], 10)
    digits = digits.lstrip("0")
    if not 0 < len(digits) <= _MOST_DIGITS:
        return False
    number = int(digits, base)
    is_surrogate = 0xD800 <= number <= 0xDFFF  # noqa: PLR2004 - Unicode's own
    return (number >= 0x20 or number in {9, 10, 13}) and not is_surrogate and number <= 0x10FFFF  # noqa: PLR2004 - as above


def read_xml(text: str, *, is_shown: bool = True) -> Iterator[Piece]:
    """Yield the pieces of an XML document that can hold an inline body.

    Parameters
    ----------
    text
        The document, decoded.
    is_shown
        False where browsers do not take the text for XML: no error is a doubt then.
    """
    data = text.encode("utf-8", "replace")
    root, faults = _parse(data, recover=False)
    can_hold = not faults or may_hold(data)
    if faults and can_hold and _DOCTYPE.search(data) is None:
        # Without declarations, nothing but the text itself decides what these faults hide.
        root, faults = _parse(_mend(data), recover=True)
        faults -= _READ_IN_FULL
    if faults:
        if is_shown and can_hold:
            yield Piece(Kind.DOUBT, EMBEDDED)
        if root is None:
            root, _ = _parse(data, recover=True)
        yield from urls_in_text(data)
    if root is None:
        root = parse_leniently(text)
    if root is not None:
        yield from _walk(root, is_shown=is_shown)


def parse_leniently(text: str) -> Any:
    """Return the root of an XML document, broken or not; None where nothing can be made of it."""
    try:
        return etree.fromstring(text.encode("utf-8", "replace"), _parser(recover=True))
    except (etree.XMLSyntaxError, ValueError):
        return None


def _walk(root: Any, *, is_shown: bool) -> Iterator[Piece]:
    for node in (*root.itersiblings(preceding=True), *root.itersiblings()):
        yield from _read_instruction(node, is_shown=is_shown)
    for node in root.iter():
        if not isinstance(node.tag, str):
            yield from _read_instruction(node, is_shown=is_shown)
            continue
        for name, value in node.items():
            yield from read_attribute(name.rpartition("}")[2], value, is_shown=is_shown)
        text = node.text or ""
        if len(node):
            text = "".join((text, *(child.tail or "" for child in node)))
        if text:
            yield from _read_text(node, text, is_shown=is_shown)


def _read_text(node: Any, text: str, *, is_shown: bool) -> Iterator[Piece]:
    space, _, local = node.tag.rpartition("}")
    if local == "script":
        yield from read_script_element(node.get("type") or "", text, is_shown=is_shown)
    elif not may_hold(text) and not may_hold_base64(text):
        return
    elif local == "style":
        yield Piece(Kind.CSS, text, is_shown=is_shown)
    elif space[1:] not in _SHOWN_AS_TEXT:
        yield from split_string(text, is_shown=is_shown)


def _read_instruction(node: Any, *, is_shown: bool) -> Iterator[Piece]:
    if node.tag is not etree.PI or not may_hold(node.text or ""):
        return
    for name, double, single in _PSEUDO_ATTRIBUTE.findall(node.text):
        yield from read_attribute(name, html.unescape(double or single), is_shown=is_shown)
