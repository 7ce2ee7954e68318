"""``data:`` URLs: what a browser makes of one, and what a lax reader would.

The rules are those of https://fetch.spec.whatwg.org/#data-url-processor after the URL parser's own
(https://url.spec.whatwg.org/#url-parsing). Where Chromium differs (``;base64`` before another parameter, blanks in a
body that is no text), both readings are returned.
"""

from __future__ import annotations

import binascii
import re
import string
from collections.abc import Iterator
from dataclasses import replace
from typing import Final, NamedTuple

from ingest_guard.imaging.sniffing.percent import percent_decode
from ingest_guard.pages.findings import InlineBody

_C0_AND_SPACE: Final = "".join(map(chr, range(0x21)))
_REMOVED: Final = str.maketrans("", "", "\t\n\r")
_WHITESPACE: Final = b"\t\n\f\r "
_ALPHABET: Final = (string.ascii_letters + string.digits + "+/").encode()
_TO_ONE_ALPHABET: Final = bytes.maketrans(b"-_", b"+/")
_NO_BASE64: Final = bytes({*range(256)} - {*_ALPHABET, *b"-_="})
_SCHEME: Final = "data:"
_FLAG: Final = re.compile(r"; *base64\Z", re.IGNORECASE)
_TOKEN: Final = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+\Z")
_CHARSET: Final = re.compile(r";[\t\n\r ]*charset=\"?([^;\"]*)", re.IGNORECASE)
_LONGEST_TYPE: Final = 1 << 16
"""Characters of a media type that are looked at for a charset."""


class DataUrl(NamedTuple):
    """A ``data:`` URL that was read.

    Attributes
    ----------
    bodies
        What a browser makes of it, then other readings where they differ.
    charset
        The parameter of that name; None where there is none.
    """

    bodies: list[InlineBody]
    charset: str | None


def is_data_url(value: str) -> bool:
    """Return whether a browser takes an attribute's value for a ``data:`` URL."""
    head = value.lstrip(_C0_AND_SPACE)
    return head[:1] in {"d", "D"} and head.translate(_REMOVED)[: len(_SCHEME)].lower() == _SCHEME


def read_data_url(value: str) -> DataUrl | None:
    """Return what a ``data:`` URL holds; None where the value is none, or has no comma.

    Parameters
    ----------
    value
        As in an attribute: with the blanks around it, its line breaks and its fragment.
    """
    value = value.strip(_C0_AND_SPACE)
    url = value.translate(_REMOVED)
    if url[: len(_SCHEME)].lower() != _SCHEME:
        return None
    spec = _split(url[len(_SCHEME) :])
    if spec is None:
        return None
    # Chromium keeps tabs and line breaks behind the comma, and looks for the flag among all the parameters.
    chromium = _split(value.partition(":")[2]) or spec
    kind = spec.kind.strip("\t\n\f\r ")
    flagged = _FLAG.search(kind)
    kind = kind[: flagged.start()] if flagged else kind
    media_type = _essence(kind)
    flags = {flagged is not None, any(part.strip(" ").lower() == "base64" for part in chromium.kind.split(";")[1:])}
    if media_type is None or len(flags) > 1:
        flags |= {False}
    found = list(_read_bodies(spec.body, chromium.body, media_type or "text/plain", flags))
    if len(found) > 1:
        # Where browsers differ, one of them reads it whole.
        found = [body if body.is_whole else replace(body, is_shown=False) for body in found]
    charset = _CHARSET.search(kind[:_LONGEST_TYPE])
    return DataUrl(found, charset[1].strip() if charset else None)


def _read_bodies(spec: str, chromium: str, media_type: str, flags: set[bool]) -> Iterator[InlineBody]:
    """Yield each body that some browser makes of what stands behind the comma."""
    raw, kept = _to_utf8(spec), _to_utf8(chromium)
    if True in flags:
        decoded = forgiving_base64(percent_decode(raw))
        if decoded is not None:
            yield InlineBody(decoded, media_type)
        else:
            yield InlineBody(lenient_base64(percent_decode(raw)), media_type, is_whole=False)
    if False in flags:
        texts = [raw, kept]
        if not media_type.startswith("text/") and "xml" not in media_type:
            texts.append(kept.translate(None, _WHITESPACE))
        for text in dict.fromkeys(texts):
            yield InlineBody(percent_decode(text), media_type)


class _Parts(NamedTuple):
    kind: str
    body: str


def _split(path: str) -> _Parts | None:
    """Return the media type and the body of a URL without its scheme."""
    kind, comma, body = path.partition("#")[0].partition(",")
    return _Parts(kind, body) if comma else None


def _to_utf8(text: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError:  # a lone surrogate is U+FFFD in a URL
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace").encode()


def _essence(kind: str) -> str | None:
    """Return type and subtype; None where it is none."""
    essence = kind.partition(";")[0].strip("\t\n\r ")
    main, slash, sub = essence.partition("/")
    if slash and _TOKEN.match(main) and _TOKEN.match(sub):
        return essence.lower()
    return None if essence else "text/plain"


def forgiving_base64(data: bytes) -> bytes | None:
    """Decode base64 as https://infra.spec.whatwg.org/#forgiving-base64-decode says; None where that fails."""
    data = data.translate(None, _WHITESPACE)
    if len(data) % 4 == 0:
        data = data[:-2] + data[-2:].removesuffix(b"=").removesuffix(b"=") if data.endswith(b"=") else data
    if len(data) % 4 == 1 or data.translate(None, _ALPHABET):
        return None
    return binascii.a2b_base64(data + b"=" * (-len(data) % 4))


def lenient_base64(data: bytes) -> bytes:
    """Decode base64 as lax readers do: either alphabet, other characters left out, up to the first padding."""
    data = data.translate(_TO_ONE_ALPHABET, _NO_BASE64).partition(b"=")[0]
    if len(data) % 4 == 1:
        data = data[:-1]
    return binascii.a2b_base64(data + b"=" * (-len(data) % 4))
