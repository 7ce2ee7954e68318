from __future__ import annotations

import asyncio
import base64
import hashlib
import ipaddress
import logging
from typing import TYPE_CHECKING, Any

import pytest
from incidents.samples import IDENTITY, RECIPIENT
from scrapy import Request
from scrapy.http import HtmlResponse, Response
from support.listed import LISTED_URL, PDF, World

from ingest_guard import ImageBlocked, Reason
from ingest_guard.errors import IncidentError
from ingest_guard.incidents import chain as chains
from ingest_guard.incidents.entry import Incident
from ingest_guard.incidents.lines import Entry, read_lines
from ingest_guard.incidents.sealing import Opener
from ingest_guard.scrapy_plugin.core import redaction
from ingest_guard.scrapy_plugin.core.exceptions import RequestRefused
from ingest_guard.scrapy_plugin.core.tickets import META_KEY, Ticket
from ingest_guard.verdict import Grade

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from scrapy_plugin.conftest import Chain

URL = "https://site.example/picture.jpg"
POLICY = f"incidents: {{recipients: [{RECIPIENT}]}}\n"
KINDS = "lists: {bytes: {kind: csam}, looks: {kind: ncii, action: hold}}\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return where the policy's log is."""
    return tmp_path / "incidents"


def opened(folder: Path) -> list[Incident]:
    """Open each entry of a log."""
    opener = Opener(str(IDENTITY), "key")
    return [opener.open(line.content.sealed) for line in read_lines(folder) if isinstance(line.content, Entry)]


def drop(chain: Chain, answer: Any, request: Request | str = URL) -> ImageBlocked:
    """Fetch something that must be dropped."""
    request = Request(request) if isinstance(request, str) else request
    chain.site.answers[request.url] = answer
    with pytest.raises(ImageBlocked) as caught:
        chain.get(request)
    return caught.value


def test_without_recipients_nothing_is_written(chain: Chain, folder: Path, world: World) -> None:
    """The log is off until a recipient is named."""
    drop(chain, world.exact)
    assert chain.state.incidents is None
    assert not folder.exists()
    assert not any(key.startswith("incidents") for key in chain.stats())


def test_an_entry_says_what_is_known(make_chain: Callable[..., Chain], folder: Path, world: World) -> None:
    """List, kind, grade, addresses with redirects, page, server, digests, check set, versions."""
    chain = make_chain(POLICY + KINDS)
    final = "https://cdn.example/p.jpg"
    meta = {"redirect_urls": ["https://site.example/1", "https://site.example/2", 3]}
    request = Request(final, headers={"Referer": "https://page.example/gallery"}, meta=meta)
    drop(chain, Response(final, body=world.exact, ip_address=ipaddress.ip_address("192.0.2.7")), request)
    (found,) = opened(folder)
    assert (found.list.id, found.list.kind, found.grade) == ("bytes", "csam", Grade.EXACT_FILTER)
    assert (found.algorithm, found.distance, found.view, found.action) == ("sha256", 0, "bytes", "drop")
    assert found.addresses.requested == "https://site.example/1"
    assert found.addresses.redirects == ("https://site.example/2",)
    assert (found.addresses.final, found.addresses.page) == (final, "https://page.example/gallery")
    assert (found.host, found.server_address, found.source) == ("cdn.example", "192.0.2.7", "crawl")
    assert found.digests["sha256"] == hashlib.sha256(world.exact).hexdigest()
    assert found.fingerprints["pdq"]
    assert found.pdq_quality is not None
    assert found.check_set == chain.state.guard.attestation["check_set"]
    assert len(found.policy or "") == 64
    assert found.list.version
    assert found.cut == ()


WAYS = ("gate", "ticket", "inline", "header", "encoded", "pdf", "sentinel")


