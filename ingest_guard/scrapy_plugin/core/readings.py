"""The readings of pages: made by workers, kept in memory, and found again by the body and the address of a page.

The gate has every page read as it comes in. Whoever needs what a page says asks here: what was read is remembered for
a while, and a body that a middleware has changed is read again. Nothing of this is read from a request's meta.
"""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable, Iterable
from typing import TYPE_CHECKING, TypeAlias
from weakref import WeakKeyDictionary

from cachetools import LRUCache

from ingest_guard.checking.bodies import NO_PAGE, off_loop_if_large
from ingest_guard.guard.page_reading import may_be_page
from ingest_guard.pages.reading import PageDocument, PageQuestion, PageReading

if TYPE_CHECKING:
    from scrapy.http import Response

    _Read: TypeAlias = Callable[[bytes, str | None, str, PageQuestion], Awaitable[PageReading]]

_MOST_BYTES = 32 << 20


class PageReadings:
    """What pages say, as far as it is remembered.

    Parameters
    ----------
    read
        Has a body read by a worker: of a body, its Content-Type, its address, and what is wanted.
    """

    def __init__(self, read: _Read) -> None:
        self._read = read
        self._of_bodies: LRUCache[tuple[str, str, str | None], PageDocument] = LRUCache(
            _MOST_BYTES, getsizeof=lambda document: document.size
        )
        # Of responses that are still on their way, and hold the very object that was read.
        self._of_responses: WeakKeyDictionary[Response, tuple[bytes, PageDocument | None]] = WeakKeyDictionary()
        self._wants_images = False

    def question(self, response: Response) -> PageQuestion:
        """Return what is wanted of a page: its images and links once a spider has asked for those of any page."""
        return PageQuestion(response.url, self._wants_images)

    def note(self, response: Response, digests: Iterable[str], document: PageDocument | None) -> None:
        """Remember what a response says.

        Parameters
        ----------
        response
            As it is on its way.
        digests
            SHA-256 of its body, and of what is inside its Content-Encoding.
        document
            What it says; None where it could not be read.
        """
        self._of_responses[response] = (response.body, document)
        if document is not None and document.size <= _MOST_BYTES:
            for digest in digests:
                self._of_bodies[digest, response.url, declared_type(response)] = document

    async def of(self, response: Response, *, images: bool = False, digest: str | None = None) -> PageDocument | None:
        """Return what a response says; None where it could not be read.

        Parameters
        ----------
        response
            With its Content-Encoding undone.
        images
            True where its images and links are wanted, too.
        digest
            SHA-256 of the body, where it is known.
        """
        self._wants_images |= images
        body = response.body
        if not body:
            return NO_PAGE
        known = self._of_responses.get(response)
        if known is not None and known[0] is body and (known[1] is None or _is_enough(known[1], images=images)):
            return known[1]
        declared = declared_type(response)
        digest = digest or await digest_of(body)
        document = self._of_bodies.get((digest, response.url, declared))
        if document is None or not _is_enough(document, images=images):
            document = NO_PAGE
            if images or await off_loop_if_large(body, may_be_page, body, declared):
                reading = await self._read(body, declared, response.url, self.question(response))
                document = reading.document
        self.note(response, (digest,), document)
        return document


def declared_type(response: Response) -> str | None:
    """Return a response's Content-Type."""
    value = response.headers.get("Content-Type")
    return value.decode("latin-1") if value else None


async def digest_of(body: bytes) -> str:
    """Return a body's SHA-256 in hex."""
    return (await off_loop_if_large(body, hashlib.sha256, body)).hexdigest()


def _is_enough(document: PageDocument, *, images: bool) -> bool:
    return document.has_images or not images
