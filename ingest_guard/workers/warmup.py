"""What a child process prepares while it may still open files: decoders, its memory report, and what probes are."""

import base64
import contextlib
import io
import os
import re

import numpy as np
from PIL import Image
from webencodings.labels import LABELS

from ingest_guard.guard.guard import Guard
from ingest_guard.guard.scanner import Scanner
from ingest_guard.hashing.pdq import pdq
from ingest_guard.imaging.decode import Limits, open_picture
from ingest_guard.pages.reading import PageQuestion, PageReading

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


def make_picture(seed: int = 0, side: int = 160) -> Image.Image:
    """Return a generated picture with enough structure for every hash."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 256, (9, 9, 3), dtype=np.uint8)
    return Image.fromarray(coarse).resize((side, side), Image.Resampling.BICUBIC)


def make_probe() -> tuple[bytes, str]:
    """Return an image that every worker must decode to the same fingerprints, and its PDQ hash in hex."""
    buffer = io.BytesIO()
    make_picture(20).save(buffer, "JPEG", quality=90)
    frame = next(open_picture(buffer.getvalue(), Limits()).frames())
    return buffer.getvalue(), pdq(frame.luma)[0].hex()


PROBE_QUESTION = PageQuestion("https://probe.example/a/")
_PROBE_PAGE = (
    '<!doctype html><meta charset=utf-8><meta name=Robots content="noarchive"><title>p</title><style>p{{color:red}}'
    '</style><noscript><img src="{}"></noscript><p><img src="../b.jpg" alt="a sail">'
    '<a href="/c?d" rel="nofollow">e</a><!-- <img src="/f.jpg"> -->'
)


def make_text_probe() -> tuple[bytes, bytes]:
    """Return a page that every worker must read alike, and the picture that stands in it."""
    buffer = io.BytesIO()
    make_picture(21, 24).save(buffer, "PNG")
    url = "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()
    return _PROBE_PAGE.format(url).encode(), buffer.getvalue()


def is_probe_read(reading: PageReading, picture: bytes) -> bool:
    """Return whether a reading of the text probe has found what is in it, and nothing else."""
    document = reading.document
    if document is None or reading.doubt is not None or [body.data for body in reading.bodies] != [picture]:
        return False
    try:
        images = [(image.url, image.alt) for image in document.images()]
        links = list(document.links())
    except (ValueError, TypeError):
        return False
    return (
        document.metas == (("robots", "noarchive"),)
        and images == [("https://probe.example/b.jpg", "a sail")]
        and links == [("https://probe.example/c?d", True)]
    )


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
