from __future__ import annotations

import asyncio
import base64
import gzip
import logging
from typing import TYPE_CHECKING, Any

import brotli
import pytest
from scrapy import Request
from scrapy.exceptions import StopDownload
from scrapy.http import HtmlResponse, Response, TextResponse
from support.listed import LISTED_URL, PDF, World

from ingest_guard import ImageBlocked, Reason
from ingest_guard.guard.scan_result import Scan
from ingest_guard.scrapy_plugin.check.inspection import inspect
from ingest_guard.scrapy_plugin.core.exceptions import RequestRefused
from ingest_guard.scrapy_plugin.core.tickets import META_KEY, Ticket
from ingest_guard.verdict import Outcome

if TYPE_CHECKING:
    from collections.abc import Callable

    from scrapy_plugin.conftest import Chain, Site

URL = "https://site.example/picture.jpg"
FLAGGED_URL = "https://flagged.example/listed.jpg"


def encoded(body: bytes, coding: str, url: str = URL, **options: Any) -> Response:
    """Return a response with a Content-Encoding."""
    return Response(url, body=body, headers={"Content-Encoding": coding}, **options)


def blocked(chain: Chain, answer: Any, request: Request | None = None) -> ImageBlocked:
    """Fetch something that must not come through; check that nothing of it is left, and return the exception."""
    request = request or Request(URL)
    chain.site.answers[request.url] = answer
    with pytest.raises(ImageBlocked) as caught:
        chain.get(request)
    if isinstance(answer, Response):
        assert answer.body == b""
    return caught.value


class Seen:
    """A middleware that keeps what it saw, and can replace it."""

    def __init__(self, replacement: Any = None) -> None:
        self.bodies: list[bytes] = []
        self.replacement = replacement

    async def process_response(self, request: Request, response: Response) -> Response:
        """Note the body, and hand on the response or what is put in its place."""
        self.bodies.append(response.body)
        return self.replacement(request, response) if self.replacement else response


def between(chain: Chain, seen: Seen) -> Seen:
    """Put a middleware right behind the gate, where the HTTP cache stands."""
    methods = chain.downloader.methods["process_response"]
    methods.insert(1, seen.process_response)
    return seen


def test_clean_image_passes_with_its_body(chain: Chain, site: Site, world: World) -> None:
    """A spider gets the image that it asked for, untouched."""
    site.answers[URL] = world.clean
    assert chain.get(URL).body == world.clean
    assert chain.stats() == {"bytes": len(world.clean), "checked": 1, "no_known_match": 1}


def test_page_passes(chain: Chain, site: Site) -> None:
    """So does a page, which is not counted as checked."""
    site.answers[URL] = HtmlResponse(URL, body=b"<!doctype html><p>Hello</p>")
    assert chain.get(URL).body.endswith(b"</p>")
    assert chain.stats() == {"bytes": 27, "not_an_image": 1}


@pytest.mark.parametrize("name", ["exact", "near"])
def test_listed_image_is_emptied_and_raised(chain: Chain, world: World, name: str) -> None:
    """A match reaches no other middleware; what is raised names the list, and neither URL nor hash."""
    seen = between(chain, Seen())
    error = blocked(chain, Response(FLAGGED_URL, body=getattr(world, name)), Request(FLAGGED_URL))
    assert (error.outcome, error.reason) == ("match", None)
    assert error.lists == ("bytes" if name == "exact" else "looks",)
    assert "flagged" not in str(error)
    assert seen.bodies == []


def test_listed_file_of_another_type(chain: Chain) -> None:
    """A listed PDF is a match, not a type that cannot be scanned."""
    assert blocked(chain, Response(URL, body=PDF)).outcome == "match"


def test_what_the_request_holds_is_emptied(chain: Chain, world: World) -> None:
    """A cache puts the old response into the request's meta, and the request goes to the errback."""
    cached = Response(URL, body=world.exact)
    request = Request(URL, meta={"cached_response": cached, "depth": 3})
    blocked(chain, Response(URL, body=world.exact), request)
    assert cached.body == b""
    assert request.meta == {"depth": 3, "download_timeout": 180.0}


