"""What happens to pictures on their way through the web: each edit takes an RGB picture and returns a file."""

from __future__ import annotations

import io
import struct
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from corpus import encode
from PIL import Image, ImageDraw, ImageEnhance, ImageFilter, ImageFont, ImageOps

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Edit = Callable[[Image.Image], bytes]

T = Image.Transpose


def jpeg(picture: Image.Image, quality: int = 85) -> bytes:
    """Return a web JPEG."""
    return encode(picture, "JPEG", quality=quality)


def then_jpeg(change: Callable[[Image.Image], Image.Image], quality: int = 85) -> Edit:
    """Return the edit that changes the pixels and saves a JPEG."""
    return lambda picture: jpeg(change(picture).convert("RGB"), quality)


def by(factor: float) -> Callable[[Image.Image], Image.Image]:
    """Resize by a factor."""
    return lambda p: p.resize((max(1, round(p.width * factor)), max(1, round(p.height * factor))), 3)


def to(longest: int) -> Callable[[Image.Image], Image.Image]:
    """Resize to a longest side."""
    return lambda p: by(longest / max(p.size))(p)


def levels(table: Callable[[float], float]) -> Callable[[Image.Image], Image.Image]:
    """Map each channel's values, 0 to 1."""
    values = [round(255 * min(1.0, max(0.0, table(v / 255)))) for v in range(256)]
    return lambda p: p.point(values * 3)


def faded(share: float) -> Callable[[Image.Image], Image.Image]:
    """Keep a share of the contrast, around the middle grey."""
    return levels(lambda v: 0.5 + (v - 0.5) * share)


def noisy(sigma: float) -> Callable[[Image.Image], Image.Image]:
    """Add noise."""

    def change(picture: Image.Image) -> Image.Image:
        noise = np.random.default_rng(1).normal(0, sigma, (picture.height, picture.width, 3))
        return Image.fromarray(np.clip(np.asarray(picture) + noise, 0, 255).astype(np.uint8))

    return change


def cropped(share: float) -> Callable[[Image.Image], Image.Image]:
    """Take a share of the sides away, half of it at either end."""

    def change(picture: Image.Image) -> Image.Image:
        x, y = round(picture.width * share / 2), round(picture.height * share / 2)
        return picture.crop((x, y, picture.width - x, picture.height - y))

    return change


def framed(left: float, top: float, right: float, bottom: float, colour: str) -> Callable[[Image.Image], Image.Image]:
    """Put a plain border around; shares of the sides."""

    def change(picture: Image.Image) -> Image.Image:
        width, height = picture.size
        box = (round(left * width), round(top * height), round(right * width), round(bottom * height))
        return ImageOps.expand(picture, box, colour)

    return change


def _font(size: float) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(max(8, size))


def captioned(picture: Image.Image) -> Image.Image:
    """Write a line of large white letters with black rims onto the picture's lower part."""
    copy = picture.copy()
    ImageDraw.Draw(copy).text(
        (picture.width / 2, picture.height * 0.88),
        "WHEN IT IS MONDAY AGAIN",
        fill="white",
        stroke_fill="black",
        stroke_width=2,
        anchor="mm",
        font=_font(picture.width / 16),
    )
    return copy


def caption_bar(picture: Image.Image) -> Image.Image:
    """Put a white bar with a line of text above the picture."""
    bar = max(16, round(picture.height * 0.12))
    canvas = Image.new("RGB", (picture.width, picture.height + bar), "white")
    canvas.paste(picture, (0, bar))
    where = (picture.width / 2, bar / 2)
    ImageDraw.Draw(canvas).text(where, "nobody expected this", fill="black", anchor="mm", font=_font(bar * 0.5))
    return canvas


def watermarked(picture: Image.Image) -> Image.Image:
    """Lay half-transparent words across the whole picture."""
    layer = Image.new("RGBA", picture.size)
    pen, font = ImageDraw.Draw(layer), _font(picture.width / 12)
    for row in range(4):
        pen.text(
            (picture.width * 0.1, picture.height * (0.1 + row * 0.25)), "SAMPLE  SAMPLE", (255, 255, 255, 90), font
        )
    return Image.alpha_composite(picture.convert("RGBA"), layer).convert("RGB")


