from __future__ import annotations

import base64
import gzip
import hashlib
import io
import zipfile
import zlib
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from support.blocklists import make_blocklist
from support.listed import PDF, World, pdq_of
from support.pictures import drawn, encode

from ingest_guard import BlocklistError, Guard, ImageFacts, Match, Outcome, Policy, PolicyError, Reason
from ingest_guard.guard.inquiry import Inquiry, Part
from ingest_guard.guard.scan_result import Scan
from ingest_guard.imaging.sniffing.sniff import Kind

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture(scope="module")
def guard(world: World) -> Guard:
    """Return a guard with the plainest policy."""
    return Guard.from_policy(Policy(blocklist=world.blocklist))


@pytest.fixture
def guard_with(world: World) -> Callable[..., Guard]:
    """Return a maker of guards for the world's blocklist with some policy keys."""

    def make(**keys: Any) -> Guard:
        return Guard.from_policy(Policy.model_validate({"blocklist": world.blocklist, **keys}))

    return make


def near(distance: int, view: str) -> Match:
    """Return a match by looks."""
    return Match("looks", "pdq", distance, view)


def zipped(data: bytes) -> bytes:
    """Return an archive with one picture in it."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("picture.jpg", data)
    return buffer.getvalue()


def test_listed_image_is_a_match_by_its_bytes(guard: Guard, world: World) -> None:
    """An exact copy names its list, the digest, distance 0 and the view ``bytes``."""
    verdict = guard.check(world.exact)
    assert verdict.outcome is Outcome.MATCH
    assert verdict.matches == (Match("bytes", "sha256", 0, "bytes"),)
    assert verdict.reason is None
    assert verdict.digests == {
        name: hashlib.new(name, world.exact, usedforsecurity=False).hexdigest() for name in ("md5", "sha1", "sha256")
    }


def test_listed_file_that_is_no_image_is_a_match(guard: Guard) -> None:
    """Digests are matched whatever the bytes are."""
    verdict = guard.check(PDF)
    assert (verdict.outcome, verdict.matches) == (Outcome.MATCH, (Match("bytes", "md5", 0, "bytes"),))
    assert verdict.image is None


@pytest.mark.parametrize("name", [b"prVt", b"caBX", b"tEXt"])
@pytest.mark.parametrize("kind", ["exact", "near", "PDF"])
def test_listed_file_inside_an_image_is_a_match(guard: Guard, world: World, name: bytes, kind: str) -> None:
    """By its digest, of whatever type it is, and by what it looks like; the picture around it is clean."""
    inner = PDF if kind == "PDF" else getattr(world, kind)
    chunk = len(inner).to_bytes(4, "big") + name + inner + zlib.crc32(name + inner).to_bytes(4, "big")
    png = encode(drawn(3), "PNG")
    verdict = guard.check(png[:33] + chunk + png[33:])
    assert verdict.outcome is Outcome.MATCH
    wanted = "thumbnail" if kind == "near" else "embedded/bytes"
    assert {match.view.partition("/")[0] if kind == "near" else match.view for match in verdict.matches} >= {wanted}


@pytest.mark.parametrize("is_decodable", [True, False])
def test_listed_file_behind_the_samples_of_an_image_is_a_match(
    guard: Guard,
    world: World,
    is_decodable: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    """By its digest, whether the picture around it can be decoded or not."""
    png = encode(drawn(3), "PNG")
    if not is_decodable:  # the samples begin with what is no stream of zlib
        at = png.index(b"IDAT")
        packed = b"IDAT" + b"\0" * 8 + world.exact
        png = png[: at - 4] + (len(packed) - 4).to_bytes(4, "big") + packed + zlib.crc32(packed).to_bytes(4, "big")
    else:
        packed = b"IDAT" + world.exact
        chunk = (len(packed) - 4).to_bytes(4, "big") + packed + zlib.crc32(packed).to_bytes(4, "big")
        png = png[:-12] + chunk
    verdict = guard.check(png + encode(drawn(3), "PNG")[-12:])
    assert Match("bytes", "sha256", 0, "embedded/bytes") in verdict.matches


def test_listed_file_behind_an_image_is_a_match(guard: Guard) -> None:
    """What follows the end is a file, too."""
    assert guard.check(encode(drawn(3)) + PDF).outcome is Outcome.MATCH


def test_listed_text_is_a_match(tmp_path: Path) -> None:
    """A listed page is a match, too."""
    text = b"<!doctype html><p>a page that somebody listed</p>"
    folder = make_blocklist(
        tmp_path / "b", {"pages": [("sha1", hashlib.sha1(text, usedforsecurity=False).hexdigest())]}
    )
    assert Guard.from_policy(Policy(blocklist=folder)).check(text).outcome is Outcome.MATCH


@pytest.mark.parametrize("declared", [None, "text/html", "application/pdf", "image/png", ""])
def test_declared_type_changes_nothing(guard: Guard, world: World, declared: str | None) -> None:
    """What the bytes are decides, whatever the sender calls them."""
    assert guard.check(world.exact, declared_type=declared) == guard.check(world.exact)
    assert guard.check(world.clean, declared_type=declared).outcome is Outcome.NO_KNOWN_MATCH


def test_copy_of_another_size_and_format_is_near(guard: Guard, world: World) -> None:
    """A resized copy in another format matches by what it looks like."""
    verdict = guard.check(world.near)
    assert verdict.outcome is Outcome.MATCH
    (match,) = verdict.matches
    assert (match.list_id, match.algorithm, match.view) == ("looks", "pdq", "native")
    assert 0 < match.distance <= 31


@pytest.mark.parametrize(
    ("turn", "view"),
    [
        (Image.Transpose.FLIP_LEFT_RIGHT, "mirror"),
        (Image.Transpose.ROTATE_180, "rotate180"),
        (Image.Transpose.FLIP_TOP_BOTTOM, "flip"),
    ],
)
def test_turned_copy_is_found_in_its_view(guard: Guard, turn: Image.Transpose, view: str) -> None:
    """The match says in which view of the picture it was found."""
    (match,) = guard.check(encode(drawn(2).transpose(turn))).matches
    assert match.view == view


def test_turned_copy_passes_where_the_policy_looks_at_no_turned_views(guard_with: Callable[..., Guard]) -> None:
    """Views that the policy switches off are not compared."""
    turned = encode(drawn(2).transpose(Image.Transpose.FLIP_LEFT_RIGHT))
    assert guard_with(views={"orientations": False}).check(turned).outcome is Outcome.NO_KNOWN_MATCH


def test_clean_image(guard: Guard, world: World) -> None:
    """A picture that no list knows comes with its facts: format, size, fingerprint."""
    verdict = guard.check(world.clean)
    assert verdict.outcome is Outcome.NO_KNOWN_MATCH
    assert (verdict.matches, verdict.reason, verdict.low_detail) == ((), None, False)
    assert verdict.image is not None
    assert (verdict.image.format, verdict.image.width, verdict.image.height, verdict.image.frames) == (
        "JPEG",
        320,
        240,
        1,
    )
    assert verdict.image.pdq_quality == 100
    assert set(verdict.image.fingerprints) == {"pdq"}
    decoded = Image.open(io.BytesIO(world.clean))
    apart = int(verdict.image.fingerprints["pdq"], 16) ^ int(pdq_of(decoded), 16)
    assert apart.bit_count() <= 4


def test_turned_by_exif(guard: Guard) -> None:
    """Width and height are those that a browser shows."""
    exif = Image.Exif()
    exif[0x0112] = 6
    verdict = guard.check(encode(drawn(2), exif=exif))
    assert verdict.image is not None
    assert (verdict.image.width, verdict.image.height) == (240, 320)
    assert verdict.outcome is Outcome.MATCH


def test_truncated_image_is_not_scannable(guard: Guard, world: World) -> None:
    """A cut-off picture is dropped although what is left was compared."""
    verdict = guard.check(world.clean[:-50])
    assert (verdict.outcome, verdict.reason) == (Outcome.NOT_SCANNABLE, Reason.TRUNCATED)


def test_truncated_listed_image_still_matches(guard: Guard) -> None:
    """What a browser would still show is compared all the same."""
    whole = encode(drawn(2), quality=90)
    verdict = guard.check(whole[: -len(whole) // 20])
    assert (verdict.outcome, verdict.reason) == (Outcome.MATCH, None)


def test_too_large(guard_with: Callable[..., Guard], world: World) -> None:
    """Over the limit nothing is decoded; the digests are matched all the same."""
    guard = guard_with(limits={"bytes": 1000})
    verdict = guard.check(world.clean)
    assert (verdict.outcome, verdict.reason, verdict.image) == (Outcome.NOT_SCANNABLE, Reason.TOO_LARGE, None)
    assert guard.check(b"text " * 300).reason is Reason.TOO_LARGE
    assert guard.check(world.exact).outcome is Outcome.MATCH


@pytest.mark.parametrize("data", [b"", b"hello", b"<html>caf\xe9</html>", b'{"a": 1}', "Grüße".encode()])
def test_text_and_nothing(guard: Guard, data: bytes) -> None:
    """Text and empty bodies are no images."""
    verdict = guard.check(data)
    assert (verdict.outcome, verdict.reason, verdict.image) == (Outcome.NOT_AN_IMAGE, None, None)


@pytest.mark.parametrize("kind", ["PDF", "ZIP", "GZIP"])
def test_other_binaries(guard_with: Callable[..., Guard], world: World, kind: str) -> None:
    """Binaries that cannot be looked into are dropped, unless the policy lists their type."""
    data = {"PDF": PDF + b"\n", "ZIP": zipped(world.exact), "GZIP": gzip.compress(world.clean)}[kind]
    verdict = guard_with().check(data)
    assert (verdict.outcome, verdict.reason) == (Outcome.NOT_SCANNABLE, Reason.UNSUPPORTED_TYPE)
    assert guard_with(unscanned_types=(kind,)).check(data).outcome is Outcome.NOT_AN_IMAGE
    others = tuple({"PDF", "ZIP", "GZIP"} - {kind})
    assert guard_with(unscanned_types=others).check(data).outcome is Outcome.NOT_SCANNABLE


def test_type_that_may_pass_does_not_if_it_is_listed(guard_with: Callable[..., Guard]) -> None:
    """The policy's types pass unscanned, not unmatched."""
    assert guard_with(unscanned_types=("PDF",)).check(PDF).outcome is Outcome.MATCH


