"""What one file shows: turned, on two grounds, with its colours converted, its frames, its thumbnails."""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
import pytest
from imaging.corpus import (
    animation,
    bits_apart,
    chunk,
    cursor,
    encode,
    good,
    look,
    odd_profile,
    segment,
    stored_with,
    with_chunks,
    with_segments,
)
from PIL import Image, ImageCms
from support.pictures import drawn, photographs

from ingest_guard.imaging.decode import Limits, open_picture

_TURNED_BACK = {
    1: None,
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}


def _photograph() -> Image.Image:
    return photographs()["coffee"].resize((360, 240))


def _grey(image: Image.Image) -> np.ndarray:
    return np.asarray(image.convert("L"))


def _exif(turn: int, order: str = ">") -> bytes:
    mark = b"MM" if order == ">" else b"II"
    entry = struct.pack(order + "HHIHxx", 0x0112, 3, 1, turn)
    return mark + struct.pack(order + "HIH", 42, 8, 1) + entry + bytes(4)


@pytest.mark.parametrize("turn", range(1, 9))
@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF"])
def test_exif_orientation_is_applied(turn: int, format: str) -> None:  # noqa: A002 - Pillow's word
    """A picture stored turned and marked so is the same picture, with its size as displayed."""
    upright = _photograph()
    back = _TURNED_BACK[turn]
    stored = upright.transpose(back) if back is not None else upright
    exif = Image.Exif()
    exif[0x0112] = turn
    options = {"AVIF": {"quality": 90, "speed": 9}, "WEBP": {"lossless": True}}.get(format, {})
    seen = look(encode(stored, format, exif=exif, **options))
    assert seen.size == upright.size
    assert seen.lumas["native"].shape == (240, 360)
    assert bits_apart(seen.lumas["native"], _grey(upright)) <= 4
    assert seen.colours["native"].size == upright.size


@pytest.mark.parametrize("turn", range(1, 9))
@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF"])
def test_a_turned_frame_comes_with_what_is_stored(turn: int, format: str) -> None:  # noqa: A002 - Pillow's word
    """Programs that do not know EXIF see the picture as stored: its brightness, colours and size."""
    stored = _photograph()
    exif = Image.Exif()
    exif[0x0112] = turn
    options = {"AVIF": {"quality": 90, "speed": 9}, "WEBP": {"lossless": True}}.get(format, {})
    (frame,) = open_picture(encode(stored, format, exif=exif, **options), Limits()).frames()
    if turn == 1:
        assert frame.stored is None
        return
    assert frame.stored is not None
    assert frame.stored.name == "stored"
    assert frame.stored.original == (240, 360)
    assert bits_apart(frame.stored.luma, _grey(stored)) <= 4
    assert frame.stored.colour is not None
    assert frame.stored.colour().size == stored.size


def test_the_stored_view_of_a_draft_has_the_size_that_is_stored() -> None:
    """A large photograph is decoded at a fraction; its hash is that of the whole, on either side of the turn."""
    large = _photograph().resize((1800, 1200))
    exif = Image.Exif()
    exif[0x0112] = 6
    (frame,) = open_picture(encode(large, "JPEG", exif=exif), Limits()).frames()
    assert frame.stored is not None
    assert frame.original == (1800, 1200)
    assert frame.stored.original == (1200, 1800)
    assert frame.stored.luma.shape == frame.luma.shape[::-1]
    assert frame.luma.shape[0] < 1800


def test_every_rendering_of_a_turned_picture_has_its_stored_one() -> None:
    """On black and without its transparency, too: list makers drop the transparency along with the turn."""
    picture = _photograph().convert("RGBA")
    picture.putalpha(Image.linear_gradient("L").resize(picture.size))
    exif = Image.Exif()
    exif[0x0112] = 8
    frames = {frame.name: frame.stored for frame in open_picture(encode(picture, "PNG", exif=exif), Limits()).frames()}
    assert {name: stored.name for name, stored in frames.items() if stored} == {
        "native": "stored",
        "black": "black/stored",
        "opaque": "opaque/stored",
    }
    assert frames["opaque"] is not None
    assert np.array_equal(frames["opaque"].luma, _grey(picture.convert("RGB")))


