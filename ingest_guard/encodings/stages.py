"""A body at each stage of undoing its Content-Encoding.

Scrapy's own middleware runs further in, when a cache has written the body already, and is kinder than a guard may be:
it hands on what a cut-off stream gave, and leaves unknown codings as they are without an error. Here both are a problem
that the inspection decides about.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from ingest_guard.encodings.beside import is_too_much
from ingest_guard.encodings.codings import CODINGS, DecodingError

_MOST_CODINGS = 4
_REGISTERED = frozenset(
    {"aes128gcm", "br", "compress", "dcb", "dcz", "deflate", "exi", "gzip", "identity"}
    | {"pack200-gzip", "x-compress", "x-gzip", "zstd"}
)
"""https://www.iana.org/assignments/http-parameters/http-parameters.xhtml#content-coding"""


@dataclass(frozen=True, slots=True)
class Stages:
    """A body at each stage of decoding, as sent first.

    ``problem`` is None where everything was undone, else ``truncated``, ``broken``, ``unknown``, ``too_many`` or
    ``too_large``; or ``beside``, where more lies beside the content than a file name.

    ``beside`` is what the codings carry beside the content, a part each.
    """

    bodies: tuple[bytes, ...]
    problem: str | None = None
    beside: tuple[bytes, ...] = ()


def content_codings(values: Iterable[bytes]) -> list[str]:
    """Return the codings of the Content-Encoding headers, in the order in which they were applied.

    A name that is no coding (a charset, a media type, ``none``) is ignored, as browsers do. One that stands outside a
    coding stays: it keeps Scrapy from undoing what is inside.
    """
    text = b",".join(values).decode("latin-1").lower()
    codings = [coding for part in text.split(",") if (coding := part.strip()) and coding != "identity"]
    while codings and codings[0] not in _REGISTERED:
        del codings[0]
    return codings


def undo(body: bytes, codings: list[str], limit: int) -> Stages:
    """Undo codings, last applied first.

    Parameters
    ----------
    body
        The body as sent.
    codings
        What :func:`content_codings` returned.
    limit
        Bytes that each stage may have.
    """
    if not body:
        return Stages((body,))
    if len(codings) > _MOST_CODINGS:
        return Stages((body,), "too_many")
    bodies, beside = [body], list[bytes]()
    problem = _undo_all(codings, limit, bodies, beside)
    if is_too_much(beside) and problem != "too_large":
        problem = "beside"
    return Stages(tuple(bodies), problem, tuple(beside))


def _undo_all(codings: list[str], limit: int, bodies: list[bytes], beside: list[bytes]) -> str | None:
    """Add each stage to ``bodies``; return the problem that ended it, or None."""
    unknown = None
    for coding in reversed(codings):
        if coding not in _REGISTERED:
            # Some browsers pass over the name, and others over the whole header.
            unknown = "unknown"
            continue
        decode = CODINGS.get(coding)
        if decode is None:
            return "unknown"
        try:
            bodies.append(decode(bodies[-1], limit, beside))
        except DecodingError as error:
            if error.partial:
                bodies.append(error.partial)
            return unknown or error.problem
    return unknown
