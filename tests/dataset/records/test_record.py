from __future__ import annotations

import base64
import hashlib
import json
from dataclasses import replace
from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.pictures import drawn, encode

from ingest_guard import ImageFacts, Outcome, Verdict
from ingest_guard.dataset.records.items import Target
from ingest_guard.dataset.records.payloads import holds_image
from ingest_guard.dataset.records.record import build_record, carries_image
from ingest_guard.dataset.records.schema import COLUMNS

if TYPE_CHECKING:
    from support.listed import World

FACTS = ImageFacts("WEBP", 640, 480, 1, 87, {"pdq": "ab" * 32, "phash": "cd" * 8})
DIGESTS = {"md5": "1" * 32, "sha1": "2" * 40, "sha256": "3" * 64}
VERDICT = Verdict(Outcome.NO_KNOWN_MATCH, image=FACTS, digests=DIGESTS)
TARGET = Target(
    "pic.jpg?a=1",
    "https://site.example/pic.jpg?a=1",
    "Zwei Kätzchen",
    "https://site.example/",
    alt_source="figcaption",
    language="de",
)
ATTESTATION = {"check_set": "0" * 16, "lists": [{"id": "l", "version": "v"}], "algorithms": ["pdq"], "guard": "g"}
SECRET_IMAGE = encode(drawn(9, (64, 48)))
BASE64 = base64.b64encode(SECRET_IMAGE).decode()


def record(**changes: object) -> dict[str, object]:
    """Build a record, with some of its parts changed."""
    options: dict[str, object] = {"final_url": "https://cdn.example/x.webp", "fetched_at": "2026-01-02T03:04:05Z"}
    target = changes.pop("target", TARGET)
    verdict = changes.pop("verdict", VERDICT)
    return build_record(target, verdict, attestation=ATTESTATION, **{**options, **changes})  # type: ignore[arg-type]


def test_fields_and_their_order() -> None:
    """A record has exactly the fields of the schema, flat, in its order."""
    assert list(record()) == [column.name for column in COLUMNS]
    assert record() == {
        "uid": hashlib.md5("Zwei Kätzchenpic.jpg?a=1".encode(), usedforsecurity=False).hexdigest(),
        "url": "pic.jpg?a=1",
        "final_url": "https://cdn.example/x.webp",
        "alt": "Zwei Kätzchen",
        "alt_source": "figcaption",
        "page_url": "https://site.example/",
        "width": 640,
        "height": 480,
        "format": "WEBP",
        "md5": "1" * 32,
        "sha1": "2" * 40,
        "sha256": "3" * 64,
        "pdq": "ab" * 32,
        "pdq_quality": 87,
        "language": "de",
        "fetched_at": "2026-01-02T03:04:05Z",
        "attestation": ATTESTATION,
    }
    assert list(record())[:3] == ["uid", "url", "final_url"]
    assert list(record())[-2:] == ["fetched_at", "attestation"]


def test_further_hashes() -> None:
    """What the policy asks for is added; pdq stays where it is, and what is not there is null."""
    made = record(hashes=("phash", "pdq", "dhash"))
    assert (made["phash"], made["dhash"], made["pdq"]) == ("cd" * 8, None, "ab" * 32)


def test_low_detail_is_marked() -> None:
    """The attestation says where perceptual hashes say little; the guard's own stays as it was."""
    assert record(verdict=replace(VERDICT, low_detail=True))["attestation"] == {**ATTESTATION, "low_detail": True}
    assert "low_detail" not in ATTESTATION
    made = record()
    made["attestation"]["check_set"] = "x"  # type: ignore[index]
    assert ATTESTATION["check_set"] == "0" * 16


def test_no_record_without_an_image() -> None:
    """A verdict without a decoded image makes none."""
    with pytest.raises(ValueError, match="image that was decoded"):
        record(verdict=replace(VERDICT, image=None))


@given(alt=st.text(max_size=20), url=st.text(max_size=20))
def test_any_text_can_be_a_record(alt: str, url: str) -> None:
    """Whatever characters a page has, halves of some too, the record is JSON in UTF-8, and has the uid of its texts."""
    made = record(target=Target(url, url, alt, url), final_url=url)
    assert json.loads(json.dumps(made, ensure_ascii=False).encode()) == made
    text = f"{made['alt']}{made['url']}"
    assert made["uid"] == hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


def test_halves_of_characters() -> None:
    """Two that belong together are put together; one alone becomes the replacement character."""
    made = record(target=Target("a.jpg", "a.jpg", "cat \ud83d\ude00 dog \ud83d", None))
    assert made["alt"] == "cat \U0001f600 dog \ufffd"