@pytest.mark.parametrize("turn", [0, 9, 255])
@pytest.mark.parametrize("order", [">", "<"])
def test_orientation_that_means_nothing_is_none(turn: int, order: str) -> None:
    """Values that EXIF does not know leave the picture as stored."""
    data = with_segments(good("JPEG"), segment(0xE1, b"Exif\0\0" + _exif(turn, order)))
    assert look(data).size == (96, 64)


def test_transparent_picture_is_seen_on_white_and_on_black() -> None:
    """Where transparency changes the picture there is a view for either ground."""
    picture = _photograph().convert("RGBA")
    picture.putalpha(Image.linear_gradient("L").resize(picture.size))
    seen = look(encode(picture, "PNG"))
    assert set(seen.lumas) == {"native", "black", "opaque"}
    white = Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture)
    black = Image.alpha_composite(Image.new("RGBA", picture.size, "black"), picture)
    assert np.abs(seen.lumas["native"].astype(int) - _grey(white)).max() <= 1
    assert np.abs(seen.lumas["black"].astype(int) - _grey(black)).max() <= 1
    assert np.array_equal(seen.lumas["opaque"], _grey(picture.convert("RGB")))


def test_picture_hidden_under_full_transparency_is_seen() -> None:
    """Programs that drop the alpha channel would show what browsers do not."""
    picture = _photograph().convert("RGBA")
    picture.putalpha(0)
    seen = look(encode(picture, "PNG"))
    assert np.array_equal(seen.lumas["opaque"], _grey(_photograph()))


def test_opaque_alpha_adds_no_view() -> None:
    """An alpha channel of which nothing is transparent, or next to nothing, costs no second hash."""
    picture = _photograph().convert("RGBA")
    assert set(look(encode(picture, "PNG")).lumas) == {"native"}
    picture.putpixel((0, 0), (0, 0, 0, 0))
    assert set(look(encode(picture, "PNG")).lumas) == {"native"}


@pytest.mark.parametrize(
    ("mode", "key"),
    [("L", 90), ("1", 255), ("RGB", (10, 200, 30)), ("P", 3)],
)
def test_transparent_colour_of_a_png_is_transparent(mode: str, key: object) -> None:
    """A tRNS chunk makes a level, a colour or a palette entry transparent."""
    picture = Image.new(mode, (64, 64), key)
    picture.paste((0, 0, 0) if mode == "RGB" else 0, (0, 0, 32, 64))
    if mode == "P":
        picture.putpalette([0, 0, 0, 1, 1, 1, 2, 2, 2, 90, 90, 90])
    seen = look(encode(picture, "PNG", transparency=key))
    assert seen.lumas["native"][0, 63] == 255
    assert seen.lumas["black"][0, 63] == 0
    assert seen.lumas["native"][0, 0] == 0


@pytest.mark.parametrize(
    ("depth", "samples", "key"), [(2, b"\x1b" * 16, 2), (4, b"\x2f" * 32, 2), (16, b"\x12\x34" * 64, 0x1234)]
)
def test_transparent_level_is_compared_at_the_files_own_depth(depth: int, samples: bytes, key: int) -> None:
    """A tRNS level of 2 is the third of four in two bits, the third of sixteen in four."""
    width = len(samples) * 8 // depth
    header = struct.pack(">II5B", width, 1, depth, 0, 0, 0, 0)
    data = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"tRNS", struct.pack(">H", key))
    seen = look(data + chunk(b"IDAT", zlib.compress(b"\0" + samples)) + chunk(b"IEND", b""))
    assert seen.lumas["native"].max() == 255
    assert seen.lumas["black"].min() == 0
    assert "black" in seen.lumas


