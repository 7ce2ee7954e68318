from __future__ import annotations

import contextlib
import hashlib
import importlib
import io
import json
import struct
import zlib
from typing import TYPE_CHECKING, Any

import imagehash
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageFilter, ImageOps
from support.blocklists import make_blocklist
from support.listed import World, pdq_of
from support.pictures import drawn, encode, photographs
from support.statements import XMP_CARRIERS, data_mining

from ingest_guard import Guard, ImageFacts, Match, Outcome, Policy, Reason
from ingest_guard.guard.scan_result import MOST_HITS, Hit, Scan
from ingest_guard.guard.scanner import Scanner, decode_limits
from ingest_guard.hashing.registry import HasherError
from ingest_guard.imaging.decode import NotScannable
from ingest_guard.imaging.metadata.xmp import VALUES

if TYPE_CHECKING:
    from pathlib import Path

scan_module = importlib.import_module("ingest_guard.guard.scanner")

NAMES = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", fullmatch=True)
NUMBERS = st.integers(0, (1 << 63) - 1)
MATCHES = st.builds(Match, NAMES, NAMES, NUMBERS, st.from_regex(r"[a-z0-9_:/.-]{1,128}", fullmatch=True))
HITS = st.builds(Hit, NAMES, NAMES, NUMBERS)
FACTS = st.builds(
    ImageFacts,
    st.text("ABCXYZ019", min_size=1, max_size=16),
    st.integers(),
    st.integers(),
    st.integers(),
    st.none() | st.integers(),
    st.dictionaries(st.text(), st.text("0123456789abcdef", max_size=64), max_size=3),
)
SCANS = st.builds(
    Scan,
    st.lists(MATCHES, max_size=3).map(tuple),
    st.none() | st.sampled_from(Reason),
    st.none() | FACTS,
    st.booleans(),
    st.lists(HITS, max_size=3).map(tuple),
)


def scanner(folder: Path, *, near: dict[str, str] | None = None, **keys: Any) -> Scanner:
    """Return a scanner for a list of some near values (or, without any, one that knows a digest)."""
    rows = list((near or {"md5": "0" * 31 + "1"}).items())
    folder = make_blocklist(folder / "blocklist", {"l": rows})
    return Guard.from_policy(Policy.model_validate({"blocklist": folder, **keys})).scanner


@given(scan=SCANS)
def test_a_scan_comes_back_as_it_was_sent(scan: Scan) -> None:
    """What a worker found reaches the parent whole."""
    assert Scan.from_wire(scan.to_wire()) == scan


@given(
    wire=st.binary(max_size=40)
    | SCANS.map(Scan.to_wire).flatmap(
        lambda wire: st.integers(0, len(wire) - 1).map(lambda at: wire[:at] + b"0" + wire[at + 1 :])
    )
)
def test_garbled_answers_are_an_error_of_three_kinds(wire: bytes) -> None:
    """A worker that was taken over can say what it likes: it is a scan, or an error that its reader expects."""
    with contextlib.suppress(ValueError, KeyError, TypeError):
        assert isinstance(Scan.from_wire(wire), Scan)


@pytest.mark.parametrize("wire", [b"{}", b"[]", b"null", b"1", b'{"matches": [[1]], "reason": null}', b"\xff"])
def test_answers_that_are_none(wire: bytes) -> None:
    """JSON of another shape is no scan."""
    with pytest.raises((ValueError, KeyError, TypeError)):
        Scan.from_wire(wire)


