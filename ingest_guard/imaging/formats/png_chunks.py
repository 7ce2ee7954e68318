"""The chunks of a PNG or APNG: what is in them, whether they are whole, and a clean file of those that matter.

Text, time, private and broken ancillary chunks never reach a decoder: compressed text is the classic zip bomb.
"""

import struct
import zlib
from dataclasses import dataclass, field

from ingest_guard.imaging.pixels.model import NotScannable
from ingest_guard.verdict import Reason

SIGNATURE = b"\x89PNG\r\n\x1a\n"
_CHECKED = frozenset({b"IHDR", b"PLTE", b"IDAT", b"IEND", b"fdAT", b"fcTL", b"acTL"})
"""A wrong checksum here makes the file corrupt; elsewhere it makes the chunk void, as it does in browsers."""
_SAMPLES = frozenset({b"IDAT", b"fdAT"})
_ONCE = frozenset({b"PLTE", b"tRNS", b"iCCP", b"gAMA", b"cICP", b"sRGB", b"eXIf", b"acTL"})


@dataclass(frozen=True)
class FrameControl:
    """An fcTL chunk."""

    width: int
    height: int
    left: int
    top: int
    disposal: int
    blend: int


@dataclass
class Pixels:
    """The compressed samples of one frame: where they lie in the file, and the frame they belong to.

    Once they were decoded, ``last_block`` says how many of them lie before the block in which they end.
    """

    control: FrameControl | None
    spans: list[tuple[int, int]] = field(default_factory=list)
    last_block: int = 0


@dataclass
class Chunks:
    """All that is read of a PNG.

    Attributes
    ----------
    header
        The 13 bytes of IHDR.
    known
        Name -> data of the chunks that a file has once.
    still
        What a viewer without APNG shows.
    frames
        The frames of the animation; empty for a still picture.
    exif_at
        Offset of the eXIf chunk's data.
    end
        Offset after IEND.
    """

    header: bytes = b""
    known: dict[bytes, bytes] = field(default_factory=dict)
    still: Pixels = field(default_factory=lambda: Pixels(None))
    frames: list[Pixels] = field(default_factory=list)
    others: list[tuple[bytes, int, int]] = field(default_factory=list)
    end: int = 0
    problem: Reason | None = None
    is_open: bool = False


def read_chunks(data: bytes, most_frames: int) -> Chunks:
    """Walk the chunks of a PNG.

    Parameters
    ----------
    data
        Beginning with the signature; may go on after IEND.
    most_frames
        Stop reading after one frame more than this.

    Raises
    ------
    NotScannable
        There is no sound IHDR.
    """
    chunks, view, at = Chunks(), memoryview(data), len(SIGNATURE)
    while True:
        if at + 12 > len(data):
            chunks.is_open, chunks.end = True, len(data)
            break
        length, name = struct.unpack_from(">I4s", data, at)
        start, stop = at + 8, at + 8 + length
        if not name.isalpha():
            chunks.problem, chunks.end = chunks.problem or Reason.CORRUPT, at
            break
        whole = stop + 4 <= len(data)
        if whole and zlib.crc32(view[at + 4 : stop]) != int.from_bytes(data[stop : stop + 4], "big"):
            if name not in _CHECKED:
                chunks.others.append((name, start, stop))
                at = stop + 4
                continue
            chunks.problem = Reason.CORRUPT
        if not whole:
            chunks.is_open, stop = True, min(stop, len(data))
            chunks.problem = chunks.problem if name in _SAMPLES else Reason.TRUNCATED
        _take(chunks, name, data, start, stop)
        at = stop + 4
        chunks.end = min(at, len(data))
        if name == b"IEND" or not whole or len(chunks.frames) > most_frames:
            break
    if len(chunks.header) != 13:  # noqa: PLR2004 - the length of IHDR
        raise NotScannable(chunks.problem or (Reason.TRUNCATED if chunks.is_open else Reason.CORRUPT))
    if chunks.is_open and (not chunks.still.spans or len(chunks.frames) < _announced(chunks)):
        chunks.problem = chunks.problem or Reason.TRUNCATED
    return chunks


def _announced(chunks: Chunks) -> int:
    """Return how many frames the file says that it has."""
    return int.from_bytes(chunks.known.get(b"acTL", b"")[:4], "big")


def _take(chunks: Chunks, name: bytes, data: bytes, start: int, stop: int) -> None:
    if name not in _SAMPLES:
        chunks.others.append((name, start, stop))
    if name == b"IHDR":
        chunks.header = chunks.header or data[start:stop]
    elif name == b"IDAT":
        chunks.still.spans.append((start, stop))
    elif name == b"fcTL" and stop - start == 26 and b"acTL" in chunks.known:  # noqa: PLR2004 - its length
        control = FrameControl(*struct.unpack_from(">4x4I4x2B", data, start))
        if chunks.still.spans or chunks.frames:
            chunks.frames.append(Pixels(control))
        else:  # the still picture is the first frame, too
            chunks.still.control = control
            chunks.frames.append(chunks.still)
    elif name == b"fdAT" and stop - start >= 4 and chunks.frames:  # noqa: PLR2004 - a sequence number
        chunks.frames[-1].spans.append((start + 4, stop))
    elif name == b"fdAT":  # of no frame: nothing shows it
        chunks.others.append((name, start, stop))
    elif name in _ONCE and name not in chunks.known:
        chunks.known[name] = data[start:stop]
    elif name == b"CgBI":
        raise NotScannable(Reason.UNSUPPORTED_CODEC)


def clean_file(data: bytes, chunks: Chunks, pixels: Pixels) -> bytes:
    """Return one frame as a PNG of its own: header, palette, samples in one chunk, end."""
    control = pixels.control
    header = chunks.header
    if control is not None:
        header = struct.pack(">II", control.width, control.height) + header[8:]
    parts = [SIGNATURE, _chunk(b"IHDR", header)]
    if header[9] == 3:  # noqa: PLR2004 - colour type: palette
        parts += [_chunk(name, chunks.known[name]) for name in (b"PLTE", b"tRNS") if name in chunks.known]
    length = sum(stop - start for start, stop in pixels.spans)
    parts += [length.to_bytes(4, "big"), b"IDAT", *(data[start:stop] for start, stop in pixels.spans), bytes(4)]
    parts.append(_chunk(b"IEND", b""))
    return b"".join(parts)


def _chunk(name: bytes, data: bytes) -> bytes:
    return len(data).to_bytes(4, "big") + name + data + zlib.crc32(name + data).to_bytes(4, "big")