@pytest.mark.parametrize("depth", [8, 16])
def test_transparent_colour_of_an_rgb_png(depth: int) -> None:
    """In eight bits and in sixteen."""
    colour = struct.pack(">3H", 0x1234, 0x5678, 0x9ABC) if depth == 16 else bytes((0x34, 0x78, 0xBC))
    key = struct.pack(">3H", 0x1234, 0x5678, 0x9ABC) if depth == 16 else struct.pack(">3H", 0x34, 0x78, 0xBC)
    row = b"\0" + colour * 8 + bytes(len(colour)) * 8
    data = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">II5B", 16, 1, depth, 2, 0, 0, 0)) + chunk(b"tRNS", key)
    seen = look(data + chunk(b"IDAT", zlib.compress(row)) + chunk(b"IEND", b""))
    assert seen.lumas["native"][0].tolist() == [255] * 8 + [0] * 8


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_odd_profile_gives_a_converted_view(format: str) -> None:  # noqa: A002 - Pillow's word
    """A picture stored with x^(1/6) and a profile that undoes it is found in its ``icc`` view."""
    options = {"WEBP": {"lossless": True}}.get(format, {})
    seen = look(encode(stored_with(_photograph()), format, icc_profile=odd_profile(), **options))
    assert set(seen.lumas) == {"native", "icc"}
    assert bits_apart(seen.lumas["native"], _grey(_photograph())) > 12
    assert bits_apart(seen.lumas["icc"], _grey(_photograph())) <= 6


def test_odd_profile_of_a_transparent_picture_is_converted_on_both_grounds() -> None:
    """Conversion and transparency go together."""
    picture = stored_with(_photograph()).convert("RGBA")
    picture.putalpha(Image.linear_gradient("L").resize(picture.size))
    seen = look(encode(picture, "PNG", icc_profile=odd_profile()))
    assert set(seen.lumas) == {"native", "black", "opaque", "icc", "icc/black", "icc/opaque"}
    assert bits_apart(seen.lumas["icc/opaque"], _grey(_photograph())) <= 6


def test_cmyk_with_a_profile_that_does_not_fit_is_shown_without_it() -> None:
    """Browsers ignore a profile of another colour space, and so do we."""
    seen = look(encode(_photograph().convert("CMYK"), "JPEG", icc_profile=odd_profile()))
    assert set(seen.lumas) == {"native"}


@pytest.mark.parametrize(
    "profile",
    [
        b"",
        b"junk" * 100,
        ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes(),
        odd_profile()[:200],
    ],
)
def test_profile_that_is_srgb_or_broken_adds_no_view(profile: bytes) -> None:
    """What changes nothing, or cannot be read, costs no second hash."""
    seen = look(with_segments(good("JPEG"), segment(0xE2, b"ICC_PROFILE\0\1\1" + profile)))
    assert set(seen.lumas) == {"native"}
    assert seen.reason is None


def test_grey_picture_with_an_rgb_profile_is_converted() -> None:
    """A grey JPEG may carry the profile of its camera."""
    seen = look(encode(stored_with(_photograph().convert("L")), "JPEG", icc_profile=odd_profile(), quality=95))
    assert bits_apart(seen.lumas["icc"], _grey(_photograph())) <= 8


def test_gamma_of_a_png_is_applied() -> None:
    """A gAMA chunk alone makes a view; that of sRGB does not, nor does any next to an sRGB chunk."""
    data = encode(stored_with(_photograph()), "PNG")
    odd = chunk(b"gAMA", (16667).to_bytes(4, "big"))
    assert bits_apart(look(with_chunks(data, odd)).lumas["icc"], _grey(_photograph())) <= 6
    assert set(look(with_chunks(data, chunk(b"gAMA", (45455).to_bytes(4, "big")))).lumas) == {"native"}
    assert set(look(with_chunks(data, chunk(b"gAMA", bytes(4)))).lumas) == {"native"}
    assert set(look(with_chunks(data, odd, chunk(b"sRGB", b"\0"))).lumas) == {"native"}


