"""Pillow's memory as a NumPy array, without a copy.

``Image.tobytes`` packs row by row and costs a tenth of what decoding a web JPEG to luma does. Pillow (11.2.1 and later)
also lends its memory by the Arrow C data interface, https://arrow.apache.org/docs/format/CDataInterface.html, which
takes two microseconds; NumPy cannot borrow from there by itself.
"""

from __future__ import annotations

import ctypes
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from PIL import Image


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
