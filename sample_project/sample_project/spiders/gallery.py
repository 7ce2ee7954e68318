"""The spider: follows the links of one site and yields a picture for each image that it finds.

``scrapy crawl gallery -a start=https://example.org/``
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import scrapy
from scrapy.http import HtmlResponse, TextResponse

from sample_project.items import Picture

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from scrapy.http import Response

_BACKGROUND = re.compile(r"url\(\s*['\"]?([^'\")]+)")


class GallerySpider(scrapy.Spider):
    """Crawls one site.

    Parameters
    ----------
    start
        The address to start from; links to other hosts are not followed, though their images are collected.
    """

    name = "gallery"

    def __init__(self, start: str, **arguments: Any) -> None:
        super().__init__(**arguments)
        self.start_url = start
        self.allowed_domains = [urlsplit(start).hostname or ""]

    async def start(self) -> AsyncIterator[scrapy.Request]:
        """Begin with the given address."""
        yield scrapy.Request(self.start_url)

    def parse(self, response: Response) -> Iterator[scrapy.Request | Picture]:
        """Yield the pictures of a page, and a request for each link on it."""
        if not isinstance(response, HtmlResponse):
            return
        if self.crawler.stats:
            self.crawler.stats.inc_value("gallery/pages")
        for image in response.css("img"):
            if source := self.source(image):
                alt = image.attrib.get("alt", "").strip()
                yield Picture(response.urljoin(source), alt, response.url)
        yield from response.follow_all(css="a[href]")
        yield from response.follow_all(css="link[rel=stylesheet]", callback=self.parse_style)

    def parse_style(self, response: Response) -> Iterator[Picture]:
        """Yield the background pictures of a style sheet."""
        if isinstance(response, TextResponse):
            for source in _BACKGROUND.findall(response.text):
                yield Picture(response.urljoin(source), "background", response.url)

    @staticmethod
    def source(image: scrapy.Selector) -> str | None:
        """Return an image's address: of lazy ones the real address, not the placeholder's."""
        lazy = image.attrib.get("data-src")
        if candidates := image.attrib.get("data-srcset") or image.attrib.get("srcset"):
            # The last candidate is the largest by custom; each is an address and, after a space, a size.
            return lazy or candidates.split(",")[-1].split()[0]
        return lazy or image.attrib.get("src")