def test_nothing_of_the_body_is_left_in_the_traceback(chain: Chain, world: World) -> None:
    """Crash reporters read the frames of an exception: no response in them has a body."""
    answer = TextResponse(URL, body=world.exact, encoding="latin-1")
    _ = answer.text, answer.selector
    error = blocked(chain, answer)
    trace = error.__traceback__
    while trace is not None:
        for value in trace.tb_frame.f_locals.values():
            if isinstance(value, Response):
                assert value.body == b""
        trace = trace.tb_next
    assert answer._cached_ubody is None
    assert answer._cached_selector is None


@pytest.mark.parametrize("status", [200, 301, 404, 500])
def test_every_status_is_checked(chain: Chain, world: World, status: int) -> None:
    """The bodies of errors and redirects are bodies, too."""
    headers = {"Location": "/elsewhere"} if status == 301 else {}
    blocked(chain, Response(URL, status=status, body=world.exact, headers=headers))


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"status": 206}, Reason.PARTIAL),
        ({"flags": ["partial"], "headers": {"Content-Length": "999999"}}, Reason.PARTIAL),
        ({"flags": ["dataloss"]}, Reason.PARTIAL),
        ({"flags": ["other", "download_stopped"]}, Reason.PARTIAL),
    ],
)
def test_parts_of_images(chain: Chain, site: Site, world: World, options: dict[str, Any], reason: Reason) -> None:
    """A part of an image is dropped, a part of a text passes, and a match in a part is a match."""
    assert blocked(chain, Response(URL, body=world.clean, **options)).reason is reason
    assert chain.stats()["not_scannable/partial"] == 1
    assert blocked(chain, Response(URL, body=world.exact, **options)).outcome == "match"
    site.answers[URL] = Response(URL, body=b"a part of a text", **options)
    assert chain.get(URL).body == b"a part of a text"
    site.answers[URL] = Response(URL, **options)
    assert chain.get(URL).body == b""