def test_policy_cannot_let_images_pass_unscanned(guard_with: Callable[..., Guard], world: World) -> None:
    """Naming an image type among those that pass changes nothing: it can be scanned, so it is."""
    guard = guard_with(unscanned_types=("JPEG", "PNG"))
    assert guard.check(world.near).outcome is Outcome.MATCH
    assert guard.check(world.clean[:-50]).outcome is Outcome.NOT_SCANNABLE


def data_url(image: bytes, media_type: str = "image/jpeg") -> bytes:
    """Return a data: URL."""
    return b"data:" + media_type.encode() + b";base64," + base64.b64encode(image)


TEXTS = {
    "html": b'<!doctype html><p>x</p><img src="%s">',
    "css": b"body { background: url(%s) }",
    "svg": b'<svg xmlns="http://www.w3.org/2000/svg"><image href="%s"/></svg>',
    "json": b'{"picture": "%s", "n": 1}',
    "markup in json": b'{"html": "<img src=\\"%s\\">"}',
}


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
def test_listed_files_of_other_types_inside_text(guard: Guard, text: bytes) -> None:
    """A listed PDF in a page is a match as it is one by itself; another PDF makes the page as doubtful as it is."""
    found = guard.check(text % data_url(PDF, "application/pdf"))
    assert (found.outcome, found.matches) == (Outcome.MATCH, (Match("bytes", "md5", 0, "embedded/bytes"),))
    declared = "application/json" if text.startswith(b"{") else None
    other = guard.check(text % data_url(PDF + b"%", "application/pdf"), declared_type=declared)
    assert (other.outcome, other.reason) == (Outcome.NOT_SCANNABLE, Reason.EMBEDDED)


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
def test_listed_images_inside_text(guard: Guard, world: World, text: bytes) -> None:
    """An image in a data: URL is found by its bytes and by what it looks like; the view says that it was inside."""
    exact = guard.check(text % data_url(world.exact))
    assert exact.outcome is Outcome.MATCH
    assert Match("bytes", "sha256", 0, "embedded/bytes") in exact.matches
    looks = guard.check(text % data_url(world.near, "image/png"))
    assert looks.outcome is Outcome.MATCH
    assert {match.view for match in looks.matches} == {"embedded/native"}
    assert guard.check(text % data_url(world.clean)).outcome is Outcome.NOT_AN_IMAGE