@pytest.mark.parametrize(
    "change",
    [
        {"matches": [["l/../x", "pdq", 1, "native"]]},
        {"matches": [["l", "pdq", -1, "native"]]},
        {"matches": [["l", "pdq", True, "native"]]},
        {"matches": [["l", "pdq", 1.0, "native"]]},
        {"matches": [["l", "pdq", 1, "a view\nand more"]]},
        {"matches": [["l", "pdq", 1, ""]]},
        {"matches": [["l", 7, 1, "native"]]},
        {"matches": [["l", "pdq", 1]]},
        {"matches": {"l": 1}},
        {"matches": [["l", "pdq", 1, "native"]] * 10_001},
        {"hits": [["l", "pdq", 1 << 63]]},
        {"hits": [["", "pdq", 1]]},
        {"hits": [["l", "pdq", "1"]]},
        {"hits": [["l", "pdq", 1, 2]]},
        {"hits": ["lpd"]},
        {"hits": [["l", "pdq", 1]] * (MOST_HITS + 1)},
        {"hits": None},
    ],
    ids=lambda change: str(change)[:50],
)
def test_matches_of_another_shape_are_no_scan(change: dict[str, Any]) -> None:
    """What a worker names becomes keys of statistics: names, numbers, and no more of them than allowed."""
    whole = json.loads(Scan().to_wire())
    assert Scan.from_wire(json.dumps(whole).encode()) == Scan()
    with pytest.raises((ValueError, KeyError, TypeError)):
        Scan.from_wire(json.dumps({**whole, **change}).encode())


_LONG = f'["PNG", 1, 1, 1, null, {{"pdq": "{"0" * 65}"}}, [], []]'
_NO_HEX = '["PNG", 1, 1, 1, null, {"phash": "an image"}, [], []]'
_NO_FORMAT = '["an image", 1, 1, 1, null, {}, [], []]'


@pytest.mark.parametrize(
    "facts",
    [
        '["PNG", 1, 1, 1, null, 5, [], []]',
        '["PNG", "1", 1, 1, null, {}, [], []]',
        "5",
        '["PNG", 1, 1, 1, null, {"pdq": 7}, [], []]',
        '["PNG", 1, 1, 1, null, {}, 7, []]',
        '["PNG", 1, 1, 1, null, {}, [], 7]',
        '["PNG", 1, 1, 1, null, {}, [], [["iptc", "http://a.example/"]]]',
        '["PNG", 1, 1, 1, null, {}, [], [["iptc", 7]]]',
        '["PNG", 1, 1, 1, null, {}, [], [["exif", "other"]]]',
        '["PNG", 1, 1, 1, null, {}, [], [["c2pa", "cawg.ai_training: DMI-PROHIBITED"]]]',
        '["PNG", 1, 1, 1, null, {}, [], ' + json.dumps([["iptc", "other"]] * 33) + "]",
        '["PNG"]',
        _LONG,
        _NO_HEX,
        _NO_FORMAT,
    ],
)
def test_facts_of_other_types_are_no_scan(facts: str) -> None:
    """Facts go into records: what is in them must be what a record may have."""
    whole = json.loads(Scan(image=ImageFacts("PNG", 1, 1, 1)).to_wire())
    assert Scan.from_wire(json.dumps(whole).encode()).image is not None
    with pytest.raises((TypeError, ValueError)):
        Scan.from_wire(json.dumps({**whole, "image": json.loads(facts)}).encode())


@pytest.mark.parametrize("is_whole", [True, False])
def test_a_listed_file_behind_samples_is_found_by_its_digest(tmp_path: Path, *, is_whole: bool) -> None:
    """The list has its digest alone, and no decoder reads so far; also where decoding fails."""
    listed = encode(drawn(5, (120, 90)), "JPEG")
    digest = hashlib.md5(listed, usedforsecurity=False).hexdigest()
    guard = scanner(tmp_path, near={"md5": digest})
    packer = zlib.compressobj(9)
    rows = packer.compress((b"\0" + bytes(range(64))) * 64) + packer.flush() if is_whole else b"no samples"
    header = struct.pack(">IIBBBBB", 64, 64, 8, 0, 0, 0, 0)
    file = b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        for name, data in ((b"IHDR", header), (b"IDAT", rows), (b"IDAT", listed), (b"IEND", b""))
    )
    assert [match.algorithm for match in guard.scan(file).matches] == ["md5"]


