"""Sitemaps that are packed with gzip, as files of their own: ``sitemap.xml.gz``, with or without a Content-Encoding.

https://www.sitemaps.org/protocol.html has them. Other archives stay unread: their readers take what they hold apart.
"""

from typing import Final

from ingest_guard.encodings.stages import Stages, undo
from ingest_guard.imaging.sniffing.patterns import linear
from ingest_guard.imaging.sniffing.sniff import Kind, sniff

_MAGIC: Final = b"\x1f\x8b\x08"
_HEAD: Final = 1 << 16
_NOT_ASCII: Final = bytes({0, *range(0x80, 0x100)})
_BEGINS: Final = linear(
    rb"(?is)^(?:\s*https?://|(?:\s|<\?.*?\?>|<!--.*?-->|<!doctype[^>\[]*>)*"
    rb"<(?:[a-z][\w.-]*:)?(?:urlset|sitemapindex)[\s/>])"
)


def is_gzip(body: bytes) -> bool:
    """Return whether a body begins as gzip does."""
    return body.startswith(_MAGIC)


def unpack_sitemap(body: bytes, limit: int) -> Stages | None:
    """Return a packed sitemap at each stage; None for anything else, and for one that is cut off, broken or too large.

    Parameters
    ----------
    body
        A body whose Content-Encoding was undone.
    limit
        Bytes that it may have once it is unpacked.
    """
    if not is_gzip(body):
        return None
    stages = undo(body, ["gzip"], limit)
    content = stages.bodies[-1]
    # UTF-16 is ASCII with zeros between the letters, and a mark before them.
    if stages.problem is not None or not _BEGINS.match(content[:_HEAD].translate(None, _NOT_ASCII)):
        return None
    return stages if sniff(content).kind is Kind.TEXT else None