@pytest.mark.parametrize(("transfer", "gives_view"), [(13, False), (1, False), (8, True), (16, True), (18, True)])
def test_code_points_of_a_png_are_applied(transfer: int, gives_view: bool) -> None:  # noqa: FBT001 - a parameter
    """A cICP chunk wins over everything else a PNG says of its colours."""
    data = with_chunks(
        good("PNG"), chunk(b"cICP", bytes((1, transfer, 0, 1))), chunk(b"gAMA", (16667).to_bytes(4, "big"))
    )
    assert ("icc" in look(data).lumas) is gives_view


def test_linear_light_in_wide_primaries_comes_back() -> None:
    """Linear light and BT.2020 primaries in cICP: grey stays grey, and the curve is undone."""
    grey = np.tile(np.linspace(0, 255, 64).astype(np.uint8), (64, 1))
    linear = stored_with(Image.fromarray(grey), 1.0).convert("RGB")
    seen = look(with_chunks(encode(linear, "PNG"), chunk(b"cICP", bytes((9, 8, 0, 1)))))
    assert np.abs(seen.lumas["icc"].astype(int) - grey)[:, 16:].max() <= 6


def test_code_points_of_an_avif_are_read() -> None:
    """The nclx box of an AVIF is its cICP."""
    data = bytearray(good("AVIF"))
    at = data.index(b"colrnclx")
    data[at + 8 : at + 12] = bytes((0, 1, 0, 8))
    assert "icc" in look(bytes(data)).lumas


@pytest.mark.parametrize("name", ["GIF", "WEBP", "PNG", "TIFF", "AVIF"])
def test_every_frame_is_seen(name: str) -> None:
    """Each frame of an animation, each page of a TIFF, is the picture that went into it."""
    data = animation(name, 5, (96, 64))
    kind = "page" if name == "TIFF" else "frame"
    seen = look(data)
    assert list(seen.lumas) == ["native", *(f"{kind}:{number}" for number in range(2, 6))]
    assert seen.count == 5
    assert seen.reason is None
    for seed, luma in enumerate(seen.lumas.values()):
        assert bits_apart(luma, _grey(drawn(seed, (96, 64)))) <= 24


def _apng(*frames: tuple[Image.Image, tuple[int, int], int, int], still: Image.Image | None = None) -> bytes:
    """Build an APNG from pictures of the first one's mode, with their places, disposals and blends."""
    size = (still or frames[0][0]).size
    parts, sequence = [], 0
    for number, (image, (left, top), disposal, blend) in enumerate(frames):
        control = struct.pack(">5IHH2B", sequence, *image.size, left, top, 1, 10, disposal, blend)
        parts.append(chunk(b"fcTL", control))
        sequence += 1
        pixels = _idat(image)
        if number == 0 and still is None:
            parts.append(chunk(b"IDAT", pixels))
        else:
            parts.append(chunk(b"fdAT", struct.pack(">I", sequence) + pixels))
            sequence += 1
    first = [] if still is None else [chunk(b"IDAT", _idat(still))]
    head = chunk(b"IHDR", struct.pack(">II5B", *size, 8, 6, 0, 0, 0)) + chunk(
        b"acTL", struct.pack(">II", len(frames), 0)
    )
    return b"".join([b"\x89PNG\r\n\x1a\n", head, *first, *parts, chunk(b"IEND", b"")])


def _idat(image: Image.Image) -> bytes:
    png = encode(image.convert("RGBA"), "PNG")
    at, pixels = 8, b""
    while at < len(png):
        length = int.from_bytes(png[at : at + 4], "big")
        if png[at + 4 : at + 8] == b"IDAT":
            pixels += png[at + 8 : at + 8 + length]
        at += 12 + length
    return pixels


