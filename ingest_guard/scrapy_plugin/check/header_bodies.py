"""Pictures in the headers of a response: a cache keeps headers, and a spider may hand them on.

``data:`` URLs in any value (a Location, a Link, a cookie), and pictures in base64 without one. Values may be quoted,
percent-encoded, split by blanks, or divided among several headers of one name. All patterns take linear time.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final

from ingest_guard.imaging.embedded.spellings import spelt_pictures
from ingest_guard.imaging.embedded.url_net import decoded
from ingest_guard.imaging.sniffing.patterns import linear
from ingest_guard.imaging.sniffing.percent import percent_decode
from ingest_guard.imaging.sniffing.sniff import Kind, sniff

MOST_BODIES: Final = 32
LONGEST_VALUE: Final = 1 << 16
MOST_BYTES: Final = 1 << 18
"""Bytes of all headers together, as browsers allow; servers send a fraction of that."""
MOST_STARTS: Final = 512
"""Places where a body seems to begin: each costs some ten microseconds of the event loop's time."""
_SHORTEST: Final = 32
_SMALLEST: Final = 128
_ROUNDS: Final = 3
_LEFT_OUT: Final = b"\t\r\n\\"
_LETTERS: Final = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
_ALPHABETS: Final = tuple(bytes({*range(256)} - {*_LETTERS, *more}) for more in (b"+/", b"-_"))
_LETTER: Final = rb"[A-Za-z0-9+/_%-]"
# A blank splits a run where many letters follow, as no word has; the last piece may be short.
_RUN: Final = _LETTER + rb"*={0,2}(?:(?: +" + _LETTER + rb"{20,}={0,2})+(?: +" + _LETTER + rb"{1,19}={0,2})?)?"
_TYPE: Final = rb"[\w.+*/%-]*(?: *; *[\w.+%-]+(?: *= *(?:\"[^\"]{0,99}\"|[^;,\" ]{0,99}))?){0,9}"
_DATA_URL: Final = linear(rb"(?i)data: *(" + _TYPE + rb") *, *")
_BASE64: Final = linear(rb"(?i); *base64 *$")
_BASE64_BODY: Final = linear(_RUN)
_BODY: Final = linear(rb"[^\x00-\x20\"<>]*")
_BARE: Final = linear(
    rb"(?:/9j/|_9j_|iVBORw0KGgo|R0lGOD[ld]h|UklGR|SUkqA|TU0AK|AAAA[A-Za-z0-9+/_-]{2}Z0eXB(?:hdm|oZW|oZX|tW|tc)"
    rb"|AAAADGpQIC|[/_]0[/_][/_]UQ|Qk[0-3][A-Za-z0-9+/_-]{5}AAAAA|PHN2Zy|PD94bWwg)" + _RUN
)


class _TooManyError(Exception):
    pass


@dataclass(slots=True)
class HeaderBodies:
    """What was found in headers.

    Attributes
    ----------
    bodies
        Body -> its media type; empty where it has none.
    guesses
        Bodies that can match, and whose faults say nothing: what they were put together from may be something else.
    is_too_much
        Whether there is more than can be looked at.
    starts
        How many places were looked at where a body seems to begin.
    """

    bodies: dict[bytes, str] = field(default_factory=dict, repr=False)
    guesses: dict[bytes, None] = field(default_factory=dict, repr=False)
    is_too_much: bool = False
    starts: int = field(default=0, repr=False)

    def start(self) -> None:
        """Count a place where a body seems to begin."""
        self.starts += 1
        if self.starts > MOST_STARTS:
            raise _TooManyError

    def add(self, body: bytes, media_type: str) -> None:
        """Take a body."""
        self.bodies.setdefault(body, media_type)
        self._require_room()

    def guess(self, bodies: Iterable[bytes]) -> None:
        """Take bodies that nothing announces."""
        for body in bodies:
            self.guesses[body] = None
            self._require_room()

    def _require_room(self) -> None:
        if len(self.bodies) + len(self.guesses) > MOST_BODIES:
            raise _TooManyError


def header_bodies(headers: Iterable[Iterable[bytes]]) -> HeaderBodies:
    """Return the bodies inside header values.

    Parameters
    ----------
    headers
        The values of each name.
    """
    found, size = HeaderBodies(), 0
    for values in headers:
        each = list(values)
        size += sum(map(len, each))
        if size > MOST_BYTES or any(len(value) > LONGEST_VALUE for value in each):
            found.is_too_much = True
            return found
        try:
            for value in each:
                _read_value(value, found)
            if len(each) > 1:
                found.guess(_pieces(b"".join(each), found))
        except _TooManyError:
            found.is_too_much = True
            return found
    for body in found.bodies:
        found.guesses.pop(body, None)
    return found


def _read_value(value: bytes, found: HeaderBodies) -> None:
    if len(value) < _SHORTEST:
        return
    found.guess(_pieces(value, found))
    has_url = False
    for _ in range(_ROUNDS):
        plain = value.translate(None, _LEFT_OUT)
        for media_type, body, is_base64 in _urls(plain, found):
            # A body that is not in base64 is spelt with percent signs: without them it is another one.
            if is_base64 or not has_url:
                found.add(body, media_type)
        has_url = has_url or _DATA_URL.search(plain) is not None
        for body in _bare(plain, found):
            found.add(body, "")
        value, before = percent_decode(value), value
        if value == before:
            return


def _bare(text: bytes, found: HeaderBodies) -> Iterator[bytes]:
    """Yield the pictures in base64 of a text."""
    for run in _BARE.finditer(text):
        found.start()
        body = decoded(run[0])
        if len(body) >= _SMALLEST and _is_picture(body):
            yield body


def _urls(text: bytes, found: HeaderBodies) -> Iterator[tuple[str, bytes, bool]]:
    """Yield media type and body of each ``data:`` URL, and whether it is in base64."""
    at = 0
    while (head := _DATA_URL.search(text, at)) is not None:
        found.start()
        kind = percent_decode(head[1])
        is_base64 = _BASE64.search(kind) is not None
        rest = (_BASE64_BODY if is_base64 else _BODY).match(text, head.end())
        run = rest[0] if rest is not None else b""
        at = head.end() + len(run)
        body = decoded(run) if is_base64 else percent_decode(run)
        if body:
            yield _BASE64.sub(b"", kind).strip().decode("latin-1"), body, is_base64


def _pieces(value: bytes, found: HeaderBodies) -> Iterator[bytes]:
    """Yield what a value decodes to, as base64 and as hex, without the characters that belong to neither."""
    for others in _ALPHABETS:
        letters = value.translate(None, others)
        if len(letters) < _SMALLEST:
            continue
        yield from _bare(letters, found)
        yield from (body for body in spelt_pictures(letters) if _is_picture(body))


def _is_picture(body: bytes) -> bool:
    return sniff(body).kind is Kind.IMAGE or body.startswith((b"<svg", b"<?xml "))
