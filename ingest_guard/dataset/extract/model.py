"""What extraction finds: :class:`PageImage`."""

from __future__ import annotations

from dataclasses import dataclass


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
