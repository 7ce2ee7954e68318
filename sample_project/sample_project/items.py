"""What the spider finds on a page."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class Picture:
    """An image and the words next to it. ingest_guard fetches and checks it, and makes a record of it.

    Attributes
    ----------
    image_url
        Where the image is.
    alt
        Its alt text.
    page_url
        The page that shows it.
    """

    image_url: str
    alt: str
    page_url: str