def test_decode_limits_are_the_policys() -> None:
    """Every limit of the decoder comes from the policy."""
    limits = {"bytes": 5, "pixels": 6, "frames": 7, "sample_frames": True, "nesting": 4, "trailing_data": "refuse"}
    made = decode_limits(Policy.model_validate({"blocklist": "b", "limits": limits}))
    assert (made.bytes, made.pixels, made.frames, made.sample_frames, made.nesting, made.trailing) == (
        5,
        6,
        7,
        True,
        4,
        "refuse",
    )


def test_records_hashes_are_computed_without_a_list(tmp_path: Path, world: World) -> None:
    """A fingerprint that the records want is there although no list needs it, and pdq always is."""
    found = scanner(tmp_path, records={"hashes": ("phash", "dhash")}).scan(world.clean)
    assert found.image is not None
    assert set(found.image.fingerprints) == {"pdq", "phash", "dhash"}
    assert found.matches == ()


def test_near_match_by_another_hash(tmp_path: Path) -> None:
    """A list of perceptual hashes other than PDQ matches, too."""
    listed = str(imagehash.phash(drawn(4)))
    found = scanner(tmp_path, near={"phash": listed}).scan(encode(drawn(4).resize((300, 225))))
    assert [(match.algorithm, match.view) for match in found.matches] == [("phash", "native")]
    assert found.reason is None
    assert scanner(tmp_path / "2", near={"phash": listed}).scan(encode(drawn(5))).matches == ()


FAMILY = {
    "phash": imagehash.phash,
    "dhash": imagehash.dhash,
    "ahash": imagehash.average_hash,
    "whash": imagehash.whash,
    "pdq": pdq_of,
}


@pytest.mark.parametrize("algorithm", FAMILY)
@pytest.mark.parametrize("file", ["JPEG", "JPEG, large", "PNG", "PNG, clear", "WEBP", "TIFF"])
def test_a_turned_photograph_is_found_by_the_hash_of_its_file(tmp_path: Path, file: str, algorithm: str) -> None:
    """List makers' tools hash a file as stored and know nothing of EXIF: with all seven turns it is found."""
    kind = file.partition(",")[0]
    picture = photographs()["coffee"].resize((900, 600) if file.endswith("large") else (320, 240))
    if file.endswith("clear"):
        picture.putalpha(Image.linear_gradient("L").resize(picture.size))
    bodies = []
    for turn in range(2, 9):
        exif = Image.Exif()
        exif[0x0112] = turn
        bodies.append(encode(picture, kind, exif=exif, **({"lossless": True} if kind == "WEBP" else {})))
    for number, body in enumerate(bodies):
        listed = str(FAMILY[algorithm](Image.open(io.BytesIO(body))))
        views = {"orientations": False}
        found = scanner(tmp_path / str(number), near={algorithm: listed}, views=views).scan(body)
        assert [match.algorithm for match in found.matches] == [algorithm], number + 2
        assert found.matches[0].view in {"native", "stored", "opaque/stored"}


def test_a_turned_photograph_has_the_fingerprints_of_what_is_displayed(tmp_path: Path) -> None:
    """What a record says of a picture is what browsers show; the stored one is among all views alone."""
    exif = Image.Exif()
    exif[0x0112] = 6
    records = {"hashes": ("phash",), "record_hashes": "all"}
    found = scanner(tmp_path, records=records).scan(encode(drawn(4), "PNG", exif=exif))
    assert found.image is not None
    shown = drawn(4).transpose(Image.Transpose.ROTATE_270)
    assert found.image.fingerprints["phash"] == str(imagehash.phash(shown))
    stored = {each.algorithm: each.value for each in found.image.hashes if each.view == "stored"}
    assert stored == {"pdq": pdq_of(drawn(4)), "phash": str(imagehash.phash(drawn(4)))}