def badged(picture: Image.Image) -> Image.Image:
    """Stick a logo of a tenth of the picture's width and height into a corner."""
    copy = picture.copy()
    width, height = picture.size
    box = (width * 0.87, height * 0.87, width * 0.97, height * 0.97)
    ImageDraw.Draw(copy).ellipse(box, fill="#e02020", outline="white", width=max(1, width // 100))
    return copy


def turned(degrees: float) -> Callable[[Image.Image], Image.Image]:
    """Turn about the middle; the corners that open are black."""
    return lambda p: p.rotate(degrees, Image.Resampling.BICUBIC)


def screenshot(picture: Image.Image) -> Image.Image:
    """Show the picture in a browser's window: a dark bar above, white beside."""
    width, height = picture.size
    canvas = Image.new("RGB", (round(width * 1.3), round(height * 1.25)), "white")
    pen = ImageDraw.Draw(canvas)
    pen.rectangle((0, 0, canvas.width, canvas.height * 0.08), fill="#303238")
    pen.rounded_rectangle(
        (canvas.width * 0.1, canvas.height * 0.02, canvas.width * 0.7, canvas.height * 0.06), 4, "white"
    )
    canvas.paste(picture, (round(width * 0.15), round(height * 0.16)))
    return by(0.8)(canvas)


def collage(picture: Image.Image) -> Image.Image:
    """Put the picture top left among three plain ones."""
    width, height = picture.size
    canvas = Image.new("RGB", (width * 2, height * 2), "#a05030")
    canvas.paste(picture, (0, 0))
    canvas.paste(Image.new("RGB", picture.size, "#30a050"), (width, 0))
    canvas.paste(Image.new("RGB", picture.size, "#3050a0"), (0, height))
    return canvas


def third_frame(picture: Image.Image) -> bytes:
    """Return an animated GIF of which the picture is the third frame."""
    plain = [Image.new("RGB", picture.size, colour) for colour in ("#203040", "#a0b0c0")]
    return encode(plain[0], "GIF", save_all=True, append_images=[plain[1], picture], duration=100)


def profiled(picture: Image.Image) -> bytes:
    """Return a PNG with the values ``v ** (1 / 2)`` and the ICC profile that undoes it: it looks as it did."""
    return encode(levels(lambda v: v**0.5)(picture), "PNG", icc_profile=icc_profile(2.2 * 2))


def icc_profile(gamma: float) -> bytes:
    """Return an RGB display profile with sRGB's primaries and a pure power as its curve."""

    def fixed(*values: float) -> bytes:
        return b"".join(struct.pack(">i", round(value * 65536)) for value in values)

    curve = b"curv\0\0\0\0" + struct.pack(">IH", 1, round(gamma * 256))
    text = b"desc\0\0\0\0" + struct.pack(">I", 2) + b"p\0" + bytes(78)
    xyz = {
        b"wtpt": (0.9642, 1.0, 0.8249),
        b"rXYZ": (0.4361, 0.2225, 0.0139),
        b"gXYZ": (0.3851, 0.7169, 0.0971),
        b"bXYZ": (0.1431, 0.0606, 0.7141),
    }
    tags = {b"desc": text, b"cprt": b"text\0\0\0\0none\0"}
    tags |= {name: b"XYZ \0\0\0\0" + fixed(*values) for name, values in xyz.items()}
    tags |= dict.fromkeys((b"rTRC", b"gTRC", b"bTRC"), curve)
    table, body = b"", b""
    start = 128 + 4 + 12 * len(tags)
    for name, data in tags.items():
        table += name + struct.pack(">II", start + len(body), len(data))
        body += data + bytes(-len(data) % 4)
    header = struct.pack(">I4xI4s4s4s12x4s", start + len(body), 0x02100000, b"mntr", b"RGB ", b"XYZ ", b"acsp")
    header += bytes(28) + fixed(0.9642, 1.0, 0.8249)
    return header.ljust(128, b"\0") + struct.pack(">I", len(tags)) + table + body


def palette(picture: Image.Image) -> bytes:
    """Return a PNG of 64 colours."""
    return encode(picture.quantize(64), "PNG")


def double_jpeg(picture: Image.Image) -> bytes:
    """Save as a JPEG of quality 70, half as large, and once more as one of quality 50."""
    first = Image.open(io.BytesIO(jpeg(picture, 70))).convert("RGB")
    return jpeg(by(0.5)(first), 50)


def blurred_sides(picture: Image.Image) -> Image.Image:
    """Put the picture between its own sides, enlarged and blurred, as phones' editors do."""
    width, height = picture.size
    page = picture.resize((width * 3 // 2, height * 3 // 2)).filter(ImageFilter.GaussianBlur(width / 30))
    page = page.crop((0, height // 4, width * 3 // 2, height * 5 // 4))
    page.paste(picture, (width // 4, 0))
    return page


def on_ground(ground: Callable[[int, int], NDArray[np.float64]]) -> Callable[[Image.Image], Image.Image]:
    """Put a frame of 5 % around whose pixels, of any height and width, are made by a function."""

    def change(picture: Image.Image) -> Image.Image:
        border = round(min(picture.size) * 0.05)
        pixels = ground(picture.height + 2 * border, picture.width + 2 * border)
        page = Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8)).convert("RGB")
        page.paste(picture, (border, border))
        return page

    return change


def noise_ground(sigma: float) -> Callable[[int, int], NDArray[np.float64]]:
    """Return what makes coloured noise."""
    return lambda height, width: np.random.default_rng(1).normal(128, sigma, (height, width, 3))


def rounded(picture: Image.Image) -> Image.Image:
    """Cut round corners, on white."""
    mask = Image.new("L", picture.size, 0)
    ImageDraw.Draw(mask).rounded_rectangle((0, 0, *picture.size), radius=min(picture.size) // 6, fill=255)
    page = Image.new("RGB", picture.size, "white")
    page.paste(picture, mask=mask)
    return page


def hue(shift: int) -> Callable[[Image.Image], Image.Image]:
    """Turn the colours, by so many of 256 steps."""

    def change(picture: Image.Image) -> Image.Image:
        h, s, v = picture.convert("HSV").split()
        return Image.merge("HSV", (h.point(lambda level: (level + shift) % 256), s, v)).convert("RGB")

    return change


def strips(picture: Image.Image) -> bytes:
    """Return an animated GIF that shows an eighth of the picture in each frame."""
    small = to(480)(picture)
    step = small.width // 8
    frames = []
    for left in range(0, step * 8, step):
        frame = Image.new("RGB", small.size)
        frame.paste(small.crop((left, 0, left + step, small.height)), (left, 0))
        frames.append(frame)
    return encode(frames[0], "GIF", save_all=True, append_images=frames[1:], duration=20, disposal=2)


def together(*changes: Callable[[Image.Image], Image.Image]) -> Edit:
    """Return the edit that makes some changes one after the other, and saves a JPEG."""

    def change(picture: Image.Image) -> Image.Image:
        for each in changes:
            picture = each(picture)
        return picture

    return then_jpeg(change)


mirrored, letterboxed = ImageOps.mirror, framed(0, 0.15, 0, 0.15, "black")
quarter_turn = partial(Image.Image.transpose, method=T.ROTATE_270)

CLASSES: dict[str, dict[str, Edit]] = {
    "saved again": {
        "unchanged, PNG": lambda p: encode(p, "PNG"),
        **{f"JPEG {q}": lambda p, q=q: jpeg(p, q) for q in (95, 80, 60, 40, 20, 10)},
        "WebP 50": lambda p: encode(p, "WEBP", quality=50),
        "AVIF 50": lambda p: encode(p, "AVIF", quality=50),
        "JPEG 70, half size, JPEG 50": double_jpeg,
        "palette of 64, PNG": palette,
        "GIF": lambda p: encode(p, "GIF"),
        "third frame of a GIF": third_frame,
        "CMYK JPEG": lambda p: encode(p.convert("CMYK"), "JPEG", quality=85),
        "16 colours, dithered": lambda p: encode(p.quantize(16), "PNG"),
        "1 bit, dithered": lambda p: encode(p.convert("1"), "PNG"),
        "stored with another ICC profile": profiled,
    },
    "another size": {
        "2 x larger": then_jpeg(by(2)),
        "half size": then_jpeg(by(0.5)),
        "quarter size": then_jpeg(by(0.25)),
        "256 px": then_jpeg(to(256)),
        "128 px": then_jpeg(to(128)),
        "64 px": then_jpeg(to(64)),
        "stretched by 1.3": then_jpeg(lambda p: p.resize((round(p.width * 1.3), p.height))),
    },
    "colours and light": {
        "grey": then_jpeg(ImageOps.grayscale),
        "brightness 60 %": then_jpeg(lambda p: ImageEnhance.Brightness(p).enhance(0.6)),
        "brightness 140 %": then_jpeg(lambda p: ImageEnhance.Brightness(p).enhance(1.4)),
        "contrast 150 %": then_jpeg(lambda p: ImageEnhance.Contrast(p).enhance(1.5)),
        "contrast 50 %": then_jpeg(faded(0.5)),
        "contrast 30 %": then_jpeg(faded(0.3)),
        "contrast 10 %": then_jpeg(faded(0.1), 95),
        "gamma 0.5": then_jpeg(levels(lambda v: v**0.5)),
        "gamma 2": then_jpeg(levels(lambda v: v**2)),
        "saturation 200 %": then_jpeg(lambda p: ImageEnhance.Color(p).enhance(2)),
        "equalised": then_jpeg(ImageOps.equalize),
        "hue by half": then_jpeg(hue(128)),
    },
    "blur, noise": {
        "blur 2 px": then_jpeg(lambda p: p.filter(ImageFilter.GaussianBlur(2))),
        "blur 6 px": then_jpeg(lambda p: p.filter(ImageFilter.GaussianBlur(6))),
        "sharpened": then_jpeg(lambda p: p.filter(ImageFilter.UnsharpMask(3, 200))),
        "noise 10": then_jpeg(noisy(10)),
        "noise 30": then_jpeg(noisy(30)),
    },
    "things laid over it": {
        "caption on the picture": then_jpeg(captioned),
        "watermark": then_jpeg(watermarked),
        "logo, a tenth": then_jpeg(badged),
        "round corners": then_jpeg(rounded),
    },
    "bars and frames": {
        "caption in a bar above": then_jpeg(caption_bar),
        "frame 2 %": then_jpeg(framed(0.02, 0.02, 0.02, 0.02, "black")),
        "frame 5 %, white": then_jpeg(framed(0.05, 0.05, 0.05, 0.05, "white")),
        "letterbox 15 %": then_jpeg(framed(0, 0.15, 0, 0.15, "black")),
        "pillarbox 20 %": then_jpeg(framed(0.2, 0, 0.2, 0, "black")),
        "letterbox, half size, JPEG 50": then_jpeg(lambda p: by(0.5)(framed(0, 0.15, 0, 0.15, "black")(p)), 50),
        "blurred sides": then_jpeg(blurred_sides),
        "frame 5 %, gradient": then_jpeg(on_ground(lambda h, w: np.tile(np.linspace(0, 255, w), (h, 1)))),
        "frame 5 %, noise 6": then_jpeg(on_ground(noise_ground(6))),
        "frame 5 %, noise 20": then_jpeg(on_ground(noise_ground(20))),
    },
    "cut or turned a little": {
        **{f"crop {s} %": then_jpeg(cropped(s / 100)) for s in (1, 2, 5, 10, 20)},
        **{f"rotation {d} degrees": then_jpeg(turned(-d)) for d in (1, 2, 5)},
    },
    "turned, mirrored": {
        "rotation 90 degrees": then_jpeg(lambda p: p.transpose(T.ROTATE_270)),
        "rotation 180 degrees": then_jpeg(lambda p: p.transpose(T.ROTATE_180)),
        "rotation 270 degrees": then_jpeg(lambda p: p.transpose(T.ROTATE_90)),
        "mirror": then_jpeg(lambda p: p.transpose(T.FLIP_LEFT_RIGHT)),
        "flip": then_jpeg(lambda p: p.transpose(T.FLIP_TOP_BOTTOM)),
        "mirror, half size, JPEG 70": then_jpeg(lambda p: by(0.5)(p.transpose(T.FLIP_LEFT_RIGHT)), 70),
        "mirror, 128 px": then_jpeg(lambda p: to(128)(p.transpose(T.FLIP_LEFT_RIGHT))),
    },
    "inverse": {
        "inverse": then_jpeg(ImageOps.invert),
        "inverse, half size, JPEG 70": then_jpeg(lambda p: by(0.5)(ImageOps.invert(p)), 70),
    },
    "turned or inverse, and framed": {
        "mirror, letterbox": together(mirrored, letterboxed),
        "mirror, frame 2 %": together(mirrored, framed(0.02, 0.02, 0.02, 0.02, "white")),
        "mirror, blurred sides": together(mirrored, blurred_sides),
        "rotation 90 degrees, frame 5 %": together(quarter_turn, framed(0.05, 0.05, 0.05, 0.05, "white")),
        "inverse, letterbox": together(ImageOps.invert, letterboxed),
        "mirror, letterbox, half size": together(mirrored, letterboxed, by(0.5)),
        "mirror, letterbox, 256 px": together(mirrored, letterboxed, to(256)),
    },
    "other edits together": {
        "mirror and inverse": together(mirrored, ImageOps.invert),
        "rotation 90 degrees and inverse": together(quarter_turn, ImageOps.invert),
        "letterbox, 128 px": together(letterboxed, to(128)),
        "mirror, crop 1 %": together(mirrored, cropped(0.01)),
        "mirror, watermark": together(mirrored, watermarked),
    },
    "part of another picture": {
        "screenshot of a browser": then_jpeg(screenshot),
        "collage of four": then_jpeg(collage),
        "an animation of strips": strips,
    },
}
"""Class -> name -> edit; JPEG of quality 85 where nothing else is said."""

EDITS: dict[str, Edit] = {name: edit for edits in CLASSES.values() for name, edit in edits.items()}
"""Name -> edit."""
