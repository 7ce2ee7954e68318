"""The ``meta`` elements of a page, and its links, in every way in which a reader may take the page.

Browsers run scripts or do not (``noscript``), take XHTML for XML or for HTML (``<title/>`` closes itself in the one and
swallows the page in the other), and may take bytes in two charsets. A page that says something of its use in one of
these readings has said it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import chain
from typing import Any, Final, TypeAlias

from ingest_guard.imaging.sniffing.patterns import linear
from ingest_guard.pages.extract.tree import with_end_tags
from ingest_guard.pages.licenses import RSL_NAME, is_rsl_link, is_rsl_type
from ingest_guard.pages.markup import has_noscript, parse_page
from ingest_guard.pages.reading import LONGEST_META, MOST_META_TEXT, MOST_METAS, PageLink
from ingest_guard.pages.xml import looks_like_xml, parse_leniently, parse_strictly
from ingest_guard.urls.join import Addresses

_Element: TypeAlias = tuple[str, Mapping[str, Any]]

_META: Final = linear(rb"(?i)<(?:[^\x00-\x20<>/:]+:)?meta[\t\n\f\r />]|<!entity")
# The end of the type of licences, and its letters; where they do not stand there as they are, one of them is hidden
# behind a reference. In this order, most pages are done after the first two.
_XML_END: Final = linear(rb"\+(?i:xml)")
_HIDDEN_END: Final = linear(
    rb"&(?:#(?:[xX]0*(?:2[bB]|[57]8|[46][cCdD])|0*(?:43|88|120|77|109|76|108))(?:[^0-9a-fA-F]|$)|plus;)"
)
_RSL: Final = linear(rb"(?i)rsl")
_HIDDEN_RSL: Final = linear(rb"&#(?:[xX]0*(?:[57][23]|[46][cC])|0*(?:114|115|108|82|83|76))(?:[^0-9a-fA-F]|$)")
_LICENSE_TAG: Final = linear(rb"(?i)<(?:[^\x00-\x20<>/:]+:)?(?:link|script)[\t\n\f\r /]")
_LICENSES: Final = ("link", "script")
_XML_TYPES: Final = ("/xml", "+xml")
_XHTML: Final = b"http://www.w3.org/1999/xhtml"
_PREFIXED_NAME: Final = rb"(?i:<([^\x00-\x20<>/:]{1,60}:meta)[\t\n\f\r />])"
_PREFIXED: Final = linear(_PREFIXED_NAME)
_CLOSED: Final = (
    rb"(?i:<(script|style|title|textarea|xmp|iframe|noembed|noframes|noscript|plaintext)"
    rb"((?:[\t\n\f\r ](?:[^>\"']|\"[^\"]*\"|'[^']*')*)?)/>)"
)
_SELF_CLOSED: Final = linear(_CLOSED)
_ODD: Final = linear(_PREFIXED_NAME + b"|" + _CLOSED)
_MOST_PREFIXES: Final = 8
_LONGEST_NAME: Final = 128
_NAMES: Final = ("name", "http-equiv")
_BLANKS: Final = "\t\n\f\r "


def may_have_metas(body: bytes) -> bool:
    """Return whether a text can have ``meta`` elements: a no is never wrong."""
    return _META.search(body) is not None or _may_have_license(body) or b"\0" in body or b"\x1b" in body


def _may_have_license(body: bytes) -> bool:
    return (
        (_XML_END.search(body) is not None or _HIDDEN_END.search(body) is not None)
        and (_RSL.search(body) is not None or _HIDDEN_RSL.search(body) is not None)
        and _LICENSE_TAG.search(body) is not None
    )


def is_xml(media_type: str) -> bool:
    """Return whether a browser takes a media type for XML."""
    return media_type.endswith(_XML_TYPES)


def read_metas(texts: Iterable[str], media_type: str) -> tuple[tuple[tuple[str, str], ...], int]:
    """Return name and content of each ``meta`` element, each pair once, and how many there were too many.

    An RSL licence, of a ``link`` or a ``script``, is among them under :data:`~ingest_guard.pages.licenses.RSL_NAME`.

    Parameters
    ----------
    texts
        The page, in each charset that it may be in.
    media_type
        The declared one, in lower case, without parameters.
    """
    found: dict[tuple[str, str], None] = {}
    cut = length = 0
    for pair in chain.from_iterable(map(_pairs, chain.from_iterable(_elements(text, media_type) for text in texts))):
        if pair in found:
            continue
        length += len(pair[0]) + len(pair[1])
        if len(found) >= MOST_METAS or length > MOST_META_TEXT:
            cut += 1
            continue
        found[pair] = None
    return tuple(found), cut


def _pairs(element: _Element) -> Iterator[tuple[str, str]]:
    tag, attributes = element
    if tag in _LICENSES:
        media_type = _meant(attributes.get("type"))
        if is_rsl_type(media_type) if tag == "script" else is_rsl_link(_meant(attributes.get("rel")), media_type):
            yield RSL_NAME, _meant(attributes.get("href"))[:LONGEST_META] or tag
        return
    content = _meant(attributes.get("content"))[:LONGEST_META].strip()
    for key in _NAMES:
        name = _meant(attributes.get(key)).lower()
        if name and content and len(name) <= _LONGEST_NAME:
            yield name, content


def _meant(value: Any) -> str:
    """Return a value without the slash of ``<meta content=noai/>``, which is a part of it after the standard."""
    return _text_of(value).strip().removesuffix("/").strip()


def _text_of(value: Any) -> str:
    """Return an attribute's value: a list where it is one of tokens, None where it has none."""
    return value if isinstance(value, str) else " ".join(value) if isinstance(value, list | tuple) else ""


