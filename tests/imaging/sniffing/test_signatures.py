"""The search for the first bytes of images in the middle of other data."""

from __future__ import annotations

import random

import pytest

from ingest_guard.imaging.sniffing.signatures import find_images

BEGINNINGS = {
    "JPEG": b"\xff\xd8\xff\xe0",
    "PNG": b"\x89PNG\r\n\x1a\n",
    "GIF": b"GIF89a",
    "GIF of 1987": b"GIF87a",
    "WEBP": b"RIFF\x10\x20\n\0WEBP",
    "AVIF": b"\0\0\0\x20ftypavif",
    "HEIF": b"\0\0\n\x20ftypheic",
    "HEIF of other cameras": b"\n\0\0\x20ftypmif1",
    "BMP": b"BM\n\xff\0\1\0\0\0\0\x36\0\0\0\x28\0\0\0",
    "BMP, version 5": b"BM\n\xff\n\n\0\0\0\0\n\n\0\0\x7c\0\0\0",
    "TIFF": b"II*\0",
    "TIFF, high bytes first": b"MM\0*",
    "BigTIFF": b"II+\0",
    "BigTIFF, high bytes first": b"MM\0+",
    "JPEG 2000": b"\0\0\0\x0cjP  \r\n\x87\n",
    "JPEG 2000, bare": b"\xff\x4f\xff\x51\0",
}


@pytest.mark.parametrize("name", BEGINNINGS)
@pytest.mark.parametrize("start", [0, 3])
def test_beginning_is_found_in_other_data(name: str, start: int) -> None:
    """Once wherever it lies, line breaks in its numbers or not; what begins before the start does not count."""
    sign, chance = BEGINNINGS[name], random.Random(11)
    for before in (0, 1, start, 50, 9000):
        filling = bytes(chance.choices(range(1, 32), k=before))
        data = filling + sign + bytes(chance.choices(range(1, 32), k=40))
        assert list(find_images(data, start)) == ([before] if before >= start else [])


def test_beginnings_are_found_in_order() -> None:
    """All of them, each once."""
    data = b"".join(sign + b"\1" * 24 for sign in BEGINNINGS.values())
    offsets = [data.index(sign) for sign in BEGINNINGS.values()]
    assert list(find_images(data)) == sorted(offsets)
    assert list(find_images(b"\1" * 10_000)) == []