def test_image_inside_text_that_cannot_be_scanned(guard: Guard, world: World) -> None:
    """A page with a picture in it that is cut off is as doubtful as the picture."""
    verdict = guard.check(TEXTS["html"] % data_url(world.clean[:-50]))
    assert (verdict.outcome, verdict.reason) == (Outcome.NOT_SCANNABLE, Reason.EMBEDDED)


def test_texts_in_texts_have_a_limit(guard_with: Callable[..., Guard], world: World) -> None:
    """Deeper than the policy allows is not scannable; what is above that was matched."""
    inner = data_url(TEXTS["svg"] % data_url(world.clean), "image/svg+xml")
    page = TEXTS["html"] % inner
    assert guard_with().check(page).outcome is Outcome.NOT_AN_IMAGE
    assert guard_with(limits={"nesting": 0}).check(page).reason is Reason.NESTING


def test_blank_picture_is_marked(guard_with: Callable[..., Guard]) -> None:
    """A picture without structure passes with a mark, or is dropped where the policy says so."""
    blank = encode(Image.new("RGB", (200, 150), "#cccccc"), "PNG")
    verdict = guard_with().check(blank)
    assert (verdict.outcome, verdict.low_detail) == (Outcome.NO_KNOWN_MATCH, True)
    assert verdict.image is not None
    assert verdict.image.pdq_quality == 0
    dropped = guard_with(low_quality="drop").check(blank)
    assert (dropped.outcome, dropped.reason) == (Outcome.NOT_SCANNABLE, Reason.LOW_QUALITY)