def test_apng_frames_are_blended_and_disposed_of() -> None:
    """Over and source, keep, clear and restore: each frame shows what a browser shows."""
    red, clear = Image.new("RGBA", (32, 32), (255, 0, 0, 255)), Image.new("RGBA", (16, 16), (0, 0, 0, 0))
    dark = Image.new("RGBA", (16, 16), (0, 0, 0, 255))
    data = _apng(
        (red, (0, 0), 0, 0), (dark, (8, 8), 2, 1), (clear, (0, 0), 0, 1), (clear, (0, 0), 1, 0), (dark, (16, 16), 0, 0)
    )
    seen = look(data)
    corner = {name: int(luma[0, 0]) for name, luma in seen.lumas.items() if "/" not in name}
    middle = {name: int(luma[12, 12]) for name, luma in seen.lumas.items() if "/" not in name}
    assert corner == {"native": 76, "frame:2": 76, "frame:3": 76, "frame:4": 255, "frame:5": 255}
    assert middle == {"native": 76, "frame:2": 0, "frame:3": 76, "frame:4": 255, "frame:5": 255}
    assert seen.lumas["frame:5"][20, 20] == 0


def test_default_image_of_an_apng_is_seen_beside_its_frames() -> None:
    """What viewers without APNG show is a picture of its own."""
    still, frame = drawn(1, (64, 48)), drawn(2, (64, 48))
    seen = look(_apng((frame, (0, 0), 0, 0), still=still))
    assert seen.count == 2
    assert np.array_equal(seen.lumas["native"], _grey(still))
    assert np.array_equal(seen.lumas["frame:2"], _grey(frame))


def _gif(frames: list[tuple[int, tuple[int, int, int, int], int, int | None]], screen: tuple[int, int]) -> bytes:
    """Build a GIF of one-coloured frames: palette index, box, disposal, transparent index."""
    palette = bytes((0, 0, 0, 255, 255, 255, 128, 128, 128, 64, 64, 64))
    out = [struct.pack("<6sHHBBB", b"GIF89a", *screen, 0x81, 1, 0), palette]
    for colour, (left, top, width, height), disposal, clear in frames:
        out.append(b"\x21\xf9\4" + bytes((disposal << 2 | (clear is not None), 0, 0, clear or 0, 0)))
        picture = Image.new("P", (width, height), colour)
        picture.putpalette(palette)
        buffer = io.BytesIO()
        picture.save(buffer, "GIF", optimize=False)
        single = buffer.getvalue()
        at = single.index(b",", 13 + (3 << (single[10] & 7) + 1))
        out += [struct.pack("<B4HB", 0x2C, left, top, width, height, 0), single[at + 10 : -1]]
    return b"".join([*out, b";"])


def test_gif_frames_are_disposed_of_as_browsers_do() -> None:
    """Keep, clear to transparent (not to the background colour), restore."""
    whole, part = (0, 0, 16, 16), (4, 4, 8, 8)
    seen = look(
        _gif(
            [(2, whole, 0, None), (0, part, 3, None), (3, (0, 0, 2, 2), 2, None), (0, (14, 14, 2, 2), 0, None)],
            (16, 16),
        )
    )
    values = [(int(luma[6, 6]), int(luma[0, 0])) for name, luma in seen.lumas.items() if "/" not in name]
    assert values == [(128, 128), (0, 128), (128, 64), (128, 255)]


def test_gif_whose_first_frame_outgrows_its_screen_is_seen_whole() -> None:
    """Browsers enlarge the screen, and draw that frame at its corner."""
    seen = look(_gif([(2, (3, 3, 32, 24), 0, None)], (16, 16)))
    assert seen.size == (32, 24)
    assert int(seen.lumas["native"].min()) == 128


def test_gif_frame_outside_the_screen_leaves_it_as_it_was() -> None:
    """A frame that is nowhere on the screen shows the one before."""
    seen = look(_gif([(2, (0, 0, 16, 16), 0, None), (0, (20, 20, 4, 4), 0, None)], (16, 16)))
    assert int(seen.lumas["frame:2"].min()) == 128


def test_gif_without_any_palette_is_decoded() -> None:
    """No colour table at all: grey levels."""
    data = bytearray(_gif([(1, (0, 0, 16, 16), 0, None)], (16, 16)))
    data[10] = 0
    assert look(bytes(data[:13] + data[25:])).lumas["native"].shape == (16, 16)


