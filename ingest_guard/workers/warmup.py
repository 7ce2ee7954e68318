"""What a child process prepares while it may still open files: decoders, and its memory report."""

import contextlib
import io
import os
import re

from webencodings.labels import LABELS

from ingest_guard.guard.guard import Guard
from ingest_guard.guard.scanner import Scanner
from ingest_guard.workers.probes import PROBE_QUESTION, make_picture, make_text_probe

_FORMATS = ("JPEG", "PNG", "GIF", "WEBP", "AVIF", "BMP", "ICO", "TIFF", "JPEG2000")
_ROLLUP = "/proc/self/smaps_rollup"
_LINE = re.compile(rb"^(Pss|Private_Dirty|Private_Clean|Pss_Anon):\s+([0-9]+) kB$", re.MULTILINE)
_LONGEST = 1 << 13


class OwnMemory:
    """The kernel's account of this process (``smaps_rollup``, proc(5)), opened while files may still be opened.

    A worker reports it itself, since no other process may look into it. Open it in the process that it is about: a fork
    that inherits it would read about its parent.
    """

    def __init__(self) -> None:
        self._descriptor: int | None = None
        with contextlib.suppress(OSError):
            self._descriptor = os.open(_ROLLUP, os.O_RDONLY | os.O_CLOEXEC)

    def report(self) -> dict[str, int]:
        """Return bytes: ``private`` that this process has for itself alone, ``pss`` with its share of all it shares.

        ``private`` are written pages (``Private_Dirty``); ``clean`` are pages of files that no other process has mapped
        just now, of the lists above all: the kernel drops those when memory is short. Empty where the kernel has no
        such account.
        """
        if self._descriptor is None:
            return {}
        with contextlib.suppress(OSError):
            found = dict(_LINE.findall(os.pread(self._descriptor, _LONGEST, 0)))
            wanted = {"private": b"Private_Dirty", "clean": b"Private_Clean", "pss": b"Pss"}
            return {name: int(found[key]) * 1024 for name, key in wanted.items() if key in found}
        return {}


_URL = "data:image/gif;base64,R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7"
_TEXTS = (
    (
        "text/html",
        f'<!doctype html><img src="{_URL}"><style>a{{background:url({_URL})}}</style><script>"{_URL}"</script>',
    ),
    ("image/svg+xml", f'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"><image href="{_URL}"/></svg>'),
    ("application/json", f'{{"a": "{_URL}"}}'),
)

_XHTML = (
    '<?xml version="1.0"?><html xmlns="http://www.w3.org/1999/xhtml"><head><title/></head>'
    '<body><img src="/a" alt="b"/><a href="/c">d</a></body></html>'
)


def read_pages(guard: Guard) -> None:
    """Read small texts of each kind and in every charset: decoders are modules that are loaded when first used."""
    for declared, text in _TEXTS:
        guard.read(text.encode(), declared, PROBE_QUESTION)
    guard.read(make_text_probe()[0], "text/html", PROBE_QUESTION)
    guard.read(_XHTML.encode(), "application/xhtml+xml", PROBE_QUESTION)
    foreign = b'<p>\xe9\xe0<img src="data:,x">'
    for name in sorted(set(LABELS.values())):
        guard.read(foreign, f"text/html; charset={name}")
    guard.read(foreign, None)


def run(scanner: Scanner) -> None:
    """Scan one small image of each format that this Pillow writes, in the modes that take other paths."""
    for name in _FORMATS:
        for mode in ("RGB", "P", "LA", "CMYK"):
            buffer = io.BytesIO()
            try:
                # ``speed`` is AVIF's: 25 milliseconds each without it.
                make_picture().convert("RGB").convert(mode).save(buffer, name, speed=10)
            except (OSError, KeyError, ValueError):
                continue  # the format has no such mode, or this Pillow was built without it
            scanner.scan(buffer.getvalue())
    scanner.scan(b"\xff\xd8\xff\xe0 not a JPEG")