def faded(image: Image.Image, strength: float) -> bytes:
    """Return a picture blended with grey."""
    return encode(Image.blend(Image.new("RGB", image.size, "#808080"), image, strength), "PNG")


def test_faded_copy_is_found(guard_with: Callable[..., Guard]) -> None:
    """A listed picture faded until PDQ calls it blank is found all the same, even where such pictures are dropped."""
    data = faded(drawn(2), 0.3)
    assert guard_with().check(data).outcome is Outcome.MATCH
    assert guard_with(low_quality="drop").check(data).outcome is Outcome.MATCH


def test_faded_picture_is_not_called_low_in_detail(guard_with: Callable[..., Guard]) -> None:
    """With its contrast raised it has structure enough to be compared."""
    verdict = guard_with().check(faded(drawn(3), 0.3))
    assert verdict.image is not None
    assert verdict.image.pdq_quality is not None
    assert verdict.image.pdq_quality < 50
    assert (verdict.outcome, verdict.low_detail) == (Outcome.NO_KNOWN_MATCH, False)
    assert guard_with(views={"normalise": False}).check(faded(drawn(3), 0.3)).low_detail


def test_animation_with_a_listed_frame(guard: Guard) -> None:
    """Each frame is compared, and the view names it."""
    frames = [drawn(seed) for seed in (5, 6, 2)]
    data = encode(frames[0], "GIF", save_all=True, append_images=frames[1:], duration=50)
    verdict = guard.check(data)
    assert verdict.outcome is Outcome.MATCH
    assert {match.view for match in verdict.matches} == {"frame:3"}
    assert verdict.image is not None
    assert verdict.image.frames == 3


def test_unknown_list_in_the_policy(guard_with: Callable[..., Guard]) -> None:
    """A list that does not exist is an error that names those that do."""
    with pytest.raises(PolicyError, match="key lists names lokks, but the blocklist has addresses, bytes, looks"):
        guard_with(lists={"lokks": {"thresholds": {"pdq": 3}}})


def test_unknown_hash_in_the_policy(guard_with: Callable[..., Guard]) -> None:
    """So is a fingerprint that nobody computes."""
    with pytest.raises(PolicyError, match=r"records\.hashes names fhash; known are .*phash"):
        guard_with(records={"hashes": ("fhash",)})


@pytest.mark.parametrize(
    ("thresholds", "problem"),
    [({"pdq": 33}, "unrelated pictures"), ({"pdq": -1}, "threshold of list looks, pdq"), ({"nodq": 1}, "nodq")],
)
def test_thresholds_that_cannot_be(guard_with: Callable[..., Guard], thresholds: dict[str, int], problem: str) -> None:
    """Thresholds beyond all sense, and of algorithms that are none, do not start."""
    with pytest.raises((PolicyError, BlocklistError), match=problem):
        guard_with(lists={"looks": {"thresholds": thresholds}})


