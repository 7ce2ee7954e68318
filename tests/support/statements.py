"""Statements inside image files: XMP packets, C2PA stores, and carriers that put them into files of each format."""

from __future__ import annotations

import json
import struct
import zlib
from typing import TYPE_CHECKING, Any

from support.pictures import drawn, encode

if TYPE_CHECKING:
    from collections.abc import Callable

XAP = b"http://ns.adobe.com/xap/1.0/\0"
EXTENSION = b"http://ns.adobe.com/xmp/extension/\0" + b"0" * 32
PLUS = "http://ns.useplus.org/ldf/xmp/1.0/"
VOCABULARY = "http://ns.useplus.org/ldf/vocab/"
RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
_C2PA_UUID = bytes.fromhex("d8fec3d61b0e483c92975828877ec481")


def packet(inner: str, attributes: str = "", *, plus: str = "plus") -> bytes:
    """Return an XMP packet with one description."""
    return (
        '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?><x:xmpmeta xmlns:x="adobe:ns:meta/">'
        f'<rdf:RDF xmlns:rdf="{RDF}"><rdf:Description rdf:about="" xmlns:{plus}="{PLUS}" {attributes}>{inner}'
        '</rdf:Description></rdf:RDF></x:xmpmeta><?xpacket end="w"?>'
    ).encode()


def data_mining(word: str) -> bytes:
    """Return a packet that says a word of the vocabulary, as ExifTool writes it."""
    return packet(f"<plus:DataMining>{VOCABULARY}{word}</plus:DataMining>")


def to_cbor(value: Any) -> bytes:
    """Return CBOR of texts, numbers, lists and mappings."""
    if isinstance(value, str):
        return _head(3, len(value.encode())) + value.encode()
    if isinstance(value, bytes):
        return _head(2, len(value)) + value
    if value is None or isinstance(value, bool):
        return bytes([0xF6 if value is None else 0xF4 + value])
    if isinstance(value, int):
        return _head(0, value) if value >= 0 else _head(1, -1 - value)
    if isinstance(value, list):
        return _head(4, len(value)) + b"".join(map(to_cbor, value))
    return _head(5, len(value)) + b"".join(to_cbor(key) + to_cbor(each) for key, each in value.items())


def _head(major: int, size: int) -> bytes:
    for info, form in ((24, ">B"), (25, ">H"), (26, ">I"), (27, ">Q")):
        if size < 24:
            return bytes([major << 5 | size])
        if size < 1 << 8 * struct.calcsize(form):
            return bytes([major << 5 | info]) + struct.pack(form, size)
    raise AssertionError(size)


def box(name: bytes, data: bytes) -> bytes:
    """Return a box of ISO base media files and of JUMBF."""
    return struct.pack(">I", 8 + len(data)) + name + data


def superbox(label: str, *boxes: bytes) -> bytes:
    """Return a JUMBF box with a description, which ends with a salt, as the C2PA library writes it."""
    salt = box(b"c2sh", bytes(range(16)))
    return box(b"jumb", box(b"jumd", b"cbor" + bytes(12) + b"\x13" + label.encode() + b"\0" + salt) + b"".join(boxes))


def assertion(entries: dict[str, Any], label: str = "cawg.training-mining", *, is_json: bool = False) -> bytes:
    """Return an assertion about training and data mining."""
    content = {"entries": entries}
    inner = box(b"json", json.dumps(content).encode()) if is_json else box(b"cbor", to_cbor(content))
    return superbox(label, inner)


def store(*assertions: bytes) -> bytes:
    """Return a C2PA store with one manifest, whose claim names its assertions."""
    claim = box(b"cbor", to_cbor({"assertions": [{"url": "self#jumbf=c2pa.assertions/cawg.training-mining"}]}))
    return superbox(
        "c2pa", superbox("urn:c2pa:1", superbox("c2pa.assertions", *assertions), superbox("c2pa.claim", claim))
    )


def uses(**entries: str) -> dict[str, Any]:
    """Return entries of an assertion: ``uses(ai_training="notAllowed")``."""
    return {f"cawg.{name}": {"use": use} for name, use in entries.items()}


def chunk(name: bytes, data: bytes) -> bytes:
    """Return a chunk of a PNG."""
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def segment(marker: int, data: bytes) -> bytes:
    """Return a segment of a JPEG."""
    return bytes([0xFF, marker]) + struct.pack(">H", len(data) + 2) + data