def _letterbox(picture: Image.Image) -> Image.Image:
    return ImageOps.expand(picture, (0, picture.height // 7, 0, picture.height // 7), "black")


def _thin_frame(picture: Image.Image) -> Image.Image:
    return ImageOps.expand(picture, round(min(picture.size) * 0.02), "white")


def _thick_frame(picture: Image.Image) -> Image.Image:
    return ImageOps.expand(picture, round(min(picture.size) * 0.08), "#303030")


def _blurred_sides(picture: Image.Image) -> Image.Image:
    width, height = picture.size
    page = picture.resize((width * 3 // 2, height * 3 // 2)).filter(ImageFilter.GaussianBlur(20))
    page = page.crop((0, height // 4, width * 3 // 2, height * 5 // 4))
    page.paste(picture, (width // 4, 0))
    return page


T = Image.Transpose
TURNS = {
    "mirror": lambda p: p.transpose(T.FLIP_LEFT_RIGHT),
    "flip": lambda p: p.transpose(T.FLIP_TOP_BOTTOM),
    "rotate90": lambda p: p.transpose(T.ROTATE_270),
    "rotate180": lambda p: p.transpose(T.ROTATE_180),
    "rotate270": lambda p: p.transpose(T.ROTATE_90),
    "inverse": ImageOps.invert,
    "mirror and inverse": lambda p: ImageOps.invert(p.transpose(T.FLIP_LEFT_RIGHT)),
    "turned and inverse": lambda p: ImageOps.invert(p.transpose(T.ROTATE_90)),
}
BORDERS = {
    "none": lambda p: p,
    "letterbox": _letterbox,
    "thin frame": _thin_frame,
    "frame": _thick_frame,
    "blurred sides": _blurred_sides,
}


@pytest.mark.parametrize("border", BORDERS)
@pytest.mark.parametrize("turn", TURNS)
def test_edits_together_are_found(listing: Scanner, turn: str, border: str) -> None:
    """A listed picture that was turned or inverted, or both, and then given a border, is found."""
    for name in ("chelsea", "coffee", "astronaut"):
        edited = BORDERS[border](TURNS[turn](photographs()[name].resize((700, 500))))
        matches = listing.scan(encode(edited, quality=85)).matches
        assert matches, name
        assert matches[0].view.startswith("trimmed/" if border != "none" else ("mirror", "flip", "rot", "tr", "inv"))


@pytest.fixture(scope="module")
def listing(tmp_path_factory: pytest.TempPathFactory) -> Scanner:
    """Return a scanner for a list of three photographs."""
    pictures = (photographs()[name].resize((700, 500)) for name in ("chelsea", "coffee", "astronaut"))
    folder = make_blocklist(tmp_path_factory.mktemp("listing") / "b", {"l": [("pdq", pdq_of(p)) for p in pictures]})
    return Guard.from_policy(Policy(blocklist=folder)).scanner


def test_small_copies_in_a_border_are_found(listing: Scanner) -> None:
    """What is inside a border is compared as if it were larger, too."""
    for name in ("chelsea", "coffee", "astronaut"):
        small = _letterbox(photographs()[name].resize((700, 500))).resize((160, 147))
        assert listing.scan(encode(small)).matches, name


@pytest.mark.parametrize(
    ("switch", "crop", "view"),
    [("quadrants", (0, 0, 320, 240), "quadrant1"), ("centre", (160, 120, 480, 360), "centre")],
)
def test_parts_of_a_collage(tmp_path: Path, switch: str, crop: tuple[int, int, int, int], view: str) -> None:
    """A listed picture as the quarter or the middle of a larger one is found where the policy asks for it."""
    page = drawn(8, (640, 480))
    if switch == "quadrants":
        page.paste(drawn(2), (0, 0))
    listed = pdq_of(page.crop(crop))
    data = encode(page, "PNG")
    on = scanner(tmp_path, near={"pdq": listed}, views={switch: True}).scan(data)
    assert view in {match.view for match in on.matches}
    assert scanner(tmp_path / "2", near={"pdq": listed}).scan(data).matches == ()


def test_border_is_trimmed(tmp_path: Path) -> None:
    """A listed picture on a wide uniform border is found without the border."""
    page = Image.new("RGB", (620, 540), "#202020")
    page.paste(drawn(2), (100, 200))
    (match,) = scanner(tmp_path, near={"pdq": pdq_of(drawn(2))}).scan(encode(page, "PNG")).matches
    assert match.view == "trimmed"


def test_long_animation_is_compared_in_batches(tmp_path: Path) -> None:
    """More frames than a batch holds are all compared, the first and the last among them."""
    frames = [drawn(100 + number, (64, 64)) for number in range(24)]
    data = encode(frames[0], "GIF", save_all=True, append_images=frames[1:], duration=20)
    shown = Image.open(io.BytesIO(data))
    shown.seek(23)
    last = pdq_of(shown.convert("RGB"))
    found = scanner(tmp_path, near={"pdq": last}).scan(data)
    assert "frame:24" in {match.view for match in found.matches}
    assert found.image is not None
    assert found.image.frames == 24


@pytest.mark.parametrize(
    "word",
    ["DMI--X", "DMI-", "DMI---", "DMI-prohibited-", "DMI-\xe9", "DMI-X9_", "dmi-a--b", "other", "unreadable", ""],
)
def test_no_word_of_a_file_makes_an_answer_unreadable(tmp_path: Path, word: str) -> None:
    """What a file says in words that no standard has comes back in ours: a worker is not lost over it."""
    data = XMP_CARRIERS["PNG, iTXt"](data_mining(word)) + data_mining(word)[:-9]
    found = scanner(tmp_path).scan(data)
    assert found.image is not None
    assert Scan.from_wire(found.to_wire()) == found
    assert {each.said for each in found.image.statements} <= set(VALUES)


class _Picture:
    """A picture whose frames end in trouble."""

    format, width, height, frame_count, statements = "PNG", 9, 9, 2, ()

    def __init__(self, real: Any, trouble: Exception | None) -> None:
        self.real, self.trouble = real, trouble

    def files(self, **_: Any) -> Any:
        return iter(())

    def frames(self) -> Any:
        if self.real is not None:
            yield from self.real.frames()
        if self.trouble is not None:
            raise self.trouble


@pytest.mark.parametrize(
    ("trouble", "reason"),
    [
        (NotScannable(Reason.PIXELS), Reason.PIXELS),
        (HasherError("no"), Reason.HASHER_FAILED),
        (MemoryError(), Reason.MEMORY),
        (None, None),
    ],
)
def test_trouble_in_a_later_frame(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, world: World, trouble: Exception | None, reason: Reason | None
) -> None:
    """A later frame that cannot be decoded makes the whole not scannable; a match before it counts as a match."""
    real = scan_module.open_picture
    monkeypatch.setattr(scan_module, "open_picture", lambda *given: _Picture(real(*given), trouble))
    assert scanner(tmp_path).scan(world.clean).reason is reason
    found = scanner(tmp_path / "2", near={"pdq": pdq_of(drawn(2))}).scan(world.near)
    assert found.matches
    assert found.reason is None


@pytest.mark.parametrize(
    ("trouble", "reason"), [(HasherError("no"), Reason.HASHER_FAILED), (MemoryError(), Reason.MEMORY)]
)
def test_hasher_of_files_that_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, world: World, trouble: Exception, reason: Reason
) -> None:
    """A hasher of whole files that fails makes the image not scannable; its frames are compared all the same."""
    broken = object()

    def run(hasher: object, source: object) -> list[bytes]:
        assert hasher is broken
        raise trouble

    made = scanner(tmp_path, near={"pdq": pdq_of(drawn(2))})
    made._of_bytes = {"broken": broken}  # type: ignore[dict-item]
    monkeypatch.setattr(scan_module.registry, "run", run)
    assert made.scan(world.clean).reason is reason
    assert made.scan(world.near).matches


def test_hasher_of_files_that_has_nothing_to_say(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, world: World) -> None:
    """No value is no error, and no fingerprint."""
    made = scanner(tmp_path)
    made._of_bytes = {"silent": object()}  # type: ignore[dict-item]
    monkeypatch.setattr(scan_module.registry, "run", lambda *_: [])
    found = made.scan(world.clean)
    assert found.reason is None
    assert found.image is not None
    assert "silent" not in found.image.fingerprints


def test_picture_without_a_frame_is_corrupt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing decoded is nothing checked."""
    monkeypatch.setattr(scan_module, "open_picture", lambda *_: _Picture(None, None))
    found = scanner(tmp_path).scan(b"")
    assert (found.reason, found.image) == (Reason.CORRUPT, None)


def test_low_quality_has_a_smaller_radius(tmp_path: Path) -> None:
    """A picture that PDQ can say little about matches within low_quality_distance only."""
    faded = Image.blend(Image.new("RGB", (320, 240), "#808080"), drawn(3), 0.3)
    data = encode(faded, "PNG")
    away = int(pdq_of(faded), 16) ^ int("1" * 20, 2)  # twenty bits apart: more than 12, fewer than 31
    rows = {"pdq": f"{away:064x}"}
    plain = {"orientations": False, "inverse": False, "scale": False, "normalise": False, "trim": False}
    found = scanner(tmp_path, near=rows, views=plain).scan(data)
    assert found.image is not None
    assert found.image.pdq_quality is not None
    assert found.image.pdq_quality < 50
    assert found.matches == ()
    wider = scanner(tmp_path / "2", near=rows, views=plain, low_quality_distance=25).scan(data)
    assert [match.distance for match in wider.matches] == [20]
    unbound = scanner(tmp_path / "3", near=rows, views=plain, min_quality=0).scan(data)
    assert [match.distance for match in unbound.matches] == [20]


def test_native_view_is_named_before_a_nearer_one(tmp_path: Path) -> None:
    """Where a picture matches as it is, the match says so, even if one of its views is nearer still."""
    both = drawn(2)
    mirrored = both.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    symmetric = Image.new("RGB", (640, 240))
    symmetric.paste(both, (0, 0))
    symmetric.paste(mirrored, (320, 0))
    (match,) = scanner(tmp_path, near={"pdq": pdq_of(symmetric)}).scan(encode(symmetric, "PNG")).matches
    assert match.view == "native"


def test_near_entries_are_named_the_nearest_first(tmp_path: Path) -> None:
    """A scan tells which entries the image is near to, each once; of very many, the nearest."""
    image = drawn(2)
    value = int(pdq_of(image), 16)
    rows = [("pdq", f"{value ^ (1 << bit):064x}") for bit in range(200)] + [("pdq", f"{value:064x}")]
    folder = make_blocklist(tmp_path / "many", {"l": rows})
    guard = Guard.from_policy(Policy(blocklist=folder))
    found = guard.scanner.scan(encode(image, "PNG"))
    assert len(found.hits) == len(set(found.hits)) == MOST_HITS
    assert {(hit.list_id, hit.algorithm) for hit in found.hits} == {("l", "pdq")}
    exact = guard.blocklist.find_near("pdq", np.frombuffer(bytes.fromhex(pdq_of(image)), np.uint8)[None], [0])[3]
    assert found.hits[0].entry == exact.tolist()[0]
    assert scanner(tmp_path / "none").scan(encode(image, "PNG")).hits == ()


def test_not_scannable_at_once(tmp_path: Path, world: World) -> None:
    """What the decoder refuses has a reason and nothing else."""
    assert scanner(tmp_path, limits={"pixels": 100}).scan(world.clean) == Scan(reason=Reason.PIXELS)


def test_outcome_of_a_list_without_near_values(tmp_path: Path, world: World) -> None:
    """With digests alone a picture is decoded all the same, and has its facts."""
    found = scanner(tmp_path).scan(world.clean)
    assert found.image is not None
    assert found.reason is None
    assert Outcome.NO_KNOWN_MATCH == "no_known_match"
