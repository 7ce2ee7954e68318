"""What a JPEG cuts into segments of 64 kB, put together: C2PA (JUMBF), extended XMP, profiles, Photoshop's data."""

from collections.abc import Iterable, Iterator
from operator import itemgetter
from typing import NamedTuple


class _Cut(NamedTuple):
    """How the segments of one kind are cut.

    Attributes
    ----------
    head
        How each of them begins.
    first, later
        Length of the header of the first piece, and of later ones.
    of, place
        Where in the header stands what it is a piece of, and its place among the pieces.
    """

    head: bytes
    first: int
    later: int
    of: slice
    place: slice


_CUTS = (
    _Cut(b"JP", 8, 16, slice(2, 4), slice(4, 8)),
    _Cut(b"http://ns.adobe.com/xmp/extension/\0", 75, 75, slice(35, 67), slice(71, 75)),
    _Cut(b"ICC_PROFILE\0", 14, 14, slice(0), slice(12, 13)),
    _Cut(b"Photoshop 3.0\0", 14, 14, slice(0), slice(0)),
)
_HEADS = tuple(cut.head for cut in _CUTS)


def may_be_cut(data: bytes, start: int) -> bool:
    """Return whether the content of a segment, which starts here, may go on in others."""
    return data.startswith(_HEADS, start)


def joined(pieces: list[bytes]) -> Iterator[bytes]:
    """Yield what several segments of one marker hold, in the order in which they come: whole, and without headers."""
    yield b"".join(pieces)
    for cut in _CUTS:
        parts = [piece for piece in pieces if piece.startswith(cut.head)]
        if len(parts) > 1:
            yield b"".join([parts[0][cut.first :], *(piece[cut.later :] for piece in parts[1:])])


def put_together(data: bytes, segments: Iterable[tuple[int, int, int]]) -> list[bytes]:
    """Return what is cut into segments, each thing once and in its own order.

    Parameters
    ----------
    data
        The file.
    segments
        Marker, and where the content starts and stops. Those that are never cut are left out.
    """
    groups: dict[tuple[int, bytes], list[tuple[bytes, bytes, bytes]]] = {}
    for marker, start, stop in segments:
        if may_be_cut(data, start):
            piece = data[start:stop]
            cut = next(cut for cut in _CUTS if data.startswith(cut.head, start))
            parts = groups.setdefault((marker, cut.head + piece[cut.of]), [])
            parts.append((piece[cut.place], piece[cut.first :], piece[cut.later :]))
    found = []
    for parts in groups.values():
        parts.sort(key=itemgetter(0))
        found.append(b"".join([parts[0][1], *(later for _, _, later in parts[1:])]))
    return found