def jpeg(*segments: bytes, seed: int = 7) -> bytes:
    """Return a JPEG with segments behind its first ones."""
    image = encode(drawn(seed, (96, 64)), "JPEG")
    return image[:2] + b"".join(segments) + image[2:]


def png(*chunks: bytes) -> bytes:
    """Return a PNG with chunks before its samples."""
    image = encode(drawn(7, (96, 64)), "PNG")
    return image[:33] + b"".join(chunks) + image[33:]


def jumbf_segments(data: bytes, size: int = 60_000, instance: int = 1) -> list[bytes]:
    """Return a box cut into segments of a JPEG; each repeats the box's header."""
    parts = [data[at : at + size] for at in range(8, len(data), size)] or [b""]
    return [
        segment(0xEB, b"JP" + struct.pack(">HI", instance, number) + data[:8] + part)
        for number, part in enumerate(parts, 1)
    ]


def extended_xmp(data: bytes, size: int = 500) -> list[bytes]:
    """Return an XMP packet cut into segments of a JPEG."""
    parts = range(0, len(data), size)
    return [segment(0xE1, EXTENSION + struct.pack(">II", len(data), at) + data[at : at + size]) for at in parts]


def _gif(application: bytes, *, raw: bool) -> Callable[[bytes], bytes]:
    def put(data: bytes) -> bytes:
        gif = encode(drawn(7, (96, 64)), "GIF")
        at = 13 + (3 << (gif[10] & 7) + 1 if gif[10] & 0x80 else 0)
        blocks = b"".join(bytes([len(data[n : n + 255])]) + data[n : n + 255] for n in range(0, len(data), 255))
        # XMP lies in a GIF as it is; 258 bytes behind it lead every reader of blocks to their end.
        body = data + bytes([1, *range(255, -1, -1), 0]) if raw else blocks + b"\0"
        return gif[:at] + b"\x21\xff\x0b" + application + body + gif[at:]

    return put


def _webp(name: bytes) -> Callable[[bytes], bytes]:
    def put(data: bytes) -> bytes:
        body = (
            encode(drawn(7, (96, 64)), "WEBP")[8:]
            + name
            + struct.pack("<I", len(data))
            + data
            + b"\0" * (len(data) & 1)
        )
        return b"RIFF" + struct.pack("<I", len(body)) + body

    return put


def _tiff(tag: int, order: str = "<", *, is_big: bool = False) -> Callable[[bytes], bytes]:
    def put(data: bytes) -> bytes:
        samples = bytes(range(0, 192, 2)) * 64
        word, size = ("Q", 8) if is_big else ("I", 4)
        head = 16 if is_big else 8
        place = head + len(samples)
        entries = [(256, 4, 1, 96), (257, 4, 1, 64), (258, 4, 1, 8), (259, 4, 1, 1), (262, 4, 1, 1), (273, 4, 1, head)]
        entries += [(277, 4, 1, 1), (278, 4, 1, 64), (279, 4, 1, len(samples)), (tag, 7, len(data), place)]
        signature = (b"II" if order == "<" else b"MM") + struct.pack(order + "H", 43 if is_big else 42)
        signature += struct.pack(order + "HH", 8, 0) if is_big else b""
        directory = struct.pack(order + ("Q" if is_big else "H"), len(entries))
        for name, kind, count, value in entries:
            # A value of four bytes stands at the beginning of its field.
            is_long = name != tag
            field = struct.pack(order + "I", value).ljust(size, b"\0") if is_long else struct.pack(order + word, value)
            directory += struct.pack(order + "HH" + word, name, kind, count) + field
        start = struct.pack(order + word, place + len(data))
        return signature + start + samples + data + directory + bytes(size)

    return put


def _behind(name: str, kind: bytes, lead: bytes = b"") -> Callable[[bytes], bytes]:
    options = {"speed": 10} if name == "AVIF" else {}
    return lambda data: encode(drawn(7, (96, 64)), name, **options) + box(kind, lead + data)


def _item(data: bytes) -> bytes:
    """Return an AVIF with XMP as an item of its own, in the middle of others, as cameras have it."""
    avif = encode(drawn(7, (96, 64)), "AVIF", speed=10)
    return avif + box(b"free", b"") + box(b"mdat", bytes(40) + data + bytes(40))


