"""Documents that are written in ASCII, or begin behind something else."""

from __future__ import annotations

import io
import zipfile

import pytest

from ingest_guard.imaging.sniffing.sniff import Kind, Sniffed, sniff

_PDF = b"%PDF-1.4\n1 0 obj\n<< /Type /Catalog >>\nendobj\ntrailer\n<< /Root 1 0 R >>\n%%EOF\n"
_PS = b"%!PS-Adobe-3.0\n/x 1 def\nshowpage\n"
_RTF = b"{\\rtf1\\ansi words}"
_MAIL = b"From: x\nMIME-Version: 1.0\nContent-Type: multipart/related; boundary=x\n\n--x\n"


def _archive() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("a.txt", "words")
    return buffer.getvalue()


_LEADS = {
    "nothing": b"",
    "a line break": b"\n",
    "blanks": b" \t\r\n \n",
    "a mark": b"\xef\xbb\xbf",
    "lines of ASCII": b"This is a line.\nThis is another.\n",
    "a thousand bytes": b"x" * 999 + b"\n",
}


@pytest.mark.parametrize("lead", _LEADS)
@pytest.mark.parametrize(
    ("body", "format"),
    [(_PDF, "PDF"), (_PDF.replace(b"\n", b"\r"), "PDF"), (_PS, "EPS"), (_RTF, "RTF"), (_archive(), "ZIP")],
)
def test_document_is_found_where_viewers_look(lead: str, body: bytes, format: str) -> None:  # noqa: A002 - Pillow's word
    """At the beginning, after a line break, behind lines of text."""
    assert sniff(_LEADS[lead] + body) == Sniffed(Kind.BINARY, format)


@pytest.mark.parametrize(
    ("data", "format"),
    [
        (b"\n" + _MAIL, "MHTML"),
        (b"<html>" + _PDF, "PDF"),
        (b"1 0 obj <<>> endobj", "PDF"),
        (b"%PDF-\n1\n0\nobj<</Type/Catalog>>", "PDF"),
        (b"<!doctype html><p>" + b"words " * 4000 + _archive(), "ZIP"),
        (b"\x1b%-12345X@PJL\n" + _PS, "LABELLED"),
        (b"@PJL SET\n\x1b%-12345X" + _PS, "EPS"),
    ],
)
def test_rarer_spellings_of_documents(data: bytes, format: str) -> None:  # noqa: A002 - Pillow's word
    """Mails, pages in front of documents, objects without a header, printers' languages."""
    assert sniff(data) == Sniffed(Kind.BINARY, format)


@pytest.mark.parametrize(
    "data",
    [
        b"Such a file begins with %PDF-1.4",
        b"%%PDF and %!PS are signatures\n",
        b"<html><pre>\n%!PS-Adobe-3.0\n</pre>",
        b"PK and PK\3\4 are signatures" + b" words" * 100,
        b"{\\rm an old} {\\rtl{x}}",
        b"To: x\nContent-Type: text/plain\n\nContent-Type is a header\n",
        b"words " * 400 + _PS,
    ],
)
def test_words_about_documents_are_text(data: bytes) -> None:
    """Manuals, TeX, pages that show some."""
    assert sniff(data).kind is Kind.TEXT