LONG = "k" * 500
HARMLESS = [
    "https://site.example/pic.jpg",
    f"https://cdn.example/v/t51.2885-15/{'1234567890_' * 9}n.jpg?stp=dst-jpg_e35&oh=00_{'A7f' * 20}&oe=6543ABCD",
    f"https://s3.example/b/k.png?X-Amz-Security-Token={'FwoGZXIvYXdzE' * 60}%3D%3D&X-Amz-Signature={'0af3' * 16}",
    f"https://img.example/rs:fit:300/{base64.urlsafe_b64encode(b'https://o.example/' + b'a' * 200).decode()}.webp",
    f"https://img.example/{base64.b64encode(json.dumps({'bucket': 'b', 'key': LONG}).encode()).decode()}",
    f"https://n.example/_next/image?url={quote('https://o.example/a b.jpg', safe='')}&w=640",
    f"https://p.example/fetch?u={quote(quote(quote('https://o.example/a b.jpg', safe='')))}",
    "https://shards.example/9j/4A/9j/2f8c1d9e0b7a6c5d4e3f2a1b0c9d8e7f6a5b4c3d2e1f/photo.jpg",
    "https://site.example/data:sheet/pic.jpg",
    "https://site.example/?q=data:5,6",
]
PROSE = [
    "",
    "Data: a chart of images, 2020",
    "metadata: image, base64, png",
    "Ein Bild von zwei Kätzchen " * 40,
    "二匹の猫の写真" * 100,
    "R0lGODlh is how a GIF begins in base64",
    "100 % of cats",
    "-" * 200,
]


@pytest.mark.parametrize("url", HARMLESS)
def test_addresses_of_the_real_web_pass(url: str) -> None:
    """Tokens, signatures and addresses inside addresses are no images."""
    assert not carries_image(Target(url, url, "", url))


@pytest.mark.parametrize("alt", PROSE)
def test_ordinary_texts_pass(alt: str) -> None:
    """So are texts, even about data and images."""
    assert not carries_image(Target("a.jpg", "a.jpg", alt, None))


def broken(text: str, every: int, by: str) -> str:
    """Cut a text into pieces, with something between them."""
    return by.join(text[at : at + every] for at in range(0, len(text), every))


CARRIERS = [
    f"data:image/jpeg;base64,{BASE64}",
    "data:image/png,x",
    "data:,hello",
    " DATA:text/plain,hello",
    "da\nta:image/gif;base64,R0lGODlhAQABAAAAACw=",
    "data:text/html;charset=utf-8,<b>hi",
    "data:;base64,aGVsbG8=",
    f"https://evil.example/?u=data:image/jpeg;base64,{BASE64}",
    f"https://evil.example/?u={quote(f'data:image/jpeg;base64,{BASE64}', safe='')}",
    f"https://evil.example/?u={quote(quote(f'data:image/jpeg;base64,{BASE64}', safe=''), safe='')}",
    f"https://evil.example/path/{BASE64}",
    f"https://evil.example/?q={BASE64}",
    f"https://evil.example/?q=xx{BASE64}",
    f"https://evil.example/?q={quote(BASE64, safe='')}",
    f"https://evil.example/?q={base64.urlsafe_b64encode(SECRET_IMAGE).decode()}",
    f"https://evil.example/?q={'QUJD' * 800}",
    f"https://evil.example/?q={SECRET_IMAGE.hex()}{SECRET_IMAGE.hex()}",
    "https://evil.example/?q=" + "%25" * 3 + "2525252541",
]


@pytest.mark.parametrize("text", CARRIERS, ids=range(len(CARRIERS)))
def test_addresses_that_are_images(text: str) -> None:
    """In whichever field, and however often it is encoded, an address that holds an image makes no record."""
    assert holds_image(text)
    assert carries_image(Target(text, text, "", None))
    assert carries_image(Target("a.jpg", "a.jpg", "", text))
    assert carries_image(Target("a.jpg", "a.jpg", text, None))


@pytest.mark.parametrize(
    "alt",
    [
        BASE64,
        f"look: {BASE64} nice",
        broken(BASE64, 76, "\r\n"),
        broken(BASE64, 60, "\n"),
        broken(BASE64, 60, " "),
        broken(BASE64, 100, "."),
        broken(BASE64, 10, " | "),
        broken(BASE64, 3, "\u3000"),
        broken(base64.urlsafe_b64encode(SECRET_IMAGE).decode(), 20, "*"),
        "A cat. " + broken(BASE64, 50, "... ") + " And a dog.",
        SECRET_IMAGE.hex(),
        SECRET_IMAGE.hex(":"),
        broken(base64.b64encode(hashlib.shake_256(b"x").digest(2000)).decode(), 100, "."),
        base64.b64encode(bytes(range(256))).decode(),
    ],
    ids=range(14),
)
def test_texts_that_are_images(alt: str) -> None:
    """A long run of base64 in a text is no text, whatever it would decode to; nor is an image cut into lines."""
    assert carries_image(Target("a.jpg", "a.jpg", alt, None))


def test_more_addresses_in_one_than_can_be_looked_at() -> None:
    """What is too much to look at is not harmless."""
    assert holds_image("https://evil.example/?" + "data:" * 50_001)


def test_a_whole_listed_image_in_an_address(world: World) -> None:
    """Addresses of the size of an image are looked at, too."""
    assert holds_image("https://evil.example/" + base64.b64encode(world.exact).decode())


@given(text=st.text(max_size=200))
def test_any_text_can_be_looked_at(text: str) -> None:
    """There is an answer for every text."""
    assert holds_image(text) in {True, False}
