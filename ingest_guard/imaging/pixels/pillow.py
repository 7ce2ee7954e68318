"""Pillow, held at arm's length: whatever a decoder throws becomes a reason, and what it had decoded by then is kept.

Pillow's plug-ins are called by class and by us, never through ``Image.open``: what a file is was decided by its
signature, so that no other plug-in (EPS runs Ghostscript; WMF, XBM, FITS ...) ever sees a byte of it.

Pixels come to NumPy without a copy: ``Image.tobytes`` packs row by row and costs a tenth of what decoding a web JPEG to
luma does. Pillow (11.2.1 and later) also lends its memory by the Arrow C data interface,
https://arrow.apache.org/docs/format/CDataInterface.html, which takes two microseconds; NumPy by itself cannot borrow
from there.
"""

from __future__ import annotations

import ctypes
import warnings
from types import TracebackType
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ingest_guard.imaging.pixels.model import NotScannable
from ingest_guard.verdict import Reason

if TYPE_CHECKING:
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


class quiet(warnings.catch_warnings):  # noqa: N801 - reads as what it does: with quiet():
    """Silence the warnings that Pillow gives of files that are not as they should be."""

    def __init__(self) -> None:
        super().__init__(record=False, action="ignore")


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


class _ArrowArray(ctypes.Structure):
    _fields_ = (
        ("length", ctypes.c_int64),
        ("null_count", ctypes.c_int64),
        ("offset", ctypes.c_int64),
        ("n_buffers", ctypes.c_int64),
        ("n_children", ctypes.c_int64),
        ("buffers", ctypes.POINTER(ctypes.c_void_p)),
    )


_pointer = ctypes.PYFUNCTYPE(ctypes.c_void_p, ctypes.py_object, ctypes.c_char_p)(
    ("PyCapsule_GetPointer", ctypes.pythonapi)
)


class _Loan:
    """What NumPy keeps alive as long as the array: the capsule, and through it Pillow's memory."""

    def __init__(self, capsule: object, address: int, shape: tuple[int, int]) -> None:
        self._capsule = capsule
        self.__array_interface__ = {"version": 3, "shape": shape, "typestr": "|u1", "data": (address, True)}


def borrowed(image: Image.Image) -> NDArray[np.uint8]:
    """Return the samples of a picture of mode ``L``.

    Parameters
    ----------
    image
        Decoded; it must not be changed any more.

    Returns
    -------
    NDArray[np.uint8]
        [height, width], read-only; a copy where Pillow cannot lend its memory (pictures of many megabytes lie in
        several blocks of it).
    """
    shape = image.height, image.width
    lender: Any = image
    if lender.readonly:  # memory that Pillow itself has borrowed: versions before 13 crash where they lend that on
        return np.frombuffer(image.tobytes(), np.uint8).reshape(shape)
    try:
        _, capsule = lender.__arrow_c_array__()
        array = ctypes.cast(_pointer(capsule, b"arrow_array"), ctypes.POINTER(_ArrowArray)).contents
        if (array.length, array.offset, array.n_buffers, array.n_children) == (shape[0] * shape[1], 0, 2, 0):
            address = array.buffers[1]
            if address:
                return np.asarray(_Loan(capsule, address, shape))
    except (AttributeError, ValueError, MemoryError):
        pass
    return np.frombuffer(image.tobytes(), np.uint8).reshape(shape)
