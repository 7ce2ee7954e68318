"""Pictures of formats that are not decoded here: none of them is text, whatever its samples are."""

from __future__ import annotations

import io
import struct
import time

import numpy as np
import pytest
from imaging.corpus import encode
from PIL import Image
from support.pictures import drawn

from ingest_guard.imaging.sniffing.rasters import raster_format
from ingest_guard.imaging.sniffing.sniff import Kind, Sniffed, sniff

Image.init()
_MODES = ("RGB", "L", "1", "P", "F", "CMYK", "RGBA")


def _printable(count: int) -> bytes:
    """Return samples without a control byte."""
    return np.random.default_rng(1).integers(32, 127, count).astype(np.uint8).tobytes()


def _saved(name: str) -> bytes | None:
    for mode in _MODES:
        try:
            return encode(drawn(3, (200, 160)).convert(mode), name)
        except (OSError, ValueError, KeyError, RuntimeError, AttributeError):
            continue
    return None


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # formats that Pillow is going to drop
@pytest.mark.parametrize("name", sorted(set(Image.SAVE) - {"PDF"}))
def test_whatever_pillow_writes_is_no_text(name: str) -> None:
    """Each format that Pillow writes is an image, or is refused."""
    data = _saved(name)
    # Of some formats, Pillow knows nothing but the name of a program that writes them.
    assert data is not None or name in {"BUFR", "GRIB", "HDF5", "WMF"}
    if data is None:
        return
    assert sniff(data).kind in {Kind.IMAGE, Kind.BINARY}


def _float_map(letter: bytes, channels: int) -> bytes:
    return b"P" + letter + b"\n16 16\n-1.0\n" + _printable(16 * 16 * 4 * channels)


def _targa(kind: int, depth: int, colour_map: int = 0) -> bytes:
    head = bytearray(b" " * 18)
    head[1], head[2], head[16] = colour_map, kind, depth
    return bytes(head) + _printable(0x2020 * 4)


