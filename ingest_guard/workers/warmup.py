"""What a child process prepares while it may still open files: decoders, which are loaded when first used."""

import io

from webencodings.labels import LABELS

from ingest_guard.guard.guard import Guard
from ingest_guard.guard.scanner import Scanner
from ingest_guard.workers.probes import PROBE_QUESTION, make_picture, make_text_probe

_FORMATS = ("JPEG", "PNG", "GIF", "WEBP", "AVIF", "BMP", "ICO", "TIFF", "JPEG2000")


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
    """Scan one small image of each format that this Pillow writes, in the modes that take other paths.

    Raises
    ------
    PolicyError
        An encoder cannot be used.
    """
    scanner.prepare()
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
