from __future__ import annotations

import base64
import hashlib
import io

import imagehash
import numpy as np
import pdqhash
import pytest
from PIL import Image

from ingest_guard.blocklist.build.placeholders import is_placeholder


@pytest.mark.parametrize("name", ["md5", "sha1", "sha256"])
def test_digests_of_the_empty_file(name: str) -> None:
    """The digest of no bytes at all is degenerate; that of one byte is not."""
    assert is_placeholder(name, hashlib.new(name, b"").digest())
    assert not is_placeholder(name, hashlib.new(name, b"x").digest())


@pytest.mark.parametrize("grey", [0, 1, 77, 128, 200, 255])
def test_fingerprints_of_blank_pictures(grey: int) -> None:
    """What imagehash and PDQ's reference make of a picture of one colour is degenerate."""
    for size in [(64, 64), (300, 200), (640, 480)]:
        picture = Image.new("RGB", size, (grey, grey, grey))
        value, _ = pdqhash.compute(np.asarray(picture))
        assert is_placeholder("pdq", np.packbits(value).tobytes())
        for name in ("phash", "dhash", "average_hash", "whash"):
            assert is_placeholder(name, bytes.fromhex(str(getattr(imagehash, name)(picture))))


@pytest.mark.parametrize("byte", [0x00, 0xFF])
def test_all_bits_equal(byte: int) -> None:
    """All bits 0, or 1, say nothing about a picture, nor does PDQ within its threshold of that."""
    assert is_placeholder("phash", bytes([byte]) * 8)
    assert is_placeholder("pdq", bytes([byte]) * 32)
    assert is_placeholder("pdq", bytes([byte ^ 0x10]) * 16 + bytes([byte]) * 16)


def test_ordinary_values_pass() -> None:
    """Values as pictures have them are not degenerate."""
    rng = np.random.default_rng(1)
    assert not any(is_placeholder("pdq", rng.bytes(32)) for _ in range(2000))
    assert not any(is_placeholder("phash", rng.bytes(8)) for _ in range(2000))
    assert not is_placeholder("pdq", b"\x0f" * 32)
    assert not is_placeholder("md5", bytes(16))


def test_placeholders() -> None:
    """The digests of spacers of one pixel are degenerate, as served for decades and as Pillow writes them."""
    spacer = base64.b64decode("R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7")
    out = io.BytesIO()
    Image.new("RGB", (1, 1), "white").save(out, "PNG")
    for data in (spacer, out.getvalue()):
        for name in ("md5", "sha1", "sha256"):
            assert is_placeholder(name, hashlib.new(name, data).digest())
            assert not is_placeholder(name, hashlib.new(name, data + b"\0").digest())


def test_near_a_blank_picture() -> None:
    """A 64-bit value within the default threshold of a blank picture's is degenerate; one beyond it is not."""
    assert is_placeholder("dhash", bytes(7) + b"\x0f")
    assert is_placeholder("ahash", b"\xff" * 7 + b"\xf0")
    assert not is_placeholder("dhash", bytes(7) + b"\x1f")
