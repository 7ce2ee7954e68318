from __future__ import annotations

import base64
import struct
from typing import TYPE_CHECKING

import pytest
from PIL import Image
from support.blocklists import make_blocklist
from support.pictures import drawn, encode

from ingest_guard import Guard, Outcome, Policy, Reason
from ingest_guard.guard.page_reading import failed_reading
from ingest_guard.guard.scan_result import Scan
from ingest_guard.imaging.embedded.images import is_empty_spacer
from ingest_guard.imaging.sniffing.fonts import has_no_pictures
from ingest_guard.pages.findings import InlineBody
from ingest_guard.pages.reading import PageReading

if TYPE_CHECKING:
    from pathlib import Path

PICTURE = encode(drawn(4, (120, 90)), "PNG")
SPACERS = {
    "whole GIF": "R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7",
    "GIF without its end": "R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA",
    "GIF without a picture": "R0lGODlhAQABAAAAACw=",
    "GIF without colours": "R0lGODlhAQABAAD/ACwAAAAAAQABAAACADs=",
    "PNG": "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg==",
}


@pytest.fixture
def guard(tmp_path: Path) -> Guard:
    """Return a guard with a list that knows one digest."""
    return Guard.from_policy(Policy(blocklist=make_blocklist(tmp_path / "b", {"made-up": [("md5", "0" * 31 + "1")]})))


def page(data: bytes | str, kind: str = "image/png") -> bytes:
    """Return a page with a picture in it."""
    body = data if isinstance(data, str) else base64.b64encode(data).decode()
    return f'<!doctype html><p>x</p><img src="data:{kind};base64,{body}">'.encode()


@pytest.mark.parametrize("name", SPACERS)
def test_spacers_pass(guard: Guard, name: str) -> None:
    """Half the web's pages hold them, whole or not; they can show nothing."""
    assert guard.check(page(SPACERS[name], "image/gif")).outcome is Outcome.NOT_AN_IMAGE


def test_small_bodies_do_not_pass_by_their_size(guard: Guard) -> None:
    """A broken picture of few bytes that announces more than two pixels is a doubt; a whole one is scanned."""
    small = encode(Image.new("1", (9, 9), 1), "PNG")
    assert len(small) < 128
    assert guard.check(page(small)).outcome is Outcome.NOT_AN_IMAGE
    assert len(guard.begin(page(small)).parts) == 1
    assert guard.check(page(small[:50])).reason is Reason.EMBEDDED


def test_a_frame_that_is_larger_than_its_screen_is_no_spacer() -> None:
    """The header of a GIF may announce a pixel and its frame a picture."""
    spacer = base64.b64decode(SPACERS["whole GIF"])
    at = spacer.index(b",", 13)
    assert is_empty_spacer(spacer)
    assert not is_empty_spacer(spacer[: at + 5] + struct.pack("<HH", 99, 99) + spacer[at + 9 :])


def test_a_picture_that_was_decoded_never_condemns_its_page(tmp_path: Path) -> None:
    """A blank picture is dropped by itself where the policy says so; the page around it passes."""
    folder = make_blocklist(tmp_path / "b", {"made-up": [("md5", "0" * 31 + "1")]})
    guard = Guard.from_policy(Policy(blocklist=folder, low_quality="drop"))
    blank = encode(Image.new("RGB", (200, 150), "#cccccc"), "PNG")
    assert guard.check(blank).reason is Reason.LOW_QUALITY
    assert guard.check(page(blank)).outcome is Outcome.NOT_AN_IMAGE


@pytest.mark.parametrize("reason", list(Reason))
def test_what_a_scan_says_against_a_page(guard: Guard, reason: Reason) -> None:
    """What lies with the picture is embedded; what lies with the scan keeps its name; the blank one is no reason."""
    inquiry = guard.finish(guard.begin(page(PICTURE)), guard.read(page(PICTURE)))
    (part,) = inquiry.parts
    assert part.may_doubt
    found = guard.conclude(inquiry, [Scan(reason=reason)]).reason
    of_scans = ("memory", "timeout", "worker_crashed", "domain_budget", "guard_failed")
    of_scans += ("hasher_failed", "detector_failed")
    expected = reason if reason in of_scans else None if reason is Reason.LOW_QUALITY else Reason.EMBEDDED
    assert found is expected


