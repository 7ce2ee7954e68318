"""The tree of a page as a browser with scripting builds it, and a walk over it that nesting cannot stop.

HTML is parsed by turbohtml, XML by lxml; both give a turbohtml tree. What stands in ``noscript`` is text for a browser
with scripting: the walk parses it where it meets it, for the copies of lazy images that pages keep there.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any, Final, TypeAlias

import turbohtml

from ingest_guard.pages.markup import parse_page
from ingest_guard.pages.xml import parse_strictly

Node: TypeAlias = turbohtml.Node
Element: TypeAlias = turbohtml.Element
Root: TypeAlias = turbohtml.Document | turbohtml.Element

_XHTML: Final = "http://www.w3.org/1999/xhtml"
_KNOWN_SPACES: Final = frozenset({"", _XHTML, "http://www.w3.org/2000/svg", "http://www.w3.org/1998/Math/MathML"})
_PREFIXES: Final = {"http://www.w3.org/1999/xlink": "xlink:", "http://www.w3.org/XML/1998/namespace": "xml:"}
_CLOSED: Final = re.compile(
    r"<(title|script|style|textarea|iframe|noscript|noframes|noembed|xmp|template|a)((?:[\t\n\r ][^<>]*)?)/>"
)
_SHADOW_ROOTS: Final = frozenset({"open", "closed"})


def parse(text: str, *, is_xml: bool) -> Root:
    """Return the tree of a page; a broken page of XML is read as HTML.

    Parameters
    ----------
    text
        The page, decoded.
    is_xml
        Whether its media type is one of XML.
    """
    root = parse_strictly(text) if is_xml else None
    if root is not None:
        return _from_xml(root)
    if is_xml:
        text = with_end_tags(text)
    return parse_page(text, scripting=True)


def with_end_tags(text: str) -> str:
    """Return a broken page of XML as HTML: what closes itself has an end tag, or it would hide what follows."""
    return _CLOSED.sub(r"<\1\2></\1>", text)


def walk(root: Root) -> Iterator[tuple[Element, bool]]:
    """Yield each element of a page twice, in order: with True where it starts, with False where it ends."""
    waiting: list[tuple[Element | None, Iterator[Node]]] = [(None, iter(root.children))]
    while waiting:
        parent, children = waiting[-1]
        for node in children:
            if isinstance(node, turbohtml.Element):
                yield node, True
                waiting.append((node, iter(_contents(node))))
                break
        else:
            waiting.pop()
            if parent is not None:
                yield parent, False


def shown_children(element: Element) -> Sequence[Node]:
    """Return the children of an element; of a shadow root's ``template``, those of the root."""
    if element.tag != "template":
        return element.children
    if str(element.attr("shadowrootmode") or "").lower() not in _SHADOW_ROOTS:
        return ()
    return tuple(
        child
        for part in element.children
        for child in (part.children if isinstance(part, turbohtml.DocumentFragment) else (part,))
    )


def attributes(element: Element) -> dict[str, str]:
    """Return the attributes of an element, each value as it is written but for blanks of token lists."""
    return {
        name: value if isinstance(value, str) else " ".join(value or ())
        for name, value in (element.attrs or {}).items()
    }


def attribute(element: Element, name: str) -> str | None:
    """Return the value of one attribute, None where it is not there."""
    value = element.attr(name)
    return value if value is None or isinstance(value, str) else " ".join(value)


def _contents(element: Element) -> Sequence[Node]:
    if element.tag == "noscript" and (text := element.text) and "<" in text and not _has_elements(element):
        # Without scripting: of one noscript inside the other, each would be parsed as often as it is deep.
        return turbohtml.parse_fragment(text, positions=False, scripting=False).children
    return shown_children(element)


def _has_elements(element: Element) -> bool:
    return any(isinstance(child, turbohtml.Element) for child in element.children)


def _from_xml(root: Any) -> Element:
    """Return the same tree with names as HTML has them: without prefixes, others' elements as unknown ones."""
    top = turbohtml.Element("document")
    waiting: list[tuple[Any, Element]] = [(root, top)]
    while waiting:
        node, parent = waiting.pop()
        if isinstance(node, str):
            parent.append(turbohtml.Text(node))
            continue
        element = _element(node) if isinstance(node.tag, str) else None
        inner: list[tuple[Any, Element]] = []
        if element is not None:
            parent.append(element)
            inner += [(node.text, element)] if node.text else []
            inner += [(child, element) for child in node]
        if node.tail:
            waiting.append((node.tail, parent))
        waiting.extend(reversed(inner))
    return top


def _element(node: Any) -> Element:
    space, _, local = node.tag.rpartition("}")
    try:
        return turbohtml.Element(local if space[1:] in _KNOWN_SPACES else "x-other", dict(_attributes(node)))
    except ValueError:
        return turbohtml.Element("x-other")


def _attributes(node: Any) -> Iterator[tuple[str, str]]:
    for name, value in node.items():
        space, _, local = name.rpartition("}")
        yield _PREFIXES.get(space[1:], "") + local, value
