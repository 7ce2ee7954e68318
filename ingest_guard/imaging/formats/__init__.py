"""One module a file format: its container read by ourselves, its pixels by Pillow.

``READERS`` is the allow-list: what is not in it is never decoded. It has no EPS (which runs Ghostscript), no WMF, no
XBM, no FITS.
"""

from collections.abc import Callable, Mapping

from ingest_guard.imaging.formats.avif import AvifReader, HeifReader
from ingest_guard.imaging.formats.base import Reader
from ingest_guard.imaging.formats.bmp import BmpReader
from ingest_guard.imaging.formats.gif import GifReader
from ingest_guard.imaging.formats.ico import IcoReader
from ingest_guard.imaging.formats.jp2 import Jp2Reader
from ingest_guard.imaging.formats.jpeg import JpegReader
from ingest_guard.imaging.formats.png import PngReader
from ingest_guard.imaging.formats.tiff import TiffReader
from ingest_guard.imaging.formats.webp import WebpReader
from ingest_guard.imaging.pixels.model import Budget

READERS: Mapping[str, Callable[[bytes, Budget], Reader]] = {
    "JPEG": JpegReader,
    "PNG": PngReader,
    "GIF": GifReader,
    "WEBP": WebpReader,
    "AVIF": AvifReader,
    "HEIF": HeifReader,
    "BMP": BmpReader,
    "ICO": IcoReader,
    "CUR": IcoReader,
    "TIFF": TiffReader,
    "JPEG2000": Jp2Reader,
}
"""Format, as :func:`~ingest_guard.imaging.sniffing.sniff.sniff` names it -> what reads it."""
