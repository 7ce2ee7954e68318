"""Texts on a page: clean them, gather them as readers see them, know those that only repeat a file's name.

What a browser sets apart (blocks, line breaks, cells) is set apart by one blank; what it hides is left out.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from urllib.parse import unquote

import turbohtml

from ingest_guard.pages.extract.tree import Element, Node, Root, attribute, shown_children

_UNPRINTABLE = re.compile("[\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f\ufeff\ufffe\uffff\ud800-\udfff]")
_NOT_SHOWN = frozenset(
    "script style noscript iframe noembed noframes head title datalist rp param area defs desc metadata symbol "  # noqa: SIM905
    "annotation annotation-xml audio".split()
)
"""Elements whose inside no browser shows as text, or not that of a scripting one."""
_CONTROLS = frozenset(
    {"button", "canvas", "embed", "input", "meter", "object", "progress", "select", "textarea", "video"}
)
"""Elements that show something else than their inside, or words that are no part of the text."""
_BLOCKS = frozenset(
    "address article aside blockquote body caption center col colgroup dd details dialog dir div dl dt "  # noqa: SIM905
    "fieldset "
    "figcaption figure footer form h1 h2 h3 h4 h5 h6 header hgroup hr html legend li listing main menu nav ol optgroup "
    "option p plaintext pre search section summary table tbody td text tfoot th thead tr ul xmp".split()
)
_LONGEST_STYLE = 2000
_LONGEST = 2000
_LONGEST_NAME = 300
_MOST_VISITS = 300_000
_MOST_VISITS_OF_ONE = 10_000
_FILE_NAME = re.compile(r"\S+\.(?:jpe?g|png|gif|webp|avif|bmp|tiff?|svg)", re.IGNORECASE)
_CODED = re.compile(r"[\d_-]")
_ADDRESS = re.compile(r"(?:https?://|www\.)\S+", re.IGNORECASE)


def clean(text: str | None) -> str:
    """Return a text with its blanks collapsed, and without control characters."""
    return " ".join(_UNPRINTABLE.sub("", text).split()) if text else ""


def is_weak(text: str, url: str) -> bool:
    """Tell whether a text says no more than the file's name does: any other text is better."""
    if len(text) > _LONGEST_NAME:
        return False
    if _FILE_NAME.fullmatch(text) or _ADDRESS.fullmatch(text):
        return True
    stem = unquote(url.partition("?")[0].rpartition("/")[2]).rpartition(".")[0]
    # "cat" beside cat.jpg says something, "DSC_0001" does not.
    return text.lower() == stem.lower() and _CODED.search(stem) is not None


class Reader:
    """Gathers the text inside elements of one page, as a reader sees it.

    However a page is nested, all readings together visit a bounded number of nodes; each element is read once.
    """

    def __init__(self) -> None:
        self._left = _MOST_VISITS
        self._known: dict[Element, str] = {}

    def inside(self, element: Element) -> str:
        """Return the text inside an element; nothing where it is too long to be the text of one image."""
        if element not in self._known:
            self._known[element] = self._read(element)
        return self._known[element]

    def _read(self, element: Element) -> str:
        parts: list[str] = []
        length = visits = 0
        waiting: list[tuple[Iterator[Node], str]] = [(iter(element.children), "")]
        while waiting:
            children, end = waiting[-1]
            for node in children:
                visits += 1
                self._left -= 1
                if visits > _MOST_VISITS_OF_ONE or self._left < 0 or length > _LONGEST * 4:
                    return ""
                if isinstance(node, turbohtml.Element):
                    inner, gap = _inside(node)
                    parts.append(gap)
                    if inner:
                        waiting.append((iter(inner), gap))
                        break
                elif isinstance(node, turbohtml.Text | turbohtml.CData):
                    parts.append(node.data)
                    length += len(node.data)
            else:
                waiting.pop()
                parts.append(end)
        text = clean("".join(parts))
        return text if len(text) <= _LONGEST else ""


def is_hidden(element: Element) -> bool:
    """Return whether an element says of itself that readers do not see it."""
    return (
        element.attr("hidden") is not None
        or (attribute(element, "aria-hidden") or "").strip().lower() == "true"
        or _declared(element, "display") == "none"
        or _declared(element, "visibility") in {"hidden", "collapse"}
    )


def _inside(element: Element) -> tuple[Sequence[Node], str]:
    """Return the nodes of an element that are text for readers, and what parts it from the text around it."""
    tag = element.tag
    if tag in _NOT_SHOWN:
        return (), ""
    if not element.attrs and tag not in _CONTROLS and tag not in {"details", "dialog"}:
        return shown_children(element), " " if tag in _BLOCKS or tag == "br" else ""
    if is_hidden(element):
        return (), ""
    if tag in _CONTROLS or (attribute(element, "role") or "").strip().lower() == "button":
        return (), " "
    if tag in {"details", "dialog"} and element.attr("open") is None:
        shown = [child for child in element.children if isinstance(child, turbohtml.Element) and child.tag == "summary"]
        return (shown[:1] if tag == "details" else ()), " "
    display = _declared(element, "display")
    is_apart = tag in _BLOCKS if display is None else display not in {"inline", "contents", "ruby"}
    return shown_children(element), " " if is_apart or tag == "br" else ""


def _declared(element: Element, name: str) -> str | None:
    """Return the value of a property in the ``style`` attribute of an element, in lower case."""
    style = attribute(element, "style")
    if not style or name not in style.lower():
        return None
    value = None
    for declaration in style[:_LONGEST_STYLE].split(";"):
        key, _, said = declaration.partition(":")
        if key.strip().lower() == name:
            value = said.partition("!")[0].strip().lower()
    return value


_TAG = re.compile(r"[A-Za-z]{2,8}(?:-[A-Za-z0-9]{1,8}){0,7}")
_FEW = 50


def tag(text: str | None) -> str | None:
    """Return a language tag in its usual form (``en_US`` and underscores are common); None for what is none."""
    cleaned = (text or "")[:100].strip().replace("_", "-")
    return cleaned if _TAG.fullmatch(cleaned) else None


def language_of(element: Element) -> str | None:
    """Return what an element says of its language: a tag, '' for "unknown", or None where it says nothing."""
    said = attribute(element, "lang")
    if said is None:
        said = attribute(element, "xml:lang")
    if said is None:
        return None
    return tag(said) or ""


def page_language(root: Root) -> str | None:
    """Return the language of a page as a whole: of ``html``, else of its ``meta http-equiv=content-language``."""
    top = next((child for child in root.children if isinstance(child, turbohtml.Element)), None)
    said = None if top is None else language_of(top)
    if said is not None:
        return said or None
    for meta in root.find_all("meta", limit=_FEW):
        if (attribute(meta, "http-equiv") or "").strip().lower() == "content-language":
            return tag(attribute(meta, "content"))
    return None


def is_among(language: str, allowed: Iterable[str]) -> bool:
    """Tell whether a tag is one of those allowed, or a more special one: ``en-GB`` is among ``en``."""
    wanted = f"{language.lower()}-"
    return any(wanted.startswith(f"{each.lower()}-") for each in allowed)
