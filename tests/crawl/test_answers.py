from __future__ import annotations

import base64
import gzip
import hashlib
import json
import sys
import zlib
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

import brotli
import pytest
import scrapy
from support.crawl import Crawl, Project, page
from support.gallery import facts
from support.pictures import drawn, encode
from support.server import Reply, Server

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_SPIDER = """
    import scrapy
    from tested.reporting import tell


    class Tested(scrapy.Spider):
        name = "tested"
        allowed_domains = ["127.0.0.1"]
        base = ""

        async def start(self):
            yield scrapy.Request(self.base + "/items", self.parse_items)
            yield scrapy.Request(self.base + "/direct", self.parse_direct)

        def parse_items(self, response):
            for image in response.css("img"):
                yield {"image_url": image.attrib["src"], "alt": image.attrib["alt"]}
            yield {"image_url": self.settings["DATA_URL"], "alt": "data: URL in the item"}
            yield {"image_url": "/safe.jpg", "alt": self.settings["DATA_URL"]}
            yield {"image_url": "file:///etc/hostname", "alt": "file: URL in the item"}

        def parse_direct(self, response):
            for image in response.css("img"):
                yield response.follow(
                    image.attrib["src"], self.arrived, errback=self.missed, cb_kwargs={"path": image.attrib["src"]}
                )
            for url in (self.settings["DATA_URL"], "DATA:image/png" + self.settings["DATA_URL"][14:]):
                yield scrapy.Request(url, self.arrived, errback=self.missed, cb_kwargs={"path": "data:"})

        def arrived(self, response, path):
            tell(arrived=path, length=len(response.body), status=response.status)

        def missed(self, failure):
            value, path = failure.value, failure.request.cb_kwargs["path"]
            held = [getattr(value, "response", None), getattr(failure, "response", None)]
            tell(
                missed=path,
                type=type(value).__name__,
                outcome=str(getattr(value, "outcome", None)),
                reason=str(getattr(value, "reason", None)),
                length=sum(len(response.body) for response in held if response is not None),
            )
"""
_PDF = b"%PDF-1.4\n" + bytes(range(256)) * 4 + b"\n%%EOF"


@cache
def _safe(number: int) -> bytes:
    return encode(drawn(1000 + number, (200, 150)), "JPEG", quality=88)


@cache
def _listed(number: int = 0) -> bytes:
    """Return files of a listed picture, each of them different."""
    return encode(drawn(1).resize((240 + 4 * number, 180 + 3 * number)), "JPEG", quality=70 + number)


def _data_url(body: bytes, kind: str = "image/jpeg") -> str:
    return f"data:{kind};base64,{base64.b64encode(body).decode()}"


def _bomb() -> bytes:
    """Return a small PNG that says it is 30,000 pixels a side."""
    body = bytearray(encode(drawn(3, (64, 64)), "PNG"))
    body[16:24] = (30_000).to_bytes(4, "big") * 2
    body[29:33] = zlib.crc32(body[12:29]).to_bytes(4, "big")
    return bytes(body)


def _raw_deflate(body: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-15)
    return packer.compress(body) + packer.flush()


_CODINGS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "br": brotli.compress,
    "zstd": zstd.compress,
    "deflate": zlib.compress,
}


@dataclass(frozen=True)
class Answer:
    """What a path answers, and what must become of an item that names it.

    ``result`` is ``record``, or the part of the statistics key under ``images_dropped``; ``body`` is what the record is
    about.
    """

    reply: Reply
    result: str
    body: bytes = b""


def _image(body: bytes, result: str, *, sent: bytes | None = None, **options: object) -> Answer:
    options.setdefault("type", "image/jpeg")
    return Answer(Reply(sent if sent is not None else body, **options), result, body)  # type: ignore[arg-type]  # a test's shorthand


def _moved(to: str, result: str, body: bytes = b"") -> Answer:
    return Answer(Reply(b"<p>moved", status=302, headers=(("Location", to),)), result, body)


def _coded(coding: str, sent: bytes, result: str, body: bytes = b"") -> Answer:
    return _image(body, result, sent=sent, headers=(("Content-Encoding", coding),))