@pytest.mark.parametrize("way", WAYS)
def test_each_way_of_a_match_has_an_entry(
    way: str, make_chain: Callable[..., Chain], folder: Path, world: World
) -> None:
    """Pages, images for records, bodies inside pages and headers, encoded bodies, and what comes in behind the gate."""
    chain = make_chain(POLICY)
    inline = base64.b64encode(world.exact).decode()
    request, answer, view = Request(URL), Response(URL, body=world.exact), "bytes"
    if way == "ticket":
        request = Request(URL, meta={META_KEY: Ticket(page="https://page.example/whole")})
    elif way == "inline":
        answer = HtmlResponse(URL, body=f"<img src='data:image/jpeg;base64,{inline}'>".encode())
        view = "embedded/bytes"
    elif way == "header":
        answer = HtmlResponse(URL, body=b"<p>", headers={"X-Preview": f"data:image/jpeg;base64,{inline}"})
        view = "embedded/bytes"
    elif way == "encoded":
        answer = Response(URL, body=__import__("gzip").compress(world.exact), headers={"Content-Encoding": "gzip"})
    elif way == "pdf":
        answer = Response(URL, body=PDF)
    else:
        chain.site.answers[URL] = answer
    if way == "sentinel":
        listed = answer

        class Cache:
            async def process_response(self, request: Request, response: Response) -> Response:
                return listed

        answer = HtmlResponse(URL, body=b"<p>")
        chain.downloader.methods["process_response"].insert(1, Cache().process_response)
    drop(chain, answer, request)
    (found,) = opened(folder)
    assert found.view == view
    assert found.addresses.final == URL
    assert found.addresses.page == ("https://page.example/whole" if way == "ticket" else None)
    assert chain.stats()["incidents/written"] == 1


def test_grades_are_kept_apart(make_chain: Callable[..., Chain], folder: Path, world: World) -> None:
    """Statistics and entries say how sure a match is, and keep what is only held apart."""
    chain = make_chain(POLICY + KINDS)
    drop(chain, world.exact)
    assert drop(chain, world.near, "https://site.example/2").action == "hold"
    first, second = opened(folder)
    assert (second.list.kind, second.grade, second.action, second.algorithm) == ("ncii", Grade.NEAR, "hold", "pdq")
    assert second.distance <= 31
    stats = chain.stats()
    assert (stats["matched"], stats["matched_grade/exact_filter"]) == (1, 1)
    assert (stats["held"], stats["held_grade/near"]) == (1, 1)
    assert (stats["incidents/written"], stats["incidents/waiting"], stats["incidents/since"]) == (2, 2, first.time[:10])


def test_the_entry_comes_between_the_empty_body_and_the_report(
    make_chain: Callable[..., Chain], folder: Path, world: World
) -> None:
    """When an entry is written the body is empty, and nothing has said yet that it was dropped."""
    chain = make_chain(POLICY)
    answer = Response(URL, body=world.exact)
    assert chain.state.incidents is not None
    log, seen = chain.state.incidents.log, []
    append = log.append

    def watching(*what: Any, **how: Any) -> int:
        seen.append((answer.body, chain.stats().get("matched"), chain.stats().get("matched/bytes")))
        return append(*what, **how)

    log.append = watching  # type: ignore[method-assign]
    drop(chain, answer)
    assert seen == [(b"", None, None)]
    assert chain.stats()["matched"] == 1
    assert len(opened(folder)) == 1


def test_no_match_without_an_entry(
    make_chain: Callable[..., Chain], folder: Path, world: World, caplog: pytest.LogCaptureFixture
) -> None:
    """A log that cannot be written latches the guard; the image is dropped, not counted as a match, never named."""
    redaction.forget()
    chain = make_chain(POLICY)
    drop(chain, Response("https://site.example/0", body=world.exact), "https://site.example/0")
    folder.rename(folder.with_name("gone"))
    answer = Response(URL, body=world.near)
    with caplog.at_level(logging.CRITICAL):
        error = drop(chain, answer)
    assert (error.outcome, error.reason) == ("not_scannable", Reason.GUARD_FAILED)
    assert chain.state.failed
    assert answer.body == b""
    assert chain.stats()["matched"] == 1
    assert "the log of incidents cannot be written" in caplog.text
    assert "site.example" not in caplog.text
    assert redaction.is_withheld(URL)
    assert drop(chain, world.clean, "https://site.example/3").reason is Reason.GUARD_FAILED


