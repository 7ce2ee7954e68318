from __future__ import annotations

import numpy as np
import pytest
from imaging.corpus import bits_apart, look, segment
from PIL import Image, ImageCms
from support.pictures import encode, photographs

from ingest_guard.imaging.decode import Limits, open_picture
from ingest_guard.imaging.pixels.modes import flatten_mode


def _photograph() -> Image.Image:
    return photographs()["chelsea"].resize((360, 240))


def _in_mode(mode: str) -> Image.Image:
    picture = _photograph()
    if mode == "LAB":
        srgb, lab = ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB")
        return ImageCms.profileToProfile(picture, srgb, lab, outputMode="LAB")
    if mode.startswith("I;16"):
        wide = np.asarray(picture.convert("L")).astype(np.uint16) * 257
        return Image.fromarray(wide)
    return picture.convert("P").convert("PA") if mode == "PA" else picture.convert(mode)


@pytest.mark.parametrize(
    ("mode", "format"),
    [
        *((mode, "TIFF") for mode in ("1", "L", "LA", "P", "PA", "RGB", "RGBA", "RGBX", "CMYK", "YCbCr", "LAB")),
        *((mode, "TIFF") for mode in ("I", "I;16", "F")),
        *((mode, "PNG") for mode in ("1", "L", "LA", "P", "RGB", "RGBA", "I;16")),
        *((mode, "JPEG") for mode in ("1", "L", "RGB", "RGBX", "CMYK", "YCbCr")),
        *((mode, "WEBP") for mode in ("L", "RGB", "RGBA")),
        *((mode, "AVIF") for mode in ("L", "RGB", "RGBA")),
        *((mode, "GIF") for mode in ("1", "L", "P", "RGB", "RGBA")),
        *((mode, "BMP") for mode in ("1", "L", "P", "RGB", "RGBA")),
        *((mode, "JPEG2000") for mode in ("L", "LA", "RGB", "RGBA", "I;16", "YCbCr")),
    ],
)
def test_every_mode_in_every_format_is_the_same_picture(mode: str, format: str) -> None:  # noqa: A002 - Pillow's word
    """Whatever colour mode a picture is stored in, its hash stays within 2 bits (4 through a lossy palette)."""
    options = {"JPEG": {"quality": 95}, "WEBP": {"lossless": True}, "AVIF": {"quality": 95, "speed": 9}}.get(format, {})
    if (mode, format) == ("YCbCr", "TIFF"):  # older versions of Pillow cannot read back their own raw ones
        options = {"tiffinfo": {530: (1, 1)}, "compression": "tiff_lzw"}
    wanted = _photograph() if mode != "1" else _in_mode("1")  # dithering makes another picture of it
    seen = look(encode(_in_mode(mode), format, **options))
    allowed = 4 if mode in {"1", "P", "PA"} or format == "GIF" else 2
    assert seen.reason is None
    assert set(seen.lumas) == {"native"}
    assert bits_apart(seen.lumas["native"], np.asarray(wanted.convert("L"))) <= allowed
    assert seen.colours["native"].mode == "RGB"
    assert seen.colours["native"].size == (360, 240)


@pytest.mark.parametrize("mode", ["HSV", "RGBa", "La", "I;16B"])
def test_modes_that_no_file_has_are_understood_too(mode: str) -> None:
    """HSV, premultiplied alpha and other byte orders come out as the same grey."""
    picture = _photograph()
    if mode == "I;16B":
        wide = Image.fromarray((np.asarray(picture.convert("L")).astype(np.uint16) * 257).astype(">u2"))
    else:
        wide = picture.convert({"La": "LA", "RGBa": "RGBA"}.get(mode, mode)).convert(mode)
    opaque, alpha = flatten_mode(wide)
    assert alpha is None
    assert np.abs(np.asarray(opaque.convert("L")).astype(int) - np.asarray(picture.convert("L"))).mean() < 3


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (np.array([[0, 0.5, 1]], np.float32), [0, 128, 255]),
        (np.array([[0, 100, 255]], np.float32), [0, 100, 255]),
        (np.array([[0, 32896, 65535]], np.float32), [0, 128, 255]),
        (np.array([[-1, 0, 1]], np.float32), [0, 128, 255]),
        (np.array([[np.nan, np.inf, 200]], np.float32), [0, 0, 200]),
        (np.array([[0, 100, 255]], np.int32), [0, 100, 255]),
        (np.array([[0, 2048, 4095]], np.int32), [0, 128, 255]),
        (np.array([[0, 32768, 65535]], np.int32), [0, 128, 255]),
        (np.array([[0, 1 << 30, (1 << 31) - 1]], np.int32), [0, 128, 255]),
        (np.array([[-102, 0, 153]], np.int32), [0, 102, 255]),
    ],
)
def test_the_range_of_values_says_what_white_is(values: np.ndarray, expected: list[int]) -> None:
    """Integers and floats without a fixed white are scaled by the range that they fill."""
    opaque, _ = flatten_mode(Image.fromarray(values))
    assert np.asarray(opaque)[0].tolist() == expected