@cache
def _answers() -> dict[str, Answer]:
    answers = {
        "/safe.jpg": _image(_safe(0), "record"),
        "/listed.jpg": _image(_listed(), "match"),
        "/chunked.jpg": _image(_safe(1), "record", chunked=True),
        "/listed-chunked.jpg": _image(_listed(1), "match", chunked=True),
        "/called-html.jpg": _image(_safe(2), "record", type="text/html; charset=utf-8"),
        "/listed-called-text.txt": _image(_listed(2), "match", type="text/plain"),
        "/listed-called-nothing": _image(_listed(3), "match", type=None),
        "/text.jpg": _image(b"<html>I am a picture, believe me</html>", "not_an_image"),
        "/empty.jpg": _image(b"", "not_an_image"),
        "/no-content.jpg": _image(b"", "not_an_image", status=204),
        "/bomb.png": _image(_bomb(), "not_scannable"),
        "/cut-image.jpg": _image(_safe(3)[:-900], "not_scannable"),
        "/cut-listed.jpg": _image(_listed(4)[:-60], "match"),
        "/cut-connection.jpg": _image(_safe(4)[:-900], "error", length=len(_safe(4))),
        "/document.pdf": _image(b"%PDF-1.7\n" + bytes(range(255, -1, -1)), "not_scannable", type="application/pdf"),
        "/listed-document.pdf": _image(_PDF, "match", type="application/pdf"),
        "/missing.jpg": _image(b"<p>no such page", "status", status=404, type="text/html"),
        "/safe-404.jpg": _image(_safe(5), "status", status=404),
        "/listed-404.jpg": _image(_listed(5), "match", status=404),
        "/part.jpg": _image(_safe(6), "not_scannable", status=206, headers=(("Content-Range", "bytes 0-9/99999"),)),
        "/moved.jpg": _moved("/there.jpg", "record", _safe(7)),
        "/moved-to-listed.jpg": _moved("/listed-there.jpg", "match"),
        "/moved-with-listed-body.jpg": Answer(
            Reply(_listed(6), status=302, type="image/jpeg", headers=(("Location", "/safe.jpg"),)), "match"
        ),
        "/moved-to-file.jpg": _moved("file:///etc/hostname", "status"),
        "/moved-to-data.jpg": _moved(_data_url(_listed(7)), "match"),
        "/moved-to-safe-data.jpg": _moved(_data_url(_safe(17)), "status"),
        "/forbidden/safe.jpg": _image(_safe(8), "refused"),
        "/on-the-url-list.jpg": _image(_safe(9), "refused"),
        "/unknown-coding.jpg": _coded("compress", _safe(10), "not_scannable"),
        "/false-coding.jpg": _coded("gzip", _safe(11), "not_scannable"),
        "/cut-coding.jpg": _coded("gzip", gzip.compress(_safe(12))[:-40], "not_scannable"),
        "/twice.jpg": _coded("br, gzip", gzip.compress(brotli.compress(_safe(13))), "record", _safe(13)),
        "/listed-twice.jpg": _coded("br, gzip", gzip.compress(brotli.compress(_listed(8))), "match"),
        "/listed-false-coding.jpg": _coded("gzip", _listed(9), "match"),
        "/listed-unknown-coding.jpg": _coded("snappy", _listed(10), "match"),
        "/listed-raw-deflate.jpg": _coded("deflate", _raw_deflate(_listed(11)), "match"),
        "/svg-with-listed.svg": _image(_svg(_listed(12)), "match", type="image/svg+xml"),
        "/svg.svg": _image(_svg(_safe(14)), "not_an_image", type="image/svg+xml"),
    }
    for number, (coding, pack) in enumerate(_CODINGS.items()):
        safe, listed = _safe(20 + number), _listed(20 + number)
        answers[f"/{coding}.jpg"] = _coded(coding, pack(safe), "record", safe)
        answers[f"/listed-{coding}.jpg"] = _coded(coding, pack(listed), "match")
    return answers


def _svg(body: bytes) -> bytes:
    url = _data_url(body)
    return f'<svg xmlns="http://www.w3.org/2000/svg"><image href="{url}" width="9" height="9"/></svg>'.encode()


@cache
def _texts() -> dict[str, tuple[Reply, bool]]:
    """Path -> (a text with an image inside, whether the spider may see it)."""
    listed, safe = _data_url(_listed(13)), _data_url(_safe(15))
    escaped = json.dumps({"picture": _data_url(_listed(14))}).replace("/", "\\/").encode()
    packed = gzip.compress(f'<p><img src="{_data_url(_listed(15))}">'.encode())
    return {
        "/html-with-listed": (Reply(f'<p><img src="{listed}">'.encode()), False),
        "/html-with-safe": (Reply(f'<p><img src="{safe}">'.encode()), True),
        "/css-with-listed": (Reply(f"p {{ background: url({listed}) }}".encode(), "text/css"), False),
        "/json-with-listed": (Reply(escaped, "application/json"), False),
        "/json": (Reply(b'{"a": [1, 2]}', "application/json"), True),
        "/gzip-html-with-listed": (Reply(packed, headers=(("Content-Encoding", "gzip"),)), False),
        "/svg-with-listed.svg": (_answers()["/svg-with-listed.svg"].reply, False),
        "/404-with-listed": (Reply(f'<p><img src="{listed}">'.encode(), status=404), False),
    }


