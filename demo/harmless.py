"""What no list knows, and what must come out of the crawl as records: photographs, crops of them, drawings."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from PIL import Image

from demo.model import Expectation, Fate, Placed, Resource
from demo.pictures import CONTENT_TYPES, PHOTOGRAPHS, SUFFIXES, chart, content_encoded, crop, encode, poster

if TYPE_CHECKING:
    from collections.abc import Iterator

# Crops far enough from the whole to be other pictures for PDQ and pHash; a test measures it.
_CROPS = {
    "upper left": (0.0, 0.0, 0.42, 0.42),
    "upper right": (0.58, 0.0, 1.0, 0.42),
    "lower left": (0.0, 0.58, 0.42, 1.0),
    "lower right": (0.58, 0.58, 1.0, 1.0),
    "left half": (0.0, 0.0, 0.5, 1.0),
    "lower half": (0.0, 0.5, 1.0, 1.0),
    "middle": (0.22, 0.22, 0.78, 0.78),
}
_LISTED_WHOLE = frozenset({"brick", "chelsea", "coffee", "coins", "grass", "hubble", "retina", "rocket", "tissue"})
_KINDS = ("JPEG", "WEBP", "JPEG", "PNG", "JPEG", "AVIF", "JPEG", "GIF")
_SIDES = (220, 320, 280, 400, 360)
_DRAWINGS = 24


def harmless() -> Iterator[Placed]:
    """Yield every image that must become a record."""
    turn = 0
    for name, photograph in PHOTOGRAPHS.items():
        boxes = dict(_CROPS)
        if name not in _LISTED_WHOLE:
            boxes["whole"] = (0.0, 0.0, 1.0, 1.0)
        for part, box in boxes.items():
            kind, side = _KINDS[turn % len(_KINDS)], _SIDES[turn % len(_SIDES)]
            alt = photograph.shows if part == "whole" else f"{photograph.shows}, a detail: {part}"
            path = f"/images/{name}-{part.replace(' ', '-')}.{SUFFIXES[kind]}"
            yield _placed(path, crop(name, box, side), kind, alt)
            turn += 1
    for number in range(_DRAWINGS):
        kind = _KINDS[number % len(_KINDS)]
        if number % 2:
            yield _placed(f"/images/chart-{number}.{SUFFIXES[kind]}", chart(100 + number), kind, f"chart no. {number}")
        else:
            yield _placed(
                f"/images/poster-{number}.{SUFFIXES[kind]}", poster(100 + number), kind, f"poster no. {number}"
            )
    yield from _unusual()


def _placed(path: str, picture: Image.Image, kind: str, alt: str) -> Placed:
    return _record(Resource(path, encode(picture, kind), CONTENT_TYPES[kind]), f"an unlisted {kind}", alt)


def _record(resource: Resource, why: str, alt: str) -> Placed:
    return Placed(resource, Expectation(Fate.RECORD, why), alt[:1].upper() + alt[1:])


def _unusual() -> Iterator[Placed]:
    """Files that a careless guard drops, though nothing is wrong with them."""
    for coding in ("gzip", "br"):
        body = encode(poster(200 + len(coding)), "PNG")
        headers = (("Content-Encoding", coding),)
        path = f"/images/sent-as-{coding}.png"
        resource = Resource(path, body, "image/png", headers=headers, sent=content_encoded(body, coding))
        yield _record(resource, f"an unlisted PNG, sent as {coding}", f"A poster, sent as {coding}")
    jpeg = encode(poster(210), "JPEG")
    yield _record(Resource("/images/says-png.png", jpeg, "image/png"), "a JPEG that says PNG", "A poster, misnamed")
    octets = Resource("/images/octets", encode(poster(211), "WEBP"), "application/octet-stream")
    yield _record(octets, "a WebP without a type", "A poster without a type")
    # "café" in UTF-8 and percent-encoded, as a browser would ask for it.
    accent = Resource("/images/caf%C3%A9.jpg", encode(poster(212), "JPEG"), "image/jpeg")
    yield _record(accent, "a path that is not ASCII", "Café à la plage, an affiche")
    yield _record(
        Resource("/images/cmyk.jpg", encode(poster(213).convert("CMYK"), "JPEG"), "image/jpeg"),
        "a JPEG in CMYK",
        "A poster, ready for print",
    )
    palette = poster(214).quantize(32)
    yield _record(
        Resource("/images/palette.png", encode(palette, "PNG"), "image/png"), "a PNG with a palette", "32 colours"
    )
    sheer = poster(215).convert("RGBA")
    sheer.putalpha(Image.linear_gradient("L").resize(sheer.size))
    yield _record(
        Resource("/images/sheer.png", encode(sheer, "PNG"), "image/png"), "a PNG with alpha", "A sheer poster"
    )
    yield _record(Resource("/images/dance.gif", _animation(), "image/gif"), "an animation", "Five posters, one by one")
    dot = encode(Image.new("RGB", (3, 3), (255, 255, 255)), "GIF")
    yield _record(Resource("/images/dot.gif", dot, "image/gif"), "nine pixels", "A dot")


def moved() -> tuple[Resource, Placed]:
    """Return a redirect and the unlisted image behind it."""
    resource = Resource("/store/poster.jpg", encode(poster(216), "JPEG"), "image/jpeg")
    target = _record(resource, "an unlisted image behind a 302", "a poster that has moved")
    start = Resource("/go/poster", b"", "text/html", 302, (("Location", resource.path),))
    return start, target


def _animation() -> bytes:
    frames = [poster(220 + number, (240, 180)) for number in range(5)]
    stream = io.BytesIO()
    frames[0].save(stream, "GIF", save_all=True, append_images=frames[1:], duration=200, loop=0)
    return stream.getvalue()