def test_eight_bits_in_sixteen_are_seen_as_a_browser_shows_them_and_as_they_are_meant() -> None:
    """A 16-bit PNG that only uses its low bits is black on screen; a stretched view shows the picture in it."""
    grey = np.asarray(_photograph().convert("L"))
    seen = look(encode(Image.fromarray(grey.astype(np.uint16)), "PNG"))
    assert seen.lumas["native"].max() == 0
    assert np.array_equal(seen.lumas["stretched"], grey)


def test_twelve_bit_tiff_is_scaled_by_its_depth() -> None:
    """Twelve bits a sample fill the whole range of luma."""
    values = (np.asarray(_photograph().convert("L")).astype(np.uint16) << 4)[:64, :64]
    data = bytearray(encode(Image.fromarray(values), "TIFF"))
    packed = bytearray()
    for even, odd in zip(values.ravel()[::2].tolist(), values.ravel()[1::2].tolist(), strict=True):
        packed += bytes((even >> 4, (even & 15) << 4 | odd >> 8, odd & 255))
    entry = data.index(b"\x02\x01\x03\x00\x01\x00\x00\x00\x10\x00")
    data[entry + 8] = 12
    at = data.index(values.tobytes()[:64])
    data[at : at + len(packed)] = packed
    assert np.abs(look(bytes(data)).lumas["native"].astype(int) - (values >> 4)).max() <= 1


@pytest.mark.parametrize("adobe", [True, False])
def test_cmyk_jpeg_is_not_inverted(adobe: bool) -> None:  # noqa: FBT001 - a pytest parameter
    """CMYK comes out as browsers show it, with and without Adobe's marker."""
    data = encode(_photograph().convert("CMYK"), "JPEG", quality=95)
    if not adobe:
        at = data.index(b"\xff\xee")
        data = data[:at] + data[at + 2 + int.from_bytes(data[at + 2 : at + 4], "big") :]
    seen = look(data)
    assert bits_apart(seen.lumas["native"], np.asarray(_photograph().convert("L"))) <= 2


def test_ycck_jpeg_is_the_same_picture() -> None:
    """Four components with Adobe's transform 2 are YCbCr and black."""
    cmyk = np.asarray(_photograph().convert("CMYK"))
    colours = np.asarray(Image.fromarray(np.ascontiguousarray(cmyk[..., :3])).convert("YCbCr"))
    stored = np.dstack([255 - colours, cmyk[..., 3]])
    bands = [Image.fromarray(np.ascontiguousarray(stored[..., band])) for band in range(4)]
    data = bytearray(encode(Image.merge("CMYK", bands), "JPEG", quality=95))
    data[data.index(b"Adobe") + 11] = 2
    seen = look(bytes(data))
    assert bits_apart(seen.lumas["native"], np.asarray(_photograph().convert("L"))) <= 2


def test_rgb_coded_jpeg_is_converted_and_not_read_as_its_first_channel() -> None:
    """A JPEG that stores red, green and blue gives luma, not red."""
    seen = look(encode(_photograph(), "JPEG", quality=95, keep_rgb=True))
    assert bits_apart(seen.lumas["native"], np.asarray(_photograph().convert("L"))) <= 2


def test_grey_jpeg_and_its_colour_are_the_same() -> None:
    """A grey JPEG's colour picture is grey."""
    seen = look(encode(_photograph().convert("L"), "JPEG"))
    assert np.array_equal(np.asarray(seen.colours["native"].convert("L")), seen.lumas["native"])


def test_colour_of_a_jpeg_has_its_colours() -> None:
    """Luma is decoded alone, and the colours are there when they are asked for."""
    seen = look(encode(Image.new("RGB", (64, 64), (200, 30, 30)), "JPEG", quality=95))
    red, green, _ = seen.colours["native"].getpixel((5, 5))
    assert red > 150
    assert green < 60


def test_large_jpeg_is_decoded_smaller_and_never_below_256() -> None:
    """A draft keeps the aspect and at least 256 pixels on both sides."""
    seen = look(encode(_photograph().resize((2600, 1300)), "JPEG"))
    assert seen.lumas["native"].shape == (325, 650)
    assert seen.size == (2600, 1300)
    assert look(encode(_photograph().resize((2600, 1000)), "JPEG")).lumas["native"].shape == (500, 1300)


def test_metadata_of_a_jpeg_is_not_given_to_the_decoder() -> None:
    """Application segments that Pillow would parse, and could choke on, change nothing."""
    data = encode(_photograph(), "JPEG")
    junk = [
        segment(0xE1, b"Exif\0\0MM\0*\xff\xff\xff\xff"),
        segment(0xED, b"Photoshop 3.0\x008BIM\4\4"),
        segment(0xFE, b"x"),
    ]
    seen = look(data[:2] + b"".join(junk) + segment(0xE2, b"MPF\0MM\0*\0\0\0\x08") + data[2:])
    assert seen.reason is None
    assert np.array_equal(seen.lumas["native"], look(data).lumas["native"])


def test_a_frame_tells_the_size_of_what_it_shows() -> None:
    """A reduced decode names the whole picture's size, as displayed: a hash has to sample as if it were there."""
    picture = _photograph().resize((2600, 1300))
    exif = Image.Exif()
    exif[0x0112] = 6
    for options, original in ((({}), (1300, 2600)), ({"exif": exif}, (2600, 1300))):
        frame = next(open_picture(encode(picture, "JPEG", **options), Limits()).frames())
        assert frame.original == original
        assert max(frame.luma.shape) == 650
