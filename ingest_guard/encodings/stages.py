"""A body at each stage of undoing its Content-Encoding.

Scrapy's own middleware runs further in, when a cache has written the body already, and is kinder than a guard may be:
it hands on what a cut-off stream gave, and leaves unknown codings as they are without an error. Here both are a problem
that the inspection decides about.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from ingest_guard.encodings.codings import CODINGS, DecodingError

_MOST_CODINGS = 4


@dataclass(frozen=True, slots=True)
class Stages:
    """A body at each stage of decoding, as sent first.

    ``problem`` is None where everything was undone, else ``truncated``, ``broken``, ``unknown``, ``too_many`` or
    ``too_large``.
    """

    bodies: tuple[bytes, ...]
    problem: str | None = None


def content_codings(values: Iterable[bytes]) -> list[str]:
    """Return the codings of the Content-Encoding headers, in the order in which they were applied."""
    text = b",".join(values).decode("latin-1").lower()
    return [coding for part in text.split(",") if (coding := part.strip()) and coding != "identity"]


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
    bodies = [body]
    if not body:
        return Stages((body,))
    if len(codings) > _MOST_CODINGS:
        return Stages((body,), "too_many")
    for coding in reversed(codings):
        decode = CODINGS.get(coding)
        if decode is None:
            return Stages(tuple(bodies), "unknown")
        try:
            bodies.append(decode(bodies[-1], limit))
        except DecodingError as error:
            if error.partial:
                bodies.append(error.partial)
            return Stages(tuple(bodies), error.problem)
    return Stages(tuple(bodies))
