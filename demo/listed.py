"""The pictures that the demo's two lists know, the lists themselves, and the copies that the site shows.

``hotline-a`` knows files, by MD5, SHA-1 or SHA-256: only an exact copy is on it. ``hotline-b`` knows pictures, by PDQ
and pHash: near copies are on it too. Both also hold thousands of values that belong to nothing.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

import imagehash
import numpy as np
from PIL import Image, ImageDraw, ImageEnhance, ImageFilter, ImageOps

from demo.pictures import CONTENT_TYPES, SUFFIXES, chart, crop, encode, poster
from ingest_guard.hashing.digests import digests
from ingest_guard.hashing.pdq import pdq

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

HOTLINE_A = "hotline-a"
HOTLINE_B = "hotline-b"
MADE_UP = 4000
"""Made-up values of each algorithm."""
_BITS = {HOTLINE_A: {"md5": 128, "sha1": 160, "sha256": 256}, HOTLINE_B: {"pdq": 256, "phash": 64}}
_EXIF_ORIENTATION = 0x0112
_TURNED_LEFT = 6


@dataclass(frozen=True, slots=True)
class Original:
    """A picture that is on a list.

    Attributes
    ----------
    name
        Its name on the site.
    kind
        Its file format, a key of ``CONTENT_TYPES``.
    picture
        Its pixels, as the file decodes.
    file
        The file that the lists were made from.
    alt
        Its alt text.
    digest
        The exact algorithm under which ``hotline-a`` knows the file.
    lists
        The lists that know it, sorted.
    """

    name: str
    kind: str
    picture: Image.Image
    file: bytes
    alt: str
    digest: str
    lists: tuple[str, ...]

    @property
    def content_type(self) -> str:
        """The right Content-Type of the file."""
        return CONTENT_TYPES[self.kind]

    @property
    def suffix(self) -> str:
        """The usual ending of the file's name."""
        return SUFFIXES[self.kind]


@dataclass(frozen=True, slots=True)
class Copy:
    """A file that shows a listed picture, though it is another file."""

    how: str
    kind: str
    file: bytes


def originals() -> dict[str, Original]:
    """Name -> every listed picture."""
    return {original.name: original for original in _originals()}


@cache
def _originals() -> tuple[Original, ...]:
    both, only_a, only_b = (HOTLINE_A, HOTLINE_B), (HOTLINE_A,), (HOTLINE_B,)
    whole = (0.0, 0.0, 1.0, 1.0)
    rows = (
        ("cup", "JPEG", crop("coffee", whole, 600), "A cup of coffee and a spoon on a table", "md5", both),
        ("launch", "PNG", crop("rocket", whole, 480), "A rocket leaves its launch pad", "sha1", both),
        ("tabby", "JPEG", crop("chelsea", whole, 451), "Chelsea, a tabby cat, looks at you", "sha256", both),
        ("hoard", "PNG", crop("coins", whole, 384), "A hoard of Greek coins in rows", "md5", both),
        ("wall", "WEBP", crop("brick", whole, 420), "A wall of bricks", "sha1", both),
        ("galaxies", "JPEG", crop("hubble", whole, 640), "Ten thousand galaxies", "sha256", both),
        ("eye", "AVIF", crop("retina", whole, 480), "The back of an eye", "md5", both),
        ("slide", "JPEG", crop("tissue", whole, 480), "A slide of stained tissue", "sha1", only_b),
        ("meadow", "GIF", crop("grass", whole, 300), "A meadow, in a file only known as it is", "sha1", only_a),
        ("poster-red", "PNG", poster(9001), "A festival's poster", "sha256", both),
        ("poster-blue", "JPEG", poster(9002), "An old poster with circles", "sha256", only_b),
        ("figures", "PNG", chart(9003), "A bar chart of last year's figures", "md5", only_a),
    )
    found = []
    for name, kind, picture, alt, digest, lists in rows:
        file = encode(picture, kind)
        with Image.open(io.BytesIO(file)) as decoded:
            found.append(Original(name, kind, decoded.convert("RGB"), file, alt, digest, lists))
    return tuple(found)


def _captioned(picture: Image.Image) -> Image.Image:
    copy = picture.copy()
    at = (8, copy.height - 18)
    ImageDraw.Draw(copy).text(at, "found on the web", fill=(235, 235, 235), stroke_width=1, stroke_fill=(60, 60, 60))
    return copy


def _faded(picture: Image.Image) -> Image.Image:
    return Image.blend(picture, Image.new("RGB", picture.size, (128, 128, 128)), 0.6)


def _scaled(picture: Image.Image, factor: float) -> Image.Image:
    size = (round(picture.width * factor), round(picture.height * factor))
    return picture.resize(size, Image.Resampling.LANCZOS)


