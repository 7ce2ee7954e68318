"""Where and how the site shows the listed pictures: everything in here must be dropped."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

from demo.listed import HOTLINE_B, Original, copy_of, originals
from demo.model import Expectation, Fate, Placed, Resource
from demo.pictures import CONTENT_TYPES, SUFFIXES, content_encoded

if TYPE_CHECKING:
    from collections.abc import Iterator

_COPIES = {
    "cup": ("q45", "small", "caption", "faded"),
    "launch": ("webp", "bright", "mirror"),
    "tabby": ("avif", "contrast", "small", "turned", "exif"),
    "hoard": ("q45", "grey", "negative", "caption"),
    "wall": ("png", "grey", "blur"),
    "galaxies": ("progressive", "small", "large", "blur"),
    "eye": ("q45", "webp", "animation"),
    "slide": ("q45", "small", "thumb", "caption"),
    "poster-red": ("webp", "progressive", "thumb"),
    "poster-blue": ("gif", "small", "mirror", "thumb"),
}
_ENCODED = {"cup": "gzip", "launch": "br", "tabby": "deflate", "hoard": "zstd", "meadow": "gzip"}
_WRONG_TYPES = {"wall": "text/html", "poster-red": "application/octet-stream", "figures": "image/gif"}
_FORMAT_WORDS = "an exact copy"


def known() -> Iterator[Placed]:
    """Yield every image of the site that is on a list."""
    pictures = originals()
    for original in pictures.values():
        yield _exact(original, f"/photos/{original.name}.{original.suffix}", _FORMAT_WORDS)
    for name, ways in _COPIES.items():
        for how in ways:
            copy = copy_of(pictures[name], how)
            path = f"/photos/{name}-{how}.{SUFFIXES[copy.kind]}"
            expectation = Expectation(Fate.MATCH, f"a listed picture {copy.how}", (HOTLINE_B,))
            yield Placed(
                Resource(path, copy.file, CONTENT_TYPES[copy.kind]), expectation, f"{pictures[name].alt}, again"
            )
    for name, coding in _ENCODED.items():
        original = pictures[name]
        sent = content_encoded(original.file, coding)
        headers = (("Content-Encoding", coding),)
        path = f"/photos/{coding}/{name}.{original.suffix}"
        yield _exact(original, path, f"an exact copy, sent as {coding}", sent=sent, headers=headers)
    for name, declared in _WRONG_TYPES.items():
        yield _exact(
            pictures[name], f"/photos/mistyped/{name}", f"an exact copy that says {declared}", declared=declared
        )
    yield _listed_vector(pictures["launch"])


def _exact(
    original: Original,
    path: str,
    why: str,
    *,
    declared: str | None = None,
    sent: bytes | None = None,
    headers: tuple[tuple[str, str], ...] = (),
) -> Placed:
    resource = Resource(path, original.file, declared or original.content_type, headers=headers, sent=sent)
    return Placed(resource, Expectation(Fate.MATCH, why, original.lists), original.alt)


def _listed_vector(original: Original) -> Placed:
    """Return an SVG drawing with a listed picture pasted into it."""
    body = (
        '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" width="480" height="320">'
        '<rect width="480" height="320" fill="teal"/>'
        f'<image width="480" height="320" xlink:href="{data_url(original)}"/></svg>'
    ).encode()
    expectation = Expectation(Fate.MATCH, "an SVG with an exact copy inside", original.lists)
    return Placed(Resource("/photos/launch-drawing.svg", body, "image/svg+xml"), expectation, "A drawing of a launch")


def data_url(original: Original) -> str:
    """Return the listed file as a ``data:`` URL."""
    return f"data:{original.content_type};base64,{base64.b64encode(original.file).decode()}"


def redirected() -> Iterator[tuple[Resource, Placed]]:
    """Yield pairs of a redirect (what a page shows) and the listed image behind it."""
    pictures = originals()
    for name, status in (("cup", 302), ("slide", 301)):
        original = pictures[name]
        target = _exact(original, f"/store/{name}.{original.suffix}", f"an exact copy behind a {status}")
        yield Resource(f"/go/{name}", b"", "text/html", status, (("Location", target.resource.path),)), target
