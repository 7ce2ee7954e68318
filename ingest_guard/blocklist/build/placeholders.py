"""Files and pictures that half the web holds and that show nothing: spacers of one pixel, pictures of one colour.

A list that holds the digest of one would drop pages without number. The files are the ones that tracking pixels and
templates have used for decades, written out here, so that their digests can be recomputed rather than believed.
"""

from __future__ import annotations

import base64
import hashlib
import io
from functools import lru_cache

from PIL import Image

_ALGORITHMS = ("md5", "sha1", "sha256")

# The spacers that servers and scripts carry about as Base64.
_SPACERS = (
    "R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7",
    "R0lGODlhAQABAIAAAP///wAAACH5BAEAAAAALAAAAAABAAEAAAICRAEAOw==",
    "R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAEALAAAAAABAAEAAAIBTAA7",
    "R0lGODlhAQABAIAAAP///////yH5BAEKAAEALAAAAAABAAEAAAICTAEAOw==",
    "R0lGODlhAQABAIAAAP///wAAACwAAAAAAQABAAACAkQBADs=",
    "R0lGODlhAQABAIAAAAUEBAAAACwAAAAAAQABAAACAkQBADs=",
    "R0lGODlhAQABAAAAACH5BAEKAAEALAAAAAABAAEAAAICTAEAOw==",
    "R0lGODlhAQABAAAAACwAAAAAAQABAAA=",
    "R0lGODlhAQABAAAAACw=",
    "R0lGODlhAQABAAD/ACwAAAAAAQABAAACADs=",
    "R0lGODlhAQABAIAAAAAAAAAAACH5BAAAAAAALAAAAAABAAEAAAICTAEAOw==",
    "R0lGODlhAQABAPAAAAAAAAAAACH5BAEAAAAALAAAAAABAAEAAAICRAEAOw==",
    "R0lGODlhAQABAJAAAP8AAAAAACH5BAUQAAAALAAAAAABAAEAAAICBAEAOw==",
    "R0lGODlhAQABAIAAAP7//wAAACH5BAAAAAAALAAAAAABAAEAAAICRAEAOw==",
    "R0lGODlhAQABAIABAP///wAAACwAAAAAAQABAAACAkQBADs=",
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg==",
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYAAAAAYAAjCB0C8AAAAASUVORK5CYII=",
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAAC0lEQVR42mNkYAAAAAYAAjCB0C8AAAAASUVORK5CYII=",
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAQAAAC1HAwCAAAAC0lEQVR42mNkYAAAAAYAAjCB0C8AAAAASUVORK5CYII=",
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAQAAAC1HAwCAAAAC0lEQVR42mNk+A8AAQUBAScY42YAAAAASUVORK5CYII=",
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAAC0lEQVQIW2NkAAIAAAoAAggA9GkAAAAASUVORK5CYII=",
)
_MODES = {
    "1": ("black", "white"),
    "L": ("black", "white"),
    "RGB": ("black", "white"),
    "RGBA": ("#00000000", "#ffffff00"),
}


@lru_cache(maxsize=1)
def digests() -> frozenset[bytes]:
    """Return the digests of all these files, and of the empty one."""
    files = {b"", *(base64.b64decode(text) for text in _SPACERS), *_written()}
    return frozenset(hashlib.new(name, data, usedforsecurity=False).digest() for name in _ALGORITHMS for data in files)


def _written() -> set[bytes]:
    """Return pictures of one pixel, black, white and transparent, as Pillow writes them: what many a script makes."""
    files = set()
    for mode, colours in _MODES.items():
        for colour in colours:
            picture = Image.new(mode, (1, 1), colour)
            for form in ("GIF", "PNG", "BMP", *(("JPEG",) if mode != "RGBA" else ())):
                out = io.BytesIO()
                picture.save(out, form)
                files.add(out.getvalue())
    return files