def test_sizes_of_an_icon_are_seen_largest_first() -> None:
    """PNG and bitmap entries of an icon are pictures of their own."""
    picture = drawn(3, (64, 64))
    for kind in ("png", "bmp"):
        seen = look(encode(picture, "ICO", sizes=[(16, 16), (64, 64), (32, 32)], bitmap_format=kind))
        assert [luma.shape for luma in seen.lumas.values()] == [(64, 64), (32, 32), (16, 16)]
        assert list(seen.lumas) == ["native", "size:2", "size:3"]
        assert np.array_equal(seen.lumas["native"], _grey(picture))


@pytest.mark.parametrize("mode", ["1", "RGB"])
def test_cursor_is_decoded(mode: str) -> None:
    """A cursor is an icon with a hot spot."""
    picture = drawn(3, (64, 64)).convert(mode)
    seen = look(cursor(picture))
    assert np.array_equal(seen.lumas["native"], _grey(picture))


def test_thumbnail_of_a_jpeg_is_seen() -> None:
    """The EXIF thumbnail may be another picture than the one that carries it."""
    thumbnail = encode(drawn(9, (96, 64)), "JPEG")
    data = with_segments(good("JPEG"), segment(0xE1, b"Exif\0\0" + _exif(1) + thumbnail))
    seen = look(data)
    assert seen.reason is None
    assert bits_apart(seen.lumas["thumbnail"], _grey(drawn(9, (96, 64)))) <= 10


@pytest.mark.parametrize("name", ["PNG", "WEBP"])
def test_thumbnail_in_the_exif_of_other_formats_is_seen(name: str) -> None:
    """PNG and WebP carry the same EXIF block."""
    thumbnail = encode(drawn(9, (96, 64)), "JPEG")
    seen = look(encode(drawn(7, (96, 64)), name, exif=b"Exif\0\0" + _exif(1) + thumbnail))
    assert set(seen.lumas) == {"native", "thumbnail"}


def test_broken_thumbnail_is_no_fault_of_the_picture() -> None:
    """Nobody is shown it."""
    thumbnail = encode(drawn(9, (96, 64)), "JPEG")[:300]
    seen = look(with_segments(good("JPEG"), segment(0xE1, b"Exif\0\0" + _exif(1) + thumbnail)))
    assert seen.reason is None


def test_second_picture_of_an_mpo_is_seen() -> None:
    """Multi-picture JPEGs are JPEGs with more behind their end."""
    first, second = drawn(1, (96, 64)), drawn(2, (96, 64))
    data = encode(first, "MPO", save_all=True, append_images=[second])
    seen = look(data)
    assert seen.reason is None
    others = [luma for name, luma in seen.lumas.items() if name != "native"]
    assert any(bits_apart(luma, _grey(second)) <= 10 for luma in others)


def test_sub_image_of_a_tiff_page_is_seen() -> None:
    """A directory that only another directory refers to is a page like any other."""
    data = bytearray(animation("TIFF", 2, (96, 64)))
    first = int.from_bytes(data[4:8], "little")
    count = int.from_bytes(data[first : first + 2], "little")
    following = first + 2 + 12 * count
    second = bytes(data[following : following + 4])
    data[following : following + 4] = bytes(4)
    entry = data.index(struct.pack("<HH", 0x011C, 3), first)  # planar configuration: its default will do
    data[entry : entry + 12] = struct.pack("<HHI", 330, 4, 1) + second
    assert list(look(bytes(data)).lumas) == ["native", "page:2"]


def test_colours_can_be_asked_for_after_the_last_frame() -> None:
    """A frame's picture stays its own when the next one is decoded."""
    seen = look(animation("WEBP", 3, (64, 48)), Limits())
    shades = [np.asarray(colour.convert("L")).astype(int) for colour in seen.colours.values()]
    assert all(np.array_equal(shade, luma) for shade, luma in zip(shades, seen.lumas.values(), strict=True))