def _laid_down(picture: Image.Image) -> bytes:
    """Return a JPEG stored on its side, with the EXIF entry that makes viewers turn it upright."""
    exif = Image.Exif()
    exif[_EXIF_ORIENTATION] = _TURNED_LEFT
    return encode(picture.transpose(Image.Transpose.ROTATE_90), "JPEG", exif=exif.tobytes())


def _animation(picture: Image.Image) -> bytes:
    """Return a GIF that shows two harmless frames before the listed one."""
    others = [poster(9100 + frame, picture.size) for frame in range(2)]
    return encode(others[0], "GIF", save_all=True, append_images=[others[1], picture], duration=400, loop=0)


_COPIES: dict[str, tuple[str, str, Callable[[Image.Image], bytes]]] = {
    "q45": ("saved again as a JPEG of quality 45", "JPEG", lambda p: encode(p, "JPEG", quality=45)),
    "webp": ("saved again as WebP", "WEBP", lambda p: encode(p, "WEBP", quality=60)),
    "avif": ("saved again as AVIF", "AVIF", lambda p: encode(p, "AVIF", quality=55)),
    "png": ("saved again as PNG", "PNG", lambda p: encode(p, "PNG")),
    "gif": ("saved again as GIF", "GIF", lambda p: encode(p, "GIF")),
    "progressive": ("saved again as a progressive JPEG", "JPEG", lambda p: encode(p, "JPEG", progressive=True)),
    "small": ("at half size", "JPEG", lambda p: encode(_scaled(p, 0.5), "JPEG")),
    "thumb": ("as a thumbnail", "JPEG", lambda p: encode(_scaled(p, 0.3), "JPEG", quality=75)),
    "large": ("enlarged", "WEBP", lambda p: encode(_scaled(p, 1.4), "WEBP")),
    "bright": ("brightened", "JPEG", lambda p: encode(ImageEnhance.Brightness(p).enhance(1.2), "JPEG")),
    "contrast": ("with more contrast", "JPEG", lambda p: encode(ImageEnhance.Contrast(p).enhance(1.25), "JPEG")),
    "caption": ("with a caption", "JPEG", lambda p: encode(_captioned(p), "JPEG")),
    "grey": ("without colour", "JPEG", lambda p: encode(ImageOps.grayscale(p), "JPEG")),
    "blur": ("blurred a little", "JPEG", lambda p: encode(p.filter(ImageFilter.GaussianBlur(1.2)), "JPEG")),
    "faded": ("faded", "PNG", lambda p: encode(_faded(p), "PNG")),
    "mirror": ("mirrored", "PNG", lambda p: encode(ImageOps.mirror(p), "PNG")),
    "turned": ("turned by a quarter", "PNG", lambda p: encode(p.transpose(Image.Transpose.ROTATE_90), "PNG")),
    "negative": ("as a negative", "PNG", lambda p: encode(ImageOps.invert(p), "PNG")),
    "exif": ("stored on its side, turned upright by EXIF", "JPEG", _laid_down),
    "animation": ("as the third frame of an animation", "GIF", _animation),
}
COPIES = tuple(_COPIES)
"""Every way to copy a picture that the demo knows."""


def copy_of(original: Original, how: str) -> Copy:
    """Return a copy of a listed picture; ``how`` is one of ``COPIES``."""
    words, kind, make = _COPIES[how]
    return Copy(words, kind, make(original.picture))


def plain_lists(seed: int) -> dict[str, str]:
    """Return list id -> text in the plain format: one ``algorithm value`` a line."""
    rng = np.random.default_rng(seed)
    lines = {
        name: [
            f"{algorithm} {rng.bytes(bits // 8).hex()}"
            for algorithm, bits in algorithms.items()
            for _ in range(MADE_UP)
        ]
        for name, algorithms in _BITS.items()
    }
    for original in originals().values():
        if HOTLINE_A in original.lists:
            lines[HOTLINE_A].append(f"{original.digest} {digests(original.file)[original.digest]}")
        if HOTLINE_B in original.lists:
            value, _quality = pdq(np.asarray(original.picture.convert("L")))
            lines[HOTLINE_B] += [f"pdq {value.hex()}", f"phash {imagehash.phash(original.picture)}"]
    heading = "# {}: a made-up list for a demo. Nothing in here is a hash of abuse imagery.\n"
    return {name: heading.format(name) + "\n".join(sorted(entries)) + "\n" for name, entries in lines.items()}


def write_lists(folder: Path, seed: int) -> dict[str, Path]:
    """Write each list to ``folder``; return list id -> file."""
    folder.mkdir(parents=True, exist_ok=True)
    files = {name: folder / f"{name}.txt" for name in _BITS}
    for name, text in plain_lists(seed).items():
        files[name].write_text(text, encoding="ascii")
    return files