def _elements(text: str, media_type: str) -> Iterator[_Element]:
    """Yield each ``meta`` element, and each that may name a licence, reading by reading."""
    data = text.encode("utf-8", "surrogatepass")
    if not may_have_metas(data):
        return
    is_odd = _ODD.search(data) is not None
    prefixed = dict.fromkeys(each.lower().decode() for each in _PREFIXED.findall(data)) if is_odd else ()
    names = ["meta", *list(prefixed)[:_MOST_PREFIXES], *(_LICENSES if _may_have_license(data) else ())]
    for reading in _html_readings(text, data) if is_odd else (text,):
        for scripting in (False, True) if has_noscript(reading) else (False,):
            page = parse_page(reading, scripting=scripting)
            yield from ((name, element.attrs) for name in names for element in page.find_all(name))
    if is_xml(media_type) or _XHTML in data or looks_like_xml(text):
        root = parse_leniently(text)
        names = ["{*}meta", *(f"{{*}}{name}" for name in _LICENSES)]
        found = () if root is None else root.iter(*names)
        yield from ((node.tag.rpartition("}")[2], dict(node.items())) for node in found)


def _html_readings(text: str, data: bytes) -> Iterator[str]:
    """Yield a page as it stands, and as it would be if ``<title/>`` and the like closed themselves."""
    yield text
    if _SELF_CLOSED.search(data) is not None:
        yield _SELF_CLOSED.sub(rb"<\1\2></\1>", data).decode("utf-8", "surrogatepass")


def read_links(text: str, encoding: str, url: str, media_type: str) -> list[PageLink]:
    """Return the links of a page, each address once, in the order of the page.

    Parameters
    ----------
    text
        The page.
    encoding
        WHATWG name: what letters in a query are sent in.
    url
        Of the response.
    media_type
        The declared one, in lower case, without parameters.
    """
    elements = _xml_links(text) if is_xml(media_type) else None
    if elements is None:
        page = parse_page(with_end_tags(text) if is_xml(media_type) else text, scripting=False)
        elements = [
            (element.tag, element.attrs)
            for element in page.find_all(["base", "a", "area"])
            if element.tag != "base" or element.closest("template") is None
        ]
    base = next((_text_of(a["href"]) for tag, a in elements if tag == "base" and a.get("href") is not None), None)
    addresses = Addresses(url, base, encoding)
    found: dict[str, PageLink] = {}
    for tag, attributes in elements:
        address = addresses.absolute(_text_of(attributes.get("href"))) if tag != "base" else None
        if address is not None and address not in found:
            rel = _text_of(attributes.get("rel")).lower().replace(",", " ").split()
            found[address] = PageLink(address, "nofollow" in rel)
    return list(found.values())


def _xml_links(text: str) -> list[_Element] | None:
    """Return the elements of a page of XML that make links; None where it is broken: it is read as HTML then.

    So are its images (:func:`ingest_guard.pages.extract.tree.parse`): a page has one reading for what it gives.
    """
    root = parse_strictly(text)
    if root is None:
        return None
    return [(node.tag.rpartition("}")[2], dict(node.items())) for node in root.iter("{*}base", "{*}a", "{*}area")]
