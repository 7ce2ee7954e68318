"""Pages that are cheap to send and were dear to read: each kind at any size."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

_IMG: Final = b'<img src="data:image/png;base64,'


def _repeated(head: bytes, piece: bytes, tail: bytes = b"") -> Callable[[int], bytes]:
    return lambda size: head + piece * ((size - len(head) - len(tail)) // len(piece)) + tail


def _numbered(piece: bytes, head: bytes = b"<p>") -> Callable[[int], bytes]:
    def make(size: int) -> bytes:
        count = (size - len(head)) // (len(piece) + 4 * piece.count(b"%d"))
        return head + b"".join(piece.replace(b"%d", b"%d" % n) for n in range(count))

    return make


KINDS: Final[dict[str, Callable[[int], bytes]]] = {
    "line breaks in base64": _repeated(_IMG + b"iVBORw0KGgo", b"\n", b'">'),
    "blanks in base64": _repeated(_IMG + b"iVBORw0KGgo", b" ", b'">'),
    "percent signs in base64": _repeated(_IMG, b"%41", b'">'),
    "percent signs in a page": _repeated(b'<img src="data:text/html,', b"%3C%41", b'">'),
    "references in base64": _repeated(_IMG, b"&#65;", b'">'),
    "long references": _repeated(_IMG, b"&#x0000041;", b'">'),
    "ampersands": _repeated(b"<p>&#65;", b"&"),
    "escaped ampersands": _repeated(b"<p>&#65;&", b"amp;"),
    "zeros in a reference": _repeated(b"<p>&#", b"0"),
    "backslashes": _repeated(b"<p>\\x41", b"\\"),
    "escapes": _repeated(b"<p>\\x41", b"\\x41"),
    "schemes": _repeated(b"<p>", b"data:"),
    "empty URLs": _repeated(b"<p>", b"data:,"),
    "starts of JPEG": _repeated(b"<p>", b"/9j/<"),
    "short runs": _repeated(b"<p>", b"/9j/" + b"A" * 20 + b"<"),
    "letters": _repeated(b"<p>", b"A"),
    "comments of netpbm": _repeated(b"P1\n", b"#\n"),
    "line breaks of netpbm": _repeated(b"P1\n#", b"\n"),
    "header lines": _repeated(b"", b"a:\n"),
    "bitmaps": _repeated(b"<p>" + b"\1" * 9, b"BM"),
    "UTF-16": _repeated(b"\xff\xfe", b"<\0"),
    "links": _numbered(b'<a href="http://h%d.example/a">x</a>'),
    "pictures": _numbered(b'<img src="/%d.jpg" srcset="/%d.png 2x">'),
    "elements": _numbered(b"<meta name=a%d content=b>"),
    "attributes": _numbered(b" a%d=b", b"<p"),
    "depth": _repeated(b"<p>", b"<b>"),
    "scripts that close themselves": _repeated(b"<p>", b"<script/>"),
    "XHTML": _repeated(b'<html xmlns="http://www.w3.org/1999/xhtml">', b'<a href="//h.example/"/><meta name="a"/>'),
    "noscript": _repeated(b"<p>", b"<noscript><meta>"),
}
"""Name -> a function from a size in bytes to a text of about that size."""
