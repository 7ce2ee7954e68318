"""The content codings that a spider may ever see undone, each decoded whole and bounded."""

import sys
import zlib
from collections.abc import Callable, Iterator
from typing import Protocol

import brotli

from ingest_guard.encodings.beside import STEP, Silence, brotli_metadata, gzip_fields, zstd_frame

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd


_MOST_STREAMS = 256
"""Streams one after the other in one body: each costs a decoder, and empty ones cost the sender next to nothing."""
_CHUNK = 1 << 16
_PADDING = b"\0\r\n\t "


class DecodingError(Exception):
    """A stream is not in the coding that was announced.

    Attributes
    ----------
    problem
        ``truncated``, ``broken``, ``too_many`` or ``too_large``.
    partial
        What came out before that shows.
    """

    def __init__(self, problem: str, partial: bytes = b"") -> None:
        super().__init__("the body is not in the announced Content-Encoding")
        self.problem = problem
        self.partial = partial


class Coding(Protocol):
    """One content coding."""

    def __call__(self, data: bytes, limit: int, beside: list[bytes]) -> bytes:
        """Decode the whole of ``data`` to at most ``limit`` bytes; DecodingError otherwise.

        What the coding carries beside the content is added to ``beside``, in both cases.
        """


class _Stream(Protocol):
    """A decoder that is fed in pieces; ``unused_data`` is what the last piece has behind the stream's end."""

    @property
    def eof(self) -> bool: ...

    @property
    def unused_data(self) -> bytes: ...

    def decompress(self, data: bytes, max_length: int = ..., /) -> bytes: ...


class _Parts:
    """What came out of a body so far, and how much more may."""

    def __init__(self, limit: int) -> None:
        self._parts: list[bytes] = []
        self._left = limit

    @property
    def most(self) -> int:
        """One byte more than may come: so much is enough to know."""
        return self._left + 1

    def add(self, part: bytes) -> None:
        self._left -= len(part)
        if self._left < 0:
            raise DecodingError("too_large")
        self._parts.append(part)

    def whole(self) -> bytes:
        return b"".join(self._parts)


def _streams(
    data: bytes, limit: int, start: Callable[[], _Stream], note: Callable[[int], object] = lambda _: None
) -> bytes:
    """Decode one stream after the other until the data ends; padding may follow the last, anything else may not.

    ``note`` is called with the place where each stream starts.
    """
    parts, at = _Parts(limit), 0
    for _ in range(_MOST_STREAMS):
        stream, began = start(), at
        note(began)
        while not stream.eof:
            piece = data[at : at + _CHUNK]
            if not piece:
                raise DecodingError("truncated", parts.whole())
            try:
                parts.add(stream.decompress(piece, parts.most))
            except _ERRORS:
                for part in _before_error(start(), data[began:at], piece):
                    parts.add(part)
                raise DecodingError("broken", parts.whole()) from None
            at += len(piece)
        at -= len(stream.unused_data)
        if not data[at : at + _CHUNK].strip(_PADDING) and not data[at:].strip(_PADDING):
            return parts.whole()
    raise DecodingError("too_many", parts.whole())


def _before_error(stream: _Stream, good: bytes, bad: bytes) -> Iterator[bytes]:
    """Yield what a piece gives before its first wrong byte: a decoder that fails keeps that to itself.

    A browser shows it: a picture in a stream whose checksum is wrong is a picture.
    """
    for at in range(0, len(good), _CHUNK):
        stream.decompress(good[at : at + _CHUNK])
    try:
        for at in range(len(bad)):
            yield stream.decompress(bad[at : at + 1])
    except _ERRORS:
        return


class _Brotli:
    """Brotli's decoder with the methods of the others. It lists where bytes go in and nothing comes out."""

    unused_data = b""

    def __init__(self) -> None:
        self._stream = brotli.Decompressor()
        self._at = self._given = 0
        self._silent_since = 0
        self._silences: list[Silence] = []

    @property
    def eof(self) -> bool:
        finished: bool = self._stream.is_finished()
        return finished

    def decompress(self, data: bytes, max_length: int = sys.maxsize, /) -> bytes:
        limit = min(max_length, sys.maxsize >> 1)
        parts: list[bytes] = []
        for at in range(0, len(data), STEP):
            if limit <= 0:
                break
            got = self._decode(data[at : at + STEP], limit)
            limit -= len(got)
            parts.append(got)
        return b"".join(parts)

    def all_silences(self) -> list[Silence]:
        """Return where nothing came out, the end of a stream that was cut off included."""
        if self._at - self._silent_since > STEP:
            return [*self._silences, Silence(self._silent_since, self._at, self._given)]
        return self._silences

    def _decode(self, piece: bytes, limit: int) -> bytes:
        parts = [self._stream.process(piece, output_buffer_limit=limit)]
        while not self._stream.can_accept_more_data() and sum(map(len, parts)) < limit:
            parts.append(self._stream.process(b"", output_buffer_limit=limit))
        got = b"".join(parts)
        before, self._at = self._at, self._at + len(piece)
        if got or self.eof:
            stop = before if got else self._at
            if stop - self._silent_since > STEP:
                self._silences.append(Silence(self._silent_since, stop, self._given))
            self._silent_since = self._at
        self._given += len(got)
        return got


def _zlib(wbits: int) -> Callable[[], _Stream]:
    return lambda: zlib.decompressobj(wbits=wbits)


def _gzip(data: bytes, limit: int, beside: list[bytes]) -> bytes:
    return _streams(data, limit, _zlib(31), lambda at: beside.extend(gzip_fields(data, at)))


def _deflate(data: bytes, limit: int, beside: list[bytes]) -> bytes:
    """Decode zlib's format, or the raw deflate that some servers send under the same name."""
    del beside
    try:
        return _streams(data, limit, _zlib(15))
    except DecodingError as error:
        if error.problem != "broken" or error.partial:
            raise
    return _streams(data, limit, _zlib(-15))


def _zstd(data: bytes, limit: int, beside: list[bytes]) -> bytes:
    return _streams(data, limit, zstd.ZstdDecompressor, lambda at: beside.extend(zstd_frame(data, at)))


def _brotli(data: bytes, limit: int, beside: list[bytes]) -> bytes:
    stream = _Brotli()
    try:
        content = _streams(data, limit, _first(stream))
    except DecodingError as error:
        beside.extend(brotli_metadata(data, error.partial, stream.all_silences()))
        raise
    beside.extend(brotli_metadata(data, content, stream.all_silences()))
    return content


def _first(stream: _Brotli) -> Callable[[], _Brotli]:
    """Return a maker of decoders whose first is this one."""
    made = iter((stream,))
    return lambda: next(made, None) or _Brotli()


_ERRORS = (zlib.error, zstd.ZstdError, brotli.error)

CODINGS: dict[str, Coding] = {
    "br": _brotli,
    "deflate": _deflate,
    "gzip": _gzip,
    "x-gzip": _gzip,
    "zstd": _zstd,
}
"""The codings that Scrapy decodes, and so those that a spider may ever see undone."""
