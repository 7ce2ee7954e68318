"""Probes: a picture and a page whose answers are known. A worker that answers otherwise is not to be trusted."""

import base64
import io

import numpy as np
from PIL import Image

from ingest_guard.guard.scan_result import Scan
from ingest_guard.hashing.pdq import pdq
from ingest_guard.imaging.decode import Limits, open_picture
from ingest_guard.pages.findings import PageLimits
from ingest_guard.pages.reading import PageQuestion, PageReading
from ingest_guard.workers.worker import Job, TextJob

_EVERY = 1000


class Probes:
    """Makes them when they are due: before the first job, and after so many more.

    Parameters
    ----------
    limits
        For reading the page.
    """

    def __init__(self, limits: PageLimits) -> None:
        self._limits = limits
        self._picture, self._fingerprint = make_probe()
        self._page, self._inside = make_text_probe()
        self._until_next = 0

    def due(self) -> tuple[Job, ...]:
        """Return what is to be done before one more job."""
        self._until_next -= 1
        if self._until_next > 0:
            return ()
        self._until_next = _EVERY
        page = TextJob(
            self._page,
            None,
            declared="text/html",
            limits=self._limits,
            question=PROBE_QUESTION,
            is_right=lambda found: is_probe_read(found, self._inside),
        )
        return Job(self._picture, None, is_right=self._is_seen), page

    def _is_seen(self, found: Scan) -> bool:
        return found.image is not None and found.image.fingerprints.get("pdq") == self._fingerprint


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
