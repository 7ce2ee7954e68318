"""What is inside a file that no decoder has read: files in its metadata, in its gaps, and behind its end.

Viewers take thumbnails out of EXIF, XMP and C2PA; other software takes whole files out of private chunks and comments.
So what a reader does not hand to its decoder is searched for the signatures of images and documents, and for base64.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from ingest_guard.imaging.embedded.images import net
from ingest_guard.imaging.formats.base import Reader
from ingest_guard.imaging.metadata.statements import Statements
from ingest_guard.imaging.pixels.model import Budget, NotScannable
from ingest_guard.imaging.sniffing.documents import find_document
from ingest_guard.imaging.sniffing.patterns import linear
from ingest_guard.imaging.sniffing.signatures import find_images
from ingest_guard.verdict import Reason

Opener: TypeAlias = "Callable[[bytes, Budget], Reader | Reason]"

_SMALLEST = 24
"""Fewer bytes are no picture, nor any other file that a list knows."""
_MOST_TRIES = 2000
_MOST_COPIES = 8
_DOUBTS = frozenset({Reason.PIXELS, Reason.FRAMES, Reason.NESTING, Reason.MEMORY})
_BASE64 = (
    b"base64",
    b"/9j/",
    b"iVBOR",
    b"R0lGOD",
    b"UklGR",
    b"Z0eXB",
    b"SUkq",
    b"TU0AK",
    b"AAAAA",
    b"AAAADGpQ",
    b"/0//UQ",
)
"""How a body in base64 is announced, or begins."""
_HEX = linear(rb"(?i)[0-9a-f]{48,}(?:[\t\n\r ]+[0-9a-f]{2,})*")
_BLANKS = b"\t\n\r "


class Contents:
    """All that is found inside one file, each thing once.

    Parameters
    ----------
    budget
        Shared with its frames.
    open_image
        Opens a picture by its signature.

    Attributes
    ----------
    files
        The unread pieces themselves (the content of a chunk, a segment, a box), and the files found in them.
    pictures
        Those of them that opened as pictures.
    problem
        Why something inside could not be looked at; None where nothing stands against the file.
    statements
        What the metadata says of the file's use, and of the use of the pictures inside it.
    """

    def __init__(self, budget: Budget, open_image: Opener) -> None:
        self.files: dict[bytes, None] = {}
        self.pictures: list[Reader] = []
        self.problem: Reason | None = None
        self.statements = Statements()
        self._budget = budget
        self._open = open_image
        self._tries = 0
        self._bytes = 0
        self._limits = budget.limits

    def add(self, tail: bytes) -> None:
        """Take what follows the end of the file, and the files in it by text; its pictures are shown apart."""
        try:
            self._keep(tail)
            self._search_text(tail, 0)
        except NotScannable as error:
            self.problem = self.problem or error.reason

    def search(self, reader: Reader, depth: int = 0) -> None:
        """Look through the parts of a file that no decoder is given."""
        whole = reader.metadata()
        for piece in whole or ():
            if len(piece) >= _SMALLEST:
                self.statements.read(piece)
        try:
            for piece in reader.unread():
                if len(piece) >= _SMALLEST and piece not in self.files:
                    self._keep(piece)
                    if whole is None:
                        self.statements.read(piece)
                    self._search_piece(piece, depth)
        except NotScannable as error:
            self.problem = self.problem or error.reason

    def search_samples(self, reader: Reader, depth: int = 0) -> None:
        """Look through the samples: best once they are decoded, which leaves little of them to be searched."""
        try:
            for piece in reader.samples():
                self._search_pictures(piece, depth)
        except NotScannable as error:
            self.problem = self.problem or error.reason

    def _search_piece(self, piece: bytes, depth: int) -> None:
        if find_document(piece, 0, len(piece)):
            self.problem = self.problem or Reason.UNSUPPORTED_TYPE
        self._search_pictures(piece, depth)
        self._search_text(piece, depth)

    def _search_text(self, piece: bytes, depth: int) -> None:
        if any(sign in piece for sign in _BASE64):
            for body in net(piece, self._limits):
                if body.is_picture:
                    self._take(body.data, depth)
                self._keep(body.data)
        # ImageMagick keeps EXIF, with the thumbnail in it, and XMP as lines of hex.
        for run in _HEX.finditer(piece):
            digits = run[0].translate(None, _BLANKS)
            profile = bytes.fromhex(digits[: len(digits) & ~1].decode("ascii"))
            self._keep(profile)
            self.statements.read(profile)
            self._search_pictures(profile, depth)

    def _search_pictures(self, piece: bytes, depth: int) -> None:
        for at in find_images(piece):
            self._tries += 1
            self._spend(len(piece) - at)
            if self._tries > _MOST_TRIES:
                raise NotScannable(Reason.NESTING)
            self._take(piece[at:], depth)

    def _keep(self, data: bytes) -> None:
        if data not in self.files:
            self._spend(len(data))
            self.files[data] = None

    def _spend(self, count: int) -> None:
        """Count bytes that are copied: a file full of beginnings of files costs no more than a few of its size."""
        self._bytes += count
        if self._bytes > _MOST_COPIES * self._limits.bytes:
            raise NotScannable(Reason.NESTING)

    def _take(self, data: bytes, depth: int) -> None:
        """Take a picture that begins here; one that is broken is no fault of the file, since nothing shows it."""
        found = self._open(data, self._budget)
        if isinstance(found, Reason):
            if found in _DOUBTS:
                self.problem = self.problem or found
            return
        data = data[: found.end]
        if any(data == other.data for other in self.pictures):
            return
        self._budget.extra()
        self._keep(data)
        self.pictures.append(found)
        if depth >= self._limits.nesting:
            raise NotScannable(Reason.NESTING)
        self.search(found, depth + 1)
        self.search_samples(found, depth + 1)