def _exif(data: bytes) -> bytes:
    """Return Exif with the tag of XMP, which is that of TIFF."""
    return b"Exif\0\0II*\0" + struct.pack("<IHHHIII", 8, 1, 700, 1, len(data), 26, 0) + data


def _itxt(data: bytes, *, is_packed: bool = False) -> bytes:
    head = b"XML:com.adobe.xmp\0" + bytes([is_packed]) + bytes(3)
    return png(chunk(b"iTXt", head + (zlib.compress(data) if is_packed else data)))


def _raw_profile(data: bytes) -> bytes:
    text = b"\nxmp\n%8d\n" % len(data) + data.hex().encode() + b"\n"
    return png(chunk(b"zTXt", b"Raw profile type xmp\0\0" + zlib.compress(text)))


XMP_CARRIERS: dict[str, Callable[[bytes], bytes]] = {
    "JPEG, APP1": lambda data: jpeg(segment(0xE1, XAP + data)),
    "JPEG, extended": lambda data: jpeg(*extended_xmp(data)),
    "JPEG, extended in disorder": lambda data: jpeg(*reversed(extended_xmp(data, 300))),
    "JPEG, extended beside others": lambda data: jpeg(
        segment(0xE1, XAP + packet("")), *extended_xmp(data, 90), segment(0xE1, EXTENSION[:-1] + b"1" + bytes(8))
    ),
    "JPEG, in Exif": lambda data: jpeg(segment(0xE1, _exif(data))),
    "JPEG, behind the samples": lambda data: jpeg()[:-2] + segment(0xE1, XAP + data) + b"\xff\xd9",
    "JPEG, in Photoshop's": lambda data: jpeg(segment(0xED, b"Photoshop 3.0\x008BIM\x04\x24\0\0" + data)),
    "PNG, iTXt": _itxt,
    "PNG, packed iTXt": lambda data: _itxt(data, is_packed=True),
    "PNG, raw profile": _raw_profile,
    "PNG, behind the samples": lambda data: (
        png()[:-12] + chunk(b"iTXt", b"XML:com.adobe.xmp" + bytes(5) + data) + png()[-12:]
    ),
    "PNG, tEXt": lambda data: png(chunk(b"tEXt", b"XML:com.adobe.xmp\0" + data)),
    "WebP": _webp(b"XMP "),
    "TIFF, tag 700": _tiff(700),
    "TIFF, other order": _tiff(700, ">"),
    "BigTIFF": _tiff(700, is_big=True),
    "GIF": _gif(b"XMP DataXMP", raw=True),
    "GIF, in blocks": _gif(b"XMP DataXMP", raw=False),
    "AVIF, item": _item,
    "AVIF, uuid": _behind("AVIF", b"uuid", bytes(16)),
    "JPEG 2000": _behind("JPEG2000", b"uuid", bytes(16)),
}
"""Where XMP lies in each format."""

C2PA_CARRIERS: dict[str, Callable[[bytes], bytes]] = {
    "JPEG, APP11": lambda data: jpeg(*jumbf_segments(data)),
    "JPEG, several APP11": lambda data: jpeg(*jumbf_segments(data, 100)),
    "JPEG, APP11 in disorder": lambda data: jpeg(*reversed(jumbf_segments(data, 90))),
    "JPEG, two boxes mixed": lambda data: jpeg(
        *(
            each
            for pair in zip(jumbf_segments(data, 150), jumbf_segments(store(), 150, 2) * 9, strict=False)
            for each in pair
        )
    ),
    "PNG, caBX": lambda data: png(chunk(b"caBX", data)),
    "WebP": _webp(b"C2PA"),
    "TIFF, tag 52545": _tiff(52_545),
    "TIFF, other order": _tiff(52_545, ">"),
    "BigTIFF": _tiff(52_545, is_big=True),
    "GIF": _gif(b"C2PA_GIF\1\0\0", raw=False),
    "AVIF": _behind("AVIF", b"uuid", _C2PA_UUID + bytes(4) + b"manifest\0" + bytes(8)),
    "JPEG 2000": _behind("JPEG2000", b"uuid", _C2PA_UUID + bytes(4) + b"manifest\0" + bytes(8)),
}
"""Where a C2PA store lies in each format."""