def test_threshold_of_a_list(guard_with: Callable[..., Guard], world: World) -> None:
    """A narrower threshold lets go of what is further away."""
    assert guard_with(lists={"looks": {"thresholds": {"pdq": 0}}}).check(world.near).outcome is Outcome.NO_KNOWN_MATCH
    assert guard_with(lists={"looks": {}}).check(world.near).outcome is Outcome.MATCH


@pytest.mark.parametrize("trouble", ["missing", "empty", "stale"])
def test_blocklists_that_do_not_start(tmp_path: Path, world: World, trouble: str) -> None:
    """A blocklist that is missing, has nothing, or is too old is an error, not a guard that finds nothing."""
    if trouble == "missing":
        policy = Policy(blocklist=tmp_path / "absent")
    elif trouble == "stale":
        policy = Policy.model_validate({"blocklist": world.blocklist, "max_age": "0.000001s"})
    else:
        from ingest_guard.blocklist.build.build import build  # noqa: PLC0415 - needed here only

        build(tmp_path / "b", [], allow_empty=True)
        policy = Policy(blocklist=tmp_path / "b")
        allowed = Guard.from_policy(policy.model_copy(update={"allow_empty": True}))
        assert allowed.check(world.exact).outcome is Outcome.NO_KNOWN_MATCH
        assert allowed.attestation["lists"] == []
    with pytest.raises(BlocklistError):
        Guard.from_policy(policy)


def test_attestation_says_what_was_compared(guard: Guard) -> None:
    """Which lists in which version, by which algorithms, by which guard."""
    assert set(guard.attestation) == {"check_set", "lists", "algorithms", "guard"}
    assert [entry["id"] for entry in guard.attestation["lists"]] == ["addresses", "bytes", "looks"]
    assert all(set(entry) == {"id", "version"} for entry in guard.attestation["lists"])
    assert guard.attestation["algorithms"] == ["md5", "pdq", "sha256"]
    assert guard.attestation["guard"].startswith("ingest_guard ")
    assert guard.version == guard.blocklist.version


@pytest.mark.parametrize(
    "keys",
    [
        {"lists": {"looks": {"thresholds": {"pdq": 30}}}},
        {"views": {"inverse": False}},
        {"limits": {"frames": 3}},
        {"low_quality": "drop"},
        {"unscanned_types": ("PDF",)},
    ],
    ids=str,
)
def test_check_set_changes_with_what_decides(
    guard: Guard, guard_with: Callable[..., Guard], keys: dict[str, Any]
) -> None:
    """Two records with one check set were held against the same things."""
    assert guard_with(**keys).attestation["check_set"] != guard.attestation["check_set"]


def test_check_set_changes_with_the_lists(guard: Guard, tmp_path: Path) -> None:
    """Another list is another check set; a rebuild of the same one is the same."""
    values = [("md5", "0" * 31 + "1")]
    one, same = (make_blocklist(tmp_path / name / "b", {"l": values}) for name in ("1", "2"))
    more = make_blocklist(tmp_path / "3" / "b", {"l": [*values, ("md5", "0" * 31 + "2")]})
    found = [Guard.from_policy(Policy(blocklist=each)).attestation["check_set"] for each in (one, same, more)]
    assert found[0] == found[1] != found[2]
    assert guard.attestation["check_set"] not in found


@pytest.mark.parametrize(
    "keys",
    [
        {"workers": 7},
        {"in_flight": {"images": 3}},
        {"images_per_worker": 9},
        {"records": {"page_url_field": "page"}},
        {"max_age": 9e9},
    ],
    ids=str,
)
def test_check_set_stays_where_nothing_is_decided(
    guard: Guard, guard_with: Callable[..., Guard], keys: dict[str, Any]
) -> None:
    """How many processes do it, and what a record is made of, is not part of the check."""
    assert guard_with(**keys).attestation["check_set"] == guard.attestation["check_set"]


IMAGE = ImageFacts("PNG", 2, 2, 1)
HIT = Match("l", "pdq", 1, "native")
BYTES = Match("l", "md5", 0, "bytes")


