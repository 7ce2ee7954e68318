"""Images on web pages, each with the text that belongs to it: :func:`extract_images`."""

from ingest_guard.pages.extract.found import PageImage
from ingest_guard.pages.extract.images import extract_images

__all__ = ["EXTRACTION", "PageImage", "extract_images"]

EXTRACTION = 2
"""The way in which texts and addresses are read. A change that gives the same image another text, or another address,
gives it another ``uid``, and this another number."""