_XBM = b"#define a_width 16\n#define a_height 16\nstatic unsigned char a_bits[] = {\n 0x01, 0x02 };\n"
_XPM = b'static char *a[] = {\n"2 2 2 1",\n"a c #000000",\n"b c #FFFFFF",\n"ab",\n"ba"\n};\n'
_BARE_PNM = {
    "P1": b"P1 2 2 0 1 1 0",
    "P2": b"P2\n2 2\n255\n1 2 3 4",
    "P3": b"P3 1 1 255 1 2 3",
    "P4": b"P4\n16 16\n" + _printable(32),
    "P5": b"P5 16 16 255\n" + _printable(256),
    "P6": b"P6\n16 16\n255\n" + _printable(768),
    "P6, comments": b"P6 # one\n#two\n16#three\n16 255\n" + _printable(768),
    "P6, a comment of 100 kB": b"P6\n#" + b"x" * 100_000 + b"\n16 16 255\n" + _printable(768),
    "P6, no space": b"P616 16 255\n" + _printable(768),
    "P6, vertical tab": b"P6\x0b16\x0c16 255\n" + _printable(768),
    "P0CMYK": b"P0CMYK\n16 16\n255\n" + _printable(1024),
    "PyP": b"PyP\n16 16\n255\n" + _printable(256),
    "PyRGBA": b"PyRGBA\n16 16\n255\n" + _printable(1024),
    "PyCMYK": b"PyCMYK 16 16 255\n" + _printable(1024),
    "P7": b"P7\nWIDTH 16\nHEIGHT 16\nDEPTH 1\nMAXVAL 255\nENDHDR\n" + _printable(256),
    "P7, its fields in another order": b"P7\n# x\nTUPLTYPE RGB\nWIDTH 16\n" + _printable(256),
    "Pf": _float_map(b"f", 1),
    "PF": _float_map(b"F", 3),
    "PF4": _float_map(b"F4", 4),
    "Ph": _float_map(b"h", 1),
}
_IM_HEAD = b"Image type: L image\r\nImage size (x*y): 16*16\r\n"
_SPIDER = [1.0, 16.0, 0.0, 0.0, 1.0, *[0.0] * 6, 16.0, 2.0, *[0.0] * 8, 128.0, 64.0, *[0.0] * 4]
RASTERS = {
    **{f"PNM {name}": ("PNM", data) for name, data in _BARE_PNM.items()},
    **{f"TGA {kind} of {depth} bits": ("TGA", _targa(kind, depth)) for kind in (2, 3, 10, 11) for depth in (8, 24, 32)},
    "TGA with a colour map": ("TGA", _targa(1, 8, 1)),
    "XBM": ("XBM", _XBM),
    "XBM, comment first": ("XBM", b"/* made by hand */\n\n" + _XBM),
    "XBM, height first": ("XBM", b"#define b_height 9\n#define b_width  9\nstatic char b_bits[9] =\n{ 0x1 };"),
    "XBM of X10": ("XBM", _XBM.replace(b"unsigned char", b"short")),
    "XBM, long comment": ("XBM", b"/*" + b"x" * 200_000 + b"*/" + _XBM),
    "XBM, Windows' line ends": ("XBM", _XBM.replace(b"\n", b"\r\n")),
    "XBM without its numbers": ("XBM", _XBM[: _XBM.index(b" = {")]),
    "XPM": ("XPM", b"/* XPM */\n" + _XPM),
    "XPM, narrow comment": ("XPM", b"/*XPM*/" + _XPM),
    "XPM, behind a comment": ("XPM", b"// mine\n/* by hand */ /* XPM */\n" + _XPM),
    "XPM, const": ("XPM", b"/* XPM */\nstatic const char * a [] = {\n/* columns */\n" + _XPM.partition(b"{\n")[2]),
    "XPM, by the array alone": ("XPM", _XPM.replace(b"a[]", b"XPM_a[]")),
    "XPM 2": ("XPM", b"! XPM2\n2 2 2 1\na c #000000\nb c #FFFFFF\nab\nba\n"),
    "XPM 1": ("XPM", b"#define a_format 1\n#define a_width 2\n#define a_ncolors 2\nstatic char * a_pixels[] = {};"),
    "IM": ("IM", _IM_HEAD + b"\x1a" + _printable(256)),
    "IM, padded": ("IM", _IM_HEAD + b"\0" * 7 + b"\x1a" + _printable(256)),
    "IM without its fields": ("IM", b"A: b\n\x1a" + _printable(1000)),
    "IM Tools": ("IMT", b"* x\nwidth 16\nheight 16\npixel n8\n\x0c" + _printable(256)),
    "PCX": ("PCX", b"\n\5\1\x08" + _printable(400)),
    "DIB": ("DIB", b"\x0c\0\0\0!!!!\1\0\1\0" + _printable(400)),
    "FLI": ("FLI", b"!!!!\x11\xaf" + b"!" * 8 + b"\0\0" + _printable(400)),
    "FLC": ("FLI", b"!!!!\x12\xaf" + b"!" * 8 + b"\3\0" + _printable(400)),
    "GBR": ("GBR", b"!!!!\0\0\0\2" + _printable(400)),
    "XWD": ("XWD", b"\0\0\0\x64\0\0\0\7" + _printable(400)),
    "GRIB": ("GRIB", b"GRIB!!!\1" + _printable(400)),
    "EMF": ("EMF", b"\1\0\0\0" + b"!" * 36 + b" EMF" + _printable(400)),
    "IPTC": ("IPTC", b"\x1c\3" + _printable(400)),
    "IFF": ("IFF", b"FORM!!!!ILBM" + _printable(400)),
    "DICOM": ("DICOM", b"!" * 128 + b"DICM" + _printable(400)),
    "PCD": ("PCD", b"!" * 2048 + b"PCD_" + _printable(96 * 2048)),
    "SPIDER, high byte first": ("SPIDER", struct.pack(">27f", *_SPIDER) + _printable(2000)),
    "SPIDER, low byte first": ("SPIDER", struct.pack("<27f", *_SPIDER) + _printable(2000)),
    "WBMP": ("WBMP", b"\0\0!!" + _printable(200)),
    "FITS": ("FITS", b"SIMPLE  =                    T / x".ljust(80) + b"BITPIX  = 8".ljust(80) + _printable(400)),
    "FITS, as Pillow takes it": ("FITS", b"SIMPLE  T".ljust(80) + _printable(400)),
    "MIFF": ("LABELLED", b"id=ImageMagick\nclass=DirectClass\n" + _printable(400)),
    "VICAR": ("LABELLED", b"LBLSIZE=1024 FORMAT='BYTE'" + _printable(400)),
    "NRRD": ("LABELLED", b"NRRD0004\ntype: uchar\n\n1 2 3"),
    "pixels by ImageMagick": ("LABELLED", b"# ImageMagick pixel enumeration: 1,1,255,srgb\n0,0: (1,2,3)"),
    "Sixel": ("LABELLED", b"\x1bPq#0;2;0;0;0#0~~@@vv@@~~$-\x1b\\"),
    **{
        f"{name}, by its signature": (name, magic + _printable(400))
        for name, magic in {
            "BLP": b"BLP2", "BUFR": b"BUFR", "DCX": b"\xb1\x68\xde\x3a", "FTEX": b"FTEX", "HDF5": b"\x89HDF\r\n\x1a\n",
            "MCIDAS": b"\0\0\0\0\0\0\0\4", "MSP": b"DanM", "PIXAR": b"\x80\xe8\0\0", "SGI": b"\x01\xda",
            "SUN": b"\x59\xa6\x6a\x95", "QOI": b"qoif", "PSD": b"8BPS", "ICNS": b"icns", "DDS": b"DDS ",
            "KTX": b"\xabKTX 11", "FARBFELD": b"farbfeld", "DPX": b"SDPX", "RAF": b"FUJIFILMCCD-RAW",
        }.items()
    },
}  # fmt: skip


