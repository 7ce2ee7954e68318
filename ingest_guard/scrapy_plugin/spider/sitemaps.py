"""Sitemaps as hosts write them: packed, in text, with bare ampersands and HTML's entities, named in robots.txt.

After https://www.sitemaps.org/protocol.html; Scrapy's own reader takes the XML. What one may cost is
bounded, and takes a second or two: call :func:`read_sitemap` in a thread.
"""

import re
from collections.abc import Iterator
from contextlib import suppress
from html.entities import html5
from itertools import islice
from typing import Any, Final, NamedTuple
from urllib.parse import urljoin

from lxml import etree
from scrapy.utils.sitemap import Sitemap

from ingest_guard.encodings.sitemaps import unpack_sitemap
from ingest_guard.files.text import HEAD, encoding_of
from ingest_guard.imaging.sniffing.patterns import linear

_LARGEST = 500 << 10
_FIRST_ADDRESS = linear(rb"(?i)^\s*https?://")
_REFERENCE = re.compile(
    rb"&(?:(#[0-9]{1,7};|#x[0-9A-Fa-f]{1,6};|amp;|lt;|gt;|quot;|apos;)|([A-Za-z][A-Za-z0-9]{1,31};))?"
)
"""An ampersand and what it begins: bounded, so that it takes linear time."""
_SECTION, _SECTION_END = b"<![CDATA[", b"]]>"
_MOST_REFERENCES = 500_000
_MOST_ADDRESSES: Final = 50_000
"""As many as the protocol allows in one sitemap."""


class SitemapEntries(NamedTuple):
    """What a sitemap lists: the entries of Scrapy's reader, and whether they are sitemaps again."""

    entries: list[dict[str, Any]]
    is_index: bool = False


def read_sitemap(body: bytes, limit: int) -> SitemapEntries | None:
    """Return the first 50,000 entries of a sitemap; None for what is none.

    Parameters
    ----------
    body
        In XML or in text, packed with gzip or not.
    limit
        Bytes that it may have once it is unpacked.
    """
    packed = unpack_sitemap(body, limit)
    body = body if packed is None else packed.bodies[-1]
    addresses = in_text(body)
    if addresses is not None:
        return SitemapEntries([{"loc": address} for address in addresses[:_MOST_ADDRESSES]])
    try:
        found = Sitemap(mend(body))
        if found.type not in {"urlset", "sitemapindex"}:
            return None
        return SitemapEntries(list(islice(found, _MOST_ADDRESSES)), found.type == "sitemapindex")
    except (etree.XMLSyntaxError, StopIteration, ValueError):
        return None


def in_robots(body: bytes, url: str) -> Iterator[str]:
    """Yield the addresses of the sitemaps that the first 500 KiB of a robots.txt name; ``#`` begins a comment."""
    for line in body[:_LARGEST].removeprefix(b"\xef\xbb\xbf").splitlines():
        name, _, rest = line.partition(b"#")[0].partition(b":")
        if name.strip().lower() == b"sitemap" and (address := rest.decode("utf-8", "replace").strip()):
            with suppress(ValueError):  # brackets without an address in them
                yield urljoin(url, address)


def in_text(body: bytes) -> list[str] | None:
    """Return the addresses of a sitemap in text, one in each line; None for anything else."""
    encoding = encoding_of(body[:HEAD], "utf-8-sig")
    if encoding.startswith("utf-8"):
        body = body.removeprefix(b"\xef\xbb\xbf")
    else:
        body = body.decode(encoding, "replace").encode("utf-8", "replace")
    if not _FIRST_ADDRESS.match(body):
        return None
    return [line.strip() for line in body.decode("utf-8", "replace").splitlines() if line.strip()]


def mend(body: bytes) -> bytes:
    """Return a sitemap in XML whose bare ampersands and HTML entities are references that XML has.

    One with more of them than any sitemap has is left as it is.
    """
    if not encoding_of(body[:HEAD]).startswith("utf-8") or body.count(b"&") + body.count(_SECTION) > _MOST_REFERENCES:
        return body
    # With blanks before it, libxml2 takes the declaration for an error, and drops references from there on.
    first, *others = body.removeprefix(b"\xef\xbb\xbf").lstrip().split(_SECTION)
    parts = [_REFERENCE.sub(_mended, first)]
    for part in others:
        # In sections of character data an ampersand is one.
        inside, end, behind = part.partition(_SECTION_END)
        parts += [_SECTION, inside, end, _REFERENCE.sub(_mended, behind)]
    return b"".join(parts)


def _mended(found: re.Match[bytes]) -> bytes:
    if found[1] is not None:
        return found[0]
    if found[2] is None:
        return b"&amp;"
    characters = html5.get(found[2].decode())
    if characters is None:
        return b"&amp;" + found[2]
    return b"".join(b"&#%d;" % ord(each) for each in characters)