def test_one_picture_again_and_again(make_chain: Callable[..., Chain], folder: Path, world: World) -> None:
    """A flood of one picture is one entry; at the end a line says how often it came, and from where."""
    chain = make_chain(POLICY)
    for number in range(30):
        drop(chain, world.exact, f"https://site.example/{number}")
    drop(chain, world.near, "https://site.example/other")
    assert len(opened(folder)) == 2
    chain.runtime.close()
    assert chain.state.incidents is not None
    (more,) = [each for each in opened(folder) if each.more_of is not None]
    assert (more.more_of, more.count, len(more.more_addresses)) == (1, 29, 29)
    found = chains.verify(folder)
    assert found.is_whole
    assert found.last_checkpoint is not None
    assert found.last_checkpoint.checkpoint.why == "end"
    assert chain.stats()["incidents/written"] == 3


def test_many_matches_at_once_share_flushes(make_chain: Callable[..., Chain], folder: Path, world: World) -> None:
    """Matches that come together are written together."""
    chain = make_chain(POLICY)
    urls = [f"https://site.example/{number}" for number in range(40)]
    for number, url in enumerate(urls):
        chain.site.answers[url] = Response(url, body=PDF if number % 2 else world.exact)

    async def all_at_once() -> list[Any]:
        return await asyncio.gather(*(chain.download(Request(url)) for url in urls), return_exceptions=True)

    results = asyncio.run(all_at_once())
    assert all(isinstance(each, ImageBlocked) for each in results)
    assert chain.state.failed is False
    chain.runtime.close()
    addresses = [address for each in opened(folder) for address in (each.addresses.requested, *each.more_addresses)]
    assert {address for address in addresses if address} == set(urls)


def test_other_responses_have_no_entry(make_chain: Callable[..., Chain], folder: Path, world: World) -> None:
    """What passes, what cannot be scanned, and a request that was refused for its address leave nothing."""
    chain = make_chain(POLICY)
    chain.site.answers[URL] = world.clean
    chain.get(URL)
    drop(chain, world.clean[:400], "https://site.example/cut.jpg")
    with pytest.raises(RequestRefused):
        chain.get(LISTED_URL)
    assert opened(folder) == []


BAD = {
    "recipients: [age1tooshort]": "cannot be opened",
    "recipients: [age1aaaaaaaaaaaaaaaaaaaa]": "not an age recipient",
    "recipients: [missing.txt]": "cannot be opened",
    "recipients: [identity.txt]": "private key",
    f"recipients: [{RECIPIENT}], signing_key: open.key": "chmod 600",
    f"recipients: [{RECIPIENT}], signing_key: missing.key": "signing_key",
    f"recipients: [{RECIPIENT}], folder: policy.yaml": "cannot be written",
    f"recipients: [{RECIPIENT}], folder: for_all": "chmod 700",
}


@pytest.mark.parametrize("section", BAD, ids=[f"kind{number}" for number in range(len(BAD))])
def test_what_cannot_be_written_does_not_start(section: str, make_chain: Callable[..., Chain], tmp_path: Path) -> None:
    """One line says why, and no request is sent."""
    (tmp_path / "identity.txt").write_text(str(IDENTITY))
    (tmp_path / "open.key").write_text("x")
    (tmp_path / "open.key").chmod(0o644)
    (tmp_path / "for_all").mkdir()
    (tmp_path / "for_all").chmod(0o777)
    with pytest.raises(IncidentError, match=BAD[section]) as caught:
        make_chain(f"incidents: {{{section}}}\n")
    assert "\n" not in str(caught.value)
    assert "AGE-SECRET-KEY-1" not in str(caught.value)


def test_a_log_that_fails_at_the_end_latches(
    make_chain: Callable[..., Chain], folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A last checkpoint that cannot be written is a failure of the guard: there is no manifest then."""
    chain = make_chain(POLICY)
    folder.rename(folder.with_name("gone"))
    chain.runtime.close()
    assert chain.state.failed
    assert "cannot be written" in caplog.text
