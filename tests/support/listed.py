"""A small world for the tests: a few drawings, and a blocklist that knows some of them."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from ingest_guard.hashing.pdq import pdq
from support.blocklists import make_blocklist
from support.pictures import drawn, encode

if TYPE_CHECKING:
    from pathlib import Path

    from PIL import Image

PDF = b"%PDF-1.4\n1 0 obj\n<< /Type /Catalog >>\nendobj\ntrailer\n<< /Root 1 0 R >>\n%%EOF\n"
LISTED_URL = "https://listed.example/picture.jpg"


def pdq_of(image: Image.Image) -> str:
    """Return the PDQ of a picture as lists have it."""
    value, _ = pdq(np.asarray(image.convert("L")))
    return value.hex()


@dataclass(frozen=True)
class World:
    """Bodies, and the folder of the blocklist that knows ``exact``, ``PDF``, ``near`` and ``LISTED_URL``.

    List ``bytes`` knows by SHA-256 and MD5, list ``looks`` by PDQ, list ``addresses`` by URL.
    """

    blocklist: Path

    @cached_property
    def exact(self) -> bytes:
        """Return a JPEG that is listed byte by byte."""
        return encode(drawn(1), quality=90)

    @cached_property
    def near(self) -> bytes:
        """Return a PNG of a picture that is listed by what it looks like; smaller than the listed one."""
        return encode(drawn(2).resize((280, 210)), "PNG")

    @cached_property
    def clean(self) -> bytes:
        """Return a JPEG that nobody lists."""
        return encode(drawn(3))


def make_world(folder: Path) -> World:
    """Build the blocklist."""
    world = World(folder)
    make_blocklist(
        folder,
        {
            "bytes": [
                ("sha256", hashlib.sha256(world.exact).hexdigest()),
                ("md5", hashlib.md5(PDF, usedforsecurity=False).hexdigest()),
            ],
            "looks": [("pdq", pdq_of(drawn(2)))],
            "addresses": [("url", LISTED_URL)],
        },
    )
    return world
