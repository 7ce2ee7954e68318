"""Images on web pages, each with the text that belongs to it: :func:`extract_images`."""

from ingest_guard.pages.extract.found import PageImage
from ingest_guard.pages.extract.images import extract_from, extract_images

EXTRACTION = 2
"""The way in which pages are read. A change that gives an image another text or address, and so another ``uid``, gives
this another number."""

__all__ = ["EXTRACTION", "PageImage", "extract_from", "extract_images"]
