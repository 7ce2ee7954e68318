"""Sitemaps as hosts write them: in text, with bare ampersands and HTML's entities, named in robots.txt with a comment.

After https://www.sitemaps.org/protocol.html; what Scrapy's own reader takes is left to it.
"""

import re
from collections.abc import Iterator
from contextlib import suppress
from html.entities import html5
from urllib.parse import urljoin

from ingest_guard.files.text import HEAD, encoding_of
from ingest_guard.imaging.sniffing.patterns import linear

_LARGEST = 500 << 10
_FIRST_ADDRESS = linear(rb"(?i)^\s*https?://")
_XML = linear(rb"(?i)^\s*<(?:\?xml|urlset|sitemapindex|!--)")
# In sections of character data an ampersand is one.
_REFERENCE = linear(
    rb"(?s)<!\[CDATA\[.*?\]\]>|&(?:(#[0-9]{1,7};|#x[0-9A-Fa-f]{1,6};|amp;|lt;|gt;|quot;|apos;)|([A-Za-z][A-Za-z0-9]{1,31};))?"
)


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


def is_xml(body: bytes) -> bool:
    """Return whether a body begins as a sitemap in XML does, whatever type and name it has."""
    return bool(_XML.match(body[:4096].removeprefix(b"\xef\xbb\xbf")))


def mend(body: bytes) -> bytes:
    """Return a sitemap in XML whose bare ampersands and HTML entities are references that XML has."""
    if not encoding_of(body[:HEAD]).startswith("utf-8"):
        return body
    # With blanks before it, libxml2 takes the declaration for an error, and drops references from there on.
    return _REFERENCE.sub(_mended, body.removeprefix(b"\xef\xbb\xbf").lstrip())


def _mended(found: re.Match[bytes]) -> bytes:
    if not found[0].startswith(b"&") or found[1] is not None:
        return found[0]
    if found[2] is None:
        return b"&amp;"
    characters = html5.get(found[2].decode())
    if characters is None:
        return b"&amp;" + found[2]
    return b"".join(b"&#%d;" % ord(each) for each in characters)
