"""Images on web pages, each with the text that belongs to it: :func:`extract_images`."""

from ingest_guard.pages.extract.found import PageImage
from ingest_guard.pages.extract.images import extract_from, extract_images

EXTRACTION = 2
"""How pages are read; a number more where the same page may give other images, addresses or texts than before."""

__all__ = ["EXTRACTION", "PageImage", "extract_from", "extract_images"]
