"""One walk over the tree of a page, in order, that meets everything that shows an image."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field

import turbohtml

from ingest_guard.pages.extract.copies import Candidate, Copies, is_scannable_type
from ingest_guard.pages.extract.found import ImageDraft, PageImages
from ingest_guard.pages.extract.media import holds
from ingest_guard.pages.extract.social_cards import Cards
from ingest_guard.pages.extract.texts import Reader, clean, is_hidden, language_of, page_language
from ingest_guard.pages.extract.tree import Element, Root, attribute, attributes, walk
from ingest_guard.policy.records import Extract
from ingest_guard.urls.join import Addresses, names_picture

_PIXELS = re.compile(r"\s*([0-9]{1,6})(?:\.[0-9]*)?(?:px)?\s*$")
_STYLED = {
    name: re.compile(
        rf"(?:^|;)\s*{name}\s*:\s*([0-9]{{1,6}})(?:\.[0-9]*)?(?:px)?\s*(?:!important\s*)?(?:;|$)", re.IGNORECASE
    )
    for name in ("width", "height")
}
_LONGEST_STYLE = 2000
_MOST_IDS = 10


@dataclass(slots=True)
class _Frame:
    """An element that is open, and what it holds for the images inside."""

    element: Element
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

    def __init__(self, root: Root, policy: Extract, addresses: Addresses, found: PageImages) -> None:
        self._root = root
        self._policy = policy
        self._addresses = addresses
        self._found = found
        self._copies = Copies(policy, addresses)
        self._reader = Reader()
        self._by_id: dict[str, Element] | None = None
        self._languages: list[str | None] = [page_language(root)]
        self._figures: list[_Frame] = []
        self._pictures: list[_Frame] = []
        self._anchors: list[_Frame] = []
        self._scriptless = 0
        self._stand_in: ImageDraft | None = None
        self.cards = Cards()
        self.json_ld: list[str] = []
        self._on_start: dict[str, Callable[[Element], None]] = {
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
            "noscript": self._start_noscript,
        }
        self._on_end: dict[str, Callable[[], None]] = {
            "picture": lambda: _pop(self._pictures),
            "figure": self._end_figure,
            "a": self._end_anchor,
            "noscript": self._end_noscript,
        }

    def run(self) -> None:
        """Walk."""
        speaking: list[Element] = []
        for element, starts in walk(self._root):
            if self._found.is_full:
                break
            if starts:
                language = language_of(element)
                if language is not None and element.tag != "html":
                    speaking.append(element)
                    self._languages.append(language or None)
                if on_start := self._on_start.get(element.tag):
                    on_start(element)
            else:
                if on_end := self._on_end.get(element.tag):
                    on_end()
                if speaking and speaking[-1] is element:
                    speaking.pop()
                    self._languages.pop()

    def _open(self, frames: list[_Frame]) -> Callable[[Element], None]:
        return lambda element: frames.append(_Frame(element, self._languages[-1]))

    # What shows an image ------------------------------------------------------------------------------------------

    def _image(self, element: Element) -> None:
        own = attributes(element)
        in_svg = own.get("href") or own.get("xlink:href") if element.tag == "image" else None
        if in_svg:
            own["src"] = in_svg
        width, height = _declared(own, "width"), _declared(own, "height")
        sources = self._pictures[-1].sources if self._pictures else []
        offer = self._copies.of(own, sources, width)
        if not self._scriptless:
            self._stand_in = None
        if offer.url is None:
            return
        if width is None and height is None:
            width = offer.width
        inner = {"title": _title(element)} if in_svg else {}
        place = "svg" if in_svg else "img"
        draft = ImageDraft(offer.url, place, offer.everything, width=width, height=height, copies=offer.in_set)
        shown = self._show(draft, own, inner)
        if offer.stands_in and not self._scriptless:
            self._stand_in = shown
        elif self._scriptless and self._stand_in is not None and self._stand_in is not shown:
            self._found.replace(self._stand_in, shown)
            self._stand_in = None

    def _start_noscript(self, element: Element) -> None:
        del element
        self._scriptless += 1

    def _end_noscript(self) -> None:
        self._scriptless -= 1

    def _input(self, element: Element) -> None:
        if (attribute(element, "type") or "").strip().lower() == "image":
            self._single(element, "input", attribute(element, "src"), {})

    def _video(self, element: Element) -> None:
        self._single(element, "video", attribute(element, "poster"), {})

    def _object(self, element: Element) -> None:
        address = attribute(element, "data") or attribute(element, "src")
        declared = attribute(element, "type")
        if address and (is_scannable_type(declared) if declared else names_picture(address)):
            self._single(element, "object", address, {"alt": self._reader.inside(element)})

    def _single(self, element: Element, place: str, address: str | None, inner: dict[str, str]) -> None:
        own = attributes(element)
        url = self._addresses.absolute(address)
        if url is not None:
            width, height = _declared(own, "width"), _declared(own, "height")
            self._show(ImageDraft(url, place, [], width=width, height=height), own, inner)

    def _show(self, draft: ImageDraft, own: dict[str, str], inner: dict[str, str]) -> ImageDraft:
        """Add an image of an element, with the texts of the element itself; those around it come when they end."""
        language = draft.language = self._languages[-1]
        for source in ("alt", "title", "aria-label"):
            draft.add_text(source, clean(own.get(source)) or inner.get(source, ""), language)
        if labels := own.get("aria-labelledby"):
            draft.add_text("aria-labelledby", self._labelled(labels), language)
        if "elements" in self._policy.places:
            draft = self._found.add(draft)
        for frames in (self._figures, self._anchors):
            if frames:
                frames[-1].images.append(draft)
        return draft

    def _labelled(self, ids: str) -> str:
        if self._by_id is None:
            self._by_id = {}
            for node in self._root.descendants:
                if isinstance(node, turbohtml.Element) and (name := attribute(node, "id")):
                    self._by_id.setdefault(name, node)
        labels = [self._by_id[each] for each in ids.split(maxsplit=_MOST_IDS)[:_MOST_IDS] if each in self._by_id]
        return " ".join(filter(None, map(self._reader.inside, labels)))

    # What stands around images ------------------------------------------------------------------------------------

    def _source(self, element: Element) -> None:
        """Take the first source that holds, as a browser does."""
        if not self._pictures or self._pictures[-1].sources:
            return
        if is_scannable_type(attribute(element, "type")) and holds(
            attribute(element, "media") or "", self._policy.screen
        ):
            self._pictures[-1].sources = self._copies.set_of(attributes(element))

    def _caption(self, element: Element) -> None:
        if self._figures and not self._figures[-1].caption[0] and not is_hidden(element):
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
        address = attribute(anchor.element, "href") or attribute(anchor.element, "xlink:href")
        leads_to_picture = bool(address) and "links" in self._policy.places and names_picture((address or "").strip())
        if not leads_to_picture and not anchor.images:
            return
        text = self._reader.inside(anchor.element) or clean(attribute(anchor.element, "title"))
        for image in anchor.images:
            image.add_text("link", text, anchor.language)
        if leads_to_picture and (url := self._addresses.absolute(address)):
            draft = ImageDraft(url, "link", [], language=anchor.language)
            shown = next((image.best(self._policy.texts)[0] for image in anchor.images), "")
            draft.add_text("link", text or clean(attribute(anchor.element, "aria-label")) or shown, anchor.language)
            self._found.add(draft)

    # What says something of the page ------------------------------------------------------------------------------

    def _meta(self, element: Element) -> None:
        content = attribute(element, "content")
        for name in ("property", "name"):
            if content and (key := attribute(element, name)):
                self.cards.note(key, content)
                break

    def _script(self, element: Element) -> None:
        if (attribute(element, "type") or "").partition(";")[
            0
        ].strip().lower() == "application/ld+json" and element.text:
            self.json_ld.append(element.text)


def _title(element: Element) -> str:
    title = next((child for child in element.children if isinstance(child, turbohtml.Element)), None)
    return clean(title.text) if title is not None and title.tag == "title" else ""


def _pop(frames: list[_Frame]) -> None:
    if frames:
        frames.pop()


def _declared(own: dict[str, str], name: str) -> int | None:
    """Return a width or height in pixels, of the attribute or else of the style; None where it is none."""
    if found := _PIXELS.match(own.get(name, "")):
        return int(found[1])
    style = own.get("style", "")
    found = _STYLED[name].search(style) if style and len(style) <= _LONGEST_STYLE else None
    return int(found[1]) if found else None