@pytest.fixture(scope="module")
def servers() -> Iterator[tuple[Server, Server]]:
    """Serve all answers from one host; and two images from another one, which is off-site for the spider."""
    with Server() as server, Server("127.0.0.2") as elsewhere:
        elsewhere.add("/far.jpg", _safe(16), type="image/jpeg")
        elsewhere.add("/listed-far.jpg", _listed(16), type="image/jpeg")
        elsewhere.add("/private/far.jpg", _safe(18), type="image/jpeg")
        elsewhere.add("/robots.txt", b"User-agent: *\nDisallow: /private/\n", type="text/plain")
        for path, answer in _answers().items():
            server.add(path, answer.reply)
        for path, (reply, _) in _texts().items():
            server.add(path, reply)
        server.add("/there.jpg", _safe(7), type="image/jpeg")
        server.add("/listed-there.jpg", _listed(18), type="image/jpeg")
        server.add("/robots.txt", b"User-agent: *\nDisallow: /forbidden/\n", type="text/plain")
        # The forbidden one is second: for a spider's own requests, Scrapy 2.19 forgets the rules for all but two of
        # those that wait for them.
        far = [elsewhere.url(path) for path in ("/far.jpg", "/private/far.jpg", "/listed-far.jpg")]
        server.add("/items", page([*_answers(), *far]))
        server.add("/direct", page([*_answers(), *_texts(), *far]))
        yield server, elsewhere


@pytest.fixture(scope="module")
def crawl(servers: tuple[Server, Server], tmp_path_factory: pytest.TempPathFactory) -> Crawl:
    """Crawl both pages once: as items, and as requests of the spider's own."""
    server, _ = servers
    import numpy as np  # noqa: PLC0415 - both only here
    import pdqhash  # noqa: PLC0415

    bits = pdqhash.compute(np.asarray(drawn(1)))[0]
    lines = [f"pdq {np.packbits(bits).tobytes().hex()}", f"sha256 {hashlib.sha256(_PDF).hexdigest()}"]
    lines.append(f"url {server.url('/on-the-url-list.jpg')}")
    project = Project(
        tmp_path_factory.mktemp("answers"),
        _SPIDER,
        {"a": lines},
        settings={
            "ROBOTSTXT_OBEY": True,
            "HTTPCACHE_ENABLED": True,
            "HTTPCACHE_DIR": "../../out/httpcache",
            "JOBDIR": "../out/job",
            "DATA_URL": _data_url(_listed(17)),
            "HTTPERROR_ALLOW_ALL": True,
        },
    )
    return project.crawl(base=server.base)


def _records(crawl: Crawl, server: Server) -> dict[str, dict[str, object]]:
    return {record["url"].removeprefix(server.base): record for record in crawl.records}


@pytest.mark.parametrize("path", _answers())
def test_an_item_becomes_a_record_only_for_a_whole_image_that_matches_nothing(
    path: str, crawl: Crawl, servers: tuple[Server, Server]
) -> None:
    """An answer with an image makes a record with that image's facts; any other answer makes none."""
    record = _records(crawl, servers[0]).get(path)
    answer = _answers()[path]
    if answer.result != "record":
        assert record is None
        return
    assert record is not None
    expected = facts(answer.body)
    assert {key: record[key] for key in expected} == expected
    final = "/there.jpg" if path == "/moved.jpg" else path
    assert record["final_url"] == servers[0].url(final)
    assert record["page_url"] == servers[0].url("/items")


def test_drops_are_counted_by_what_was_found(crawl: Crawl) -> None:
    """Each image that made no record is counted under its own reason."""
    results = [answer.result for answer in _answers().values() if answer.result != "record"]
    # And these: the listed image of the other host, the one that its robots.txt forbids, and the file: URL.
    results += ["match", "refused", "refused"]
    assert {name: crawl.count(f"images_dropped/{name}") for name in set(results)} == {
        name: results.count(name) for name in set(results)
    }
    assert crawl.count("items_dropped/data_url") == 2
    assert crawl.count("records") == len(crawl.records)


def test_images_of_other_hosts_are_fetched(crawl: Crawl, servers: tuple[Server, Server]) -> None:
    """An item's image may lie on a host where the spider may not go; that host's robots.txt holds for it."""
    _, elsewhere = servers
    urls = crawl.record_urls()
    assert elsewhere.url("/far.jpg") in urls
    assert elsewhere.url("/listed-far.jpg") not in urls
    assert sorted(elsewhere.asked()) == ["/.well-known/tdmrep.json", "/far.jpg", "/listed-far.jpg", "/robots.txt"]
    assert crawl.stats["offsite/filtered"] == 3


