"""Pillow, held at arm's length: whatever a decoder throws becomes a reason, and what it had decoded by then is kept.

Pillow's plug-ins are called by class and by us, never through ``Image.open``: what a file is was decided by its
signature, so that no other plug-in (EPS runs Ghostscript; WMF, XBM, FITS ...) ever sees a byte of it.
"""

from __future__ import annotations

import warnings
from contextlib import contextmanager
from typing import TYPE_CHECKING

from PIL import Image

from ingest_guard.imaging.pixels.model import NotScannable
from ingest_guard.verdict import Reason

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import TracebackType

    from PIL import ImageFile


def reason_for(error: BaseException) -> Reason:
    """Return the reason that an error in a decoder stands for."""
    if isinstance(error, NotScannable):
        return error.reason
    if isinstance(error, MemoryError):
        return Reason.MEMORY
    if isinstance(error, (Image.DecompressionBombError, Image.DecompressionBombWarning)):
        return Reason.PIXELS
    return Reason.CORRUPT


class decoding:  # noqa: N801 - reads as what it does: with decoding():
    """Turn whatever is raised inside into :class:`NotScannable`.

    The original error is cut off (``from None``): its text may quote bytes of the file, and a traceback of it would
    hold the file's bytes in its frames. A class, since a generator would cost every JPEG some percent of its decode.
    """

    def __enter__(self) -> None:
        """Do nothing."""

    def __exit__(self, _: type[BaseException] | None, error: BaseException | None, __: TracebackType | None) -> None:
        """Translate: a decoder that is fed with hostile bytes may raise anything."""
        if isinstance(error, Exception):
            raise NotScannable(reason_for(error)) from None


@contextmanager
def quiet() -> Iterator[None]:
    """Silence the warnings that Pillow gives of files that are not as they should be."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def load(image: ImageFile.ImageFile) -> Reason | None:
    """Decode, and keep what there is when the decoder stops half-way.

    Parameters
    ----------
    image
        Opened, its size checked against the limits.

    Returns
    -------
    Reason | None
        None: all of it was decoded. Otherwise the upper part was, as a browser would show it, and this is why the
        rest is missing.

    Raises
    ------
    NotScannable
        Nothing was decoded.
    """
    reason: Reason | None = None
    try:
        with decoding():
            image.load()
    except NotScannable as error:
        reason = error.reason
        image.tile = []  # what is in memory by now is the picture: a second load() returns it
    if reason is not None:
        with decoding():
            image.load()
            if image.getcolors(1) is not None:  # all of one colour: memory as it was before
                raise NotScannable(reason)
    return reason
