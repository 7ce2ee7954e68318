"""Documents and archives that can be written in text bytes, or begin behind a text: by what their readers look for."""

import contextlib
import zlib
from typing import Final

from ingest_guard.imaging.sniffing.patterns import linear

_HEAD: Final = 1024
"""Viewers of PDF look through so many bytes for its signature (ISO 32000-1, annex H, note 13)."""
_MHTML_HEAD: Final = 8192
_ZIP_TAIL: Final = 22 + (1 << 16)
_PDF: Final = linear(rb"%PDF-")
_BARE_PDF: Final = linear(rb"\A[\s\0\x0b]*[0-9]{1,10}[\s\0\x0b]+[0-9]{1,5}[\s\0\x0b]+obj[\s\0\x0b]*<<")
_PDF_OBJECT: Final = linear(rb"(?:^|[^0-9.%-])[0-9]{1,10}[\s\0\x0b]+[0-9]{1,5}[\s\0\x0b]+obj\b")
_POSTSCRIPT: Final = linear(rb"(?:\A(?:\xef\xbb\xbf)?|[\r\n])[\0\x04\t\x0c ]*(?:\x1b%-12345X)?(?:%!PS|\x04%!)")
_RTF: Final = linear(rb"(?:\A(?:\xef\xbb\xbf)?|[\r\n])[\0\t\x0c ]*\{\\rt(?:f|[^a-z])")
_MHTML: Final = linear(
    rb"(?i)\A(?:\xef\xbb\xbf)?[\s\0]*(?:[\w-]+:[^\n]*\n(?:[ \t][^\n]*\n)*){0,40}?content-type:\s*multipart/"
)
_ZIP_ENTRY: Final = linear(rb"(?s)PK\x03\x04[\x0a-\x3f][\0-\x14]..[\0\x01\x06\x08\x09\x0c\x0e\x14\x5d\x5f-\x63]\0")
_WITHOUT_MARKUP: Final = (("PDF", _BARE_PDF), ("EPS", _POSTSCRIPT), ("RTF", _RTF))
_ARCHIVES: Final = (
    (b"Rar!\x1a\x07", "RAR"),
    (b"7z\xbc\xaf\x27\x1c", "7Z"),
    (b"\xfd7zXZ\0", "XZ"),
    (b"\x28\xb5\x2f\xfd", "ZSTD"),
)
_BZIP2: Final = linear(rb"(?s)BZh[1-9](?:1AY&SY|\x17\x72\x45\x38\x50\x90)")
_GZIP: Final = linear(rb"(?s)\x1f\x8b\x08[\0-\x1f]....[\0-\x04][\0-\x0d\xff]")
_MOST_GZIPS: Final = 100
_GZIP_HEAD: Final = 1 << 16


def document_format(data: bytes, *, is_markup: bool = False) -> str | None:
    """Return the format of a document or archive that a body also is; None where it is none.

    Parameters
    ----------
    data
        A body without a signature at its beginning.
    is_markup
        It begins with a tag, which no reader of PostScript, RTF or MHTML gets over.
    """
    if _PDF.search(data, 0, _HEAD + 5) and _PDF_OBJECT.search(data):
        return "PDF"
    if is_zip(data):
        return "ZIP"
    if is_markup:
        return None
    head = data[:_HEAD]
    for name, pattern in _WITHOUT_MARKUP:
        if pattern.search(head):
            return name
    return "MHTML" if _MHTML.match(data[:_MHTML_HEAD]) else None


def is_zip(data: bytes) -> bool:
    """Return whether an archive ends here: readers of ZIP begin at the end (APPNOTE.TXT, 4.3.16)."""
    end = data.rfind(b"PK\5\6", max(0, len(data) - _ZIP_TAIL))
    return end >= 0 and b"PK\1\2" in data[:end]


def find_document(data: bytes, start: int, stop: int) -> str | None:
    """Return the format of the first document or archive that begins in a part of a body."""
    at = data.find(b"%PDF-", start, stop)
    if at >= 0 and _PDF_OBJECT.search(data, at):
        return "PDF"
    at = data.find(b"PK\3\4", start, stop)
    while at >= 0:
        if _ZIP_ENTRY.match(data, at):
            return "ZIP"
        at = data.find(b"PK\3\4", at + 1, stop)
    found = next((name for magic, name in _ARCHIVES if data.find(magic, start, stop) >= 0), None)
    if found is None and _BZIP2.search(data, start, stop):
        return "BZIP2"
    return "GZIP" if found is None and _has_gzip(data, start, stop) else found


def _has_gzip(data: bytes, start: int, stop: int) -> bool:
    """Return whether a stream begins that gives a byte: its signature alone is short."""
    for head, _ in zip(_GZIP.finditer(data, start, stop), range(_MOST_GZIPS), strict=False):
        with contextlib.suppress(zlib.error):
            if zlib.decompressobj(wbits=31).decompress(data[head.start() : head.start() + _GZIP_HEAD], 1):
                return True
    return False
