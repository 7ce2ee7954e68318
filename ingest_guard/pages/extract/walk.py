"""One walk over the tree of a page, in order, that meets everything that shows an image."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from lxml import etree

from ingest_guard.pages.extract.copies import Candidate, Copies, attributes_of, is_scannable_type, set_of
from ingest_guard.pages.extract.found import ImageDraft, PageImages
from ingest_guard.pages.extract.media import holds
from ingest_guard.pages.extract.social_cards import Cards
from ingest_guard.pages.extract.texts import Reader, clean, language_of, page_language
from ingest_guard.policy.records import Extract
from ingest_guard.urls.join import Addresses, names_picture

if TYPE_CHECKING:
    from lxml.etree import _Element

_PIXELS = re.compile(r"\s*([0-9]{1,6})(?:\.[0-9]*)?(?:px)?\s*$")
_STYLED = {
    name: re.compile(
        rf"(?:^|;)\s*{name}\s*:\s*([0-9]{{1,6}})(?:\.[0-9]*)?(?:px)?\s*(?:!important\s*)?(?:;|$)", re.IGNORECASE
    )
    for name in ("width", "height")
}
_LONGEST_STYLE = 2000
_MOST_IDS = 10
_SHOWING = ("img", "amp-img", "image", "input", "video", "object", "embed")
_AROUND = ("picture", "source", "figure", "figcaption", "a", "template")
_SAYING = ("meta", "script")


@dataclass(slots=True)
class _Frame:
    """An element that is open, and what it holds for the images inside."""

    element: _Element
    language: str | None
    images: list[ImageDraft] = field(default_factory=list)
    sources: list[Candidate] = field(default_factory=list)
    caption: tuple[str, str | None] = ("", None)


class Walk:
    """Walks over a page; what shows an image goes to ``found``, the rest is kept for later.

    Attributes
    ----------
    cards
        The pictures in ``meta`` elements.
    json_ld
        The text of each block of JSON-LD.
    """

    def __init__(self, root: _Element, policy: Extract, addresses: Addresses, found: PageImages) -> None:
        self._root = root
        self._policy = policy
        self._addresses = addresses
        self._found = found
        self._copies = Copies(policy, addresses)
        self._reader = Reader()
        self._by_id: dict[str, _Element] | None = None
        self._languages: list[str | None] = [page_language(root)]
        self._figures: list[_Frame] = []
        self._pictures: list[_Frame] = []
        self._anchors: list[_Frame] = []
        self._hidden = 0
        self.cards = Cards()
        self.json_ld: list[str] = []
        self._on_start: dict[str, Callable[[_Element], None]] = {
            **dict.fromkeys(("img", "amp-img", "image"), self._image),
            "input": self._input,
            "video": self._video,
            "object": self._object,
            "embed": self._object,
            "picture": self._open(self._pictures),
            "figure": self._open(self._figures),
            "a": self._open(self._anchors),
            "source": self._source,
            "figcaption": self._caption,
            "meta": self._meta,
            "script": self._script,
        }
        self._on_end: dict[str, Callable[[], None]] = {
            "picture": lambda: _pop(self._pictures),
            "figure": self._end_figure,
            "a": self._end_anchor,
        }

    def run(self) -> None:
        """Walk."""
        speaking = set(etree.XPath("//*[@lang or @*[name()='xml:lang']]")(self._root)) - {self._root}
        tags = {*_SHOWING, *_AROUND, *_SAYING, *(each.tag for each in speaking)}
        for event, element in etree.iterwalk(self._root, events=("start", "end"), tag=tags):
            name = element.tag
            if self._found.is_full:
                break
            if event == "start":
                if element in speaking:
                    self._languages.append(language_of(element) or None)
                if name == "template" and element.get("shadowrootmode") is None:
                    self._hidden += 1
                if not self._hidden and name in self._on_start:
                    self._on_start[name](element)
            else:
                if not self._hidden and name in self._on_end:
                    self._on_end[name]()
                if name == "template" and element.get("shadowrootmode") is None:
                    self._hidden -= 1
                if element in speaking:
                    self._languages.pop()

    def _open(self, frames: list[_Frame]) -> Callable[[_Element], None]:
        return lambda element: frames.append(_Frame(element, self._languages[-1]))

    # What shows an image ------------------------------------------------------------------------------------------

    def _image(self, element: _Element) -> None:
        attributes = attributes_of(element)
        in_svg = attributes.get("href") or attributes.get("xlink:href") if element.tag == "image" else None
        if in_svg:
            attributes["src"] = in_svg
        width, height = _declared(attributes, "width"), _declared(attributes, "height")
        sources = self._pictures[-1].sources if self._pictures else []
        url, copies, candidates, said = self._copies.of(attributes, sources, width)
        if url is None:
            return
        if width is None and height is None:
            width = said
        inner = {"title": clean(element.findtext("title"))} if in_svg else {}
        draft = ImageDraft(url, "svg" if in_svg else "img", candidates, width=width, height=height, copies=copies)
        self._show(draft, attributes, inner)

    def _input(self, element: _Element) -> None:
        if (element.get("type") or "").strip().lower() == "image":
            self._single(element, "input", element.get("src"), {})

    def _video(self, element: _Element) -> None:
        self._single(element, "video", element.get("poster"), {})

    def _object(self, element: _Element) -> None:
        address = element.get("data") or element.get("src")
        declared = element.get("type")
        if address and (is_scannable_type(declared) if declared else names_picture(address)):
            self._single(element, "object", address, {"alt": self._reader.inside(element)})

    def _single(self, element: _Element, place: str, address: str | None, inner: dict[str, str]) -> None:
        attributes = attributes_of(element)
        url = self._addresses.absolute(address)
        if url is not None:
            width, height = _declared(attributes, "width"), _declared(attributes, "height")
            self._show(ImageDraft(url, place, [], width=width, height=height), attributes, inner)

    def _show(self, draft: ImageDraft, attributes: dict[str, str], inner: dict[str, str]) -> None:
        """Add an image of an element, with the texts of the element itself; those around it come when they end."""
        language = draft.language = self._languages[-1]
        for source in ("alt", "title", "aria-label"):
            draft.add_text(source, clean(attributes.get(source)) or inner.get(source, ""), language)
        if labels := attributes.get("aria-labelledby"):
            draft.add_text("aria-labelledby", self._labelled(labels), language)
        if "elements" in self._policy.places:
            draft = self._found.add(draft)
        for frames in (self._figures, self._anchors):
            if frames:
                frames[-1].images.append(draft)

    def _labelled(self, ids: str) -> str:
        if self._by_id is None:
            self._by_id = {}
            for element in etree.XPath("//*[@id]")(self._root):
                self._by_id.setdefault(element.get("id"), element)
        labels = [self._by_id[each] for each in ids.split(maxsplit=_MOST_IDS)[:_MOST_IDS] if each in self._by_id]
        return " ".join(filter(None, map(self._reader.inside, labels)))

    # What stands around images ------------------------------------------------------------------------------------

    def _source(self, element: _Element) -> None:
        """Take the first source that holds, as a browser does."""
        if not self._pictures or self._pictures[-1].sources:
            return
        if is_scannable_type(element.get("type")) and holds(element.get("media") or "", self._policy.screen):
            self._pictures[-1].sources = set_of(attributes_of(element), lazy=self._policy.lazy)

    def _caption(self, element: _Element) -> None:
        if self._figures and not self._figures[-1].caption[0]:
            self._figures[-1].caption = (self._reader.inside(element), self._languages[-1])

    def _end_figure(self) -> None:
        if not self._figures:
            return
        figure = self._figures.pop()
        text, language = figure.caption
        if text:
            for image in figure.images:
                image.add_text("figcaption", text, language)
        elif self._figures:
            self._figures[-1].images.extend(figure.images)

    def _end_anchor(self) -> None:
        """Give a link's text to the images in it, and take the picture that it leads to."""
        if not self._anchors:
            return
        anchor = self._anchors.pop()
        address = anchor.element.get("href")
        leads_to_picture = bool(address) and "links" in self._policy.places and names_picture((address or "").strip())
        if not leads_to_picture and not anchor.images:
            return
        text = self._reader.inside(anchor.element) or clean(anchor.element.get("title"))
        for image in anchor.images:
            image.add_text("link", text, anchor.language)
        if leads_to_picture and (url := self._addresses.absolute(address)):
            draft = ImageDraft(url, "link", [], language=anchor.language)
            shown = next((image.best(self._policy.texts)[0] for image in anchor.images), "")
            draft.add_text("link", text or clean(anchor.element.get("aria-label")) or shown, anchor.language)
            self._found.add(draft)

    # What says something of the page ------------------------------------------------------------------------------

    def _meta(self, element: _Element) -> None:
        content = element.get("content")
        for name in ("property", "name"):
            if content and element.get(name):
                self.cards.note(element.get(name) or "", content)
                break

    def _script(self, element: _Element) -> None:
        if (element.get("type") or "").partition(";")[0].strip().lower() == "application/ld+json" and element.text:
            self.json_ld.append(element.text)


def _pop(frames: list[_Frame]) -> None:
    if frames:
        frames.pop()


def _declared(attributes: dict[str, str], name: str) -> int | None:
    """Return a width or height in pixels, of the attribute or else of the style; None where it is none."""
    if found := _PIXELS.match(attributes.get(name, "")):
        return int(found[1])
    style = attributes.get("style", "")
    found = _STYLED[name].search(style) if style and len(style) <= _LONGEST_STYLE else None
    return int(found[1]) if found else None
