"""The messages between parent, nursery and workers: length-prefixed frames over socket pairs, one answer per question.

A frame is an 8-byte header (number and length, unsigned 32-bit, network order) and that many bytes. The one frame to a
nursery is its configuration, the one frame back says that it is ready. Then it gets orders: a letter and a serial
number that the parent has chosen; with the order for a worker comes the worker's end of a socket pair. The first frame
from a worker says that it is ready; from then on a frame to it is a question, and a frame back has the same number. A
question is a letter and what belongs to it: :data:`IMAGE` and an image, answered by a
:class:`~ingest_guard.guard.scan_result.Scan` as JSON; or :data:`TEXT`, the length of a JSON head, that head (the
declared media type, and what is wanted of a page), and a text, answered by a packed reading
(:mod:`ingest_guard.guard.page_reading`). An empty frame with the number :data:`REPORT` asks for the worker's use of
memory, and answers it.
"""

import json
import socket
import struct
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from ingest_guard.pages.reading import PageQuestion

HEADER = struct.Struct("!II")
ORDER = struct.Struct("!cI")
WORKER, KILL = b"w", b"k"
IMAGE, TEXT = b"i", b"t"
_TEXT_HEAD = struct.Struct("!cI")
_LONGEST_DECLARED = 4096
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

    Parameters
    ----------
    largest
        Returns how many bytes the next frame may have.

    >>> reader = AnswerReader()
    >>> list(reader.feed(frame_header(7, 2) + b"{"))
    []
    >>> list(reader.feed(b"}"))
    [(7, b'{}')]
    """

    def __init__(self, largest: Callable[[], int] = lambda: LARGEST_ANSWER) -> None:
        self._largest = largest
        self._buffer = bytearray()

    def feed(self, data: bytes) -> Iterator[tuple[int, bytes]]:
        """Yield the frames that these bytes complete; ProtocolError for one that is too long.

        How long one may be is asked only after those before it were taken.
        """
        self._buffer += data
        while len(self._buffer) >= HEADER.size:
            number, length = HEADER.unpack_from(self._buffer)
            if length > self._largest():
                raise ProtocolError("a worker announced an answer that is too long")
            end = HEADER.size + length
            if len(self._buffer) < end:
                break
            frame = bytes(self._buffer[HEADER.size : end])
            del self._buffer[:end]
            yield number, frame


class Question(NamedTuple):
    """What a worker is asked; without a letter, for its use of memory."""

    number: int
    letter: bytes
    declared: str | None
    page: PageQuestion | None
    data: bytes


def text_head(declared: str | None, page: PageQuestion | None = None) -> bytes:
    """Return what goes before a text in a question."""
    head = json.dumps([declared and declared[:_LONGEST_DECLARED], page]).encode()
    return _TEXT_HEAD.pack(TEXT, len(head)) + head


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


def receive_question(sock: socket.socket) -> Question:
    """Read a question from a blocking socket; EOFError where the other side is gone."""
    number, length = HEADER.unpack(receive_exactly(sock, HEADER.size))
    if not length:
        return Question(number, b"", None, None, b"")
    letter, left = receive_exactly(sock, 1), length - 1
    declared = page = None
    if letter == TEXT:
        (size,) = struct.unpack("!I", receive_exactly(sock, 4))
        declared, wanted = json.loads(receive_exactly(sock, size))
        page = PageQuestion(*wanted) if wanted else None
        left -= 4 + size
    return Question(number, letter, declared, page, receive_exactly(sock, left) if left else b"")


def send_frame(sock: socket.socket, number: int, payload: bytes) -> None:
    """Write one frame to a blocking socket."""
    sock.sendall(frame_header(number, len(payload)) + payload)


def send_pieces(sock: socket.socket, number: int, pieces: Iterable[bytes]) -> None:
    """Write one frame whose payload is in pieces to a blocking socket."""
    pieces = list(pieces)
    sock.sendall(frame_header(number, sum(map(len, pieces))))
    for piece in pieces:
        if piece:
            sock.sendall(piece)
