"""The messages between parent, nursery and workers: length-prefixed frames over socket pairs, one answer per question.

A frame is an 8-byte header (number and length, unsigned 32-bit, network order) and that many bytes. The one frame to a
nursery is its configuration, the one frame back says that it is ready. Then it gets orders: a letter and a serial
number that the parent has chosen; with the order for a worker comes the worker's end of a socket pair. The first frame
from a worker says that it is ready; from then on a frame to it is an image, and a frame back is a
:class:`~ingest_guard.guard.scan_result.Scan` as JSON with the same number. A frame with the number :data:`REPORT` asks
for the worker's use of memory, and answers it.
"""

import socket
import struct

HEADER = struct.Struct("!II")
ORDER = struct.Struct("!cI")
WORKER, KILL = b"w", b"k"
CONFIGURATION = 0
"""The number of the first frame in either direction."""
REPORT = (1 << 32) - 1
"""The number of a question about memory, and of its answer."""
LARGEST_ANSWER = 4 << 20
"""Bytes; a worker that announces more has been taken over or is broken."""
_WAIT_ALL = 0x100  # socket.MSG_WAITALL, which some platforms' modules lack


class ProtocolError(ValueError):
    """The other side broke the protocol; the text has none of its bytes."""


def frame_header(number: int, length: int) -> bytes:
    """Return the header of a frame."""
    return HEADER.pack(number, length)


class AnswerReader:
    """Puts the frames of a worker together from the pieces that the socket gives.

    >>> reader = AnswerReader()
    >>> list(reader.feed(frame_header(7, 2) + b"{"))
    []
    >>> list(reader.feed(b"}"))
    [(7, b'{}')]
    """

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> list[tuple[int, bytes]]:
        """Return the frames that these bytes complete; ProtocolError for one that is too long."""
        self._buffer += data
        frames = []
        while len(self._buffer) >= HEADER.size:
            number, length = HEADER.unpack_from(self._buffer)
            if length > LARGEST_ANSWER:
                raise ProtocolError("a worker announced an answer that is too long")
            end = HEADER.size + length
            if len(self._buffer) < end:
                break
            frames.append((number, bytes(self._buffer[HEADER.size : end])))
            del self._buffer[:end]
        return frames


def receive_exactly(sock: socket.socket, length: int) -> bytes:
    """Read ``length`` bytes from a blocking socket; EOFError where the other side is gone."""
    chunks = []
    while length:
        # MSG_WAITALL: one call and no copy in nearly every case; a signal may still cut it short.
        chunk = sock.recv(length, _WAIT_ALL)
        if not chunk:
            raise EOFError
        chunks.append(chunk)
        length -= len(chunk)
    return chunks[0] if len(chunks) == 1 else b"".join(chunks)


def receive_frame(sock: socket.socket) -> tuple[int, bytes]:
    """Read one frame from a blocking socket; EOFError where the other side is gone."""
    number, length = HEADER.unpack(receive_exactly(sock, HEADER.size))
    return number, receive_exactly(sock, length)


def send_frame(sock: socket.socket, number: int, payload: bytes) -> None:
    """Write one frame to a blocking socket."""
    sock.sendall(frame_header(number, len(payload)) + payload)