@pytest.mark.parametrize("length", [None, "1", "many", "9" * 40])
def test_answer_that_ends_with_the_connection(chain: Chain, site: Site, world: World, length: str | None) -> None:
    """Nothing says that bytes are missing: what is whole by its own format passes, what is cut off does not."""
    headers = {"Content-Length": length} if length else {}
    answer = Response(URL, body=world.clean, flags=["partial"], headers=headers)
    site.answers[URL] = answer
    assert chain.get(URL).body == world.clean
    cut = answer.replace(body=world.clean[: len(world.clean) // 2])
    assert blocked(chain, cut).reason is Reason.TRUNCATED
    packed = answer.replace(body=gzip.compress(world.clean)[:-40], headers={"Content-Encoding": "gzip"})
    assert blocked(chain, packed).reason is Reason.ENCODING
    assert blocked(chain, answer.replace(body=world.exact)).outcome == "match"


NO_CODINGS = [
    "UTF-8",
    "aws-chunked",
    "none",
    "binary",
    "8bit",
    "ISO-8859-1",
    "null",
    "image/jpeg",
    "foo",
    "utf-8, none",
]


@pytest.mark.parametrize("coding", NO_CODINGS)
def test_names_that_are_no_coding(chain: Chain, site: Site, world: World, coding: str) -> None:
    """Browsers ignore them: the body as it was sent is what is scanned, and what a spider gets."""
    site.answers[URL] = encoded(world.clean, coding)
    assert chain.get(URL).body == world.clean
    assert blocked(chain, encoded(world.exact, coding)).outcome == "match"
    assert blocked(chain, encoded(world.near, coding)).outcome == "match"
    assert blocked(chain, encoded(gzip.compress(world.clean), coding)).reason is Reason.UNSUPPORTED_TYPE


@pytest.mark.parametrize("coding", ["UTF-8, gzip", "none, gzip"])
def test_names_that_are_no_coding_inside_one(chain: Chain, site: Site, world: World, coding: str) -> None:
    """The coding outside is undone, as Scrapy does."""
    site.answers[URL] = encoded(gzip.compress(world.clean), coding)
    assert chain.get(URL).body == world.clean
    assert blocked(chain, encoded(gzip.compress(world.near), coding)).outcome == "match"


def gzip_with_name(body: bytes, name: bytes) -> bytes:
    """Encode with a file name in the header."""
    plain = gzip.compress(body, mtime=0)
    return plain[:3] + b"\x08" + plain[4:10] + name + b"\0" + plain[10:]


def test_what_a_coding_carries_beside_the_page(chain: Chain, site: Site) -> None:
    """A cache would keep it: a listed file there is a match, anything else of its size a doubt, a file name is fine."""
    listed = PDF.replace(b"\0", b"")
    assert listed == PDF
    assert blocked(chain, encoded(gzip_with_name(TEXT, PDF), "gzip")).outcome == "match"
    assert blocked(chain, encoded(gzip_with_name(TEXT, b"x" * 300), "gzip")).reason is Reason.ENCODING
    site.answers[URL] = encoded(gzip_with_name(TEXT, b"index.html"), "gzip")
    assert chain.get(URL).body == TEXT


@pytest.mark.parametrize("coding", ["gzip", "br", "br, gzip"])
def test_encoded_image_is_seen_as_what_it_is(chain: Chain, site: Site, world: World, coding: str) -> None:
    """A Content-Encoding hides nothing, and what passes is handed on as it was sent."""

    def encode(body: bytes) -> bytes:
        body = brotli.compress(body, quality=1) if "br" in coding else body
        return gzip.compress(body) if "gzip" in coding else body

    seen = between(chain, Seen())
    blocked(chain, encoded(encode(world.exact), coding))
    blocked(chain, encoded(encode(world.near), coding))
    assert seen.bodies == []
    sent = encode(world.clean)
    site.answers[URL] = encoded(sent, coding)
    assert chain.get(URL).body == world.clean
    assert seen.bodies == [sent]
    assert chain.stats().get("sentinel/checked") is None


def test_listed_bytes_at_any_stage(chain: Chain, world: World) -> None:
    """A listed file that is sent with a coding on top of it, or as the encoded form itself, is a match."""
    assert blocked(chain, encoded(gzip.compress(PDF), "gzip")).outcome == "match"
    assert blocked(chain, encoded(PDF, "gzip")).outcome == "match"
    assert blocked(chain, encoded(world.exact, "foo")).outcome == "match"


TEXT = b"<!doctype html><p>a page of some length, really</p>" * 40


@pytest.mark.parametrize(
    ("body", "coding", "passes"),
    [
        (gzip.compress(TEXT)[:-9], "gzip", True),
        (TEXT, "gzip", True),
        (TEXT, "utf-8", True),
        (TEXT, "gzip, gzip, gzip, gzip, gzip", False),
        (gzip.compress(TEXT) + b"JUNK behind", "gzip", False),
        (gzip.compress(TEXT), "compress", False),
        (gzip.compress(TEXT), "compress, gzip", False),
        (gzip.compress(TEXT), "gzip, utf-8", False),
        (gzip.compress(TEXT), "br", False),
    ],
    # Not the bytes: there is a time in them.
    ids=[
        "cut",
        "bare",
        "no coding",
        "too many",
        "more behind",
        "unknown",
        "unknown first",
        "no coding outside",
        "another",
    ],
)
def test_text_in_doubtful_encodings(chain: Chain, site: Site, body: bytes, coding: str, *, passes: bool) -> None:
    """Text that is cut off, or was never encoded, shows all that it has; anything else does not."""
    if passes:
        site.answers[URL] = encoded(body, coding, request=None)
        seen = between(chain, Seen(lambda _, response: response.replace(body=b"")))
        chain.get(URL)
        assert seen.bodies == [body]
    else:
        assert blocked(chain, encoded(body, coding)).reason is Reason.ENCODING


@pytest.mark.parametrize(
    "change",
    [
        lambda image: (gzip.compress(image)[:-9], "gzip"),
        lambda image: (gzip.compress(image) + b"JUNK", "gzip"),
        lambda image: (image, "gzip"),
        lambda image: (image, "compress"),
        lambda image: (gzip.compress(image), "compress, gzip"),
        lambda image: (gzip.compress(image), "gzip, utf-8"),
    ],
)
def test_images_in_doubtful_encodings(chain: Chain, world: World, change: Callable[..., tuple[bytes, str]]) -> None:
    """An image that is not what its header says is dropped; if it is listed, it is a match."""
    assert blocked(chain, encoded(*change(world.clean))).reason is Reason.ENCODING
    assert blocked(chain, encoded(*change(world.exact))).outcome in {"match", "not_scannable"}
    assert blocked(chain, encoded(*change(world.near))).outcome == "match"


def test_compression_bomb(make_chain: Callable[..., Chain]) -> None:
    """What grows over the limit is dropped unread, text or not."""
    chain = make_chain("limits: {bytes: 1 MiB}\n")
    assert blocked(chain, encoded(gzip.compress(b"a" * (2 << 20)), "gzip")).reason is Reason.TOO_LARGE
    assert blocked(chain, Response(URL, body=b"a" * (2 << 20))).reason is Reason.TOO_LARGE


def ascii_deflate(body: bytes) -> bytes:
    """Encode as a raw deflate stream of a stored block."""
    return b"\x01" + len(body).to_bytes(2, "little") + (len(body) ^ 0xFFFF).to_bytes(2, "little") + body


def test_broken_stream_whose_beginning_is_a_picture(chain: Chain, world: World) -> None:
    """What came out before a decoder gave up is compared: a browser would show it."""
    sent = gzip.compress(world.near)
    assert blocked(chain, encoded(sent[:-8] + b"12345678", "gzip")).outcome == "match"
    assert blocked(chain, encoded(ascii_deflate(world.near) + b"JUNK", "deflate")).outcome == "match"


def test_page_with_a_listed_image_inside(chain: Chain, world: World) -> None:
    """A page that carries a listed image in a data: URL is dropped whole, so that no cache keeps it."""
    page = b'<!doctype html><img src="data:image/jpeg;base64,%s">'
    answer = HtmlResponse(URL, body=page % base64.b64encode(world.exact))
    assert blocked(chain, answer).lists == ("bytes",)
    assert blocked(chain, encoded(gzip.compress(page % base64.b64encode(world.near)), "gzip")).lists == ("looks",)


@pytest.mark.parametrize("name", ["exact", "near"])
@pytest.mark.parametrize(("header", "status"), [("Location", 302), ("Link", 200), ("X-Picture", 200)])
def test_listed_image_in_a_header(chain: Chain, world: World, header: str, status: int, name: str) -> None:
    """Headers are stored and handed on, too: a data: URL in one is looked at, and goes with the response."""
    value = b"data:image/png;base64," + base64.b64encode(getattr(world, name))
    for body in (b"", b"<!doctype html><p>x</p>", world.clean):
        answer = Response(URL, status=status, body=body, headers={header: value})
        assert blocked(chain, answer).outcome == "match"
        assert dict(answer.headers) == {}


IN_HEADERS: dict[str, Callable[[bytes], list[bytes]]] = {
    "bare": lambda text: [text],
    "without a type": lambda text: [b"data:;base64," + text],
    "cookie": lambda text: [b"a=b; Path=/", b"p=" + text + b"; HttpOnly"],
    "two values": lambda text: [text[:1000], text[1000:]],
    "in a page": lambda text: [b"data:text/html,<img src='data:;base64," + text + b"'>"],
    "dots": lambda text: [b".".join(text[at : at + 90] for at in range(0, len(text), 90))],
}


@pytest.mark.parametrize("name", ["exact", "near"])
@pytest.mark.parametrize("spell", IN_HEADERS.values(), ids=IN_HEADERS)
def test_listed_image_in_a_disguise_in_a_header(
    chain: Chain, world: World, spell: Callable[[bytes], list[bytes]], name: str
) -> None:
    """Base64 without a URL, a URL without a type, pieces: a match all the same."""
    values = spell(base64.b64encode(getattr(world, name)))
    answer = Response(URL, body=TEXT, headers={"Set-Cookie": values, "ETag": '"x"'})
    assert blocked(chain, answer).outcome == "match"


def test_doubts_about_headers(chain: Chain, site: Site, world: World) -> None:
    """A picture that is cut off, or another file, is a doubt; pieces, spacers, and the words of a policy are none."""
    cut = base64.b64encode(world.clean[:-60])
    many = [b"data:;base64," + base64.b64encode(b"%d" % number * 30) for number in range(40)]
    for bad in ([cut], [b"data:;base64," + cut], [b"data:;base64," + base64.b64encode(b"\0\1PK" * 50)], many):
        assert blocked(chain, Response(URL, body=TEXT, headers={"X-A": bad})).reason is Reason.EMBEDDED
    spacer = b"data:image/gif;base64,R0lGODlhCQAJAIAAAAAAAP"
    policy = b"img-src 'self' data:; font-src data:,"
    pieces = b".".join(cut[at : at + 90] for at in range(0, len(cut), 90))
    for good in (spacer, policy, pieces, base64.b64encode(world.clean)):
        site.answers[URL] = Response(URL, body=TEXT, headers={"X-A": good})
        assert chain.get(URL).body == TEXT


def test_an_image_in_a_header_counts_with_that_in_the_body(chain: Chain, world: World) -> None:
    """One inquiry about both: a listed image in a header is found beside a harmless body, whose facts stay."""
    value = b"data:image/jpeg;base64," + base64.b64encode(world.exact)
    response = Response(URL, body=world.clean, headers={"Link": value})
    inspection = asyncio.run(inspect(chain.state, response))
    assert inspection.verdict.outcome is Outcome.MATCH
    assert {match.view for match in inspection.verdict.matches} == {"embedded/bytes"}
    assert inspection.verdict.image is not None
    alone = asyncio.run(inspect(chain.state, Response(URL, body=world.clean))).verdict
    assert inspection.verdict.image.fingerprints == alone.image.fingerprints  # type: ignore[union-attr]


def test_opt_out_headers_are_read_once(chain: Chain, site: Site, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the gate or the sentinel, for fetcher, page and ticket alike; a replaced response is another one."""
    read: list[str] = []
    good = chain.state.signals.read_response

    def read_response(response: Response) -> Any:
        read.append(response.url)
        return good(response)

    monkeypatch.setattr(chain.state.signals, "read_response", read_response)
    page = "https://site.example/page"
    site.answers.update({URL: Response(URL, body=world.clean), page: HtmlResponse(page, body=b"<p>text")})
    chain.get(URL)
    chain.get(page)
    chain.get(Request(URL, meta={META_KEY: Ticket()}))
    assert read == [URL, page, URL]


def test_harmless_image_in_a_header(chain: Chain, site: Site, world: World) -> None:
    """A clean one passes with the page; one that cannot be scanned takes the page along."""
    value = b"data:image/jpeg;base64," + base64.b64encode(world.clean)
    site.answers[URL] = Response(URL, body=b"text", headers={"Link": value})
    assert chain.get(URL).headers["Link"] == value
    cut = b"data:image/jpeg;base64," + base64.b64encode(world.clean[:-60])
    assert blocked(chain, Response(URL, body=b"text", headers={"Link": cut})).reason is Reason.EMBEDDED


def test_tiny_pictures_in_pages(chain: Chain, site: Site) -> None:
    """Spacers of some bytes are too small to show anything, even if they are cut off."""
    site.answers[URL] = b'<!doctype html><img src="data:image/gif;base64,R0lGODlhCQAJAIAAAAAAAP">'
    assert chain.get(URL).body


def test_robots_txt_of_hosts_that_only_serve_images(chain: Chain, site: Site) -> None:
    """It is read although the host is off-site for the spider; other requests of the spider are not helped."""
    sentinel = chain.part("Sentinel")
    asyncio.run(sentinel.process_request(Request("https://cdn.example/x.jpg?y#z", meta={META_KEY: Ticket()})))
    helped = []
    for url in ("https://cdn.example/robots.txt", "https://cdn.example/page", "https://other.example/robots.txt"):
        request = Request(url)
        asyncio.run(sentinel.process_request(request))
        helped.append("allow_offsite" in request.meta)
    assert helped == [True, False, False]


def test_large_bodies_are_read_off_the_loop(chain: Chain, site: Site, world: World) -> None:
    """Bodies over half a mebibyte are decoded and searched in a thread, with the same outcome."""
    text = b"x y\n" * (1 << 18)
    site.answers[URL] = encoded(gzip.compress(text, 0), "gzip")
    assert chain.get(URL).body == text
    page = text + b'<img src="data:image/jpeg;base64,' + base64.b64encode(world.exact) + b'">'
    assert blocked(chain, encoded(gzip.compress(page, 0), "gzip")).outcome == "match"


def test_equal_bytes_are_scanned_once(chain: Chain, site: Site, world: World) -> None:
    """The same image from another address costs a digest."""
    for number in range(3):
        site.answers[f"{URL}?{number}"] = world.clean
        chain.get(f"{URL}?{number}")
    assert chain.stats()["scans_spared"] == 2
    assert chain.stats()["checked"] == 3


def test_scans_that_failed_are_tried_again(chain: Chain, world: World) -> None:
    """A worker that died says nothing about the image."""
    good = chain.state.pool.scan
    passing = (Reason.WORKER_CRASHED, Reason.TIMEOUT, Reason.MEMORY, Reason.DOMAIN_BUDGET)
    answers = iter([Scan(reason=reason) for reason in passing])

    async def scan(data: bytes, payer: str) -> Scan:
        return next(answers, None) or await good(data, payer)

    chain.state.pool.scan = scan  # type: ignore[method-assign]
    for reason in passing:
        assert blocked(chain, Response(URL, body=world.clean)).reason is reason
    chain.site.answers[URL] = world.clean
    assert chain.get(URL).body == world.clean


def test_statistics_add_up(chain: Chain, site: Site, world: World) -> None:
    """Checked = no_known_match + matched + not_scannable; what is no image is apart."""
    for body in (world.exact, world.near, world.clean[:-50], PDF + b" "):
        blocked(chain, Response(URL, body=body))
    for body in (world.clean, b"text", b""):
        site.answers[URL] = body
        chain.get(URL)
    stats = chain.stats()
    assert stats["checked"] == 5 == stats["no_known_match"] + stats["matched"] + stats["not_scannable"]
    assert stats["not_an_image"] == 2
    assert (stats["matched/bytes"], stats["matched/looks"]) == (1, 1)
    assert (stats["matched_by/sha256"], stats["matched_by/pdq"]) == (1, 1)
    assert (stats["not_scannable/truncated"], stats["not_scannable/unsupported_type"]) == (1, 1)
    assert "sentinel/checked" not in stats


@pytest.mark.parametrize(
    ("request_", "why"),
    [
        (Request("data:image/gif;base64,R0lGODlhAQABAAAAACw="), "data_url"),
        (Request("DATA:,x"), "data_url"),
        (Request(URL, meta={"ftp_local_filename": "picture.jpg"}), "ftp_local_filename"),
        (Request(LISTED_URL), "url_list"),
    ],
)
def test_requests_that_do_not_go_out(chain: Chain, request_: Request, why: str) -> None:
    """Some requests are refused before anything is fetched, and their URL is not told."""
    with pytest.raises(RequestRefused) as caught:
        chain.get(request_)
    assert str(caught.value) == f"ingest_guard does not let this request out: {why}"
    assert chain.site.asked == []
    listed = {"listed_urls/addresses": 1} if why == "url_list" else {}
    assert chain.stats() == {f"refused/{why}": 1, **listed}


def test_request_refused_by_the_gate_itself(chain: Chain) -> None:
    """Middlewares in between may make another request of one that was let in."""
    gate = chain.part("Gate")
    with pytest.raises(RequestRefused):
        asyncio.run(gate.process_request(Request("data:,x")))


@pytest.mark.parametrize("part", ["Gate", "Sentinel"])
def test_exceptions_are_emptied(chain: Chain, world: World, part: str) -> None:
    """StopDownload carries a response past every process_response; so may what was made of it."""
    error = StopDownload(fail=True)
    error.response = Response(URL, body=world.exact)  # type: ignore[attr-defined]
    outer = RuntimeError("something else")
    outer.__cause__ = error
    error.__context__ = outer
    asyncio.run(chain.part(part).process_exception(Request(URL), outer))
    assert error.response.body == b""  # type: ignore[attr-defined]
    plain = ValueError("no response at all")
    plain.response = "text"  # type: ignore[attr-defined]
    asyncio.run(chain.part(part).process_exception(Request(URL), plain))


def test_stopped_download_reaches_the_errback_empty(chain: Chain, site: Site, world: World) -> None:
    """In the whole chain, too."""
    error = StopDownload(fail=True)
    error.response = Response(URL, body=world.exact)  # type: ignore[attr-defined]
    site.answers[URL] = error
    with pytest.raises(StopDownload) as caught:
        chain.get(URL)
    assert caught.value.response.body == b""  # type: ignore[attr-defined]


def test_sentinel_catches_what_comes_in_behind_the_gate(chain: Chain, site: Site, world: World) -> None:
    """A cache that answers a 304 with an old body, or a middleware that fetches by itself, is no way around."""
    site.answers[URL] = Response(URL, status=304)
    injected = Response(FLAGGED_URL, body=world.exact)
    between(chain, Seen(lambda *_: injected))
    held = Response(URL, body=world.exact)
    request = Request(URL, meta={"cached_response": held})
    with pytest.raises(ImageBlocked) as caught:
        chain.get(request)
    assert "flagged" not in str(caught.value)
    assert (injected.body, held.body) == (b"", b"")
    assert chain.stats()["sentinel/checked"] == chain.stats()["sentinel/dropped"] == 1
    assert "checked" not in chain.stats()


def test_sentinel_checks_a_clean_body_once(chain: Chain, site: Site, world: World) -> None:
    """What it has checked it knows by its digest."""
    site.answers[URL] = Response(URL, status=304)
    between(chain, Seen(lambda *_: Response(URL, body=world.clean)))
    assert chain.get(URL).body == world.clean
    assert chain.get(URL).body == world.clean
    assert chain.stats()["sentinel/checked"] == 1


def test_sentinel_sees_a_body_that_was_exchanged_in_place(chain: Chain, site: Site, world: World) -> None:
    """The response that the gate has verified is known by its bytes, not by being the same object."""

    def exchange(_: Request, response: Response) -> Response:
        response._set_body(world.exact)
        return response

    answer = site.answers[URL] = Response(URL, body=world.clean)
    between(chain, Seen(exchange))
    with pytest.raises(ImageBlocked):
        chain.get(URL)
    assert answer.body == b""
    assert chain.stats()["sentinel/dropped"] == 1


def test_sentinel_undoes_encodings_too(chain: Chain, site: Site, world: World) -> None:
    """A body that comes in encoded behind everything that decodes is decoded for the check."""
    site.answers[URL] = Response(URL, status=304)
    injected = encoded(gzip.compress(world.exact), "gzip")

    async def last(request: Request, response: Response) -> Response:
        return injected

    chain.downloader.methods["process_response"].insert(-1, last)  # type: ignore[arg-type]
    with pytest.raises(ImageBlocked):
        chain.get(URL)
    assert injected.body == b""


def test_ticket_gets_a_verdict_and_no_body(chain: Chain, site: Site, world: World) -> None:
    """The check pipeline's fetches hear what was found; the bytes stay at the gate."""
    seen = between(chain, Seen())
    ticket = Ticket()
    site.answers[URL] = encoded(gzip.compress(world.clean), "gzip")
    response = chain.get(Request(URL, meta={META_KEY: ticket}))
    assert (response.body, seen.bodies) == (b"", [b""])
    assert "Content-Encoding" not in response.headers
    verdict = ticket.verdict_for(response)
    assert verdict is not None
    assert verdict.outcome is Outcome.NO_KNOWN_MATCH
    assert ticket.verdict_for(Response("https://other.example/")) is None


def test_ticket_of_a_listed_image(chain: Chain, world: World) -> None:
    """A ticket vouches for nothing: what matches is dropped with it as without it."""
    ticket = Ticket()
    blocked(chain, Response(URL, body=world.exact), Request(URL, meta={META_KEY: ticket}))
    assert ticket.verdict is not None
    assert ticket.verdict.outcome is Outcome.MATCH


@pytest.mark.parametrize("forged", [True, {"verdict": "no_known_match"}, "ticket", None])
def test_forged_tickets_are_none(chain: Chain, site: Site, world: World, forged: object) -> None:
    """Whatever else stands under the key in the meta changes nothing."""
    site.answers[URL] = world.clean
    assert chain.get(Request(URL, meta={META_KEY: forged})).body == world.clean
    blocked(chain, Response(URL, body=world.exact), Request(URL, meta={META_KEY: forged}))


def test_ticket_and_a_body_from_behind_the_gate(chain: Chain, site: Site, world: World) -> None:
    """The sentinel tells the ticket what really came, and hands on an empty body as well."""
    body = [world.clean]
    site.answers[URL] = world.clean
    between(chain, Seen(lambda *_: Response("https://other.example/", body=body[0])))
    ticket = Ticket()
    response = chain.get(Request(URL, meta={META_KEY: ticket}))
    assert response.body == b""
    assert ticket.verdict_for(response) is not None
    body[0] = world.near
    with pytest.raises(ImageBlocked):
        chain.get(Request(URL, meta={META_KEY: ticket}))
    assert ticket.verdict is not None
    assert ticket.verdict.outcome is Outcome.MATCH


def test_latched_gate_lets_nothing_out_or_in(
    chain: Chain, site: Site, world: World, caplog: pytest.LogCaptureFixture
) -> None:
    """After a failure no request goes out, and whatever was under way is emptied and dropped, pages too."""
    chain.state.fail("the workers are gone")
    chain.state.fail("once more")
    assert chain.stats()["failed"] == 1
    assert [record.levelno for record in caplog.records].count(logging.CRITICAL) == 1
    with pytest.raises(ImageBlocked):
        chain.get(URL)
    assert site.asked == []
    for part in ("Gate", "Sentinel"):
        response = Response(URL, body=world.clean)
        cached = Response(URL, body=world.clean)
        request = Request(URL, meta={"cached_response": cached})
        with pytest.raises(ImageBlocked) as caught:
            asyncio.run(chain.part(part).process_response(request, response))
        assert caught.value.reason is Reason.GUARD_FAILED
        assert (response.body, cached.body) == (b"", b"")


def test_guard_that_fails_while_a_scan_is_under_way(chain: Chain, world: World) -> None:
    """The answer that comes afterwards does not count."""
    good = chain.state.pool.scan

    async def scan(data: bytes, payer: str) -> Any:
        chain.state.fail("just now")
        return await good(data, payer)

    chain.state.pool.scan = scan  # type: ignore[method-assign]
    assert blocked(chain, Response(URL, body=world.clean)).reason is Reason.GUARD_FAILED


def test_fault_of_ours_drops_the_response(chain: Chain, world: World, caplog: pytest.LogCaptureFixture) -> None:
    """An unexpected error closes the gate for that response, and says its type only."""

    async def scan(data: bytes, payer: str) -> Any:
        raise RuntimeError(f"secret {data!r}")

    chain.state.pool.scan = scan  # type: ignore[method-assign]
    assert blocked(chain, Response(URL, body=world.clean)).reason is Reason.GUARD_FAILED
    assert chain.stats()["errors"] == 1
    assert "RuntimeError" in caplog.text
    assert "secret" not in caplog.text
    inspection = asyncio.run(inspect(chain.state, Response(URL, body=world.clean)))
    assert inspection.sha256 == ()
