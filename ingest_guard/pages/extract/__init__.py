"""Images on web pages, each with the text that belongs to it: :func:`extract_images`."""

from ingest_guard.pages.extract.found import PageImage
from ingest_guard.pages.extract.images import extract_images

__all__ = ["PageImage", "extract_images"]