def test_what_is_refused_is_never_asked_for(crawl: Crawl, servers: tuple[Server, Server]) -> None:
    """Robots.txt holds for images too, and a URL on a list is not fetched at all."""
    asked = servers[0].asked()
    assert "/forbidden/safe.jpg" not in asked
    assert "/on-the-url-list.jpg" not in asked
    assert crawl.count("refused/url_list") >= 1
    assert crawl.count("refused/scheme") >= 1
    assert crawl.count("refused/data_url") == 2


def test_images_for_records_are_asked_for_as_images(crawl: Crawl, servers: tuple[Server, Server]) -> None:
    """A fetch for a record names the page that shows the image, to other hosts by its origin alone."""
    server, elsewhere = servers
    assert any(seen.headers.get("referer") == server.url("/items") for seen in server.requests_to("/chunked.jpg"))
    (far,) = elsewhere.requests_to("/far.jpg")
    assert far.headers["referer"] == server.base + "/"


@pytest.mark.parametrize("path", _answers())
def test_a_spider_sees_the_bytes_of_no_image_that_was_dropped(path: str, crawl: Crawl) -> None:
    """What matched or could not be scanned ends in the errback, emptied; the rest arrives."""
    arrived = {event["arrived"]: event for event in crawl.events if "arrived" in event}
    missed = {event["missed"]: event for event in crawl.events if "missed" in event}
    result = _answers()[path].result
    if result in ("match", "not_scannable"):
        assert path not in arrived
        assert (missed[path]["type"], missed[path]["outcome"]) == ("ImageBlocked", result)
    elif path in arrived:
        answer = _answers()[path]
        is_left = path == "/zstd.jpg" and scrapy.version_info < (2, 18)  # which does not undo it for the spider
        assert arrived[path]["length"] == len((not is_left and answer.body) or answer.reply.body)
    else:
        assert result in ("refused", "error")
    assert not missed.get(path, {"length": 0})["length"]


@pytest.mark.parametrize("path", _texts())
def test_a_text_with_a_listed_image_inside_never_arrives(path: str, crawl: Crawl) -> None:
    """Pages, style sheets, JSON and SVG are dropped for a listed image in a data: URL, and pass with any other."""
    arrived = [event["arrived"] for event in crawl.events if "arrived" in event]
    missed = {event["missed"]: event for event in crawl.events if "missed" in event}
    assert (path in arrived) == _texts()[path][1]
    assert (path in missed) != _texts()[path][1]
    if path in missed:
        assert (missed[path]["type"], missed[path]["outcome"], missed[path]["length"]) == ("ImageBlocked", "match", 0)


def test_a_request_for_a_data_url_is_never_made(crawl: Crawl) -> None:
    """No callback and no errback hears of a data: request, and the log never shows one."""
    assert not [event for event in crawl.events if "data:" in (event.get("arrived"), event.get("missed"))]
    assert "data:image" not in crawl.log.lower()


def test_reasons_say_why_something_could_not_be_scanned(crawl: Crawl) -> None:
    """The exception names the reason."""
    reasons = {event["missed"]: event["reason"] for event in crawl.events if event.get("outcome") == "not_scannable"}
    assert reasons == {
        "/bomb.png": "pixels",
        "/cut-image.jpg": "truncated",
        "/document.pdf": "unsupported_type",
        "/part.jpg": "partial",
        "/unknown-coding.jpg": "encoding",
        "/false-coding.jpg": "encoding",
        "/cut-coding.jpg": "encoding",
    }


def test_nothing_of_a_listed_image_is_in_any_file(crawl: Crawl) -> None:
    """However it was served, no byte and no digest of a listed image is in cache, queue, feed or log."""
    flagged = {f"listed {number}": _listed(number) for number in range(24)} | {"document": _PDF}
    assert crawl.traces(flagged, [_safe(number) for number in range(24)]) == []
    assert crawl.exit_code == 0


def test_safe_answers_are_in_the_cache(crawl: Crawl) -> None:
    """The control of the search: what passed is found in the cache, under its Content-Encoding too."""
    found = {trace.name for trace in crawl.traces({"plain": _safe(0), "br": _safe(21), "zstd": _safe(22)})}
    assert found == {"plain", "br", "zstd"}


def test_dropping_is_no_error(crawl: Crawl) -> None:
    """The log has one error at most: the connection that was cut."""
    assert [line for line in crawl.faults() if "cut-connection" not in line] == []
