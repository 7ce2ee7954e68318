"""The images of one page, each once, with all of its texts."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from ingest_guard.pages.extract.texts import is_weak
from ingest_guard.policy.records import Extract

_MOST_CANDIDATES = 100


@dataclass(frozen=True, slots=True)
class PageImage:
    """One image of a page, with the text that belongs to it.

    Attributes
    ----------
    url
        Absolute, http or https, without a fragment: the copy that the policy chose.
    alt
        The text, blanks collapsed; empty where the page has none.
    alt_source
        Where the text stood: ``alt``, ``title``, ``aria-label``, ``aria-labelledby``, ``figcaption``, ``og``,
        ``twitter``, ``json-ld`` or ``link``; None where there is no text.
    language
        The language tag that holds where the text stood, as the page has it; None where the page says nothing.
    width, height
        Pixels, as the page declares them; None where it does not. No more than a hint.
    place
        What named it first: ``img``, ``input``, ``svg``, ``video``, ``object``, ``og``, ``twitter``, ``json-ld``,
        ``link``.
    candidates
        All copies that the page offers of it, the chosen one among them.
    """

    url: str
    alt: str
    alt_source: str | None
    language: str | None
    width: int | None
    height: int | None
    place: str
    candidates: tuple[str, ...]

    def as_item(self, page_url: str) -> dict[str, str | None]:
        """Return what a spider yields for it: nothing of the declared size, which the record measures itself."""
        return {
            "image_url": self.url,
            "alt": self.alt,
            "page_url": page_url,
            "alt_source": self.alt_source,
            "language": self.language,
        }


@dataclass(slots=True)
class ImageDraft:
    """One image, as far as it is known.

    Attributes
    ----------
    url, candidates
        The chosen copy, and all of them.
    copies
        Those of one ``srcset``: certainly the same image. A ``src`` beside it may be what stands in for many.
    texts
        Source -> text and its language.
    is_replaced
        True for what only stands in for a picture that was found.
    """

    url: str
    place: str
    candidates: list[str]
    texts: dict[str, tuple[str, str | None]] = field(default_factory=dict)
    width: int | None = None
    height: int | None = None
    language: str | None = None
    copies: list[str] = field(default_factory=list)
    is_replaced: bool = False

    def add_text(self, source: str, text: str, language: str | None) -> None:
        """Note a text; of two from the same source the one that says more stays."""
        if not text:
            return
        before = self.texts.get(source)
        if before is None or (is_weak(before[0], self.url), -len(before[0])) > (is_weak(text, self.url), -len(text)):
            self.texts[source] = (text, language)

    def best(self, order: Iterable[str]) -> tuple[str, str | None, str | None]:
        """Return text, source and language of the best text: in the policy's order, but a file's name comes last."""
        named = [(source, *self.texts[source]) for source in order if source in self.texts]
        for source, text, language in sorted(named, key=lambda each: is_weak(each[1], self.url)):
            return text, source, language
        return "", None, self.language


class PageImages:
    """The images of one page."""

    def __init__(self, policy: Extract) -> None:
        self._policy = policy
        self._drafts: list[ImageDraft] = []
        self._by_url: dict[str, ImageDraft] = {}
        self._replaced = 0

    @property
    def is_full(self) -> bool:
        """Whether the policy wants no more images of one page."""
        return len(self._drafts) - self._replaced >= self._policy.images_per_page

    def add(self, draft: ImageDraft) -> ImageDraft:
        """Add an image; return it, or the one that it is another showing of."""
        same = self._by_url.get(draft.url) or self._chosen_before(draft)
        if same is None:
            if self.is_full:
                return draft
            self._drafts.append(draft)
            same = draft
        else:
            self._merge(same, draft)
        for url in (draft.url, *draft.copies):
            self._by_url.setdefault(url, same)
        return same

    def _chosen_before(self, draft: ImageDraft) -> ImageDraft | None:
        """Return an image that stood alone, after giving it the address of this better copy; None if there is none."""
        for url in draft.copies:
            known = self._by_url.get(url)
            if known is not None and known.url == url and not known.copies:
                known.url, known.copies = draft.url, draft.copies
                return known
        return None

    @staticmethod
    def _merge(known: ImageDraft, other: ImageDraft) -> None:
        for source, (text, language) in other.texts.items():
            known.add_text(source, text, language)
        for url in (other.url, *other.candidates):
            if len(known.candidates) < _MOST_CANDIDATES and url not in known.candidates:
                known.candidates.append(url)
        if (known.width or 0) * (known.height or 0) < (other.width or 0) * (other.height or 0):
            known.width, known.height = other.width, other.height

    def replace(self, stand_in: ImageDraft, picture: ImageDraft) -> None:
        """Take what stands in for a picture off the page, and give its texts to the picture."""
        for source, (text, language) in stand_in.texts.items():
            picture.add_text(source, text, language)
        if not stand_in.is_replaced:
            stand_in.is_replaced = True
            self._replaced += 1

    def images(self) -> list[PageImage]:
        """Return what was found, in the order of the page."""
        return [self._finish(draft) for draft in self._drafts if not draft.is_replaced]

    def _finish(self, draft: ImageDraft) -> PageImage:
        text, source, language = draft.best(self._policy.texts)
        return PageImage(
            url=draft.url,
            alt=text,
            alt_source=source,
            language=language,
            width=draft.width,
            height=draft.height,
            place=draft.place,
            candidates=tuple(dict.fromkeys([draft.url, *draft.candidates])),
        )