@pytest.mark.parametrize("name", RASTERS)
def test_header_of_a_raster_is_no_text(name: str) -> None:
    """Samples that could be letters do not make it one."""
    format, data = RASTERS[name]  # noqa: A001 - Pillow's word
    assert sniff(data) == Sniffed(Kind.BINARY, format)


@pytest.mark.parametrize(
    "data",
    [
        b"#define A_WIDTH 10\n#define A_HEIGHT 20\nint bits[4];\nvoid f(void);\n",
        b"#define WIDTH 10\nstatic unsigned char a_bits[] = { 0x1 };\n",
        b"/* About XPM and XBM. */\n#define XPM 1\nint a[] = { 1 };\n",
        b"/* XPM */\nis how such a file begins\n",
        b"P6 is a format, P5 another, and P1 a third: 1 2 3 of them\n",
        b"P1 20 30 words\n",
        b"P3\nversion two of 3\n",
        b"Python 3 and Pyp 1 2 3\n",
        b"Pf 3 is a rate\n",
        b"Name: value\nOther: value\n\nA body.\n",
        b"Name: value\r\n\x1a\x1a\x1a",
        b"name value\nother value\n\x0c\nnext page\n",
        b"SIMPLE things\n",
        b"FORM and content, LIST of them\n",
        b"\nA line after a line break\n",
        b"GRIB is a format\n",
        b"#!/bin/sh\necho '/* XPM */'\n",
    ],
)
def test_words_about_rasters_are_text(data: bytes) -> None:
    """Headers in C, mails, manuals and scripts are what they were."""
    assert sniff(data).kind is Kind.TEXT


@pytest.mark.parametrize(
    "data",
    [
        b"P6" + b"#\n" * 500_000,
        b"A: b\n" * 200_000,
        b"/*" * 500_000,
        b"* \n" * 300_000,
        b"#define a_width 1\n" * 60_000,
    ],
)
def test_headers_without_end_take_linear_time(data: bytes) -> None:
    """A megabyte of what could go on being a header costs no more than a glance."""
    start = time.process_time()
    raster_format(data)
    assert time.process_time() - start < 2


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("name", sorted(Image.OPEN))
def test_pillow_opens_nothing_that_is_text(name: str) -> None:
    """Of all rasters above, those that Pillow opens are no text; each plug-in has been asked."""
    opener, accept = Image.OPEN[name]
    for format, data in RASTERS.values():  # noqa: A001 - Pillow's word
        if accept is None or accept(data[:16]) is True:
            try:
                opener(io.BytesIO(data), None)
            except Exception:  # noqa: BLE001, S112 - whatever it raises, it did not open
                continue
            assert raster_format(data) is not None or sniff(data) == Sniffed(Kind.BINARY, format)