@pytest.mark.parametrize("reason", list(Reason))
def test_the_net_adds_no_doubt(guard: Guard, reason: Reason) -> None:
    """A picture that only the patterns have found, or that no browser shows, can match and nothing else."""
    inquiry = guard.finish(guard.begin(page(PICTURE)), PageReading([], None, None, None))
    assert [part.may_doubt for part in inquiry.parts] == [False]
    assert guard.conclude(inquiry, [Scan(reason=reason)]).outcome is Outcome.NOT_AN_IMAGE
    hidden = PageReading([InlineBody(b"PK\3\4" + bytes(99), "", is_shown=False)], None, None, None)
    assert guard.finish(guard.begin(b"<p>data:"), hidden).reason is None


def test_a_text_that_was_not_read_has_no_verdict(guard: Guard) -> None:
    """A caller that leaves out the reading gets an error, not a pass."""
    inquiry = guard.begin(page(PICTURE))
    assert inquiry.is_unread
    with pytest.raises(ValueError, match="not read"):
        guard.conclude(inquiry, [Scan()] * len(inquiry.parts))
    assert not guard.begin(b"<p>an ordinary page").is_unread


@pytest.mark.parametrize("reason", [Reason.TIMEOUT, Reason.MEMORY, Reason.WORKER_CRASHED, Reason.DOMAIN_BUDGET])
def test_a_text_that_could_not_be_read_is_a_doubt(guard: Guard, reason: Reason) -> None:
    """What kept it from being read is the reason, unless the net has found a match."""
    inquiry = guard.finish(guard.begin(b"<p>data:"), failed_reading(reason))
    assert guard.conclude(inquiry, []).reason is reason


def test_types_that_are_refused_by_themselves(tmp_path: Path, guard: Guard) -> None:
    """An archive in a page makes the page a doubt, unless the policy lets its type pass."""
    archive = page(b"PK\3\4" + bytes(99), "application/zip")
    assert guard.check(archive).reason is Reason.EMBEDDED
    lax = Guard.from_policy(Policy(blocklist=tmp_path / "b", unscanned_types=("ZIP",)))
    assert lax.check(archive).outcome is Outcome.NOT_AN_IMAGE


def sfnt(*tags: bytes) -> bytes:
    """Return a font with tables of some names and nothing in them."""
    return b"\0\1\0\0" + struct.pack(">HHHH", len(tags), 0, 0, 0) + b"".join(tag + bytes(12) for tag in tags)


def woff2(*entries: bytes) -> bytes:
    """Return the beginning of a WOFF2 font with directory entries."""
    return b"wOF2" + bytes(8) + struct.pack(">H", len(entries)) + bytes(34) + b"".join(entries)


FONTS = {
    "plain": (sfnt(b"glyf", b"cmap"), True),
    "with SVG": (sfnt(b"glyf", b"SVG "), False),
    "with bitmaps": (sfnt(b"CBDT", b"cmap"), False),
    "with colours": (sfnt(b"COLR", b"cmap"), False),
    "cut": (sfnt(b"glyf", b"cmap")[:20], False),
    "a collection": (b"ttcf" + bytes(4) + struct.pack(">II", 1, 16) + sfnt(b"glyf"), True),
    "a collection with pictures": (b"ttcf" + bytes(4) + struct.pack(">II", 1, 16) + sfnt(b"sbix"), False),
    "WOFF": (b"wOFF" + bytes(8) + b"\0\1" + bytes(30) + b"glyf" + bytes(16), True),
    "WOFF with pictures": (b"wOFF" + bytes(8) + b"\0\1" + bytes(30) + b"sbix" + bytes(16), False),
    "WOFF2": (woff2(b"\x0a\x81\x00\x20", b"\x00\x10", b"\x3fabcd\x01"), True),
    "WOFF2 with SVG": (woff2(b"\x0a\x81\x00\x20", b"\x24\x10"), False),
    "WOFF2 with pictures by name": (woff2(b"\x3fsbix\x01"), False),
    "WOFF2, cut": (woff2(b"\x0a\x81"), False),
    "none": (b"no font at all", False),
}


@pytest.mark.parametrize("name", FONTS)
def test_fonts_pass_where_no_table_holds_pictures(guard: Guard, name: str) -> None:
    """What cannot be seen counts as a picture."""
    data, passes = FONTS[name]
    assert has_no_pictures(data) is passes
    if name != "none":
        outcome = guard.check(page(data, "font/ttf")).outcome
        assert outcome is (Outcome.NOT_AN_IMAGE if passes else Outcome.NOT_SCANNABLE)