def inquiry(kind: Kind = Kind.IMAGE, *, parts: int = 1, reason: Reason | None = None, exact: bool = False) -> Inquiry:
    """Return an inquiry as begin() makes them."""
    inside = kind is Kind.TEXT
    return Inquiry(kind, {}, (BYTES,) if exact else (), (Part(b"", "", inside),) * parts, reason)


@pytest.mark.parametrize(
    ("asked", "scans", "outcome", "reason"),
    [
        (inquiry(), [Scan(image=IMAGE)], Outcome.NO_KNOWN_MATCH, None),
        (inquiry(), [Scan((HIT,), image=IMAGE)], Outcome.MATCH, None),
        (inquiry(exact=True), [Scan(reason=Reason.WORKER_CRASHED)], Outcome.MATCH, None),
        (inquiry(), [Scan(reason=Reason.TIMEOUT)], Outcome.NOT_SCANNABLE, Reason.TIMEOUT),
        (inquiry(Kind.TEXT, parts=0), [], Outcome.NOT_AN_IMAGE, None),
        (inquiry(Kind.EMPTY, parts=0), [], Outcome.NOT_AN_IMAGE, None),
        (inquiry(Kind.TEXT, parts=2), [Scan(image=IMAGE)] * 2, Outcome.NOT_AN_IMAGE, None),
        (inquiry(Kind.TEXT, parts=2), [Scan(reason=Reason.PIXELS), Scan((HIT,))], Outcome.MATCH, None),
        (inquiry(Kind.TEXT, reason=Reason.NESTING), [Scan()], Outcome.NOT_SCANNABLE, Reason.NESTING),
        (inquiry(Kind.BINARY, parts=0, reason=Reason.TOO_LARGE), [], Outcome.NOT_SCANNABLE, Reason.TOO_LARGE),
        (inquiry(Kind.BINARY, parts=0, exact=True, reason=Reason.TOO_LARGE), [], Outcome.MATCH, None),
        (inquiry(Kind.BINARY, parts=0), [], Outcome.NOT_AN_IMAGE, None),
    ],
)
def test_a_match_goes_before_a_doubt_and_a_doubt_before_a_pass(
    guard: Guard, asked: Inquiry, scans: list[Scan], outcome: Outcome, reason: Reason | None
) -> None:
    """Match, then not scannable, then the rest."""
    verdict = guard.conclude(asked, scans)
    assert (verdict.outcome, verdict.reason) == (outcome, reason)
    assert bool(verdict.matches) == (outcome is Outcome.MATCH)


def test_matches_from_elsewhere_count_and_doubles_do_not(guard: Guard) -> None:
    """A match of the body as it was sent is a match; the same one twice is one."""
    verdict = guard.conclude(inquiry(exact=True), [Scan((HIT, HIT))], [BYTES, BYTES])
    assert verdict.matches == (BYTES, HIT)
    assert guard.conclude(inquiry(Kind.TEXT, parts=0), [], [BYTES]).outcome is Outcome.MATCH


@pytest.mark.parametrize("count", [0, 2])
def test_a_scan_that_is_missing_is_an_error(guard: Guard, count: int) -> None:
    """Fewer scans than parts can never make a pass."""
    with pytest.raises(ValueError, match="1 parts"):
        guard.conclude(inquiry(), [Scan()] * count)


MAGICS = [
    b"\xff\xd8\xff\xe0",
    b"\x89PNG\r\n\x1a\n",
    b"GIF89a",
    b"RIFF\0\0\0\0WEBP",
    b"BM",
    b"II*\0",
    b"\0\0\0\x1cftypavif",
]


@settings(max_examples=120, deadline=None)
@given(
    data=st.binary(max_size=200)
    | st.tuples(st.sampled_from(MAGICS), st.binary(max_size=120)).map(b"".join)
    | st.text(max_size=80).map(lambda text: b'<img src="data:image/png;base64,' + text.encode() + b'">')
)
def test_check_never_raises(guard: Guard, data: bytes) -> None:
    """Whatever the bytes are, there is a verdict, and a doubt has a reason."""
    verdict = guard.check(data)
    assert (verdict.reason is not None) == (verdict.outcome is Outcome.NOT_SCANNABLE)
    assert (verdict.outcome is Outcome.NO_KNOWN_MATCH) <= (verdict.image is not None)
